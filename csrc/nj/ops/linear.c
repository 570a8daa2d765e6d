#include <string.h>

#include "base/parallel.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "ops/columns.h"
#include "ops/matmul.h"
#include "ops/product.h"
#include "tensor/autograd.h"
#include "tensor/packed.h"

static nj_status check(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *w, const nj_tensor *b) {
  if (!nj_dtype_is_float(x->dtype) || w->dtype != x->dtype || (b && b->dtype != x->dtype))
    return nj_fail(ctx, NJ_EDTYPE,
                   "linear: expected float32 or float64 tensors of one dtype, got "
                   "%s, weight %s%s%s",
                   nj_dtype_name(x->dtype), nj_dtype_name(w->dtype), b ? ", bias " : "",
                   b ? nj_dtype_name(b->dtype) : "");
  if (w->ndim != 2 || x->ndim < 1 || x->shape[x->ndim - 1] != w->shape[1])
    return nj_fail(ctx, NJ_ESHAPE, "linear: expected x (…, in) and weight (out, in), got %s and %s",
                   NJ_SHAPE_OF(x), NJ_SHAPE_OF(w));
  if (b && (b->ndim != 1 || b->shape[0] != w->shape[0]))
    return nj_fail(ctx, NJ_ESHAPE, "linear: expected a bias of %lld elements, got %s",
                   (long long)w->shape[0], NJ_SHAPE_OF(b));
  return NJ_OK;
}

/* The packed transpose of w: found beside it, or made; *own is to be freed by the caller. */
static nj_status packed_weight(nj_ctx *ctx, const nj_tensor *w, const float **packed, float **own) {
  *own = NULL;
  *packed = nj_packed_find(w, NJ_PACKED_LINEAR, 0);
  if (*packed)
    return NJ_OK;
  int64_t out = w->shape[0], in = w->shape[1];
  const struct nj_tile_kernels *tile = nj_ctx_kernels(ctx)->tile;
  float *block = nj_alloc(ctx, (size_t)nj_gemm_packed_size(tile, out, in) * sizeof *block);
  if (!block)
    return NJ_ENOMEM;
  nj_status st = nj_gemm_pack(ctx, out, in, NJ_F32_DATA(w), w->stride[1], w->stride[0], block);
  if (st != NJ_OK) {
    nj_free(ctx, block);
    return st;
  }
  *packed = block;
  if (w->node) /* recomputed each time: not worth keeping */
    *own = block;
  else
    return nj_packed_keep(w, NJ_PACKED_LINEAR, 0, block);
  return NJ_OK;
}

static nj_status forward_f32(nj_ctx *ctx, const nj_tensor *x, int64_t m, const nj_tensor *w,
                             const nj_tensor *b, nj_tensor *y) {
  const float *packed;
  float *own;
  NJ_TRY(packed_weight(ctx, w, &packed, &own));
  nj_gemm_job job = {.m = m,
                     .n = w->shape[0],
                     .k = w->shape[1],
                     .a = NJ_F32_DATA(x),
                     .a_row = w->shape[1],
                     .packed = packed,
                     .bias = b ? NJ_F32_DATA(b) : NULL,
                     .c = NJ_F32_DATA(y),
                     .c_row = w->shape[0]};
  nj_status st = nj_gemm_rows(ctx, &job);
  nj_free(ctx, own);
  return st;
}

static nj_status forward_f64(nj_ctx *ctx, const nj_tensor *x, int64_t m, nj_tensor *w,
                             const nj_tensor *b, nj_tensor *y) {
  int64_t out = w->shape[0], in = w->shape[1];
  nj_tensor *wc = NULL;
  NJ_TRY(nj_as_contiguous(w, &wc));
  double *c = NJ_F64_DATA(y);
  for (int64_t i = 0; b && i < m; i++)
    memcpy(c + i * out, nj_data(b), (size_t)out * sizeof *c);
  nj_status st = nj_gemm(ctx, NJ_GEMM_F64, 0, 1, m, out, in, nj_data(x), in > 0 ? in : 1,
                         nj_data(wc), in > 0 ? in : 1, b != NULL, c, out);
  nj_release(wc);
  return st;
}

/* x (…, n) as a contiguous (rows, n) matrix. */
static nj_status as_matrix(nj_tensor *x, nj_tensor **out) {
  nj_tensor *c = NULL;
  NJ_TRY(nj_as_contiguous(x, &c));
  int64_t n = x->shape[x->ndim - 1], rows = 1;
  for (int d = 0; d < x->ndim - 1; d++)
    rows *= x->shape[d];
  nj_status st =
      nj_alias(c, 2, (int64_t[]){rows, n}, (int64_t[]){n > 0 ? n : 1, 1}, c->offset, out);
  nj_release(c);
  return st;
}

static nj_status transposed(const nj_tensor *x, nj_tensor **out) {
  return nj_alias(x, 2, (int64_t[]){x->shape[1], x->shape[0]},
                  (int64_t[]){x->stride[1], x->stride[0]}, x->offset, out);
}

static nj_status grad_x(nj_ctx *ctx, nj_node *node, nj_tensor *g, nj_tensor **out) {
  const nj_tensor *x = node->saved[0];
  nj_tensor *flat = NULL;
  NJ_TRY(nj_product(ctx, g, node->saved[1], NULL, NJ_PRODUCT_FREE, &flat));
  int64_t stride[NJ_MAX_DIMS], step = 1;
  for (int d = x->ndim - 1; d >= 0; d--) {
    stride[d] = step;
    step *= x->shape[d] > 1 ? x->shape[d] : 1;
  }
  nj_status st = nj_alias(flat, x->ndim, x->shape, stride, 0, out);
  nj_release(flat);
  return st;
}

static nj_status grad_w(nj_ctx *ctx, nj_node *node, nj_tensor *g, nj_tensor **out) {
  nj_tensor *x = NULL, *gt = NULL;
  nj_status st = as_matrix(node->saved[0], &x);
  if (!st)
    st = transposed(g, &gt);
  if (!st)
    st = nj_product(ctx, gt, x, NULL, NJ_PRODUCT_FREE, out);
  nj_release(x);
  nj_release(gt);
  return st;
}

static nj_status linear_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *g = NULL;
  NJ_TRY(as_matrix(grad, &g));
  nj_status st = NJ_OK;
  if (nj_needs(node, 0))
    st = grad_x(ctx, node, g, &grads[0]);
  if (!st && nj_needs(node, 1))
    st = grad_w(ctx, node, g, &grads[1]);
  if (!st && node->n_inputs > 2 && nj_needs(node, 2))
    st = nj_column_sums(ctx, g, &grads[2]);
  nj_release(g);
  return st;
}

nj_status nj_linear(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b, nj_tensor **out) {
  NJ_TRY(check(ctx, x, w, b));
  nj_tensor *x2 = NULL, *bc = NULL, *y = NULL;
  nj_node *node = NULL;
  int64_t shape[NJ_MAX_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 1] = w->shape[0];
  nj_status st = as_matrix(x, &x2);
  if (!st && b)
    st = nj_as_contiguous(b, &bc);
  if (!st)
    st = nj_empty(ctx, x->dtype, x->ndim, shape, &y);
  if (!st)
    st = x->dtype == NJ_F32 ? forward_f32(ctx, x2, x2->shape[0], w, bc, y)
                            : forward_f64(ctx, x2, x2->shape[0], w, bc, y);
  if (!st)
    st = nj_record(ctx, y, "linear", linear_backward, 3, (nj_tensor *[]){x, w, b}, &node);
  if (node) {
    st = nj_save(node, 0, x);
    if (!st)
      st = nj_save(node, 1, w);
  }
  nj_release(x2);
  nj_release(bc);
  return nj_finish(st, y, out);
}
