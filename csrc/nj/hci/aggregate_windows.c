/* Aggregation by position: means of equal runs of tokens. */
#include <math.h>

#include "base/alloc.h"
#include "hci/aggregation.h"
#include "ops/matmul.h"

static void store(nj_tensor *x, int64_t at, double value) {
  if (x->dtype == NJ_F32)
    NJ_F32_DATA(x)[at] = (float)value;
  else
    NJ_F64_DATA(x)[at] = value;
}

/* The first of `count` tokens whose middle, i + 1/2, is not below `edge`. */
static int64_t first_from(double edge, int64_t count) {
  double i = ceil(edge - 0.5);
  return i < 0 ? 0 : i > (double)count ? count : (int64_t)i;
}

/* How many windows hold each token; equal parts of it go to them. */
static void share_rows(const nj_aggregation *a, int64_t b, int64_t outputs, nj_tensor *shares,
                       const int64_t *first, const int64_t *end, const int64_t *place,
                       int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    int64_t windows = 0;
    for (int64_t m = 0; m < outputs; m++)
      windows += first[m] <= i && i < end[m];
    for (int64_t m = 0; m < outputs; m++)
      if (first[m] <= i && i < end[m])
        store(shares, (b * a->n + place[i]) * a->m + m, 1 / (double)windows);
  }
}

/* Item b of weights (B, M, N) and shares (B, N, M). Window m is [m, m + 1) * count / outputs of the
 * valid tokens, widened by overlap on either side; with no more outputs than tokens each window holds
 * at least one. room: 2 M + N integers. */
static void place_item(const nj_aggregation *a, int64_t b, int64_t *room, nj_tensor *weights,
                       nj_tensor *shares) {
  const uint8_t *valid = (const uint8_t *)nj_data(a->valid) + b * a->n;
  const uint8_t *present = (const uint8_t *)nj_data(a->present) + b * a->m;
  int64_t *first = room, *end = room + a->m, *place = room + 2 * a->m, count = 0, outputs = 0;
  for (int64_t n = 0; n < a->n; n++)
    if (valid[n])
      place[count++] = n;
  for (int64_t m = 0; m < a->m; m++)
    outputs += present[m];
  double size = outputs ? (double)count / (double)outputs : 0;
  double reach = a->net->options.overlap * size;
  for (int64_t m = 0; m < outputs; m++) {
    first[m] = first_from((double)m * size - reach, count);
    end[m] = first_from((double)(m + 1) * size + reach, count);
    for (int64_t i = first[m]; i < end[m]; i++)
      store(weights, (b * a->m + m) * a->n + place[i], 1 / (double)(end[m] - first[m]));
  }
  share_rows(a, b, outputs, shares, first, end, place, count);
}

nj_status nj_aggregate_windows(const nj_aggregation *a, nj_tensor **tokens,
                               nj_tensor **assignment) {
  nj_tensor *weights = NULL, *shares = NULL;
  int64_t *room = nj_alloc(a->ctx, (size_t)(2 * a->m + a->n) * sizeof *room);
  nj_status st = room ? NJ_OK : NJ_ENOMEM;
  if (!st)
    st = nj_zeros(a->ctx, a->x->dtype, 3, (int64_t[]){a->b, a->m, a->n}, &weights);
  if (!st)
    st = nj_zeros(a->ctx, a->x->dtype, 3, (int64_t[]){a->b, a->n, a->m}, &shares);
  for (int64_t b = 0; !st && b < a->b; b++)
    place_item(a, b, room, weights, shares);
  if (!st)
    st = nj_matmul(a->ctx, weights, a->x, tokens);
  nj_free(a->ctx, room);
  nj_release(weights);
  if (st)
    nj_release(shares);
  else
    *assignment = shares;
  return st;
}
