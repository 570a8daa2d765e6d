#include "ops/index.h"

#include <string.h>

#include "ops/index_rows.h"
#include "ops/shape.h"
#include "tensor/autograd.h"

/* ---- index_select ---- */

/* saved: the index. ints: dim, x's ndim, x's shape; the index that is skipped. */
static nj_status select_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *gx = NULL, *g = NULL;
  NJ_TRY(nj_zeros(ctx, grad->dtype, (int)node->ints[1], node->ints + 2, &gx));
  nj_status st = nj_as_contiguous(grad, &g);
  if (!st) {
    nj_row_job job = nj_row_job_of(gx, (int)node->ints[0], node->saved[0], g);
    job.skip = node->ints[2 + NJ_MAX_DIMS];
    st = nj_add_rows(ctx, &job);
  }
  nj_release(g);
  return nj_finish(st, gx, &grads[0]);
}

static nj_status select_as(nj_ctx *ctx, const char *op, nj_tensor *x, int dim, nj_tensor *index,
                           int64_t skip, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  int ndim;
  nj_tensor *at = NULL, *xc = NULL, *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_normalize_dim(ctx, op, dim, x->ndim, &dim));
  NJ_TRY(nj_take_shape(ctx, op, x, dim, index, &ndim, shape));
  nj_status st = nj_ready_index(ctx, op, index, dim, x->shape[dim], &at);
  if (!st)
    st = nj_as_contiguous(x, &xc);
  if (!st)
    st = nj_empty(ctx, x->dtype, ndim, shape, &y);
  if (!st) {
    nj_row_job job = nj_row_job_of(xc, dim, at, y);
    st = nj_take_rows(ctx, &job);
  }
  if (!st)
    st = nj_record(ctx, y, op, select_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = dim;
    node->ints[1] = x->ndim;
    memcpy(node->ints + 2, x->shape, sizeof x->shape);
    node->ints[2 + NJ_MAX_DIMS] = skip;
    st = nj_save(node, 0, at);
  }
  nj_release(at);
  nj_release(xc);
  return nj_finish(st, y, out);
}

nj_status nj_index_select(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor **out) {
  return select_as(ctx, "index_select", x, dim, index, -1, out);
}

nj_status nj_embedding(nj_ctx *ctx, nj_tensor *weight, nj_tensor *ids, int64_t padding_idx,
                       nj_tensor **out) {
  return select_as(ctx, "embedding", weight, 0, ids, padding_idx < 0 ? -1 : padding_idx, out);
}

/* ---- index_add ---- */

static nj_status index_add_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                    nj_tensor **grads) {
  if (nj_needs(node, 0))
    grads[0] = nj_retain(grad);
  if (nj_needs(node, 1))
    NJ_TRY(nj_index_select(ctx, grad, (int)node->ints[0], node->saved[0], &grads[1]));
  return NJ_OK;
}

/* src has the right shape and x's dtype. */
static nj_status index_add_same(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *at, nj_tensor *src,
                                nj_tensor **out) {
  nj_tensor *y = NULL, *s = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_empty_like(x, &y));
  nj_status st = nj_copy_values(y, x);
  if (!st)
    st = nj_as_contiguous(src, &s);
  if (!st) {
    nj_row_job job = nj_row_job_of(y, dim, at, s);
    st = nj_add_rows(ctx, &job);
  }
  nj_release(s);
  if (!st)
    st = nj_record(ctx, y, "index_add", index_add_backward, 2, (nj_tensor *[]){x, src}, &node);
  if (!st && node) {
    node->ints[0] = dim;
    st = nj_save(node, 0, at);
  }
  return nj_finish(st, y, out);
}

nj_status nj_index_add(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src,
                       nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *at = NULL, *wide = NULL, *s = NULL;
  NJ_TRY(nj_normalize_dim(ctx, "index_add", dim, x->ndim, &dim));
  if (index->ndim != 1)
    return nj_fail(ctx, NJ_ESHAPE, "index_add: the index must be a vector, got shape %s",
                   NJ_SHAPE_OF(index));
  memcpy(shape, x->shape, sizeof shape);
  shape[dim] = index->shape[0];
  nj_status st = nj_ready_index(ctx, "index_add", index, dim, x->shape[dim], &at);
  if (!st)
    st = nj_expand(ctx, src, x->ndim, shape, &wide);
  if (!st)
    st = nj_to(ctx, wide, x->dtype, &s);
  if (!st)
    st = index_add_same(ctx, x, dim, at, s, out);
  nj_release(at);
  nj_release(wide);
  nj_release(s);
  return st;
}
