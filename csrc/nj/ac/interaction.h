/* Feature interaction of auxiliary captions: frames and caption features attend to one another
 * (co-attention), then a Transformer runs over the frames, with a residual to its input.
 *
 * The co-attention block is Cap4Video's (whwu95/Cap4Video, Co_attention_block), under its names:
 *   V' = LN1(V + dense1(attention(query1 V; key2 T, value2 T)))
 *   V̂  = LN(V' + v_output(gelu(v_intermediate(V'))))          hidden as wide as V'
 * and the same for captions with the other projections. Cap4Video multiplies scores by the mask; here
 * hidden keys get -inf. The Transformer: V̂ + layers(V̂ + frame_position_embeddings), pre-norm, under
 * transformer.layers.<i> with torch.nn.TransformerEncoderLayer's names. */
#ifndef NJ_AC_INTERACTION_H
#define NJ_AC_INTERACTION_H

#include "nn/network.h"

typedef struct {
  int64_t width, heads;
  int64_t layers;    /* of the Transformer; 0: none, and no positions */
  int64_t hidden;    /* of the Transformer's feed-forward */
  int64_t positions; /* the most frames the Transformer takes */
  double dropout;    /* while training */
  int captions;      /* enhance the captions too */
  nj_dtype dtype;    /* of the parameters; 0: float32 */
} nj_interaction_options;

/* 4 heads, 4 layers, 512 positions, dropout 0.1; width and hidden 0, which must be set. */
nj_interaction_options nj_interaction_default_options(void);

typedef struct {
  nj_network base;
  nj_interaction_options options;
} nj_interaction;

/* Errors of making one: EARG (sizes, heads that do not divide the width), ENOMEM. */
NJ_NETWORK_DECLARE(interaction)

/* frames (B, N, D) with mask (B, N), captions (B, K, D) with mask (B, K); masks non-zero where valid,
 * or NULL; captions NULL: no clip has any. Gives frames (B, N, D) and, when the network enhances
 * captions and enhanced is not NULL, captions (B, K, D). Rows under the masks are computed as the
 * others are and reach no other row, provided that they are finite. A clip without valid captions
 * gets an attention of zeros, so that its frames depend on no caption. Errors: ESHAPE, EDTYPE, EARG
 * (more frames than positions). */
nj_status nj_interaction_forward(nj_interaction *net, nj_tensor *frames, nj_tensor *frame_mask,
                                 nj_tensor *captions, nj_tensor *caption_mask, int training,
                                 nj_rng *rng, nj_tensor **out, nj_tensor **enhanced);

#endif
