/* Greedy choice and sampling: each row by itself. */
#include <math.h>

#include "ac/generate_internal.h"

/* The likelier first, then the smaller id. */
static int precedes(const float *scores, int32_t a, int32_t b) {
  return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* A heap of tokens with the likeliest on top. */
static void sink(const float *scores, int32_t *heap, int64_t n, int64_t at) {
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= n)
      return;
    if (child + 1 < n && precedes(scores, heap[child + 1], heap[child]))
      child++;
    if (!precedes(scores, heap[child], heap[at]))
      return;
    int32_t token = heap[at];
    heap[at] = heap[child];
    heap[child] = token;
    at = child;
  }
}

/* Gathers the allowed tokens as a heap; gives how many. */
static int64_t make_heap(const nj_generation *gen, const float *scores, int32_t *heap) {
  int64_t n = 0;
  for (int32_t v = 0; v < gen->vocabulary; v++)
    if (scores[v] > -INFINITY)
      heap[n++] = v;
  for (int64_t i = n / 2 - 1; i >= 0; i--)
    sink(scores, heap, n, i);
  return n;
}

/* Takes the top off and puts it after the others. */
static int32_t pop(const float *scores, int32_t *heap, int64_t *n) {
  int32_t top = heap[0];
  heap[0] = heap[--*n];
  heap[*n] = top;
  sink(scores, heap, *n, 0);
  return top;
}

/* In [0, 1), 53 bits: number `index` of the stream of this generation. */
static double draw(const nj_rng *rng, uint64_t index) {
  uint64_t high = nj_rng_word(rng, rng->counter + 2 * index);
  uint64_t low = nj_rng_word(rng, rng->counter + 2 * index + 1);
  return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

/* A token from the top of the distribution. Pops tokens until there are k, or they hold p of the
 * probability of all that is allowed; then u picks one of them by their shares. */
static int32_t pick(const nj_generation *gen, const float *scores, int32_t *heap, int64_t n,
                    double u) {
  const nj_generate_options *o = gen->options;
  double peak = (double)scores[heap[0]], all = 0, sum = 0;
  int nucleus = o->method == NJ_GENERATE_NUCLEUS;
  for (int64_t i = 0; nucleus && i < n; i++)
    all += exp(((double)scores[heap[i]] - peak) / o->temperature);
  int64_t most = o->k > 0 && o->k < n ? o->k : n, left = n, taken = 0;
  while (taken < most && (!nucleus || taken == 0 || sum < o->p * all)) {
    int32_t token = pop(scores, heap, &left);
    taken++;
    sum += exp(((double)scores[token] - peak) / o->temperature);
  }
  double at = u * sum;
  for (int64_t i = n - 1; i > n - taken; i--) {
    at -= exp(((double)scores[heap[i]] - peak) / o->temperature);
    if (at < 0)
      return heap[i];
  }
  return heap[n - taken];
}

/* The likeliest allowed token, or -1. */
static int32_t likeliest(const nj_generation *gen, const float *scores) {
  int32_t best = -1;
  for (int32_t v = 0; v < gen->vocabulary; v++)
    if (scores[v] > (best < 0 ? -INFINITY : scores[best]))
      best = v;
  return best;
}

nj_status nj_generation_sample(nj_generation *gen, int64_t clip, float *scores, int32_t *heap) {
  const nj_generate_options *o = gen->options;
  for (int64_t row = gen->first[clip]; row < gen->first[clip + 1]; row++) {
    double total;
    NJ_TRY(nj_generation_scores(gen, row, scores, &total));
    int32_t token;
    if (o->method == NJ_GENERATE_GREEDY) {
      token = likeliest(gen, scores);
    } else {
      int64_t n = make_heap(gen, scores, heap);
      int64_t caption = (gen->first_clip + clip) * o->n + gen->group[row];
      uint64_t index = (uint64_t)(caption * gen->max + gen->step);
      token = n > 0 ? pick(gen, scores, heap, n, draw(&gen->rng, index)) : -1;
    }
    if (token < 0) {
      nj_generation_finish(gen, clip, row, -1, gen->sums[row], 0);
      continue;
    }
    double sum = gen->sums[row] + ((double)scores[token] - total);
    if (token == o->eos || gen->step + 1 == gen->max)
      nj_generation_finish(gen, clip, row, token, sum, token == o->eos);
    else
      gen->choices[clip * gen->width + gen->n_choices[clip]++] =
          (nj_choice){row, token, sum, gen->group[row]};
  }
  return NJ_OK;
}
