/* Softmax and what is built on it; float32 and float64, differentiable. A row has the same bits
 * wherever it lies. Results have `dim` innermost in memory. */
#ifndef NJ_OPS_SOFTMAX_H
#define NJ_OPS_SOFTMAX_H

#include "tensor/tensor.h"

/* exp(x) / sum of exp(x) along dim. A row of nothing but -inf becomes NaN, as 0 / 0 does (attention
 * gives zeros there: ops/attention.h). Errors: EDTYPE, EARG (dim). */
nj_status nj_softmax(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out);
/* x - logsumexp(x) along dim. */
nj_status nj_log_softmax(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out);

#endif
