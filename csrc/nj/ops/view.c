/* Views that show a part of a tensor, or parts of it more than once. */
#include <string.h>

#include "ops/reduce.h"
#include "ops/shape.h"
#include "tensor/autograd.h"

/* Where a slice of x lies; y's ndim is returned. Ranges must have been checked. */
static int slice_layout(const nj_tensor *x, const nj_range *ranges, int64_t *shape, int64_t *stride,
                        int64_t *offset) {
  int n = 0;
  *offset = x->offset;
  for (int i = 0; i < x->ndim; i++) {
    nj_range r = ranges[i];
    if (r.step == 0 || r.count > 0) /* an empty range may start one past the end */
      *offset += r.start * x->stride[i];
    if (r.step == 0)
      continue;
    shape[n] = r.count;
    stride[n++] = r.step * x->stride[i];
  }
  return n;
}

static nj_status check_range(nj_ctx *ctx, const char *op, int dim, int64_t size, nj_range r) {
  if (r.step < 0)
    return nj_fail(ctx, NJ_EARG, "%s: step %lld of dimension %d is negative (use flip)", op,
                   (long long)r.step, dim + 1);
  if (r.step == 0) {
    if (r.start < 0 || r.start >= size)
      return nj_fail(ctx, NJ_EINDEX, "%s: index %lld is out of range for dimension %d of size %lld",
                     op, (long long)r.start + 1, dim + 1, (long long)size);
    return NJ_OK;
  }
  /* Written so that no sum can overflow. */
  if (r.start < 0 || r.count < 0 || r.start > size ||
      (r.count > 0 && (r.start >= size || (r.count - 1) > (size - 1 - r.start) / r.step)))
    return nj_fail(ctx, NJ_EINDEX,
                   "%s: %lld entries from %lld on are out of range for dimension %d of size %lld",
                   op, (long long)r.count, (long long)r.start + 1, dim + 1, (long long)size);
  return NJ_OK;
}

/* ints: starts, steps, and x's shape; reals[0]: x's ndim (ints are full). */
static nj_status slice_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  int ndim = (int)node->reals[0], n = 0;
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS], offset;
  const int64_t *start = node->ints, *step = start + NJ_MAX_DIMS, *whole = step + NJ_MAX_DIMS;
  nj_range ranges[NJ_MAX_DIMS];
  for (int i = 0; i < ndim; i++)
    ranges[i] = (nj_range){start[i], step[i] ? grad->shape[n++] : 1, step[i]};
  nj_tensor *gx = NULL, *part = NULL;
  NJ_TRY(nj_zeros(ctx, grad->dtype, ndim, whole, &gx));
  n = slice_layout(gx, ranges, shape, stride, &offset);
  nj_status st = nj_alias(gx, n, shape, stride, offset, &part);
  if (!st)
    st = nj_copy_values(part, grad);
  nj_release(part);
  return nj_finish(st, gx, &grads[0]);
}

static nj_status slice_as(nj_ctx *ctx, const char *op, nj_tensor *x, const nj_range *ranges,
                          nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS], offset;
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  for (int i = 0; i < x->ndim; i++)
    NJ_TRY(check_range(ctx, op, i, x->shape[i], ranges[i]));
  int n = slice_layout(x, ranges, shape, stride, &offset);
  NJ_TRY(nj_alias(x, n, shape, stride, offset, &y));
  nj_status st = nj_record(ctx, y, op, slice_backward, 1, &x, &node);
  for (int i = 0; node && i < x->ndim; i++) {
    node->ints[i] = ranges[i].start;
    node->ints[NJ_MAX_DIMS + i] = ranges[i].step;
    node->ints[2 * NJ_MAX_DIMS + i] = x->shape[i];
  }
  if (node)
    node->reals[0] = x->ndim;
  return nj_finish(st, y, out);
}

nj_status nj_slice(nj_ctx *ctx, nj_tensor *x, const nj_range *ranges, nj_tensor **out) {
  return slice_as(ctx, "index", x, ranges, out);
}

static void whole_ranges(const nj_tensor *x, nj_range *ranges) {
  for (int i = 0; i < x->ndim; i++)
    ranges[i] = (nj_range){0, x->shape[i], 1};
}

nj_status nj_narrow(nj_ctx *ctx, nj_tensor *x, int dim, int64_t start, int64_t length,
                    nj_tensor **out) {
  nj_range ranges[NJ_MAX_DIMS];
  NJ_TRY(nj_normalize_dim(ctx, "narrow", dim, x->ndim, &dim));
  whole_ranges(x, ranges);
  ranges[dim] = (nj_range){start, length, 1};
  return slice_as(ctx, "narrow", x, ranges, out);
}

nj_status nj_select(nj_ctx *ctx, nj_tensor *x, int dim, int64_t index, nj_tensor **out) {
  nj_range ranges[NJ_MAX_DIMS];
  NJ_TRY(nj_normalize_dim(ctx, "select", dim, x->ndim, &dim));
  whole_ranges(x, ranges);
  int64_t size = x->shape[dim];
  if (index < -size || index >= size)
    return nj_fail(ctx, NJ_EINDEX,
                   "select: index %lld is out of range for dimension %d of size %lld",
                   (long long)(index < 0 ? index : index + 1), dim + 1, (long long)size);
  ranges[dim] = (nj_range){index < 0 ? index + size : index, 1, 0};
  return slice_as(ctx, "select", x, ranges, out);
}

/* ---- diagonal ---- */

static nj_status diagonal_layout(const nj_tensor *x, int64_t offset, int dim0, int dim1,
                                 nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  int64_t rows = x->shape[dim0], columns = x->shape[dim1];
  int64_t row = offset < 0 ? -offset : 0, column = offset > 0 ? offset : 0;
  int64_t length = rows - row < columns - column ? rows - row : columns - column;
  int n = 0;
  for (int i = 0; i < x->ndim; i++) {
    if (i == dim0 || i == dim1)
      continue;
    shape[n] = x->shape[i];
    stride[n++] = x->stride[i];
  }
  shape[n] = length > 0 ? length : 0;
  stride[n++] = x->stride[dim0] + x->stride[dim1];
  int64_t first = x->offset;
  if (length > 0)
    first += row * x->stride[dim0] + column * x->stride[dim1];
  return nj_alias(x, n, shape, stride, first, out);
}

static nj_status diagonal_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *gx = NULL, *part = NULL;
  NJ_TRY(nj_zeros(ctx, grad->dtype, grad->ndim + 1, node->ints + 3, &gx));
  nj_status st = diagonal_layout(gx, node->ints[0], (int)node->ints[1], (int)node->ints[2], &part);
  if (!st)
    st = nj_copy_values(part, grad);
  nj_release(part);
  return nj_finish(st, gx, &grads[0]);
}

nj_status nj_diagonal(nj_ctx *ctx, nj_tensor *x, int64_t offset, int dim0, int dim1,
                      nj_tensor **out) {
  if (x->ndim < 2)
    return nj_fail(ctx, NJ_ESHAPE, "diagonal: needs two dimensions, got shape %s", NJ_SHAPE_OF(x));
  NJ_TRY(nj_normalize_dim(ctx, "diagonal", dim0, x->ndim, &dim0));
  NJ_TRY(nj_normalize_dim(ctx, "diagonal", dim1, x->ndim, &dim1));
  if (dim0 == dim1)
    return nj_fail(ctx, NJ_EARG, "diagonal: the two dimensions must differ, got %d twice",
                   dim0 + 1);
  int64_t far = x->shape[dim0] + x->shape[dim1]; /* keeps -offset and sums in range */
  offset = offset > far ? far : offset < -far ? -far : offset;
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(diagonal_layout(x, offset, dim0, dim1, &y));
  nj_status st = nj_record(ctx, y, "diagonal", diagonal_backward, 1, &x, &node);
  if (node) {
    node->ints[0] = offset;
    node->ints[1] = dim0;
    node->ints[2] = dim1;
    memcpy(node->ints + 3, x->shape, sizeof(int64_t) * (size_t)x->ndim);
  }
  return nj_finish(st, y, out);
}

/* ---- expand ---- */

/* Zero strides where x was stretched; 0 when shape does not fit. -1 keeps a size. */
static int expand_layout(const nj_tensor *x, int ndim, const int64_t *shape, int64_t *full,
                         int64_t *stride) {
  int lead = ndim - x->ndim;
  if (ndim > NJ_MAX_DIMS || lead < 0)
    return 0;
  for (int i = 0; i < ndim; i++) {
    int64_t old = i < lead ? 1 : x->shape[i - lead];
    full[i] = shape[i] == -1 && i >= lead ? old : shape[i];
    stride[i] = i < lead || (old == 1 && full[i] != 1) ? 0 : x->stride[i - lead];
    if (full[i] < 0 || (old != full[i] && old != 1))
      return 0;
  }
  return 1;
}

/* Sums what was stretched. ints: x's ndim and shape. */
static nj_status expand_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  int ndim = (int)node->ints[0], lead = grad->ndim - ndim, n = 0;
  int dims[NJ_MAX_DIMS];
  for (int i = 0; i < grad->ndim; i++) {
    if (i < lead || (node->ints[1 + i - lead] == 1 && grad->shape[i] != 1))
      dims[n++] = i;
  }
  if (n == 0)
    return nj_reshape(ctx, grad, ndim, node->ints + 1, &grads[0]);
  nj_tensor *summed = NULL;
  NJ_TRY(nj_sum(ctx, grad, n, dims, 1, &summed));
  nj_status st = nj_reshape(ctx, summed, ndim, node->ints + 1, &grads[0]);
  nj_release(summed);
  return st;
}

nj_status nj_expand(nj_ctx *ctx, nj_tensor *x, int ndim, const int64_t *shape, nj_tensor **out) {
  int64_t full[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  if (!expand_layout(x, ndim, shape, full, stride))
    return nj_fail(ctx, NJ_ESHAPE, "expand: shape %s cannot stretch to %s", NJ_SHAPE_OF(x),
                   nj_shape_text(ndim > NJ_MAX_DIMS ? NJ_MAX_DIMS : ndim, shape,
                                 (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT));
  int64_t total = 1;
  for (int i = 0; i < ndim; i++) {
    if (full[i] > 0 && __builtin_mul_overflow(total, full[i], &total))
      return nj_fail(ctx, NJ_EARG, "expand: too many elements");
  }
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_alias(x, ndim, full, stride, x->offset, &y));
  nj_status st = nj_record(ctx, y, "expand", expand_backward, 1, &x, &node);
  if (node) {
    node->ints[0] = x->ndim;
    memcpy(node->ints + 1, x->shape, sizeof(int64_t) * (size_t)x->ndim);
  }
  return nj_finish(st, y, out);
}

/* ---- unfold ---- */

static int unfold_layout(const nj_tensor *x, int dim, int64_t size, int64_t step, int64_t *shape,
                         int64_t *stride) {
  memcpy(shape, x->shape, sizeof x->shape);
  memcpy(stride, x->stride, sizeof x->stride);
  shape[dim] = (x->shape[dim] - size) / step + 1;
  stride[dim] = shape[dim] > 1 ? step * x->stride[dim] : x->stride[dim];
  shape[x->ndim] = size;
  stride[x->ndim] = x->stride[dim];
  return x->ndim + 1;
}

/* Adds src to dst element by element in row-major order; dst may show an element many times. */
static void add_through(nj_tensor *dst, const nj_tensor *src) {
  int64_t index[NJ_MAX_DIMS] = {0}, n = nj_numel(src);
  for (int64_t k = 0; k < n; k++) {
    int64_t to = dst->offset, from = src->offset;
    for (int i = 0; i < src->ndim; i++) {
      to += index[i] * dst->stride[i];
      from += index[i] * src->stride[i];
    }
    if (dst->dtype == NJ_F32)
      ((float *)dst->storage->data)[to] += ((const float *)src->storage->data)[from];
    else
      ((double *)dst->storage->data)[to] += ((const double *)src->storage->data)[from];
    for (int i = src->ndim - 1; i >= 0 && ++index[i] == src->shape[i]; i--)
      index[i] = 0;
  }
}

/* ints: dim, step, x's shape. */
static nj_status unfold_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  int ndim = grad->ndim - 1;
  nj_tensor *gx = NULL, *windows = NULL;
  NJ_TRY(nj_zeros(ctx, grad->dtype, ndim, node->ints + 2, &gx));
  int n = unfold_layout(gx, (int)node->ints[0], grad->shape[ndim], node->ints[1], shape, stride);
  nj_status st = nj_alias(gx, n, shape, stride, 0, &windows);
  if (!st)
    add_through(windows, grad);
  nj_release(windows);
  return nj_finish(st, gx, &grads[0]);
}

nj_status nj_unfold(nj_ctx *ctx, nj_tensor *x, int dim, int64_t size, int64_t step,
                    nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  NJ_TRY(nj_normalize_dim(ctx, "unfold", dim, x->ndim, &dim));
  if (size < 1 || step < 1)
    return nj_fail(ctx, NJ_EARG, "unfold: size and step must be positive, got %lld and %lld",
                   (long long)size, (long long)step);
  if (size > x->shape[dim])
    return nj_fail(ctx, NJ_ESHAPE, "unfold: windows of %lld do not fit dimension %d of size %lld",
                   (long long)size, dim + 1, (long long)x->shape[dim]);
  if (x->ndim == NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "unfold: already %d dimensions, the most there can be",
                   NJ_MAX_DIMS);
  int n = unfold_layout(x, dim, size, step, shape, stride);
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_alias(x, n, shape, stride, x->offset, &y));
  nj_status st = nj_record(ctx, y, "unfold", unfold_backward, 1, &x, &node);
  if (node) {
    node->ints[0] = dim;
    node->ints[1] = step;
    memcpy(node->ints + 2, x->shape, sizeof(int64_t) * (size_t)x->ndim);
  }
  return nj_finish(st, y, out);
}
