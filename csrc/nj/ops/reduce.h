/* Reductions over dimensions.
 *
 * `dims` names n_dims dimensions, 0-based, negative from the end; n_dims 0 means all of them.
 * With keepdim the reduced dimensions stay, with size 1. Results of inputs in permuted contiguous memory
 * may be laid out the same way: ask for nj_as_contiguous before reading one by nj_data. float32 sums
 * are pairwise over fixed blocks; the bits do not depend on the number of threads. */
#ifndef NJ_OPS_REDUCE_H
#define NJ_OPS_REDUCE_H

#include "tensor/tensor.h"

/* Integers sum to (and multiply to) int64, wrapping. Empty: 0. */
nj_status nj_sum(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out);
/* Integers become float32. Empty: NaN. */
nj_status nj_mean(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                  nj_tensor **out);
/* The sum of squared deviations over n - correction (1: unbiased). Integers become float32. NaN
 * when n <= correction, as 0/0 has it. */
nj_status nj_var(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, double correction,
                 int keepdim, nj_tensor **out);
/* The square root of var; its gradient at 0 is infinite. */
nj_status nj_std(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, double correction,
                 int keepdim, nj_tensor **out);
/* Empty: 1. The gradient is exact where elements are 0. */
nj_status nj_prod(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                  nj_tensor **out);
/* (sum |x|^p)^(1/p); p = INFINITY: the largest |x|; p = 0: how many are not 0. The gradient of p = 2
 * at 0 is 0. Integers become float32. Errors: EARG (p negative or NaN). */
nj_status nj_norm(nj_ctx *ctx, nj_tensor *x, double p, int n_dims, const int *dims, int keepdim,
                  nj_tensor **out);
/* log(sum(exp(x))); nothing but -inf gives -inf, with gradient 0. Integers become float32. */
nj_status nj_logsumexp(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                       nj_tensor **out);
/* uint8: whether all / any are not 0 (NaN is not 0). Empty: 1 / 0. */
nj_status nj_all(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out);
nj_status nj_any(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out);

/* The largest / smallest; NaN wins. The gradient goes to the first of equals. Errors: ESHAPE when
 * there is nothing to choose from. (ops/extremes.c, as are the rest) */
nj_status nj_max(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out);
nj_status nj_min(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out);
/* Where the first largest / smallest is: int64, 0-based, in the row-major order of the reduced
 * dimensions. */
nj_status nj_argmax(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                    nj_tensor **out);
nj_status nj_argmin(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                    nj_tensor **out);
/* Both at once, along one dimension. */
nj_status nj_max_dim(nj_ctx *ctx, nj_tensor *x, int dim, int keepdim, nj_tensor **values,
                     nj_tensor **indices);
nj_status nj_min_dim(nj_ctx *ctx, nj_tensor *x, int dim, int keepdim, nj_tensor **values,
                     nj_tensor **indices);

#endif
