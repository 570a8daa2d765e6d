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
 * Frames past a clip's length are masked: zero before the first convolution, out of the pools at
 * the end. A batch needs at least as many frames as one output frame is made of. */
#ifndef NJ_ENCODERS_CONVNET_H
#define NJ_ENCODERS_CONVNET_H

#include "encoders/panns.h"
#include "nn/network.h"

#define NJ_CONVNET_BLOCKS 12

typedef struct {
  int64_t mels;
  int n_blocks;
  int64_t channels[NJ_CONVNET_BLOCKS];  /* of each block's two convolutions */
  int64_t pool_time[NJ_CONVNET_BLOCKS]; /* average pool of each block */
  int64_t pool_mel[NJ_CONVNET_BLOCKS];
  int convolutions;                /* of each block, 1 or 2 */
  int64_t kernel;                  /* their size, odd */
  int64_t classes;                 /* of the classifier; 0: none */
  int neighbours;                  /* frames are pooled with their neighbours */
  double dropout;                  /* after each block, while training */
  nj_spec_augment_options stripes; /* after bn0, while training; no stripes: none */
} nj_convnet_options;

/* 64 mels, blocks of two 3x3 convolutions, pools of 2, dropout 0.2, PANNs' stripes, no classifier; n_blocks
 * 0 and no channels, which must be set. */
nj_convnet_options nj_convnet_default_options(void);

typedef struct {
  nj_network base;
  nj_convnet_options options;
} nj_convnet;

/* Errors of making one: EARG (a size below 1, an even kernel, more mel pooling than mels), ENOMEM. */
NJ_NETWORK_DECLARE(convnet)

#endif
