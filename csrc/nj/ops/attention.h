/* Scaled dot-product attention, differentiable; float32 and float64. */
#ifndef NJ_OPS_ATTENTION_H
#define NJ_OPS_ATTENTION_H

#include "base/option.h"
#include "base/rng.h"
#include "tensor/tensor.h"

typedef struct {
  double scale;   /* of the scores; 0: 1 / sqrt(D) */
  double dropout; /* of the weights, in [0, 1); 0: none */
  nj_rng *rng;    /* for dropout; advanced by one number a weight */
} nj_attention_options;

/* Scores over sqrt(D), no dropout. */
nj_attention_options nj_attention_default_options(void);
extern const nj_option_table nj_attention_option_table;

/* softmax(q kᵀ * scale + mask) v, for q (…, N, D), k (…, M, D), v (…, M, E) with equal leading
 * dimensions: (…, N, E).
 *
 * mask broadcasts to (…, N, M): of q's dtype it is added (-inf hides), and is differentiable; of
 * dtype uint8 it says which keys may be seen (non-zero). NULL: all. A query that sees no key gets
 * zeros and gives no gradient, which is where this differs from softmax. In float32 a query's bits
 * depend on neither the other queries nor the rest of the batch. With four dimensions (B, H, N, E)
 * the memory is (B, N, H, E): joining the heads is then a view. options NULL: defaults. Errors:
 * ESHAPE, EDTYPE, EARG. */
nj_status nj_attention(nj_ctx *ctx, nj_tensor *q, nj_tensor *k, nj_tensor *v, nj_tensor *mask,
                       const nj_attention_options *options, nj_tensor **out);

#endif
