/* From a clip's K caption features to one vector, to be compared with a query: their mean, or the
 * mean behind a Transformer over captions (whwu95/Cap4Video, text_pool_type transf_avg: learned
 * positions and post-norm layers whose feed-forward is as wide as they are). Names:
 * position_embeddings.weight, transformer.layers.<i> with torch.nn.TransformerEncoderLayer's. */
#ifndef NJ_AC_CAPTION_POOL_H
#define NJ_AC_CAPTION_POOL_H

#include "nn/params.h"

typedef enum { NJ_CAPTION_MEAN, NJ_CAPTION_TRANSFORMER } nj_caption_pool_kind;

typedef struct {
  nj_caption_pool_kind kind;
  int64_t width;
  int64_t layers, heads, hidden, positions; /* TRANSFORMER; positions: the most captions */
  int pre_norm;
  double dropout; /* while training */
  nj_dtype dtype; /* of the parameters; 0: float32 */
} nj_caption_pool_options;

typedef struct {
  nj_ctx *ctx;
  nj_caption_pool_options options;
  nj_params params;
} nj_caption_pool;

/* Errors: EARG (sizes, heads that do not divide the width), ENOMEM. */
nj_status nj_caption_pool_new(nj_ctx *ctx, const nj_caption_pool_options *options, nj_rng *rng,
                              nj_caption_pool **out);
void nj_caption_pool_free(nj_caption_pool *net);
/* captions (B, K, D), mask (B, K), non-zero where a caption is valid, or NULL: (B, D). Captions under
 * the mask are not read; a clip without valid captions gets zeros. Errors: ESHAPE, EDTYPE, EARG (more
 * captions than positions). */
nj_status nj_caption_pool_forward(nj_caption_pool *net, nj_tensor *captions, nj_tensor *mask,
                                  int training, nj_rng *rng, nj_tensor **out);

#endif
