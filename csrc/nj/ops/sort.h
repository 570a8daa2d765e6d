/* Sorting and selecting along one dimension (0-based, negative from the end). NaN is greater than
 * everything else. Indices are int64, 0-based. Values are differentiable. */
#ifndef NJ_OPS_SORT_H
#define NJ_OPS_SORT_H

#include "tensor/tensor.h"

/* Stable: equal elements keep their order, descending or not. Either output may be NULL. */
nj_status nj_sort(nj_ctx *ctx, nj_tensor *x, int dim, int descending, nj_tensor **values,
                  nj_tensor **indices);
nj_status nj_argsort(nj_ctx *ctx, nj_tensor *x, int dim, int descending, nj_tensor **indices);
/* The k largest (or smallest), in order; among equals those with the lowest index, which come first.
 * Errors: EARG (k negative or larger than the size). */
nj_status nj_topk(nj_ctx *ctx, nj_tensor *x, int64_t k, int dim, int largest, nj_tensor **values,
                  nj_tensor **indices);

#endif
