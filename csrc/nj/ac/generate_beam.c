/* Beam search, in groups. */
#include <math.h>

#include "ac/generate_internal.h"

/* A continuation of a row, ranked by `rank`: its log-probability less the penalty of its token. */
typedef struct {
  double rank;
  nj_choice choice;
} candidate;

/* Keeps the best `most` in order; an equal one goes after those that came first. */
static void keep(candidate *best, int64_t *n, int64_t most, candidate new) {
  if (*n == most) {
    if (!(new.rank > best[most - 1].rank))
      return;
    --*n;
  }
  int64_t at = *n;
  while (at > 0 && new.rank > best[at - 1].rank) {
    best[at] = best[at - 1];
    at--;
  }
  best[at] = new;
  ++*n;
}

/* All continuations of one row. penalty (vocabulary) may be NULL. */
static void expand(const nj_generation *gen, int64_t row, const float *scores, double total,
                   const float *penalty, candidate *best, int64_t *n, int64_t most) {
  double base = gen->sums[row] - total;
  for (int64_t v = 0; v < gen->vocabulary; v++) {
    double rank = base + (double)scores[v];
    if (penalty)
      rank -= (double)penalty[v];
    if (*n == most && !(rank > best[most - 1].rank))
      continue;
    if (scores[v] > -INFINITY)
      keep(best, n, most,
           (candidate){rank,
                       {row, v, gen->sums[row] + ((double)scores[v] - total), gen->group[row]}});
  }
}

/* Rows begin … end - 1 are the group's. What it chooses raises the penalty of those tokens. */
static nj_status advance_group(nj_generation *gen, int64_t clip, int64_t begin, int64_t end,
                               float *scores, float *penalty, candidate *best) {
  const nj_generate_options *o = gen->options;
  int64_t n = 0, most = o->beam / o->groups;
  if (o->narrowing && gen->step > 0)
    most = end - begin; /* those of the last step that did not end */
  for (int64_t row = begin; row < end; row++) {
    double total;
    NJ_TRY(nj_generation_scores(gen, row, scores, &total));
    expand(gen, row, scores, total, penalty, best, &n, most);
  }
  for (int64_t row = begin; n == 0 && row < end; row++) /* the rules leave nothing */
    nj_generation_finish(gen, clip, row, -1, gen->sums[row], 0);
  for (int64_t i = 0; i < n; i++) {
    const nj_choice *c = &best[i].choice;
    if (penalty)
      penalty[c->token] += (float)o->diversity;
    if (c->token == o->eos)
      nj_generation_finish(gen, clip, c->row, c->token, c->sum, 1);
    else if (gen->step + 1 == gen->max)
      nj_generation_finish(gen, clip, c->row, c->token, c->sum, 0);
    else
      gen->choices[clip * gen->width + gen->n_choices[clip]++] = *c;
  }
  return NJ_OK;
}

/* Whether no live hypothesis can get among the clip's n best any more: its score is at most its
 * log-probability so far, which only falls, over the greatest length. */
static int is_settled(const nj_generation *gen, int64_t clip) {
  const nj_captions *c = gen->captions;
  int64_t at = gen->first_clip + clip;
  if (c->counts[at] < c->n)
    return 0;
  double worst = c->captions[at * c->n + c->n - 1].score;
  double reach = pow((double)gen->max, gen->options->length_penalty);
  for (int64_t i = 0; i < gen->n_choices[clip]; i++)
    if (gen->choices[clip * gen->width + i].sum / reach > worst)
      return 0;
  return 1;
}

nj_status nj_generation_beam(nj_generation *gen, int64_t clip, float *scores) {
  const nj_generate_options *o = gen->options;
  candidate *best = nj_calloc(gen->ctx, (size_t)(o->beam / o->groups), sizeof *best);
  if (!best)
    return NJ_ENOMEM;
  float *penalty = o->groups > 1 ? scores + gen->vocabulary : NULL;
  for (int64_t v = 0; penalty && v < gen->vocabulary; v++)
    penalty[v] = 0;
  nj_status st = NJ_OK;
  int64_t begin = gen->first[clip], last = gen->first[clip + 1];
  while (begin < last && !st) {
    int64_t end = begin + 1;
    while (end < last && gen->group[end] == gen->group[begin])
      end++;
    st = advance_group(gen, clip, begin, end, scores, penalty, best);
    begin = end;
  }
  if (!st && is_settled(gen, clip))
    gen->n_choices[clip] = 0;
  nj_free(gen->ctx, best);
  return st;
}
