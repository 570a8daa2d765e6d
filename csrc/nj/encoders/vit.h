/* A Vision Transformer over log-mels whose patches are a few frames of all bands (Mei et al., "Audio
 * Captioning Transformer", DCASE 2021): the encoder of ACT. Parameter names and sizes are those of
 * XinhaoMei/ACT, models/AudioTransformer.py.
 *
 *   log-mel (B, T, M) → bn0 over bands → patches of P frames (B, N, P · M) → Linear → class token in
 *   front, learnt positions → pre-norm layers of self-attention and feed-forward (GELU) → LayerNorm
 *   → frames (B, N, D), and the class token as clip (B, D) [→ Linear: scores of classes for each]
 *
 * T is padded at the end to a multiple of P. A clip shorter than T is what it is alone: nothing attends to
 * what lies past its end. */
#ifndef NJ_ENCODERS_VIT_H
#define NJ_ENCODERS_VIT_H

#include "audio/augment.h"
#include "nn/network.h"

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
  nj_network base;
  nj_vit_options options;
} nj_vit;

/* Errors of making one: EARG (a size below 1, heads that do not divide the width, scores without classes), ENOMEM. */
NJ_NETWORK_DECLARE(vit)

#endif
