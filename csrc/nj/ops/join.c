#include "ops/join.h"

#include <string.h>

#include "ops/shape.h"
#include "tensor/autograd.h"

/* ---- cat ---- */

/* What backward needs of each part. More parts than a node's ints may come. */
typedef struct {
  nj_ctx *ctx;
  int dim;
  struct {
    int64_t size;
    nj_dtype dtype;
  } parts[];
} cat_plan;

static void free_plan(void *extra) {
  cat_plan *plan = extra;
  nj_ctx *ctx = plan->ctx;
  nj_free(ctx, plan);
  nj_ctx_release(ctx);
}

static nj_status cat_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  const cat_plan *plan = node->extra;
  int64_t start = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    if (nj_needs(node, i)) {
      nj_tensor *part = NULL;
      NJ_TRY(nj_narrow(ctx, grad, plan->dim, start, plan->parts[i].size, &part));
      nj_status st = nj_to(ctx, part, plan->parts[i].dtype, &grads[i]);
      nj_release(part);
      NJ_TRY(st);
    }
    start += plan->parts[i].size;
  }
  return NJ_OK;
}

static nj_status cat_shape(nj_ctx *ctx, const char *op, int n, nj_tensor *const *tensors, int dim,
                           int64_t *shape, nj_dtype *dtype) {
  const nj_tensor *first = tensors[0];
  memcpy(shape, first->shape, sizeof first->shape);
  *dtype = first->dtype;
  for (int i = 1; i < n; i++) {
    const nj_tensor *t = tensors[i];
    int fits = t->ndim == first->ndim;
    for (int d = 0; fits && d < t->ndim; d++)
      fits = d == dim || t->shape[d] == first->shape[d];
    if (!fits)
      return nj_fail(ctx, NJ_ESHAPE,
                     "%s: tensor %d has shape %s, the first has %s; they may differ in dimension "
                     "%d only",
                     op, i + 1, NJ_SHAPE_OF(t), NJ_SHAPE_OF(first), dim + 1);
    shape[dim] += t->shape[dim];
    *dtype = nj_dtype_promote(*dtype, t->dtype);
  }
  return NJ_OK;
}

/* Fills y with the parts. */
static nj_status cat_values(nj_tensor *y, int n, nj_tensor *const *tensors, int dim) {
  int64_t offset = y->offset;
  for (int i = 0; i < n; i++) {
    nj_tensor *place = NULL;
    NJ_TRY(nj_alias(y, y->ndim, tensors[i]->shape, y->stride, offset, &place));
    nj_status st = nj_copy_values(place, tensors[i]);
    nj_release(place);
    NJ_TRY(st);
    offset += tensors[i]->shape[dim] * y->stride[dim];
  }
  return NJ_OK;
}

static nj_status keep_plan(nj_ctx *ctx, nj_node *node, int n, nj_tensor *const *tensors, int dim) {
  cat_plan *plan = nj_alloc(ctx, sizeof *plan + (size_t)n * sizeof plan->parts[0]);
  if (!plan)
    return NJ_ENOMEM;
  plan->ctx = nj_ctx_retain(ctx);
  plan->dim = dim;
  for (int i = 0; i < n; i++) {
    plan->parts[i].size = tensors[i]->shape[dim];
    plan->parts[i].dtype = tensors[i]->dtype;
  }
  node->extra = plan;
  node->free_extra = free_plan;
  return NJ_OK;
}

nj_status nj_cat(nj_ctx *ctx, int n, nj_tensor *const *tensors, int dim, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  nj_dtype dtype;
  if (n < 1)
    return nj_fail(ctx, NJ_EARG, "cat: needs at least one tensor");
  if (tensors[0]->ndim == 0)
    return nj_fail(ctx, NJ_ESHAPE, "cat: tensors of 0 dimensions cannot be joined (use stack)");
  NJ_TRY(nj_normalize_dim(ctx, "cat", dim, tensors[0]->ndim, &dim));
  NJ_TRY(cat_shape(ctx, "cat", n, tensors, dim, shape, &dtype));
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_empty(ctx, dtype, tensors[0]->ndim, shape, &y));
  nj_status st = cat_values(y, n, tensors, dim);
  if (!st && nj_dtype_is_float(dtype))
    st = nj_record(ctx, y, "cat", cat_backward, n, tensors, &node);
  if (!st && node)
    st = keep_plan(ctx, node, n, tensors, dim);
  return nj_finish(st, y, out);
}

nj_status nj_stack(nj_ctx *ctx, int n, nj_tensor *const *tensors, int dim, nj_tensor **out) {
  if (n < 1)
    return nj_fail(ctx, NJ_EARG, "stack: needs at least one tensor");
  NJ_TRY(nj_normalize_dim(ctx, "stack", dim, tensors[0]->ndim + 1, &dim));
  for (int i = 1; i < n; i++) {
    if (!nj_same_shape(tensors[0], tensors[i]))
      return nj_fail(ctx, NJ_ESHAPE, "stack: tensor %d has shape %s, the first has %s", i + 1,
                     NJ_SHAPE_OF(tensors[i]), NJ_SHAPE_OF(tensors[0]));
  }
  nj_tensor **slices = nj_calloc(ctx, (size_t)n, sizeof *slices);
  nj_status st = slices ? NJ_OK : NJ_ENOMEM;
  for (int i = 0; !st && i < n; i++)
    st = nj_unsqueeze(ctx, tensors[i], dim, &slices[i]);
  if (!st)
    st = nj_cat(ctx, n, slices, dim, out);
  for (int i = 0; slices && i < n; i++)
    nj_release(slices[i]);
  nj_free(ctx, slices);
  return st;
}
