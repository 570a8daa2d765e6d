/* Sparsemax (Martins & Astudillo, ICML 2016): softmax's sparse relative; float32 and float64,
 * differentiable. */
#ifndef NJ_OPS_SPARSEMAX_H
#define NJ_OPS_SPARSEMAX_H

#include "tensor/tensor.h"

/* The point of the simplex that is nearest to x along dim: max(x - t, 0) with the t that makes it add
 * up to 1. NaN or +inf in a row, or nothing but -inf, makes the row NaN, as in softmax. Where an entry is
 * exactly t its gradient is 0. Results have `dim` innermost in memory; a row has the same bits wherever
 * it lies. Errors: EDTYPE, EARG (dim). */
nj_status nj_sparsemax(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out);
/* The same over the entries whose mask is not 0, with a mask as nj_masked_softmax has it: the others are
 * not read, get 0 and give no gradient; where nothing is seen all are 0. Errors: also ESHAPE (mask). */
nj_status nj_masked_sparsemax(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, int dim, nj_tensor **out);

#endif
