/* Which tokens may come next. */
#include <math.h>
#include <string.h>

#include "ac/search_internal.h"

/* Tokens that would complete a run of n tokens that is there already. */
static void forbid_runs(const int64_t *history, int64_t length, int64_t n, float *scores) {
  const int64_t *last = history + length - (n - 1); /* the run's beginning, n - 1 tokens */
  for (int64_t i = 0; i + n <= length; i++)
    if (memcmp(history + i, last, (size_t)(n - 1) * sizeof *last) == 0)
      scores[history[i + n - 1]] = -INFINITY;
}

void nj_search_forbid(const nj_search *search, int64_t row, float *scores) {
  const nj_generate_options *o = search->options;
  const int64_t *history = search->history + row * search->max;
  for (size_t i = 0; i < o->n_forbid; i++)
    scores[o->forbid[i]] = -INFINITY;
  if (search->step < o->min)
    scores[o->eos] = -INFINITY;
  if (o->no_repeat > 0 && search->step >= o->no_repeat)
    forbid_runs(history, search->step, o->no_repeat, scores);
  for (int64_t i = 0; search->once && i < search->step; i++)
    if (search->once[history[i]])
      scores[history[i]] = -INFINITY;
}

nj_status nj_search_scores(const nj_search *search, int64_t row, float *scores, double *total) {
  const float *logits = search->logits + row * search->vocabulary;
  *total = (double)search->row->logsumexp(logits, search->vocabulary);
  if (!isfinite(*total))
    return nj_fail(search->ctx, NJ_ESTATE,
                   "generate: the logits of token %lld of a caption are not finite numbers; is a "
                   "weight or a frame NaN or infinite?",
                   (long long)search->step + 1);
  memcpy(scores, logits, (size_t)search->vocabulary * sizeof *scores);
  nj_search_forbid(search, row, scores);
  if (search->options->renormalize) {
    double left = (double)search->row->logsumexp(scores, search->vocabulary);
    if (left > -INFINITY) /* else no token is left to share anything */
      *total = left;
  }
  return NJ_OK;
}
