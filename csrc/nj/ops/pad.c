/* Padding. With a constant the input is copied into the middle; the other modes take entries of
 * the input again, one dimension at a time, by index. */
#include <string.h>

#include "ops/index.h"
#include "ops/join.h"
#include "ops/shape.h"
#include "tensor/autograd.h"

/* ints: ndim, starts, sizes of x. */
static nj_status pad_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_range ranges[NJ_MAX_DIMS];
  for (int i = 0; i < grad->ndim; i++)
    ranges[i] = (nj_range){node->ints[i], node->ints[NJ_MAX_DIMS + i], 1};
  return nj_slice(ctx, grad, ranges, &grads[0]);
}

static nj_status pad_constant(nj_ctx *ctx, nj_tensor *x, int n, const int64_t *before,
                              const int64_t *after, double value, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) {
    shape[i] = x->shape[i];
    if (i < n && (__builtin_add_overflow(shape[i], before[i], &shape[i]) ||
                  __builtin_add_overflow(shape[i], after[i], &shape[i])))
      return nj_fail(ctx, NJ_EARG, "pad: dimension %d becomes too large", i + 1);
  }
  nj_tensor *y = NULL, *middle = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_full(ctx, x->dtype, x->ndim, shape, value, &y));
  int64_t offset = y->offset;
  for (int i = 0; i < n; i++)
    offset += before[i] * y->stride[i];
  nj_status st = NJ_OK;
  if (nj_numel(x) > 0)
    st = nj_alias(y, x->ndim, x->shape, y->stride, offset, &middle);
  if (!st && middle)
    st = nj_copy_values(middle, x);
  nj_release(middle);
  if (!st)
    st = nj_record(ctx, y, "pad", pad_backward, 1, &x, &node);
  for (int i = 0; node && i < x->ndim; i++) {
    node->ints[i] = i < n ? before[i] : 0;
    node->ints[NJ_MAX_DIMS + i] = x->shape[i];
  }
  return nj_finish(st, y, out);
}

/* Which entry of a dimension of `size` stands at place i (0 is the first of the original). */
static int64_t source_of(nj_pad_mode mode, int64_t i, int64_t size) {
  if (mode == NJ_PAD_REPLICATE)
    return i < 0 ? 0 : i >= size ? size - 1 : i;
  if (mode == NJ_PAD_CIRCULAR)
    return i < 0 ? i + size : i >= size ? i - size : i;
  return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

static nj_status pad_dim(nj_ctx *ctx, nj_tensor *x, int dim, int64_t before, int64_t after,
                         nj_pad_mode mode, nj_tensor **out) {
  int64_t size = x->shape[dim], total;
  int64_t most = mode == NJ_PAD_REFLECT ? size - 1 : mode == NJ_PAD_CIRCULAR ? size : INT64_MAX;
  if (before > most || after > most || size == 0)
    return nj_fail(ctx, NJ_ESHAPE,
                   "pad: %s padding by %lld and %lld does not fit size %lld of "
                   "dimension %d",
                   mode == NJ_PAD_REFLECT    ? "reflect"
                   : mode == NJ_PAD_CIRCULAR ? "circular"
                                             : "replicate",
                   (long long)before, (long long)after, (long long)size, dim + 1);
  if (__builtin_add_overflow(size, before, &total) || __builtin_add_overflow(total, after, &total))
    return nj_fail(ctx, NJ_EARG, "pad: dimension %d becomes too large", dim + 1);
  nj_tensor *index = NULL;
  NJ_TRY(nj_empty(ctx, NJ_I64, 1, &total, &index));
  int64_t *at = NJ_I64_DATA(index);
  for (int64_t i = 0; i < total; i++)
    at[i] = source_of(mode, i - before, size);
  nj_status st = nj_index_select(ctx, x, dim, index, out);
  nj_release(index);
  return st;
}

nj_status nj_pad(nj_ctx *ctx, nj_tensor *x, int n, const int64_t *before, const int64_t *after,
                 nj_pad_mode mode, double value, nj_tensor **out) {
  if (n < 0 || n > x->ndim)
    return nj_fail(ctx, NJ_EARG, "pad: amounts for %d dimensions, the tensor has %d", n, x->ndim);
  for (int i = 0; i < n; i++) {
    if (before[i] < 0 || after[i] < 0)
      return nj_fail(ctx, NJ_EARG,
                     "pad: amounts must not be negative, got %lld and %lld for "
                     "dimension %d",
                     (long long)before[i], (long long)after[i], i + 1);
  }
  if (mode == NJ_PAD_CONSTANT)
    return pad_constant(ctx, x, n, before, after, value, out);
  nj_tensor *y = nj_retain(x), *next = NULL;
  nj_status st = NJ_OK;
  for (int i = 0; !st && i < n; i++) {
    if (before[i] == 0 && after[i] == 0)
      continue;
    st = pad_dim(ctx, y, i, before[i], after[i], mode, &next);
    if (!st) {
      nj_release(y);
      y = next;
    }
  }
  if (!st && y == x)
    st = nj_clone(ctx, x, &next);
  else if (!st)
    next = nj_retain(y);
  nj_release(y);
  if (!st)
    *out = next;
  return st;
}
