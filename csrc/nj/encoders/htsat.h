/* HTS-AT (Chen et al., "HTS-AT", ICASSP 2022): a Swin Transformer over a log-mel cut into quarters.
 * Parameter names are those of RetroCirce/HTS-Audio-Transformer; WavCaps, LAION-CLAP and MS-CLAP have
 * the same network in several sizes.
 *
 *   log-mel (B, T, M), T at most 1024 → bn0 over mel bins → [SpecAugment, training] →
 *   1024 frames (stretched by bicubic interpolation, repeated, or filled up) →
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

#define NJ_HTSAT_STAGES 4
#define NJ_HTSAT_HIDDEN (NJ_HTSAT_STAGES + 2)

/* How a clip becomes as long as the image: NJ_HTSAT_STRETCH is what the authors' code does, and
 * makes a frame's seconds depend on the clip's length. With the others a frame is always as many
 * input frames, and those behind the clip's end do not count. */
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
  nj_ctx *ctx;
  nj_htsat_options options;
  nj_params params;
  nj_swin_stage stages[NJ_HTSAT_STAGES];
  int64_t quarters, channels; /* the image's parts; C */
  int64_t bins, columns;      /* of a quarter at the end: 2 and 8 */
} nj_htsat;

/* Errors: EARG (sizes that do not divide each other), ENOMEM. */
nj_status nj_htsat_new(nj_ctx *ctx, const nj_htsat_options *options, nj_rng *rng, nj_htsat **out);
void nj_htsat_free(nj_htsat *net);

/* Input frames at most: 1024. */
int64_t nj_htsat_longest(const nj_htsat *net);
/* Input frames per output frame of a clip that is as long as that: 32. */
int64_t nj_htsat_stride(const nj_htsat *net);
/* Valid frames of a clip of `length`: all 32 when stretched, else length / 32, rounded up. */
int64_t nj_htsat_frames(const nj_htsat *net, int64_t length);

typedef struct {
  nj_tensor *x;       /* (B, T, M), 1 <= T <= 1024; with fusion also (B, 4, T, M) */
  nj_tensor *lengths; /* int64 (B), or NULL when every clip fills T, as views do */
  nj_tensor *longer; /* (B), not 0 where the views of a clip are fused, else its first alone counts;
                         NULL: everywhere */
  int training;
  nj_rng *rng; /* while training */
} nj_htsat_input;

/* Gives frames (B, 32, C), clip (B, C) and the valid frames of each clip, int64 (B). With `hidden` (or
 * NULL) also NJ_HTSAT_HIDDEN tensors: tokens of the patches, of each stage behind its merge
 * (B, tokens, channels), and the map (B, C, 2, 32) that logits are made of. Differentiable in x and
 * the parameters. Errors: ESHAPE, EDTYPE, EARG (more than 1024 frames, a length outside 1 … T). */
nj_status nj_htsat_forward(nj_htsat *net, const nj_htsat_input *input, nj_tensor **hidden,
                           nj_tensor **frames, nj_tensor **clip, nj_tensor **frame_lengths);
/* map (B, C, 2, 32) → class logits (B, classes), and, when `inner` is not NULL, those of each time
 * (B, classes, 32). Errors: ESHAPE, EARG (a network without classes). */
nj_status nj_htsat_logits(nj_htsat *net, nj_tensor *map, nj_tensor **inner, nj_tensor **out);

#endif
