/* Matrix products, differentiable. float32 and float64; both operands of one dtype.
 *
 * In float32 the forward pass gives each row of the result the same bits whatever the number of
 * rows and of batches (kernels/tile.h). */
#ifndef NJ_OPS_MATMUL_H
#define NJ_OPS_MATMUL_H

#include "tensor/tensor.h"

/* a · b as in NumPy: vectors on either side lose their dimension again, (…, m, k) · (…, k, n) gives
 * (…, m, n) with the leading dimensions broadcast. Errors: ESHAPE (inner sizes, batches,
 * 0-dimensional), EDTYPE. */
nj_status nj_matmul(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);

/* x (…, in) · wᵀ + b with w (out, in) and b (out) or NULL: (…, out). The packed form of a weight
 * that was not itself computed is kept with it until it changes. Errors: ESHAPE, EDTYPE. */
nj_status nj_linear(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b, nj_tensor **out);

#endif
