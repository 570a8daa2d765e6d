/* Rows of a tensor named by index, moved and summed: what index_select, embedding, index_add and
 * assignment by index are made of, and checked index tensors. Nothing here is recorded. */
#ifndef NJ_OPS_INDEX_ROWS_H
#define NJ_OPS_INDEX_ROWS_H

#include "tensor/tensor.h"

/* A tensor seen along one dimension: (outer, size, inner). */
typedef struct {
  int64_t outer, size, inner;
} nj_fold;

/* Runs at rows of one tensor (outer, size, inner) and of packed (outer, count, inner). */
typedef struct {
  nj_fold f;
  int64_t count;
  const int64_t *index; /* count of them, in range */
  int64_t skip;         /* index that adds nothing; -1: none */
  nj_dtype dtype;
  size_t bytes; /* of an element */
  char *rows, *packed;
} nj_row_job;

/* All contiguous, packed in the dtype of rows, index int64. */
nj_row_job nj_row_job_of(const nj_tensor *rows, int dim, const nj_tensor *index,
                         const nj_tensor *packed);
/* packed[o, j, :] = rows[o, index[j], :] */
nj_status nj_take_rows(nj_ctx *ctx, nj_row_job *job);
/* rows[o, index[j], :] = packed[o, j, :], in order: the last write to a row stays. */
void nj_put_rows(const nj_row_job *job);
/* rows[o, index[j], :] += packed[o, j, :], summed in the order of j. */
nj_status nj_add_rows(nj_ctx *ctx, nj_row_job *job);

/* x's shape with the index's in place of dimension dim. Errors: EARG (too many dimensions). */
nj_status nj_take_shape(nj_ctx *ctx, const char *op, const nj_tensor *x, int dim,
                        const nj_tensor *index, int *ndim, int64_t *shape);
/* 1-based positions (negative from the end) into 0-based int64, contiguous, checked against the
 * size of dimension dim (0-based, for the message). Errors: EINDEX, EDTYPE. */
nj_status nj_index_from_one(nj_ctx *ctx, const char *op, nj_tensor *index, int dim, int64_t size,
                            nj_tensor **out);
/* The index as contiguous int64, each in [0, size). Errors: EDTYPE, EINDEX. */
nj_status nj_ready_index(nj_ctx *ctx, const char *op, nj_tensor *index, int dim, int64_t size,
                         nj_tensor **out);

#endif
