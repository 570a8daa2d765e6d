#include "ops/index_rows.h"

#include <string.h>

#include "base/parallel.h"
#include "tensor/autograd.h"

#define GRAIN 32768 /* elements a block moves */
#define COLUMNS 256 /* columns a block sums */

/* Integers wrap around, as in C's unsigned arithmetic. */
#define PLUS_U8(a, b) (uint8_t)((a) + (b))
#define PLUS_I32(a, b) (int32_t)((uint32_t)(a) + (uint32_t)(b))
#define PLUS_I64(a, b) (int64_t)((uint64_t)(a) + (uint64_t)(b))
#define PLUS_F32(a, b) ((a) + (b))
#define PLUS_F64(a, b) ((a) + (b))

static nj_fold fold_at(const int64_t *shape, int ndim, int dim) {
  nj_fold f = {1, ndim > 0 ? shape[dim] : 1, 1};
  for (int i = 0; i < ndim; i++) {
    f.outer *= i < dim ? shape[i] : 1;
    f.inner *= i > dim ? shape[i] : 1;
  }
  return f;
}

static int64_t blocks_of(int64_t total, int64_t size) { return (total + size - 1) / size; }

/* ---- index tensors ---- */

static nj_status check_index_dtype(nj_ctx *ctx, const char *op, const nj_tensor *index) {
  if (index->dtype == NJ_I32 || index->dtype == NJ_I64)
    return NJ_OK;
  return nj_fail(ctx, NJ_EDTYPE, "%s: the index must be int32 or int64, got %s", op,
                 nj_dtype_name(index->dtype));
}

static nj_status out_of_range(nj_ctx *ctx, const char *op, int64_t shown, int dim, int64_t size) {
  return nj_fail(ctx, NJ_EINDEX, "%s: index %lld is out of range for dimension %d of size %lld", op,
                 (long long)shown, dim + 1, (long long)size);
}

nj_status nj_index_from_one(nj_ctx *ctx, const char *op, nj_tensor *index, int dim, int64_t size,
                            nj_tensor **out) {
  NJ_TRY(check_index_dtype(ctx, op, index));
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, NJ_I64, index->ndim, index->shape, &y));
  nj_status st = nj_copy_values(y, index);
  int64_t n = nj_numel(y), *at = NJ_I64_DATA(y);
  for (int64_t i = 0; !st && i < n; i++) {
    int64_t position = at[i] > 0 ? at[i] - 1 : at[i] < 0 && at[i] >= -size ? at[i] + size : -1;
    if (position < 0 || position >= size)
      st = out_of_range(ctx, op, at[i], dim, size);
    at[i] = position;
  }
  return nj_finish(st, y, out);
}

nj_status nj_ready_index(nj_ctx *ctx, const char *op, nj_tensor *index, int dim, int64_t size,
                         nj_tensor **out) {
  NJ_TRY(check_index_dtype(ctx, op, index));
  nj_tensor *y = NULL;
  NJ_TRY(nj_as(index, NJ_I64, &y));
  int64_t n = nj_numel(y);
  const int64_t *at = NJ_I64_DATA(y);
  nj_status st = NJ_OK;
  for (int64_t i = 0; !st && i < n; i++) {
    if (at[i] < 0 || at[i] >= size)
      st = out_of_range(ctx, op, at[i] + 1, dim, size);
  }
  return nj_finish(st, y, out);
}

/* ---- moving and adding runs of elements ---- */

static nj_status take_block(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const nj_row_job *job = arg;
  size_t run = (size_t)job->f.inner * job->bytes;
  for (int64_t i = begin; i < end; i++) {
    int64_t row = (i / job->count) * job->f.size + job->index[i % job->count];
    memcpy(job->packed + (size_t)i * run, job->rows + (size_t)row * run, run);
  }
  return NJ_OK;
}

nj_status nj_take_rows(nj_ctx *ctx, nj_row_job *job) {
  int64_t grain = GRAIN / (job->f.inner + 1) + 1;
  if (job->f.inner == 0)
    return NJ_OK;
  return nj_parallel_range(ctx, job->f.outer * job->count, grain, take_block, job);
}

void nj_put_rows(const nj_row_job *job) {
  size_t run = (size_t)job->f.inner * job->bytes;
  for (int64_t i = 0; i < job->f.outer * job->count; i++) {
    int64_t row = (i / job->count) * job->f.size + job->index[i % job->count];
    memcpy(job->rows + (size_t)row * run, job->packed + (size_t)i * run, run);
  }
}

/* A block owns some columns of one outer entry and goes through all indices in order, so sums do
 * not depend on how blocks are shared out. */
static nj_status add_block(void *arg, int64_t block, int worker) {
  (void)worker;
  const nj_row_job *job = arg;
  int64_t per_outer = blocks_of(job->f.inner, COLUMNS);
  int64_t o = block / per_outer, from = block % per_outer * COLUMNS;
  int64_t n = job->f.inner - from < COLUMNS ? job->f.inner - from : COLUMNS;
  for (int64_t j = 0; j < job->count; j++) {
    if (job->index[j] == job->skip)
      continue;
    int64_t to = (o * job->f.size + job->index[j]) * job->f.inner + from;
    int64_t at = (o * job->count + j) * job->f.inner + from;
    switch (job->dtype) {
#define NJ_X(NAME, value, type, text)               \
  case NJ_##NAME: {                                 \
    type *y = (type *)job->rows + to;               \
    const type *g = (const type *)job->packed + at; \
    for (int64_t i = 0; i < n; i++)                 \
      y[i] = PLUS_##NAME(y[i], g[i]);               \
  } break;
      NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
    }
  }
  return NJ_OK;
}

nj_status nj_add_rows(nj_ctx *ctx, nj_row_job *job) {
  return nj_parallel(ctx, job->f.outer * blocks_of(job->f.inner, COLUMNS), add_block, job);
}

nj_row_job nj_row_job_of(const nj_tensor *rows, int dim, const nj_tensor *index,
                         const nj_tensor *packed) {
  return (nj_row_job){.f = fold_at(rows->shape, rows->ndim, dim),
                      .count = nj_numel(index),
                      .index = NJ_I64_DATA(index),
                      .skip = -1,
                      .dtype = rows->dtype,
                      .bytes = nj_dtype_size(rows->dtype),
                      .rows = nj_data(rows),
                      .packed = nj_data(packed)};
}

nj_status nj_take_shape(nj_ctx *ctx, const char *op, const nj_tensor *x, int dim,
                        const nj_tensor *index, int *ndim, int64_t *shape) {
  int n = x->ndim - 1 + index->ndim, at = 0;
  if (n > NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "%s: the result would have %d dimensions, at most %d are possible",
                   op, n, NJ_MAX_DIMS);
  for (int i = 0; i < x->ndim; i++) {
    for (int j = 0; i == dim && j < index->ndim; j++)
      shape[at++] = index->shape[j];
    if (i != dim)
      shape[at++] = x->shape[i];
  }
  *ndim = n;
  return NJ_OK;
}
