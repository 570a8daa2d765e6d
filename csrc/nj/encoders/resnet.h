/* PANNs' ResNet22, ResNet38 and ResNet54 (Kong et al., "PANNs", TASLP 2020), of any width.
 * Parameter names are those of the reference code.
 *
 *   log-mel (B, T, M) → bn0 over mel bins → [SpecAugment, training] → conv_block1, pool 2x2 →
 *   resnet.layer1 … 4 → average pool 2x2 → conv_block_after1 →
 *   mean over frequency → frames (B, N, C) → clip (B, C) = max over time + mean over time
 *   [→ fc1 → ReLU → fc_audioset → logits]
 *
 * Layers 2 to 4 halve the image by average pooling before their first convolution, and their
 * shortcut is average pool → conv1x1 → BN. One output frame is 32 input frames. Frames behind a
 * clip's end are masked as in convnet.h. */
#ifndef NJ_ENCODERS_RESNET_H
#define NJ_ENCODERS_RESNET_H

#include "nn/conv_norm.h"
#include "encoders/panns.h"

#define NJ_RESNET_LAYERS 4
#define NJ_RESNET_BLOCKS 64 /* of a layer, at most */

typedef struct {
  int64_t mels;
  int64_t width; /* channels of conv_block1 and layer1; twice that in layer2 … */
  int64_t blocks[NJ_RESNET_LAYERS]; /* of each layer */
  int bottleneck;                   /* blocks of 1x1, 3x3, 1x1 with four times the channels */
  int64_t channels;                 /* of frames and clips; 0: 32 * width */
  int64_t classes;                  /* of the classifier; 0: none */
  double dropout, block_dropout;    /* while training: between stages; inside blocks */
  nj_spec_augment_options stripes;  /* after bn0, while training; no stripes: none */
} nj_resnet_options;

/* ResNet38: 64 mels, width 64, blocks 3, 4, 6, 3, no classifier, dropout 0.2 and 0.1. */
nj_resnet_options nj_resnet_default_options(void);

typedef struct {
  int pools;    /* halves the image */
  int shortcut; /* has a convolution of its own in the shortcut */
  nj_conv_norm conv[3], down;
} nj_resnet_block;

typedef struct {
  nj_ctx *ctx;
  nj_resnet_options options;
  nj_params params;
  nj_conv_norm first[2], after[2];
  nj_resnet_block *blocks; /* of all layers */
  int64_t n_blocks;
} nj_resnet;

/* Errors: EARG (a size below 1, fewer than 32 mels, dropout), ENOMEM. */
nj_status nj_resnet_new(nj_ctx *ctx, const nj_resnet_options *options, nj_rng *rng,
                        nj_resnet **out);
void nj_resnet_free(nj_resnet *net);

/* Frames left of `length` input frames (at least 1 for a length of at least 1). */
int64_t nj_resnet_frames(const nj_resnet *net, int64_t length);
/* Input frames per output frame: 32. */
int64_t nj_resnet_stride(const nj_resnet *net);

/* As nj_convnet_forward. */
nj_status nj_resnet_forward(nj_resnet *net, nj_tensor *x, nj_tensor *lengths, int training,
                            nj_rng *rng, nj_tensor **frames, nj_tensor **clip,
                            nj_tensor **frame_lengths);
/* As nj_convnet_logits. */
nj_status nj_resnet_logits(nj_resnet *net, nj_tensor *clip, int training, nj_rng *rng,
                           nj_tensor **inner, nj_tensor **out);

#endif
