#include "ops/arrange.h"

#include <string.h>

#include "ops/shape.h"
#include "tensor/autograd.h"

/* ---- flip ---- */

static nj_status flip_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  int dims[NJ_MAX_DIMS];
  for (int i = 0; i < node->ints[0]; i++)
    dims[i] = (int)node->ints[1 + i];
  return nj_flip(ctx, grad, (int)node->ints[0], dims, &grads[0]);
}

nj_status nj_flip(nj_ctx *ctx, nj_tensor *x, int n, const int *dims, nj_tensor **out) {
  int64_t stride[NJ_MAX_DIMS], offset = x->offset;
  int flipped[NJ_MAX_DIMS];
  unsigned seen = 0;
  if (n > NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "flip: %d dimensions for a tensor of %d", n, x->ndim);
  memcpy(stride, x->stride, sizeof stride);
  for (int i = 0; i < n; i++) {
    int dim;
    NJ_TRY(nj_normalize_dim(ctx, "flip", dims[i], x->ndim, &dim));
    if (seen & (1u << dim))
      return nj_fail(ctx, NJ_EARG, "flip: dimension %d appears twice", dim + 1);
    seen |= 1u << dim;
    flipped[i] = dim;
    if (x->shape[dim] > 0)
      offset += (x->shape[dim] - 1) * x->stride[dim];
    stride[dim] = -x->stride[dim];
  }
  /* The only place with negative strides: a view that lives until the copy is done. */
  nj_tensor *mirror = NULL, *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_alias(x, x->ndim, x->shape, stride, offset, &mirror));
  nj_status st = nj_empty_like(x, &y);
  if (!st)
    st = nj_copy_values(y, mirror);
  nj_release(mirror);
  if (!st)
    st = nj_record(ctx, y, "flip", flip_backward, 1, &x, &node);
  if (node) {
    node->ints[0] = n;
    for (int i = 0; i < n; i++)
      node->ints[1 + i] = flipped[i];
  }
  return nj_finish(st, y, out);
}

/* ---- roll ---- */

/* Copies `length` entries of dimension dim from x at `from` to y at `to`. */
static nj_status copy_part(nj_tensor *y, int64_t to, const nj_tensor *x, int64_t from, int dim,
                           int64_t length) {
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *source = NULL, *target = NULL;
  memcpy(shape, x->shape, sizeof shape);
  shape[dim] = length;
  nj_status st = nj_alias(x, x->ndim, shape, x->stride, x->offset + from * x->stride[dim], &source);
  if (!st)
    st = nj_alias(y, y->ndim, shape, y->stride, y->offset + to * y->stride[dim], &target);
  if (!st)
    st = nj_copy_values(target, source);
  nj_release(source);
  nj_release(target);
  return st;
}

static nj_status roll_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return nj_roll(ctx, grad, -node->ints[0], (int)node->ints[1], &grads[0]);
}

nj_status nj_roll(nj_ctx *ctx, nj_tensor *x, int64_t shift, int dim, nj_tensor **out) {
  NJ_TRY(nj_normalize_dim(ctx, "roll", dim, x->ndim, &dim));
  int64_t size = x->shape[dim];
  shift = size > 0 ? shift % size : 0;
  if (shift < 0)
    shift += size;
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_empty_like(x, &y));
  nj_status st = NJ_OK;
  if (size > 0)
    st = copy_part(y, shift, x, 0, dim, size - shift);
  if (!st && shift > 0)
    st = copy_part(y, 0, x, size - shift, dim, shift);
  if (!st)
    st = nj_record(ctx, y, "roll", roll_backward, 1, &x, &node);
  if (node) {
    node->ints[0] = shift;
    node->ints[1] = dim;
  }
  return nj_finish(st, y, out);
}

/* ---- triangles ---- */

static int64_t clamp_column(int64_t column, int64_t columns) {
  return column < 0 ? 0 : column > columns ? columns : column;
}

/* Zeros columns [0, c) (upper) or [c, columns) of every row, c = row + diagonal (+ 1). */
static void clear_triangle(nj_tensor *y, int64_t diagonal, int upper) {
  int64_t rows = y->shape[y->ndim - 2], columns = y->shape[y->ndim - 1];
  int64_t total = nj_numel(y) / (columns > 0 ? columns : 1);
  size_t size = nj_dtype_size(y->dtype);
  unsigned char *data = nj_data(y);
  /* Beyond this every row is whole or empty; keeps the sums below in range. */
  diagonal = diagonal > columns ? columns : diagonal < -rows ? -rows : diagonal;
  for (int64_t r = 0; columns > 0 && r < total; r++) {
    int64_t first = 0, last = columns, row = r % rows;
    if (upper)
      last = clamp_column(row + diagonal, columns);
    else
      first = clamp_column(row + diagonal + 1, columns);
    memset(data + (size_t)(r * columns + first) * size, 0, (size_t)(last - first) * size);
  }
}

static nj_status triangle_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return node->ints[1] ? nj_triu(ctx, grad, node->ints[0], &grads[0])
                       : nj_tril(ctx, grad, node->ints[0], &grads[0]);
}

static nj_status triangle(nj_ctx *ctx, const char *op, nj_tensor *x, int64_t diagonal, int upper,
                          nj_tensor **out) {
  if (x->ndim < 2)
    return nj_fail(ctx, NJ_ESHAPE, "%s: needs two dimensions, got shape %s", op, NJ_SHAPE_OF(x));
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_empty_like(x, &y));
  nj_status st = nj_copy_values(y, x);
  if (!st)
    clear_triangle(y, diagonal, upper);
  if (!st)
    st = nj_record(ctx, y, op, triangle_backward, 1, &x, &node);
  if (node) {
    node->ints[0] = diagonal;
    node->ints[1] = upper;
  }
  return nj_finish(st, y, out);
}

nj_status nj_tril(nj_ctx *ctx, nj_tensor *x, int64_t diagonal, nj_tensor **out) {
  return triangle(ctx, "tril", x, diagonal, 0, out);
}

nj_status nj_triu(nj_ctx *ctx, nj_tensor *x, int64_t diagonal, nj_tensor **out) {
  return triangle(ctx, "triu", x, diagonal, 1, out);
}

/* ---- repeats: a dimension is split, stretched and joined again ---- */

/* (outer, size, inner) → (outer, count, size, inner), or (outer, size, count, inner) when each
 * entry repeats in place, stretched and reshaped back. Gradients follow from the parts. */
static nj_status stretch_dim(nj_ctx *ctx, nj_tensor *x, int dim, int64_t count, int in_place,
                             nj_tensor **out) {
  int64_t outer = 1, inner = 1, shape[NJ_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) {
    outer *= i < dim ? x->shape[i] : 1;
    inner *= i > dim ? x->shape[i] : 1;
    shape[i] = x->shape[i];
  }
  int64_t split[4] = {outer, in_place ? shape[dim] : 1, in_place ? 1 : shape[dim], inner};
  int64_t wide[4] = {outer, in_place ? shape[dim] : count, in_place ? count : shape[dim], inner};
  if (__builtin_mul_overflow(shape[dim], count, &shape[dim]))
    return nj_fail(ctx, NJ_EARG, "repeat: too many elements");
  nj_tensor *parts = NULL, *stretched = NULL;
  nj_status st = nj_reshape(ctx, x, 4, split, &parts);
  if (!st)
    st = nj_expand(ctx, parts, 4, wide, &stretched);
  if (!st)
    st = nj_reshape(ctx, stretched, x->ndim, shape, out);
  nj_release(parts);
  nj_release(stretched);
  return st;
}

nj_status nj_repeat_interleave(nj_ctx *ctx, nj_tensor *x, int64_t count, int dim, nj_tensor **out) {
  NJ_TRY(nj_normalize_dim(ctx, "repeat_interleave", dim, x->ndim, &dim));
  if (count < 0)
    return nj_fail(ctx, NJ_EARG, "repeat_interleave: count %lld is negative", (long long)count);
  return stretch_dim(ctx, x, dim, count, 1, out);
}

nj_status nj_repeat(nj_ctx *ctx, nj_tensor *x, int n, const int64_t *counts, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *y = NULL, *next = NULL;
  int ndim = n > x->ndim ? n : x->ndim, lead = ndim - x->ndim;
  if (ndim > NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "tile: at most %d dimensions, got %d", NJ_MAX_DIMS, ndim);
  for (int i = 0; i < n; i++) {
    if (counts[i] < 0)
      return nj_fail(ctx, NJ_EARG, "tile: count %lld is negative", (long long)counts[i]);
  }
  for (int i = 0; i < ndim; i++)
    shape[i] = i < lead ? 1 : x->shape[i - lead];
  NJ_TRY(nj_reshape(ctx, x, ndim, shape, &y));
  nj_status st = NJ_OK;
  for (int i = 0; !st && i < n; i++) {
    if (counts[i] == 1)
      continue;
    st = stretch_dim(ctx, y, i + ndim - n, counts[i], 0, &next);
    if (!st) {
      nj_release(y);
      y = next;
    }
  }
  if (!st && y->storage == x->storage) /* nothing was repeated, or only in place by stride 0 */
    st = nj_clone(ctx, y, &next);
  else if (!st)
    next = nj_retain(y);
  nj_release(y);
  if (!st)
    *out = next;
  return st;
}
