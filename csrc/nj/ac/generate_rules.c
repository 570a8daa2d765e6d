/* Which tokens may come next. */
#include <math.h>
#include <string.h>

#include "ac/generate_internal.h"

/* Tokens that would complete a run of n tokens that is there already. */
static void forbid_runs(const int64_t *history, int64_t length, int64_t n, float *scores) {
  const int64_t *last = history + length - (n - 1); /* the run's beginning, n - 1 tokens */
  for (int64_t i = 0; i + n <= length; i++)
    if (memcmp(history + i, last, (size_t)(n - 1) * sizeof *last) == 0)
      scores[history[i + n - 1]] = -INFINITY;
}

void nj_generation_forbid(const nj_generation *gen, int64_t row, float *scores) {
  const nj_generate_options *o = gen->options;
  const int64_t *history = gen->history + row * gen->max;
  for (size_t i = 0; i < o->n_forbid; i++)
    scores[o->forbid[i]] = -INFINITY;
  if (gen->step < o->min)
    scores[o->eos] = -INFINITY;
  if (o->no_repeat > 0 && gen->step >= o->no_repeat)
    forbid_runs(history, gen->step, o->no_repeat, scores);
  for (int64_t i = 0; gen->once && i < gen->step; i++)
    if (gen->once[history[i]])
      scores[history[i]] = -INFINITY;
}

nj_status nj_generation_scores(const nj_generation *gen, int64_t row, float *scores,
                               double *total) {
  const float *logits = gen->logits + row * gen->vocabulary;
  *total = (double)gen->row->logsumexp(logits, gen->vocabulary);
  if (!isfinite(*total))
    return nj_fail(gen->ctx, NJ_ESTATE,
                   "generate: the logits of token %lld of a caption are not finite numbers; is a "
                   "weight or a frame NaN or infinite?",
                   (long long)gen->step + 1);
  memcpy(scores, logits, (size_t)gen->vocabulary * sizeof *scores);
  nj_generation_forbid(gen, row, scores);
  if (gen->options->renormalize) {
    double left = (double)gen->row->logsumexp(scores, gen->vocabulary);
    if (left > -INFINITY) /* else no token is left to share anything */
      *total = left;
  }
  return NJ_OK;
}
