/* What operations with broadcast inputs need in their backward functions. */
#ifndef NJ_OPS_BROADCAST_H
#define NJ_OPS_BROADCAST_H

#include "tensor/autograd.h"

/* The part of node->ints that nj_keep_shape uses. */
#define NJ_KEPT_INTS (NJ_MAX_DIMS + 2)

/* Remembers x's dtype and shape in node->ints[at …]. */
void nj_keep_shape(nj_node *node, int at, const nj_tensor *x);
/* The gradient of broadcasting (and converting) the tensor remembered there: sums grad over the
 * dimensions in which it was repeated. Gives grad itself, retained, when there is nothing to do. */
nj_status nj_sum_to_kept(nj_ctx *ctx, const nj_node *node, int at, nj_tensor *grad,
                         nj_tensor **out);
/* The same for a shape and dtype at hand. */
nj_status nj_sum_to(nj_ctx *ctx, nj_tensor *grad, nj_dtype dtype, int ndim, const int64_t *shape,
                    nj_tensor **out);

#endif
