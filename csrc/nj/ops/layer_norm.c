#include <math.h>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/row.h"
#include "ops/columns.h"
#include "ops/norm.h"
#include "tensor/autograd.h"

#define GRAIN 32768  /* elements of a block */
#define GRAD_ROWS 64 /* rows whose weight gradients one block sums */

typedef struct {
  const nj_row_kernels *row;
  int64_t n, rows;
  double eps;
  const nj_tensor *x, *w, *b, *g;
  nj_tensor *mean, *rstd, *y;
  nj_tensor *gw, *gb; /* (blocks, n): partial sums; NULL when not wanted */
} layer_job;

#define NORM_ROWS(T, table)                                                              \
  do {                                                                                   \
    const T *x = nj_data(job->x), *w = job->w ? nj_data(job->w) : NULL;                  \
    const T *b = job->b ? nj_data(job->b) : NULL;                                        \
    T *y = nj_data(job->y), *mean = nj_data(job->mean), *rstd = nj_data(job->rstd), var; \
    for (int64_t i = begin; i < end; i++) {                                              \
      (table)->mean_var(x + i * job->n, job->n, mean + i, &var);                         \
      rstd[i] = (T)(1 / sqrt((double)var + job->eps));                                   \
      (table)->scale(x + i * job->n, job->n, mean[i], rstd[i], w, b, y + i * job->n);    \
    }                                                                                    \
  } while (0)

static nj_status norm_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const layer_job *job = argument;
  if (job->x->dtype == NJ_F32)
    NORM_ROWS(float, job->row);
  else
    NORM_ROWS(double, &nj_row_double);
  return NJ_OK;
}

#define NORM_GRAD(T, table)                                                                   \
  do {                                                                                        \
    const T *x = nj_data(job->x), *g = nj_data(job->g), *w = job->w ? nj_data(job->w) : NULL; \
    const T *mean = nj_data(job->mean), *rstd = nj_data(job->rstd);                           \
    T *gx = job->y ? nj_data(job->y) : NULL;                                                  \
    T *gw = job->gw ? (T *)nj_data(job->gw) + block * job->n : NULL;                          \
    T *gb = job->gb ? (T *)nj_data(job->gb) + block * job->n : NULL;                          \
    for (int64_t i = begin; i < end; i++) {                                                   \
      int64_t at = i * job->n;                                                                \
      if (gx)                                                                                 \
        (table)->layer_norm_grad(x + at, g + at, job->n, mean[i], rstd[i], w, gx + at);       \
      if (gw || gb)                                                                           \
        (table)->layer_norm_grad_params(x + at, g + at, job->n, mean[i], rstd[i], gw, gb);    \
    }                                                                                         \
  } while (0)

static nj_status grad_block(void *argument, int64_t block, int worker) {
  (void)worker;
  const layer_job *job = argument;
  int64_t begin = block * GRAD_ROWS, end = begin + GRAD_ROWS;
  end = end < job->rows ? end : job->rows;
  if (job->x->dtype == NJ_F32)
    NORM_GRAD(float, job->row);
  else
    NORM_GRAD(double, &nj_row_double);
  return NJ_OK;
}

/* saved: x, w, mean, rstd. */
static nj_status layer_norm_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                     nj_tensor **grads) {
  nj_tensor *x = NULL, *w = NULL, *g = NULL, *gx = NULL, *gw = NULL, *gb = NULL;
  int64_t n = node->saved[0]->shape[node->saved[0]->ndim - 1], rows = nj_numel(node->saved[2]);
  int64_t blocks = (rows + GRAD_ROWS - 1) / GRAD_ROWS;
  nj_status st = nj_as_contiguous(node->saved[0], &x);
  if (!st && node->saved[1])
    st = nj_as_contiguous(node->saved[1], &w);
  if (!st)
    st = nj_as_contiguous(grad, &g);
  if (!st && nj_needs(node, 0))
    st = nj_empty_like(x, &gx);
  if (!st && nj_needs(node, 1))
    st = nj_zeros(ctx, grad->dtype, 2, (int64_t[]){blocks, n}, &gw);
  if (!st && nj_needs(node, 2))
    st = nj_zeros(ctx, grad->dtype, 2, (int64_t[]){blocks, n}, &gb);
  if (!st && n > 0) {
    layer_job job = {.row = nj_ctx_kernels(ctx)->row,
                     .n = n,
                     .rows = rows,
                     .x = x,
                     .w = w,
                     .g = g,
                     .mean = node->saved[2],
                     .rstd = node->saved[3],
                     .y = gx,
                     .gw = gw,
                     .gb = gb};
    st = nj_parallel(ctx, blocks, grad_block, &job);
  }
  if (!st && gw)
    st = nj_column_sums(ctx, gw, &grads[1]);
  if (!st && gb)
    st = nj_column_sums(ctx, gb, &grads[2]);
  nj_release(x);
  nj_release(w);
  nj_release(g);
  nj_release(gw);
  nj_release(gb);
  grads[0] = gx;
  return st;
}

static nj_status check(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *w, const nj_tensor *b) {
  const nj_tensor *params[] = {w, b};
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "layer_norm: expected float32 or float64, got %s",
                   nj_dtype_name(x->dtype));
  if (x->ndim == 0)
    return nj_fail(ctx, NJ_ESHAPE, "layer_norm: expected at least 1 dimension, got ()");
  for (int i = 0; i < 2; i++) {
    const nj_tensor *p = params[i];
    if (p && p->dtype != x->dtype)
      return nj_fail(ctx, NJ_EDTYPE, "layer_norm: %s is %s, the input %s", i ? "bias" : "weight",
                     nj_dtype_name(p->dtype), nj_dtype_name(x->dtype));
    if (p && (p->ndim != 1 || p->shape[0] != x->shape[x->ndim - 1]))
      return nj_fail(ctx, NJ_ESHAPE, "layer_norm: expected a %s of %lld elements, got %s",
                     i ? "bias" : "weight", (long long)x->shape[x->ndim - 1], NJ_SHAPE_OF(p));
  }
  return NJ_OK;
}

static nj_status record(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b,
                        const layer_job *job) {
  nj_node *node = NULL;
  NJ_TRY(nj_record(ctx, job->y, "layer_norm", layer_norm_backward, 3, (nj_tensor *[]){x, w, b},
                   &node));
  if (!node)
    return NJ_OK;
  NJ_TRY(nj_save(node, 0, x));
  NJ_TRY(nj_save(node, 1, w));
  NJ_TRY(nj_save(node, 2, job->mean));
  return nj_save(node, 3, job->rstd);
}

nj_status nj_layer_norm(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b, double eps,
                        nj_tensor **out) {
  NJ_TRY(check(ctx, x, w, b));
  nj_tensor *xc = NULL, *wc = NULL, *bc = NULL;
  layer_job job = {.row = nj_ctx_kernels(ctx)->row, .n = x->shape[x->ndim - 1], .eps = eps};
  job.rows = 1;
  for (int d = 0; d < x->ndim - 1; d++)
    job.rows *= x->shape[d];
  nj_status st = nj_as_contiguous(x, &xc);
  if (!st && w)
    st = nj_as_contiguous(w, &wc);
  if (!st && b)
    st = nj_as_contiguous(b, &bc);
  if (!st)
    st = nj_empty_like(x, &job.y);
  if (!st)
    st = nj_empty(ctx, x->dtype, 1, &job.rows, &job.mean);
  if (!st)
    st = nj_empty(ctx, x->dtype, 1, &job.rows, &job.rstd);
  job.x = xc;
  job.w = wc;
  job.b = bc;
  if (!st && job.n > 0)
    st = nj_parallel_range(ctx, job.rows, GRAIN / job.n, norm_rows, &job);
  if (!st)
    st = record(ctx, x, w, b, &job);
  nj_release(xc);
  nj_release(wc);
  nj_release(bc);
  nj_release(job.mean);
  nj_release(job.rstd);
  return nj_finish(st, job.y, out);
}
