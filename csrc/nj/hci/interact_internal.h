/* What the forward and the backward pass of interact share: one call's job, cut into blocks of
 * texts and groups of clips, and the products of such a block. */
#ifndef NJ_HCI_INTERACT_INTERNAL_H
#define NJ_HCI_INTERACT_INTERNAL_H

#include "hci/interact.h"
#include "hci/tokens.h"
#include "kernels/token.h"
#include "tensor/autograd.h"

enum { TEXT, CLIP };

typedef struct {
  nj_ctx *ctx;
  const struct nj_kernels *kernels;
  nj_dtype dtype;
  size_t size; /* of an element */
  nj_interact_kind kind;
  int weighted[2];          /* weights were given for the side */
  double share[2];          /* of the text's and the clip's direction in S */
  double sharpness;         /* 1 / temperature */
  nj_tokens side[2];        /* TEXT, CLIP */
  int64_t *block, n_blocks; /* runs of texts that are worked on together */
  int64_t *group, n_groups; /* runs of clips */
  int64_t *packed_at;       /* float32: where each group begins in packed */
  float *packed;            /* float32: each group's frames as a right operand of nj_gemm_rows */
  /* For "max": where each token's best partner is, by its place among the valid tokens of the
   * other item: at[TEXT][word * clips + clip], at[CLIP][frame * texts + text]; or NULL. */
  uint16_t *at[2];
  nj_tensor *out;
} interact_job;

/* Tokens of text blocks [b, b + 1) and of clip groups [g, g + 1). */
static inline int64_t interact_rows(const interact_job *job, int64_t b) {
  const nj_tokens *t = &job->side[TEXT];
  return t->first[job->block[b + 1]] - t->first[job->block[b]];
}
static inline int64_t interact_columns(const interact_job *job, int64_t g) {
  const nj_tokens *t = &job->side[CLIP];
  return t->first[job->group[g + 1]] - t->first[job->group[g]];
}

/* Fills the job from the inputs. Free with interact_end, also after a failure. */
nj_status interact_begin(nj_ctx *ctx, nj_tensor *texts, nj_tensor *clips,
                         const nj_interact_options *options, interact_job *job);
void interact_end(interact_job *job);
/* Packs the clips' frames, for the products. */
nj_status interact_pack(interact_job *job);

/* e (words of block b, frames of group g; rows e_row apart) = words · frames, `words` being the
 * block's gathered tokens. n: the columns that may be written, at least those of the group; with
 * interact_row's, rows are written in whole vectors, zeros after the last frame. */
void interact_products(const interact_job *job, int64_t b, int64_t g, const void *words, void *e,
                       int64_t e_row, int64_t n);
int64_t interact_row(const interact_job *job, int64_t g);

/* A block of products between one text and one clip: e points at its first number. */
typedef struct {
  const void *e;
  int64_t e_row, rows, columns;
} interact_block;

/* For one side (TEXT: rows, CLIP: columns) each token's maximum and, unless at is NULL, its place. */
void interact_max(const interact_job *job, int side, const interact_block *block, void *max,
                  uint16_t *at);

/* Each token's attention-weighted mean; the three arrays have one element per token. */
typedef struct {
  void *max, *sum, *value;
} interact_means;
void interact_mean(const interact_job *job, int side, const interact_block *block,
                   const interact_means *means);
/* A few numbers of either dtype. */
typedef union {
  float f32[4];
  double f64[4];
} interact_numbers;
/* Element `at` of memory that holds numbers of the job's dtype. */
static inline void *interact_at(const interact_job *job, const void *memory, int64_t at) {
  return (char *)(uintptr_t)memory + (size_t)at * job->size;
}
static inline double interact_number(const interact_job *job, const void *memory, int64_t at) {
  return job->dtype == NJ_F32 ? ((const float *)memory)[at] : ((const double *)memory)[at];
}

/* The backward pass of interact, see autograd.h. Saved: texts, clips, text_mask, clip_mask,
 * text_weights, clip_weights, and for "max" at[TEXT] and at[CLIP] as bytes. */
enum { SAVED_X = 0, SAVED_MASK = 2, SAVED_WEIGHTS = 4, SAVED_AT = 6 };
nj_status nj_interact_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads);

#endif
