#include "nn/pooling.h"

#include <math.h>

#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

/* uint8 (B, N, 1, …): 1 past the end of each sequence. */
static nj_status padding_mask(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *lengths,
                              nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++)
    shape[i] = i < 2 ? x->shape[i] : 1;
  nj_tensor *mask = NULL;
  NJ_TRY(nj_zeros(ctx, NJ_U8, x->ndim, shape, &mask));
  uint8_t *data = nj_data(mask);
  for (int64_t b = 0; b < shape[0]; b++)
    for (int64_t n = (int64_t)nj_get(lengths, &b); n < shape[1]; n++)
      data[b * shape[1] + n] = 1;
  *out = mask;
  return NJ_OK;
}

nj_status nj_mask_time(nj_ctx *ctx, nj_tensor *x, nj_tensor *lengths, double value,
                       nj_tensor **out) {
  nj_tensor *mask = NULL;
  NJ_TRY(padding_mask(ctx, x, lengths, &mask));
  nj_status st = nj_masked_fill(ctx, x, mask, value, out);
  nj_release(mask);
  return st;
}

static nj_status reciprocals(nj_ctx *ctx, const nj_tensor *lengths, nj_dtype dtype,
                             nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, dtype, 2, (int64_t[]){lengths->shape[0], 1}, &y));
  for (int64_t i = 0; i < lengths->shape[0]; i++) {
    double length = nj_get(lengths, &i);
    nj_set(y, (int64_t[]){i, 0}, 1.0 / (length > 0 ? length : 1));
  }
  *out = y;
  return NJ_OK;
}

nj_status nj_mean_time(nj_ctx *ctx, nj_tensor *x, nj_tensor *lengths, nj_tensor **out) {
  if (!lengths)
    return nj_mean(ctx, x, 1, (int[]){1}, 0, out);
  nj_tensor *weights = NULL;
  NJ_TRY(reciprocals(ctx, lengths, x->dtype, &weights));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_mask_time(ctx, f.x, lengths, 0.0, &f.next));
  NJ_FLOW(f, nj_sum(ctx, f.x, 1, (int[]){1}, 0, &f.next));
  NJ_FLOW(f, nj_mul(ctx, f.x, weights, &f.next));
  nj_release(weights);
  return nj_flow_end(&f, out);
}

static nj_status max_time(nj_ctx *ctx, nj_tensor *x, nj_tensor *lengths, nj_tensor **out) {
  nj_flow f = nj_flow_begin(x);
  if (lengths)
    NJ_FLOW(f, nj_mask_time(ctx, f.x, lengths, -INFINITY, &f.next));
  NJ_FLOW(f, nj_max(ctx, f.x, 1, (int[]){1}, 0, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_max_plus_mean(nj_ctx *ctx, nj_tensor *x, nj_tensor *lengths, nj_tensor **out) {
  nj_tensor *most = NULL, *mean = NULL;
  nj_status st = max_time(ctx, x, lengths, &most);
  if (!st)
    st = nj_mean_time(ctx, x, lengths, &mean);
  if (!st)
    st = nj_add(ctx, most, mean, out);
  nj_release(most);
  nj_release(mean);
  return st;
}

nj_status nj_check_lengths(nj_ctx *ctx, const char *op, const nj_tensor *x,
                           const nj_tensor *lengths) {
  if (!lengths)
    return NJ_OK;
  if (lengths->dtype != NJ_I64 || lengths->ndim != 1 || lengths->shape[0] != x->shape[0])
    return nj_fail(ctx, NJ_ESHAPE, "%s: lengths must be int64 of shape (%lld), got %s %s", op,
                   (long long)x->shape[0], nj_dtype_name(lengths->dtype), NJ_SHAPE_OF(lengths));
  for (int64_t i = 0; i < lengths->shape[0]; i++) {
    double length = nj_get(lengths, &i);
    if (length < 1 || length > (double)x->shape[1])
      return nj_fail(ctx, NJ_EARG, "%s: clip %lld has a length of %.0f frames, expected 1 to %lld",
                     op, (long long)i + 1, length, (long long)x->shape[1]);
  }
  return NJ_OK;
}
