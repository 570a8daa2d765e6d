/* PANNs' ResNet22, ResNet38 and ResNet54 (Kong et al., "PANNs", TASLP 2020), of any width.
 * Parameter names are those of the reference code.
 *
 *   log-mel (B, T, M) → bn0 over mel bins → [SpecAugment, training] → conv_block1, pool 2x2 →
 *   resnet.layer1 … 4 → average pool 2x2 → conv_block_after1 →
 *   mean over frequency → frames (B, N, C) → clip (B, C) = max over time + mean over time
 *   [→ fc1 → ReLU → fc_audioset → logits]
 *
 * Layers 2 to 4 halve the image by average pooling before their first convolution, and their
 * shortcut is average pool → conv1x1 → BN. One output frame is 32 input frames. Frames after a
 * clip's end are masked as in convnet.h. */
#ifndef NJ_ENCODERS_RESNET_H
#define NJ_ENCODERS_RESNET_H

#include "nn/conv_norm.h"
#include "encoders/panns.h"
#include "nn/network.h"

#define NJ_RESNET_LAYERS 4
#define NJ_RESNET_BLOCKS 64 /* of a layer, at most */

typedef struct {
  int64_t mels;
  int64_t width; /* channels of conv_block1 and layer1; twice that in layer2 … */
  int64_t blocks[NJ_RESNET_LAYERS]; /* of each layer */
  int bottleneck;                   /* blocks of 1x1, 3x3, 1x1 with four times the channels */
  int64_t channels;                 /* of frames and clips: 32 * width in PANNs */
  int64_t classes;                  /* of the classifier; 0: none */
  double dropout, block_dropout;    /* while training: between stages; inside blocks */
  nj_spec_augment_options stripes;  /* after bn0, while training; no stripes: none */
} nj_resnet_options;

/* ResNet38: 64 mels, width 64, blocks 3, 4, 6, 3, 2048 channels, no classifier, dropout 0.2 and 0.1. */
nj_resnet_options nj_resnet_default_options(void);

typedef struct {
  int pools;    /* halves the image */
  int shortcut; /* has a convolution of its own in the shortcut */
  nj_conv_norm conv[3], down;
} nj_resnet_block;

typedef struct {
  nj_network base;
  nj_resnet_options options;
  nj_conv_norm first[2], after[2];
  nj_resnet_block *blocks; /* of all layers */
  int64_t n_blocks;
} nj_resnet;

/* Errors of making one: EARG (a size below 1, fewer than 32 mels, dropout), ENOMEM. */
NJ_NETWORK_DECLARE(resnet)

#endif
