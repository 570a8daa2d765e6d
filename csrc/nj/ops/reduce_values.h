/* Reductions of values, for other operations and their backward functions: nothing is recorded. `dims`,
 * `keepdim` and layouts are those of ops/reduce.h. */
#ifndef NJ_OPS_REDUCE_VALUES_H
#define NJ_OPS_REDUCE_VALUES_H

#include "kernels/row.h"
#include "tensor/tensor.h"

/* Checks dims and sets mask bit i for every reduced dimension i. Errors: EARG (out of range, or named
 * twice). */
nj_status nj_dims_mask(nj_ctx *ctx, const char *op, const nj_tensor *x, int n_dims, const int *dims,
                       unsigned *mask);
/* Reduces x. Floats keep their dtype; integers allow SUM and PROD (to int64), MAX and MIN. An empty
 * reduction gives what kernels/row.h says. */
nj_status nj_reduce_values(nj_ctx *ctx, nj_reduce_kind kind, nj_tensor *x, int n_dims,
                           const int *dims, int keepdim, nj_tensor **out);
nj_status nj_reduce_mask(nj_ctx *ctx, nj_reduce_kind kind, nj_tensor *x, unsigned mask, int keepdim,
                         nj_tensor **out);
/* The sum of squared deviations from the mean, in two passes. Floats only. */
nj_status nj_reduce_deviations(nj_ctx *ctx, nj_tensor *x, unsigned mask, int keepdim,
                               nj_tensor **out);
/* The reduction t (with or without keepdim) of a tensor of the given shape, as a view of that shape in which
 * t's elements repeat along the reduced dimensions. */
nj_status nj_expand_reduced(const nj_tensor *t, int ndim, const int64_t *shape, unsigned mask,
                            nj_tensor **out);

#endif
