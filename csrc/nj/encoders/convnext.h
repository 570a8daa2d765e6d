/* ConvNeXt over log-mels (Pellegrini et al., "Adapting a ConvNeXt model to audio classification on
 * AudioSet", Interspeech 2023, after Liu et al., "A ConvNet for the 2020s"), the encoder of CoNeTTE.
 * Parameter names and sizes are those of topel/audioset-convnext-inf, pytorch/convnext.py; CoNeTTE
 * calls the layer scale "scale_layer" where that says "gamma".
 *
 *   log-mel (B, T, M) → bn0 over bands → image (B, 1, T, M) → 4x4 convolution of stride 4, padded by
 *   4 in time, LayerNorm over channels → 4 stages of blocks, each but the first after LayerNorm and
 *   a 2x2 convolution of stride 2 → mean over frequency → frames (B, N, C)
 *
 *   block: x + gamma · MLP(LayerNorm(7x7 depthwise convolution of x)), the MLP 4 times as wide, GELU
 *
 * The clip is the maximum plus the mean over time; the classifier reads LayerNorm of it. A clip
 * shorter than T is what it is alone: what a convolution would see past its end is zero, as its
 * padding is. Its stages are the images (B, channels, T', M') after each stage. */
#ifndef NJ_ENCODERS_CONVNEXT_H
#define NJ_ENCODERS_CONVNEXT_H

#include "audio/augment.h"
#include "nn/network.h"

#define NJ_CONVNEXT_STAGES 4

typedef struct {
  int64_t depths[NJ_CONVNEXT_STAGES]; /* blocks of each stage */
  int64_t widths[NJ_CONVNEXT_STAGES]; /* their channels */
  int64_t mels;                       /* of the input */
  int64_t classes;                    /* of the classifier; 0: none */
  int64_t patch[2];                   /* the first convolution's kernel and stride: frames, bands */
  int64_t padding;                    /* of the first convolution, in frames, on both sides */
  double drop_path; /* of the last block, while training; rising from 0 at the first */
  nj_spec_augment_options stripes;
  nj_dtype dtype; /* NJ_F32, or NJ_F64 for checking gradients */
} nj_convnext_options;

/* ConvNeXt-tiny: 3, 3, 9, 3 blocks of 96, 192, 384, 768 channels, 224 mels, no classes, patches of 4x4
 * padded by 4, drop path 0.1; stripes of PANNs but for their width in bands, 28. */
nj_convnext_options nj_convnext_default_options(void);

typedef struct {
  nj_network base;
  nj_convnext_options options;
} nj_convnext;

/* Errors of making one: EARG (a size below 1, bands that are divided away), ENOMEM. */
NJ_NETWORK_DECLARE(convnext)

#endif
