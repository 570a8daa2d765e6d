/* How much each token counts: Linear-ReLU-Linear to one logit, softmax over the valid tokens. The
 * weights of weighted token-wise interaction (foolwood/DRL's second form). Names: "0", "2". */
#ifndef NJ_HCI_TOKEN_WEIGHTS_H
#define NJ_HCI_TOKEN_WEIGHTS_H

#include "nn/network.h"

typedef struct {
  int64_t width, hidden;
  nj_dtype dtype; /* of the parameters; 0: float32 */
} nj_token_weights_options;

/* float32; width and hidden 0, which must be set. */
nj_token_weights_options nj_token_weights_default_options(void);

typedef struct {
  nj_network base;
  nj_token_weights_options options;
} nj_token_weights;

/* Errors of making one: EARG (a size below 1), ENOMEM. */
NJ_NETWORK_DECLARE(token_weights)
/* x (B, N, D), mask (B, N), non-zero where a token is valid, or NULL: weights (B, N), not negative,
 * adding up to 1 over an item's valid tokens (zeros where there is none). Tokens under the mask are
 * computed but reach nothing, unless they are not finite. Errors: ESHAPE, EDTYPE. */
nj_status nj_token_weights_forward(nj_token_weights *net, nj_tensor *x, nj_tensor *mask,
                                   nj_tensor **out);

#endif
