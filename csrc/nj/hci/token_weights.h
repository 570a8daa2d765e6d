/* How much each token counts: Linear-ReLU-Linear to one logit, softmax over the valid tokens. The
 * weights of weighted token-wise interaction (foolwood/DRL's second form). Names: "0", "2". */
#ifndef NJ_HCI_TOKEN_WEIGHTS_H
#define NJ_HCI_TOKEN_WEIGHTS_H

#include "nn/params.h"

typedef struct {
  int64_t width, hidden;
  nj_dtype dtype; /* of the parameters; 0: float32 */
} nj_token_weights_options;

typedef struct {
  nj_ctx *ctx;
  nj_token_weights_options options;
  nj_params params;
} nj_token_weights;

/* Errors: EARG (a size below 1), ENOMEM. */
nj_status nj_token_weights_new(nj_ctx *ctx, const nj_token_weights_options *options, nj_rng *rng,
                               nj_token_weights **out);
void nj_token_weights_free(nj_token_weights *net);
/* x (B, N, D), mask (B, N), non-zero where a token is valid, or NULL: weights (B, N), not negative,
 * adding up to 1 over an item's valid tokens (zeros where there is none). Tokens under the mask are
 * computed but reach nothing, unless they are not finite. Errors: ESHAPE, EDTYPE. */
nj_status nj_token_weights_forward(nj_token_weights *net, nj_tensor *x, nj_tensor *mask,
                                   nj_tensor **out);

#endif
