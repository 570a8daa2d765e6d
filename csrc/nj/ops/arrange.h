/* Rearranging copies: flip, roll, triangles, tiling. All are differentiable, take every dtype,
 * and give contiguous results. Dimensions are 0-based, negative from the end. ENOMEM everywhere. */
#ifndef NJ_OPS_ARRANGE_H
#define NJ_OPS_ARRANGE_H

#include "tensor/tensor.h"

/* Reverses each of the n dimensions. Errors: EARG (a dimension twice, or out of range). */
nj_status nj_flip(nj_ctx *ctx, nj_tensor *x, int n, const int *dims, nj_tensor **out);
/* Moves entries `shift` places towards the end of a dimension; what falls off comes in at the
 * front. Negative shifts go the other way; shifts beyond the size wrap. */
nj_status nj_roll(nj_ctx *ctx, nj_tensor *x, int64_t shift, int dim, nj_tensor **out);
/* Zeros above (tril) or below (triu) the given diagonal of the last two dimensions; 0 is the main
 * one, positive ones lie above. Errors: ESHAPE (fewer than two dimensions). */
nj_status nj_tril(nj_ctx *ctx, nj_tensor *x, int64_t diagonal, nj_tensor **out);
nj_status nj_triu(nj_ctx *ctx, nj_tensor *x, int64_t diagonal, nj_tensor **out);
/* x laid side by side counts[i] times along dimension i. With more counts than dimensions, x gets
 * leading dimensions of 1; with fewer, they belong to the last ones. Errors: EARG (negative). */
nj_status nj_repeat(nj_ctx *ctx, nj_tensor *x, int n, const int64_t *counts, nj_tensor **out);
/* Each entry of a dimension `count` times in a row. Errors: EARG (negative). */
nj_status nj_repeat_interleave(nj_ctx *ctx, nj_tensor *x, int64_t count, int dim, nj_tensor **out);

#endif
