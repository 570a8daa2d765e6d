/* Running sums and products along one dimension (0-based, negative from the end). float32 is
 * accumulated in double. Integers give int64, wrapping. Differentiable; cumprod's gradient is exact where
 * elements are 0. */
#ifndef NJ_OPS_SCAN_H
#define NJ_OPS_SCAN_H

#include "tensor/tensor.h"

nj_status nj_cumsum(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out);
nj_status nj_cumprod(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out);
/* The product of everything but the element itself along each row, times the row's gradient:
 * nj_prod's backward. x and gx are contiguous rows of n; g has one element per row. */
nj_status nj_prod_grad_rows(nj_ctx *ctx, const nj_tensor *x, int64_t n_rows, int64_t n,
                            const nj_tensor *g, nj_tensor *gx);

#endif
