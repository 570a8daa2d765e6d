/* A Vision Transformer over log-mels whose patches are a few frames of all bands (Mei et al., "Audio
 * Captioning Transformer", DCASE 2021): the encoder of ACT. Parameter names and sizes are those of
 * XinhaoMei/ACT, models/AudioTransformer.py.
 *
 *   log-mel (B, T, M) → bn0 over bands → patches of P frames (B, N, P · M) → Linear → class token in
 *   front, learnt positions → pre-norm layers of self-attention and feed-forward (GELU) → LayerNorm
 *   → frames (B, N, D), and the class token as clip (B, D) [→ Linear: scores of classes for each]
 *
 * T is filled up to a multiple of P. A clip shorter than T is what it is alone: nothing attends to
 * what lies behind its end. */
#ifndef NJ_ENCODERS_VIT_H
#define NJ_ENCODERS_VIT_H

#include "audio/augment.h"
#include "nn/params.h"

typedef struct {
  int64_t width, layers, heads, hidden; /* hidden: of the feed-forward */
  int64_t mels;                         /* of the input */
  int64_t patch;                        /* frames of a patch */
  int64_t positions;                    /* patches at most */
  int64_t classes;                      /* of mlp_head; 0: none */
  int scores;     /* frames and clips are scores of classes, (B, N, classes) and (B, classes) */
  double dropout; /* on embeddings and the results of both parts of a layer, while training */
  nj_spec_augment_options stripes;
  nj_dtype dtype; /* NJ_F32, or NJ_F64 for checking gradients */
} nj_vit_options;

/* ACT's: 12 layers of width 768, 12 heads, hidden 3072, 64 mels, 125 patches of 4 frames, no classes,
 * dropout 0.2, PANNs' stripes. */
nj_vit_options nj_vit_default_options(void);

typedef struct {
  nj_ctx *ctx;
  nj_vit_options options;
  nj_params params;
} nj_vit;

/* Errors: EARG (a size below 1, heads that do not divide the width, scores without classes), ENOMEM. */
nj_status nj_vit_new(nj_ctx *ctx, const nj_vit_options *options, nj_rng *rng, nj_vit **out);
void nj_vit_free(nj_vit *net);

/* Frames of `length` input frames. */
int64_t nj_vit_frames(const nj_vit *net, int64_t length);
/* Channels of frames and clips. */
int64_t nj_vit_width(const nj_vit *net);
/* Input frames at most. */
int64_t nj_vit_longest(const nj_vit *net);

/* x (B, T, M) of the network's dtype; lengths int64 (B) or NULL when every clip fills T; rng is used
 * while training. Gives frames (B, N, C), clip (B, C) and the valid frames of each clip, int64 (B);
 * frames behind them are zero. Differentiable in x and the parameters. Errors: ESHAPE (also: no
 * frames, or more than there are positions for), EDTYPE, EARG (a length outside 1 … T). */
nj_status nj_vit_forward(nj_vit *net, nj_tensor *x, nj_tensor *lengths, int training, nj_rng *rng,
                         nj_tensor **frames, nj_tensor **clip, nj_tensor **frame_lengths);
/* clip (…, D) → class logits (…, classes). Errors: ESHAPE, EARG (no classes, or clips that are scores
 * already). */
nj_status nj_vit_logits(nj_vit *net, nj_tensor *clip, nj_tensor **out);

#endif
