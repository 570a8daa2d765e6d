/* HTS-AT (Chen et al., "HTS-AT", ICASSP 2022): a Swin Transformer over a log-mel cut into quarters.
 * Parameter names are those of RetroCirce/HTS-Audio-Transformer; WavCaps, LAION-CLAP and MS-CLAP have
 * the same network in several sizes.
 *
 *   log-mel (B, T, M), T at most 1024 → bn0 over mel bins → [SpecAugment, training] →
 *   1024 frames (stretched by bicubic interpolation, repeated, or padded at the end) →
 *   image (B, 1, 256, 256): four quarters of 256 frames, one below the other →
 *   patches 4x4 → 64x64 tokens → four stages of windowed attention, merging 2x2 tokens between them →
 *   norm → (B, C, 2, 32): the quarters joined again →
 *   mean over the 2 → frames (B, 32, C) → clip (B, C) = their mean
 *   (with frames of values, tokens that take another way through the last block: swin.h)
 *   [(B, C, 2, 32) → tscam_conv → mean over time → logits]
 *
 * Other sizes follow from mels, the image's side and the patch's. */
#ifndef NJ_ENCODERS_HTSAT_H
#define NJ_ENCODERS_HTSAT_H

#include "audio/augment.h"
#include "encoders/swin.h"
#include "nn/network.h"

#define NJ_HTSAT_STAGES 4
#define NJ_HTSAT_HIDDEN (NJ_HTSAT_STAGES + 2)

/* How a clip becomes as long as the image: NJ_HTSAT_STRETCH is what the authors' code does, and
 * makes a frame's seconds depend on the clip's length. With the others a frame is always as many
 * input frames, and those after the clip's end do not count. */
typedef enum { NJ_HTSAT_STRETCH, NJ_HTSAT_REPEAT, NJ_HTSAT_ZERO } nj_htsat_fit;

/* LAION-CLAP's fusion of several views of a long clip: its log-mel shrunk to the image's length, and
 * NJ_HTSAT_VIEWS - 1 pieces of it as they are. Patches of the pieces, three times as wide as the
 * others so that together they are as many, are fused with those of the whole by attention (AFF,
 * encoders/fusion.h). Clips that are not longer than the image have one view. */
typedef enum { NJ_HTSAT_ONE_VIEW, NJ_HTSAT_AFF } nj_htsat_fusion;
#define NJ_HTSAT_VIEWS 4

typedef struct {
  int64_t mels;                    /* divides `side` */
  int64_t side, patch;             /* of the image; of a patch */
  int64_t width;                   /* channels of the first stage; doubled from each to the next */
  int64_t depths[NJ_HTSAT_STAGES]; /* blocks */
  int64_t heads[NJ_HTSAT_STAGES];
  int64_t window;
  double mlp_ratio;
  int64_t classes;  /* of tscam_conv; 0: none */
  double drop_path; /* of the last block, while training; rising from 0 at the first */
  nj_htsat_fit fit;
  nj_htsat_fusion fusion;
  int values; /* frames are made of the last block's values, without its attention and feed-forward,
                 which then train with the logits alone: MGA-CLAP's "locality-aware block" */
  nj_spec_augment_options stripes; /* after bn0, while training; no stripes: none */
  nj_dtype dtype;                  /* NJ_F32, or NJ_F64 to check gradients */
} nj_htsat_options;

/* HTS-AT tiny: 64 mels, side 256, patch 4, width 96, depths 2, 2, 6, 2, heads 4, 8, 16, 32, window
 * 8, ratio 4, no classes, drop path 0.1, stretch. */
nj_htsat_options nj_htsat_default_options(void);

typedef struct {
  nj_network base;
  nj_htsat_options options;
  nj_swin_stage stages[NJ_HTSAT_STAGES];
  int64_t quarters, channels; /* the image's parts; C */
  int64_t bins, columns;      /* of a quarter at the end: 2 and 8 */
} nj_htsat;

/* Errors of making one: EARG (sizes that do not divide each other), ENOMEM. */
NJ_NETWORK_DECLARE(htsat)

/* Input frames at most: 1024. The audio encoder, with more of its errors and shapes:
 *   frames   valid frames of a clip: all 32 when stretched, else length / 32, rounded up
 *   forward  stages: NJ_HTSAT_HIDDEN tensors: tokens of the patches, of each stage after its merge
 *            (B, tokens, channels), and the map (B, C, 2, 32) that logits are made of
 *   logits   takes that map, and gives as what the last layer reads the logits of each time
 *            (B, classes, 32) */
int64_t nj_htsat_longest(const nj_network *net);

#endif
