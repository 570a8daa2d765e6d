/* From a clip's K caption features to one vector, to be compared with a query: their mean, or the
 * mean after a Transformer over captions (whwu95/Cap4Video, text_pool_type transf_avg: learned
 * positions and post-norm layers whose feed-forward is as wide as they are). Names:
 * position_embeddings.weight, transformer.layers.<i> with torch.nn.TransformerEncoderLayer's. */
#ifndef NJ_AC_CAPTION_POOL_H
#define NJ_AC_CAPTION_POOL_H

#include "nn/network.h"

typedef enum { NJ_CAPTION_MEAN, NJ_CAPTION_TRANSFORMER } nj_caption_pool_kind;

typedef struct {
  nj_caption_pool_kind kind;
  int64_t width;
  int64_t layers, heads, hidden, positions; /* TRANSFORMER; positions: the most captions */
  int pre_norm;
  double dropout; /* while training */
  nj_dtype dtype; /* of the parameters; 0: float32 */
} nj_caption_pool_options;

/* The mean; 2 layers, 1 head, 64 positions, post-norm, no dropout; width and hidden 0, which must be set. */
nj_caption_pool_options nj_caption_pool_default_options(void);

typedef struct {
  nj_network base;
  nj_caption_pool_options options;
} nj_caption_pool;

/* Errors of making one: EARG (sizes, heads that do not divide the width), ENOMEM. */
NJ_NETWORK_DECLARE(caption_pool)
/* captions (B, K, D), mask (B, K), non-zero where a caption is valid, or NULL: (B, D). Captions under
 * the mask are not read; a clip without valid captions gets zeros. Errors: ESHAPE, EDTYPE, EARG (more
 * captions than positions). */
nj_status nj_caption_pool_forward(nj_caption_pool *net, nj_tensor *captions, nj_tensor *mask,
                                  int training, nj_rng *rng, nj_tensor **out);

#endif
