/* ConvNeXt over log-mels (Pellegrini et al., "Adapting a ConvNeXt model to audio classification on
 * AudioSet", Interspeech 2023, after Liu et al., "A ConvNet for the 2020s"), the encoder of CoNeTTE.
 * Parameter names and sizes are those of topel/audioset-convnext-inf, pytorch/convnext.py; CoNeTTE
 * calls the layer scale "scale_layer" where that says "gamma".
 *
 *   log-mel (B, T, M) → bn0 over bands → image (B, 1, T, M) → 4x4 convolution of stride 4, padded by
 *   4 in time, LayerNorm over channels → 4 stages of blocks, each but the first behind LayerNorm and
 *   a 2x2 convolution of stride 2 → mean over frequency → frames (B, N, C)
 *
 *   block: x + gamma · MLP(LayerNorm(7x7 depthwise convolution of x)), the MLP 4 times as wide, GELU
 *
 * The clip is the maximum plus the mean over time; the classifier reads LayerNorm of it. A clip
 * shorter than T is what it is alone: what a convolution would see behind its end is zero, as its
 * padding is. */
#ifndef NJ_ENCODERS_CONVNEXT_H
#define NJ_ENCODERS_CONVNEXT_H

#include "audio/augment.h"
#include "nn/params.h"

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
  nj_ctx *ctx;
  nj_convnext_options options;
  nj_params params;
} nj_convnext;

/* Errors: EARG (a size below 1, bands that are divided away), ENOMEM. */
nj_status nj_convnext_new(nj_ctx *ctx, const nj_convnext_options *options, nj_rng *rng,
                          nj_convnext **out);
void nj_convnext_free(nj_convnext *net);

/* Frames of `length` input frames; at least 1 of any. */
int64_t nj_convnext_frames(const nj_convnext *net, int64_t length);
/* Input frames per output frame. */
int64_t nj_convnext_stride(const nj_convnext *net);
/* The fewest input frames of a batch. */
int64_t nj_convnext_shortest(const nj_convnext *net);

/* x (B, T, M) of the network's dtype; lengths int64 (B) or NULL when every clip fills T; rng is used
 * while training. Gives frames (B, N, C), clip (B, C) and the valid frames of each clip, int64 (B);
 * frames behind them are zero. With `stages` (or NULL) also the images (B, channels, T', M') behind
 * each stage. Differentiable in x and the parameters. Errors: ESHAPE (also: fewer frames than make one
 * frame), EDTYPE, EARG (a length outside 1 … T). */
nj_status nj_convnext_forward(nj_convnext *net, nj_tensor *x, nj_tensor *lengths, int training,
                              nj_rng *rng, nj_tensor **stages, nj_tensor **frames, nj_tensor **clip,
                              nj_tensor **frame_lengths);
/* clip (…, C) → class logits (…, classes) and, when `inner` is not NULL, LayerNorm of the clip, which
 * the last layer reads. Errors: ESHAPE, EARG (a network without classes). */
nj_status nj_convnext_logits(nj_convnext *net, nj_tensor *clip, nj_tensor **inner, nj_tensor **out);

#endif
