/* Walking several tensors in step, whatever their strides, dtypes and broadcasting.
 *
 * Dimensions are dropped, reordered along the first operand's memory and merged where the layouts
 * allow, so that most walks become one long run. The function that does the work sees contiguous runs
 * of the dtype it asked for: where an operand is not so, its elements pass through a small buffer.
 * Work is spread over the pool; blocks depend on the shapes alone. */
#ifndef NJ_TENSOR_ITER_H
#define NJ_TENSOR_ITER_H

#include "tensor/tensor.h"

#define NJ_ITER_MAX 4

typedef struct {
  nj_ctx *ctx;
  int n_operands;
  int ndim; /* after merging */
  int64_t numel;
  int64_t shape[NJ_MAX_DIMS];               /* innermost first */
  int64_t stride[NJ_ITER_MAX][NJ_MAX_DIMS]; /* in elements */
  char *data[NJ_ITER_MAX];
  nj_dtype dtype[NJ_ITER_MAX];
} nj_iter;

/* Operand 0 is written and gives the shape, the others are read and broadcast to it. An operand
 * may be the very tensor that is written; other overlaps are the caller's business. Errors: ESHAPE,
 * with `op` in the text. */
nj_status nj_iter_init(nj_iter *it, nj_ctx *ctx, const char *op, int n_operands,
                       const nj_tensor *const *operands);

/* n elements: operand k begins at data[k] with stride[k] 1, or 0 when one element serves all
 * (never for operand 0). */
typedef void (*nj_iter_fn)(const void *arg, void *const *data, const int64_t *stride, int64_t n);

/* Calls fn over everything. as[k] is the dtype in which it sees operand k. Reading converts as
 * nj_copy_values does; writing int64 to a narrower integer keeps the low bits. */
nj_status nj_iter_run(const nj_iter *it, const nj_dtype *as, nj_iter_fn fn, const void *arg);

/* A fresh tensor for the result of an elementwise operation. It is laid out like the first input
 * of the same shape when that is a permutation of contiguous memory (channels-last stays
 * channels-last), else contiguous. Inputs may be NULL. */
nj_status nj_empty_result(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, int n_inputs,
                          nj_tensor *const *inputs, nj_tensor **out);

/* The dtype in which kernels compute for `dtype`: integers all in int64. */
nj_dtype nj_compute_dtype(nj_dtype dtype);

#endif
