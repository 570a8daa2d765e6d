#include "ops/columns.h"

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/row.h"
#include "tensor/autograd.h"

static void move_last(const nj_tensor *x, int dim, int64_t *shape, int64_t *stride) {
  int at = 0;
  for (int d = 0; d < x->ndim; d++)
    if (d != dim) {
      shape[at] = x->shape[d];
      stride[at++] = x->stride[d];
    }
  shape[at] = x->shape[dim];
  stride[at] = x->stride[dim];
}

nj_status nj_dim_last(nj_tensor *x, int dim, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  nj_tensor *view = NULL;
  move_last(x, dim, shape, stride);
  NJ_TRY(nj_alias(x, x->ndim, shape, stride, x->offset, &view));
  nj_status st = nj_as_contiguous(view, out);
  nj_release(view);
  return st;
}

nj_status nj_empty_dim_last(const nj_tensor *x, int dim, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  nj_tensor *y = NULL;
  move_last(x, dim, shape, stride);
  NJ_TRY(nj_empty(x->ctx, x->dtype, x->ndim, shape, &y));
  int at = 0;
  for (int d = 0; d < x->ndim; d++)
    stride[d] = d == dim ? 1 : y->stride[at++];
  nj_status st = nj_alias(y, x->ndim, x->shape, stride, 0, out);
  nj_release(y);
  return st;
}

/* Rows of a block: its columns' sums are made by one thread. */
#define BLOCK_ROWS 4096

typedef struct {
  nj_ctx *ctx;
  const nj_tensor *x;
  nj_tensor *partial;
} sums_job;

static void sum_columns(nj_ctx *ctx, const nj_tensor *x, int64_t from, int64_t rows, nj_tensor *to,
                        int64_t at) {
  int64_t n = x->shape[1];
  if (x->dtype == NJ_F32)
    nj_ctx_kernels(ctx)->row->column[NJ_REDUCE_SUM](NJ_F32_DATA(x) + from * n, rows, n, n,
                                                    NJ_F32_DATA(to) + at * n);
  else
    nj_row_double.column[NJ_REDUCE_SUM](NJ_F64_DATA(x) + from * n, rows, n, n,
                                        NJ_F64_DATA(to) + at * n);
}

static nj_status sum_block(void *argument, int64_t block, int worker) {
  (void)worker;
  const sums_job *job = argument;
  int64_t from = block * BLOCK_ROWS, rows = job->x->shape[0] - from;
  sum_columns(job->ctx, job->x, from, rows < BLOCK_ROWS ? rows : BLOCK_ROWS, job->partial, block);
  return NJ_OK;
}

nj_status nj_column_sums(nj_ctx *ctx, const nj_tensor *x, nj_tensor **out) {
  int64_t blocks = (x->shape[0] + BLOCK_ROWS - 1) / BLOCK_ROWS, n = x->shape[1];
  nj_tensor *partial = NULL, *y = NULL;
  nj_status st = nj_empty(ctx, x->dtype, 1, &n, &y);
  if (!st)
    st = nj_empty(ctx, x->dtype, 2, (int64_t[]){blocks, n}, &partial);
  sums_job job = {ctx, x, partial};
  if (!st)
    st = nj_parallel(ctx, blocks, sum_block, &job);
  if (!st)
    sum_columns(ctx, partial, 0, blocks, y, 0);
  nj_release(partial);
  return nj_finish(st, y, out);
}
