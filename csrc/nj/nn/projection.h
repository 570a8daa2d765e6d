/* Projection heads: from an encoder's width to the space where audio and text are compared. */
#ifndef NJ_NN_PROJECTION_H
#define NJ_NN_PROJECTION_H

#include "nn/network.h"

typedef enum {
  NJ_PROJECTION_LINEAR, /* Linear(in → out):                         "0" */
  NJ_PROJECTION_MLP, /* Linear(in → hidden) ReLU Linear(→ out):   "0", "2" (WavCaps, LAION, AT) */
  NJ_PROJECTION_GATED,   /* e = W1 x; LN(e + dropout(W2 gelu(e))), no biases: "linear1", "linear2",
                           "layer_norm" (MS-CLAP) */
  NJ_PROJECTION_NORM_MLP /* LN Linear(in → hidden) GELU LN Linear(→ out): "0", "1", "3", "4"
                            (MGA-CLAP, of every frame and word) */
} nj_projection_kind;

typedef struct {
  nj_projection_kind kind;
  int64_t in, hidden, out;
  double dropout; /* GATED only, while training */
  nj_dtype dtype; /* of the parameters; 0: float32 */
} nj_projection_options;

/* MLP, no dropout; every size 0, which must be set. */
nj_projection_options nj_projection_default_options(void);

typedef struct {
  nj_network base;
  nj_projection_options options;
} nj_projection;

NJ_NETWORK_DECLARE(projection)
/* x (…, in) → (…, out). Errors: ESHAPE. */
nj_status nj_projection_forward(nj_projection *net, nj_tensor *x, int training, nj_rng *rng,
                                nj_tensor **out);

#endif
