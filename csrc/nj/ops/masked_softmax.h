/* Softmax over some of the entries; float32 and float64, differentiable. */
#ifndef NJ_OPS_MASKED_SOFTMAX_H
#define NJ_OPS_MASKED_SOFTMAX_H

#include "tensor/tensor.h"

/* Softmax along dim over the entries whose mask is not 0. mask (any dtype) broadcasts to x. Entries
 * under the mask are not read, get 0 and give no gradient; where nothing is seen all are 0, which is
 * where this differs from softmax. Results have `dim` innermost in memory. Errors: EDTYPE, EARG
 * (dim), ESHAPE (mask). */
nj_status nj_masked_softmax(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, int dim, nj_tensor **out);
/* x - logsumexp of the entries seen; -inf elsewhere. */
nj_status nj_masked_log_softmax(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, int dim,
                                nj_tensor **out);

/* What operations of this kind read: the mask as uint8 of x's shape, a view where it broadcasts. `op`
 * begins the message. Errors: ESHAPE. */
nj_status nj_mask_of(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *mask, nj_tensor **out);

#endif
