/* PANNs' stacks of ConvBlocks (Kong et al., "PANNs", TASLP 2020), of any width and depth: CNN6,
 * CNN10 and CNN14 are three of them. Parameter names are those of the reference code.
 *
 *   log-mel (B, T, M) → bn0 over mel bins → [SpecAugment, training] →
 *   blocks of conv3x3 → BN → ReLU → conv3x3 → BN → ReLU → average pool [→ dropout, training]
 *   (CNN6: one conv5x5 a block) →
 *   mean over frequency [→ each frame with its neighbours, nj_panns_neighbours] →
 *   frames (B, N, C) → clip (B, C) = max over time + mean over time
 *   [→ fc1 → ReLU → fc_audioset → logits]
 *
 * Frames behind a clip's length are masked: zero before the first convolution, out of the pools at
 * the end. */
#ifndef NJ_ENCODERS_CONVNET_H
#define NJ_ENCODERS_CONVNET_H

#include "encoders/panns.h"

#define NJ_CONVNET_BLOCKS 12

typedef struct {
  int64_t mels;
  int n_blocks;
  int64_t channels[NJ_CONVNET_BLOCKS];  /* of each block's two convolutions */
  int64_t pool_time[NJ_CONVNET_BLOCKS]; /* average pool of each block */
  int64_t pool_mel[NJ_CONVNET_BLOCKS];
  int convolutions;                /* of each block, 1 or 2; 0 is 2 */
  int64_t kernel;                  /* their size, odd; 0 is 3 */
  int64_t classes;                 /* of the classifier; 0: none */
  int neighbours;                  /* frames are pooled with their neighbours */
  double dropout;                  /* after each block, while training */
  nj_spec_augment_options stripes; /* after bn0, while training; no stripes: none */
} nj_convnet_options;

typedef struct {
  nj_ctx *ctx;
  nj_convnet_options options;
  nj_params params;
} nj_convnet;

/* Errors: EARG (a size below 1, an even kernel, more mel pooling than mels), ENOMEM. */
nj_status nj_convnet_new(nj_ctx *ctx, const nj_convnet_options *options, nj_rng *rng,
                         nj_convnet **out);
void nj_convnet_free(nj_convnet *net);

/* Frames left of `length` input frames (at least 1 for a length of at least 1). */
int64_t nj_convnet_frames(const nj_convnet *net, int64_t length);
/* Input frames per output frame. */
int64_t nj_convnet_stride(const nj_convnet *net);

/* x (B, T, M); lengths int64 (B) or NULL when every clip fills T; rng is used while training only.
 * Gives frames (B, N, C), clip (B, C) and the valid frames of each clip, int64 (B). Differentiable in
 * x and the parameters. Errors: ESHAPE (also when T is shorter than one output frame needs), EARG. */
nj_status nj_convnet_forward(nj_convnet *net, nj_tensor *x, nj_tensor *lengths, int training,
                             nj_rng *rng, nj_tensor **frames, nj_tensor **clip,
                             nj_tensor **frame_lengths);
/* clip (…, C) → logits (…, classes) and, when `inner` is not NULL, relu(fc1(clip)); see
 * nj_panns_classify. */
nj_status nj_convnet_logits(nj_convnet *net, nj_tensor *clip, int training, nj_rng *rng,
                            nj_tensor **inner, nj_tensor **out);

#endif
