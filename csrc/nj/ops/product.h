/* Batches of matrix products over strided views, outside the graph: what matmul, linear and their
 * gradients are made of. */
#ifndef NJ_OPS_PRODUCT_H
#define NJ_OPS_PRODUCT_H

#include "tensor/tensor.h"

/* How a product may be made (float32; float64 always goes to OpenBLAS). */
typedef enum {
  NJ_PRODUCT_ROWS, /* a row's bits do not depend on the other rows: for forward passes */
  NJ_PRODUCT_FREE, /* by OpenBLAS: for gradients */
} nj_product_mode;

/* out (kept..., m, n), fresh and contiguous, = a (batch..., m, k) · b (batch..., k, n). a and b
 * have the same batch sizes and dtype, any strides (0 where broadcast). kept[i] is the batch size
 * of dimension i, or 1 where the products of that dimension are to be added up (in order; only with
 * NJ_PRODUCT_FREE). NULL keeps all. Errors: ENOMEM, EINTR. */
nj_status nj_product(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, const int64_t *kept,
                     nj_product_mode mode, nj_tensor **out);

#endif
