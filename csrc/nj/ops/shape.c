#include "ops/shape.h"

#include <string.h>

#include "tensor/autograd.h"

/* ---- reshape ---- */

/* The shape with its -1 replaced; numel must match. */
static nj_status resolve_shape(nj_ctx *ctx, const char *op, const nj_tensor *x, int ndim,
                               const int64_t *shape, int64_t *resolved) {
  if (ndim < 0 || ndim > NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "%s: at most %d dimensions, got %d", op, NJ_MAX_DIMS, ndim);
  int64_t total = nj_numel(x), known = 1, extent = 1; /* extent: strides must not overflow */
  int hole = -1;
  for (int i = 0; i < ndim; i++) {
    resolved[i] = shape[i];
    if (shape[i] == -1) {
      if (hole >= 0)
        return nj_fail(ctx, NJ_EARG, "%s: only one size may be -1", op);
      hole = i;
    } else if (shape[i] < 0) {
      return nj_fail(ctx, NJ_EARG, "%s: size %lld of dimension %d is negative", op,
                     (long long)shape[i], i + 1);
    } else if (__builtin_mul_overflow(extent, shape[i] ? shape[i] : 1, &extent)) {
      return nj_fail(ctx, NJ_EARG, "%s: too many elements", op);
    } else {
      known *= shape[i];
    }
  }
  if (hole >= 0 && known > 0 && total % known == 0)
    resolved[hole] = total / known;
  else if (hole >= 0 || known != total)
    return nj_fail(ctx, NJ_ESHAPE, "%s: cannot make %s of shape %s (%lld elements)", op,
                   nj_shape_text(ndim, shape, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT),
                   NJ_SHAPE_OF(x), (long long)total);
  return NJ_OK;
}

/* Strides that show x with another shape without copying: 1 when they exist. Walks both shapes
 * from the right, matching runs of x's dimensions that lie behind one another in memory. */
static int view_strides(const nj_tensor *x, int ndim, const int64_t *shape, int64_t *stride) {
  if (nj_numel(x) == 0) {
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
      stride[i] = step;
      step *= shape[i] > 0 ? shape[i] : 1;
    }
    return 1;
  }
  int to = ndim - 1;
  int64_t run = 1;     /* elements in the run gathered so far */
  int64_t covered = 1; /* of those, given to result dimensions */
  int64_t base = 1;    /* stride of the run's last dimension */
  for (int from = x->ndim - 1; from >= 0; from--) {
    if (x->shape[from] == 1)
      continue;
    if (run == covered || x->stride[from] != base * run) {
      if (run != covered)
        return 0; /* a run ended inside a result dimension */
      base = x->stride[from];
      run = covered = 1;
    }
    run *= x->shape[from];
    while (to >= 0 && (shape[to] == 1 || run % (covered * shape[to]) == 0)) {
      stride[to] = base * covered;
      covered *= shape[to--];
    }
  }
  if (run != covered)
    return 0;
  for (; to >= 0; to--) /* only sizes of 1 are left */
    stride[to] = base * covered;
  return 1;
}

static nj_status reshape_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return nj_reshape(ctx, grad, (int)node->ints[0], node->ints + 1, &grads[0]);
}

/* Keeps x's shape for backward. */
static void keep_shape(nj_node *node, const nj_tensor *x) {
  node->ints[0] = x->ndim;
  memcpy(node->ints + 1, x->shape, sizeof(int64_t) * (size_t)x->ndim);
}

/* Finishes a shape operation: y shows x's values and has x's shape kept. */
static nj_status record_reshape(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *y,
                                nj_tensor **out) {
  nj_node *node = NULL;
  nj_status st = nj_record(ctx, y, op, reshape_backward, 1, &x, &node);
  if (node)
    keep_shape(node, x);
  return nj_finish(st, y, out);
}

static nj_status copy_of(const nj_tensor *x, nj_dtype dtype, int ndim, const int64_t *shape,
                         nj_tensor **out) {
  nj_tensor *y = NULL, *like = NULL;
  NJ_TRY(nj_empty(x->ctx, dtype, x->ndim, x->shape, &y));
  nj_status st = nj_copy_values(y, x);
  if (!st && shape) {
    int64_t stride[NJ_MAX_DIMS], step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
      stride[i] = step;
      step *= shape[i] > 0 ? shape[i] : 1;
    }
    st = nj_alias(y, ndim, shape, stride, 0, &like);
    nj_release(y);
    y = like;
  }
  if (st) {
    nj_release(y);
    return st;
  }
  *out = y;
  return NJ_OK;
}

nj_status nj_view(nj_ctx *ctx, nj_tensor *x, int ndim, const int64_t *shape, nj_tensor **out) {
  int64_t resolved[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  nj_tensor *y = NULL;
  NJ_TRY(resolve_shape(ctx, "view", x, ndim, shape, resolved));
  if (!view_strides(x, ndim, resolved, stride))
    return nj_fail(ctx, NJ_ESHAPE,
                   "view: %s of a tensor of shape %s that is not laid out for it needs a copy "
                   "(use reshape)",
                   nj_shape_text(ndim, resolved, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT),
                   NJ_SHAPE_OF(x));
  NJ_TRY(nj_alias(x, ndim, resolved, stride, x->offset, &y));
  return record_reshape(ctx, "view", x, y, out);
}

static nj_status reshape_as(nj_ctx *ctx, const char *op, nj_tensor *x, int ndim,
                            const int64_t *shape, nj_tensor **out) {
  int64_t resolved[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  nj_tensor *y = NULL;
  NJ_TRY(resolve_shape(ctx, op, x, ndim, shape, resolved));
  if (view_strides(x, ndim, resolved, stride))
    NJ_TRY(nj_alias(x, ndim, resolved, stride, x->offset, &y));
  else
    NJ_TRY(copy_of(x, x->dtype, ndim, resolved, &y));
  return record_reshape(ctx, op, x, y, out);
}

nj_status nj_reshape(nj_ctx *ctx, nj_tensor *x, int ndim, const int64_t *shape, nj_tensor **out) {
  return reshape_as(ctx, "reshape", x, ndim, shape, out);
}

nj_status nj_flatten(nj_ctx *ctx, nj_tensor *x, int first, int last, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], joined = 1;
  int n = 0;
  if (x->ndim == 0)
    return reshape_as(ctx, "flatten", x, 1, &joined, out);
  NJ_TRY(nj_normalize_dim(ctx, "flatten", first, x->ndim, &first));
  NJ_TRY(nj_normalize_dim(ctx, "flatten", last, x->ndim, &last));
  if (first > last)
    return nj_fail(ctx, NJ_EARG, "flatten: first dimension %d comes after last %d", first + 1,
                   last + 1);
  for (int i = 0; i < x->ndim; i++) {
    if (i < first || i > last)
      shape[n++] = x->shape[i];
    else
      joined *= x->shape[i];
    if (i == last)
      shape[n++] = joined;
  }
  return reshape_as(ctx, "flatten", x, n, shape, out);
}

nj_status nj_unflatten(nj_ctx *ctx, nj_tensor *x, int dim, int n, const int64_t *sizes,
                       nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], product = 1;
  NJ_TRY(nj_normalize_dim(ctx, "unflatten", dim, x->ndim, &dim));
  if (n < 1 || x->ndim - 1 + n > NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "unflatten: %d sizes would make %d dimensions (1 … %d)", n,
                   x->ndim - 1 + n, NJ_MAX_DIMS);
  int hole = -1;
  for (int i = 0; i < n; i++) {
    if (sizes[i] == -1 && hole < 0)
      hole = i;
    else if (sizes[i] < 0 || __builtin_mul_overflow(product, sizes[i], &product))
      return nj_fail(ctx, NJ_EARG, "unflatten: bad size %lld", (long long)sizes[i]);
  }
  int64_t size = x->shape[dim];
  if (hole >= 0 ? product == 0 || size % product != 0 : product != size)
    return nj_fail(ctx, NJ_ESHAPE, "unflatten: dimension %d of size %lld cannot become %s", dim + 1,
                   (long long)size,
                   nj_shape_text(n, sizes, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT));
  memcpy(shape, x->shape, sizeof(int64_t) * (size_t)dim);
  for (int i = 0; i < n; i++)
    shape[dim + i] = i == hole ? size / product : sizes[i];
  memcpy(shape + dim + n, x->shape + dim + 1, sizeof(int64_t) * (size_t)(x->ndim - dim - 1));
  return reshape_as(ctx, "unflatten", x, x->ndim - 1 + n, shape, out);
}

nj_status nj_squeeze(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  int n = 0;
  NJ_TRY(nj_normalize_dim(ctx, "squeeze", dim, x->ndim, &dim));
  for (int i = 0; i < x->ndim; i++) {
    if (i != dim || x->shape[i] != 1)
      shape[n++] = x->shape[i];
  }
  return reshape_as(ctx, "squeeze", x, n, shape, out);
}

nj_status nj_squeeze_all(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  int n = 0;
  for (int i = 0; i < x->ndim; i++) {
    if (x->shape[i] != 1)
      shape[n++] = x->shape[i];
  }
  return reshape_as(ctx, "squeeze", x, n, shape, out);
}

nj_status nj_unsqueeze(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  if (x->ndim == NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "unsqueeze: already %d dimensions, the most there can be",
                   NJ_MAX_DIMS);
  NJ_TRY(nj_normalize_dim(ctx, "unsqueeze", dim, x->ndim + 1, &dim));
  for (int i = 0; i <= x->ndim; i++)
    shape[i] = i < dim ? x->shape[i] : i == dim ? 1 : x->shape[i - 1];
  return reshape_as(ctx, "unsqueeze", x, x->ndim + 1, shape, out);
}

/* ---- permute ---- */

static nj_status permute_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  int inverse[NJ_MAX_DIMS];
  for (int i = 0; i < grad->ndim; i++)
    inverse[node->ints[i]] = i;
  return nj_permute(ctx, grad, inverse, &grads[0]);
}

static nj_status permute_as(nj_ctx *ctx, const char *op, nj_tensor *x, const int *dims,
                            nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  int order[NJ_MAX_DIMS];
  unsigned seen = 0;
  for (int i = 0; i < x->ndim; i++) {
    NJ_TRY(nj_normalize_dim(ctx, op, dims[i], x->ndim, &order[i]));
    if (seen & (1u << order[i]))
      return nj_fail(ctx, NJ_EARG, "%s: dimension %d appears twice", op, order[i] + 1);
    seen |= 1u << order[i];
    shape[i] = x->shape[order[i]];
    stride[i] = x->stride[order[i]];
  }
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_alias(x, x->ndim, shape, stride, x->offset, &y));
  nj_status st = nj_record(ctx, y, op, permute_backward, 1, &x, &node);
  for (int i = 0; node && i < x->ndim; i++)
    node->ints[i] = order[i];
  return nj_finish(st, y, out);
}

nj_status nj_permute(nj_ctx *ctx, nj_tensor *x, const int *dims, nj_tensor **out) {
  return permute_as(ctx, "permute", x, dims, out);
}

nj_status nj_transpose(nj_ctx *ctx, nj_tensor *x, int dim0, int dim1, nj_tensor **out) {
  int dims[NJ_MAX_DIMS];
  NJ_TRY(nj_normalize_dim(ctx, "transpose", dim0, x->ndim, &dim0));
  NJ_TRY(nj_normalize_dim(ctx, "transpose", dim1, x->ndim, &dim1));
  for (int i = 0; i < x->ndim; i++)
    dims[i] = i == dim0 ? dim1 : i == dim1 ? dim0 : i;
  return permute_as(ctx, "transpose", x, dims, out);
}

nj_status nj_movedim(nj_ctx *ctx, nj_tensor *x, int from, int to, nj_tensor **out) {
  int dims[NJ_MAX_DIMS], next = 0;
  NJ_TRY(nj_normalize_dim(ctx, "movedim", from, x->ndim, &from));
  NJ_TRY(nj_normalize_dim(ctx, "movedim", to, x->ndim, &to));
  for (int i = 0; i < x->ndim; i++) {
    if (next == from)
      next++;
    dims[i] = i == to ? from : next++;
  }
  return permute_as(ctx, "movedim", x, dims, out);
}

/* ---- copies ---- */

static nj_status same_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  (void)ctx, (void)node;
  grads[0] = nj_retain(grad);
  return NJ_OK;
}

static nj_status copy_as(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor **out) {
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(copy_of(x, x->dtype, 0, NULL, &y));
  nj_status st = nj_record(ctx, y, op, same_backward, 1, &x, &node);
  return nj_finish(st, y, out);
}

nj_status nj_contiguous(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  if (!nj_is_contiguous(x))
    return copy_as(ctx, "contiguous", x, out);
  *out = nj_retain(x);
  return NJ_OK;
}

nj_status nj_clone(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  return copy_as(ctx, "clone", x, out);
}

static nj_status to_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return nj_to(ctx, grad, (nj_dtype)node->ints[0], &grads[0]);
}

nj_status nj_to(nj_ctx *ctx, nj_tensor *x, nj_dtype dtype, nj_tensor **out) {
  if (x->dtype == dtype) {
    *out = nj_retain(x);
    return NJ_OK;
  }
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(copy_of(x, dtype, 0, NULL, &y));
  nj_status st = NJ_OK;
  if (nj_dtype_is_float(dtype))
    st = nj_record(ctx, y, "to", to_backward, 1, &x, &node);
  if (node)
    node->ints[0] = x->dtype;
  return nj_finish(st, y, out);
}
