/* What the files of caption generation share: generate.c drives, generate_rules.c forbids, generate_beam.c and
 * generate_sample.c choose. */
#ifndef NJ_AC_GENERATE_INTERNAL_H
#define NJ_AC_GENERATE_INTERNAL_H

#include "ac/generate.h"
#include "kernels/row.h"

/* What a row becomes: its hypothesis with one more token. */
typedef struct {
  int64_t row; /* of this step */
  int64_t token;
  double sum;
  int32_t group;
} nj_choice;

/* Generation over a block of clips, at step `step` with `n_rows` live hypotheses in the order of
 * clips, groups and ranks. */
typedef struct {
  nj_ctx *ctx;
  const nj_generate_options *options;
  int64_t vocabulary, max;
  const uint8_t *once; /* vocabulary: 1 for tokens that come once at most; NULL: none */
  const nj_row_kernels *row;
  nj_captions *captions;
  int64_t first_clip, clips; /* the block's, in captions */
  int64_t width;             /* hypotheses a clip at most */
  nj_rng rng;                /* as it was when generation began */

  int64_t step, n_rows;
  int64_t *first;    /* clips + 1: the rows of a clip */
  int64_t *tokens;   /* clips · width: last tokens */
  int64_t *history;  /* clips · width · max: tokens so far, `step` of them */
  int32_t *past;     /* the same for the rows that they were */
  int32_t *row_clip; /* clips · width */
  int32_t *group;
  double *sums;
  const float *logits; /* (n_rows, vocabulary) */

  nj_choice *choices; /* clips · width */
  int64_t *n_choices; /* clips */
} nj_generation;

/* Puts -inf over the scores (vocabulary) of tokens that may not follow row `row`. */
void nj_generation_forbid(const nj_generation *gen, int64_t row, float *scores);

/* Keeps row `row`'s tokens, then `token` (negative: none), as a caption of clip `clip` of the block,
 * if it is among the best; sum: its log-probability. */
void nj_generation_finish(nj_generation *gen, int64_t clip, int64_t row, int64_t token, double sum,
                          int finished);
/* Choose how the rows of a clip go on. The beam's `scores` has room for 2 · vocabulary floats, the
 * sampler's for vocabulary floats and `heap` for as many integers. Errors: ESTATE, ENOMEM. */
nj_status nj_generation_beam(nj_generation *gen, int64_t clip, float *scores);
nj_status nj_generation_sample(nj_generation *gen, int64_t clip, float *scores, int32_t *heap);

/* Copies a row's logits to `scores`, forbids, and gives the logarithm of the sum of exponentials of
 * the logits: all of them, or with `renormalize` those that are not forbidden. Errors: ESTATE. */
nj_status nj_generation_scores(const nj_generation *gen, int64_t row, float *scores, double *total);

#endif
