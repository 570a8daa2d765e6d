/* The backward pass of interact. "max" follows the places that forward kept: every token's gradient
 * is a sum of rows of the other side. "attention" makes the products again, a block of texts
 * against all clips at a time, turns them into their own gradient, and multiplies. */
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "hci/interact_internal.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/map.h"
#include "kernels/row.h"

typedef struct {
  interact_job *job;
  const void *g;   /* (texts, clips), contiguous */
  nj_tensor *x[2]; /* gradients of the tokens and of the weights; NULL when not asked for */
  nj_tensor *weight[2];
  int side; /* "max": whose gradients are being made */
  /* "attention": the block of texts at hand */
  int64_t b;
  void *words, *e; /* its gathered tokens; products with all frames, then their gradient */
  void *values;    /* word means (words of the block, clips) */
} gradient_job;

/* share * dL/dS of the pair, `item` being of `side`. */
static double pair_grad(const gradient_job *gj, int side, int64_t item, int64_t other,
                        int direction) {
  const interact_job *job = gj->job;
  int64_t text = side == TEXT ? item : other, clip = side == TEXT ? other : item;
  return job->share[direction] * interact_number(job, gj->g, text * job->side[CLIP].items + clip);
}

static void *token_row(const interact_job *job, const nj_tensor *x, int side, int64_t token) {
  const nj_tokens *t = &job->side[side];
  return interact_at(job, nj_data(x), t->place[token] * t->width);
}

/* ---- max ---- */

/* to += factor * from */
static void add_row(const interact_job *job, void *to, const void *from, double factor) {
  int64_t n = job->side[TEXT].width;
  if (job->dtype == NJ_F32)
    job->kernels->map->binary[NJ_MAP_AXPY](to, 1, from, 1, to, n, factor, 0);
  else
    nj_map_double.binary[NJ_MAP_AXPY](to, 1, from, 1, to, n, factor, 0);
}

static void add_weight(const gradient_job *gj, int side, int64_t token, double value) {
  const nj_tokens *t = &gj->job->side[side];
  if (gj->job->dtype == NJ_F32)
    NJ_F32_DATA(gj->weight[side])[t->place[token]] += (float)value;
  else
    NJ_F64_DATA(gj->weight[side])[t->place[token]] += value;
}

/* What the item's own maxima give it through its pairing with `other`. */
static void own_maxima(const gradient_job *gj, int64_t item, int64_t other) {
  const interact_job *job = gj->job;
  int side = gj->side;
  const nj_tokens *own = &job->side[side], *others = &job->side[!side];
  double g = pair_grad(gj, side, item, other, side);
  for (int64_t k = own->first[item]; k < own->first[item + 1]; k++) {
    int64_t best = others->first[other] + job->at[side][k * others->items + other];
    const void *row = token_row(job, others->x, !side, best);
    if (gj->x[side])
      add_row(job, token_row(job, gj->x[side], side, k), row,
              g * interact_number(job, own->weight, k));
    if (gj->weight[side]) {
      const void *self = token_row(job, own->x, side, k);
      double most = job->dtype == NJ_F32 ? job->kernels->row->dot(self, row, own->width)
                                         : nj_row_double.dot(self, row, own->width);
      add_weight(gj, side, k, g * most);
    }
  }
}

/* What it gets from the maxima of `other`. */
static void others_maxima(const gradient_job *gj, int64_t item, int64_t other) {
  const interact_job *job = gj->job;
  int side = gj->side;
  const nj_tokens *own = &job->side[side], *others = &job->side[!side];
  double g = pair_grad(gj, side, item, other, !side);
  for (int64_t k = others->first[other]; k < others->first[other + 1]; k++) {
    int64_t best = own->first[item] + job->at[!side][k * own->items + item];
    add_row(job, token_row(job, gj->x[side], side, best), token_row(job, others->x, !side, k),
            g * interact_number(job, others->weight, k));
  }
}

static nj_status max_task(void *argument, int64_t item, int worker) {
  (void)worker;
  const gradient_job *gj = argument;
  const interact_job *job = gj->job;
  int side = gj->side;
  if (nj_tokens_count(&job->side[side], item) == 0)
    return NJ_OK;
  for (int64_t other = 0; other < job->side[!side].items; other++) {
    if (nj_tokens_count(&job->side[!side], other) == 0 ||
        pair_grad(gj, side, item, other, job->share[side] > 0 ? side : !side) == 0)
      continue; /* losses that look at the hardest pairs alone leave most of S without gradient */
    if (job->share[side] > 0)
      own_maxima(gj, item, other);
    if (job->share[!side] > 0 && gj->x[side])
      others_maxima(gj, item, other);
  }
  return NJ_OK;
}

static nj_status max_backward(gradient_job *gj) {
  for (gj->side = TEXT; gj->side <= CLIP; gj->side++)
    if (gj->x[gj->side] || gj->weight[gj->side])
      NJ_TRY(nj_parallel(gj->job->ctx, gj->job->side[gj->side].items, max_task, gj));
  return NJ_OK;
}

/* ---- attention ---- */

/* One side of a pair: the means of its tokens, and the gradients of those means. */
typedef struct {
  interact_means means;
  void *grad;
} side_means;

/* mean_grad of the token kernels: g becomes the gradient of block->e (in place allowed). */
static void mean_grad(const interact_job *job, const interact_block *block, const side_means *rows,
                      const side_means *columns, void *g) {
#define MEAN_GRAD(suffix, table, T)                                                               \
  do {                                                                                            \
    nj_token_block##suffix b = {block->e, block->e_row, block->rows, block->columns};             \
    nj_token_means##suffix r, c;                                                                  \
    if (rows)                                                                                     \
      r = (nj_token_means##suffix){rows->means.max, rows->means.sum, rows->means.value};          \
    if (columns)                                                                                  \
      c = (nj_token_means##suffix){columns->means.max, columns->means.sum, columns->means.value}; \
    (table)->mean_grad(&b, (T)job->sharpness, rows ? &r : NULL, rows ? rows->grad : NULL,         \
                       columns ? &c : NULL, columns ? columns->grad : NULL, g);                   \
  } while (0)
  if (job->dtype == NJ_F32)
    MEAN_GRAD(, job->kernels->token, float);
  else
    MEAN_GRAD(_double, &nj_token_double, double);
#undef MEAN_GRAD
}

/* s->grad: of each mean, given g for the direction's score. */
static void outer_grad(const interact_job *job, int side, int64_t item, double g, side_means *s) {
  const nj_tokens *own = &job->side[side];
  int64_t n = nj_tokens_count(own, item);
  if (!job->weighted[side]) {
    interact_numbers room;
    interact_block tokens = {s->means.value, n, 1, n};
    side_means whole = {
        {interact_at(job, &room, 0), interact_at(job, &room, 1), interact_at(job, &room, 2)},
        interact_at(job, &room, 3)};
    interact_mean(job, TEXT, &tokens, &whole.means);
    if (job->dtype == NJ_F32)
      *(float *)whole.grad = (float)g;
    else
      *(double *)whole.grad = g;
    mean_grad(job, &tokens, &whole, NULL, s->grad);
    return;
  }
  for (int64_t k = 0; k < n; k++) {
    double grad = g * interact_number(job, own->weight, own->first[item] + k);
    if (job->dtype == NJ_F32)
      ((float *)s->grad)[k] = (float)grad;
    else
      ((double *)s->grad)[k] = grad;
  }
}

/* Turns one pair's products into their gradient. `memory`: 8 arrays of `most` tokens. */
static void pair_attention(const gradient_job *gj, int64_t i, int64_t j, interact_block *block,
                           void *memory, int64_t most) {
  const interact_job *job = gj->job;
  const nj_tokens *texts = &job->side[TEXT], *clips = &job->side[CLIP];
  side_means means[2];
  int64_t item[2] = {i, j};
  for (int side = TEXT; side <= CLIP; side++) {
    void *own = interact_at(job, memory, side * 4 * most);
    means[side] = (side_means){{own, interact_at(job, own, most), interact_at(job, own, 2 * most)},
                               interact_at(job, own, 3 * most)};
    if (job->share[side] == 0)
      continue;
    interact_mean(job, side, block, &means[side].means);
    outer_grad(job, side, item[side], pair_grad(gj, TEXT, i, j, side), &means[side]);
  }
  int64_t row = texts->first[i] - texts->first[job->block[gj->b]];
  if (gj->weight[TEXT] && job->share[TEXT] > 0)
    for (int64_t k = 0; k < block->rows; k++)
      memcpy(interact_at(job, gj->values, (row + k) * clips->items + j),
             interact_at(job, means[TEXT].means.value, k), job->size);
  if (gj->weight[CLIP] && job->share[CLIP] > 0)
    for (int64_t k = 0; k < block->columns; k++)
      add_weight(gj, CLIP, clips->first[j] + k,
                 pair_grad(gj, TEXT, i, j, CLIP) *
                     interact_number(job, means[CLIP].means.value, k));
  mean_grad(job, block, job->share[TEXT] > 0 ? &means[TEXT] : NULL,
            job->share[CLIP] > 0 ? &means[CLIP] : NULL, interact_at(job, block->e, 0));
}

/* The block's texts with the clips of one group. */
static nj_status attention_task(void *argument, int64_t g, int worker) {
  (void)worker;
  const gradient_job *gj = argument;
  const interact_job *job = gj->job;
  const nj_tokens *texts = &job->side[TEXT], *clips = &job->side[CLIP];
  int64_t most = texts->longest > clips->longest ? texts->longest : clips->longest;
  void *memory = nj_alloc(job->ctx, 8 * (size_t)most * job->size);
  if (!memory)
    return NJ_ENOMEM;
  void *e = interact_at(job, gj->e, clips->first[job->group[g]]);
  interact_products(job, gj->b, g, gj->words, e, clips->total, interact_columns(job, g));
  for (int64_t i = job->block[gj->b]; i < job->block[gj->b + 1]; i++)
    for (int64_t j = job->group[g]; j < job->group[g + 1]; j++) {
      int64_t r = texts->first[i] - texts->first[job->block[gj->b]];
      interact_block block = {interact_at(job, gj->e, r * clips->total + clips->first[j]),
                              clips->total, nj_tokens_count(texts, i), nj_tokens_count(clips, j)};
      if (block.rows > 0 && block.columns > 0)
        pair_attention(gj, i, j, &block, memory, most);
    }
  nj_free(job->ctx, memory);
  return NJ_OK;
}

/* Gradients of the block's word weights: over the clips, g times the word's mean. */
static void word_weights(const gradient_job *gj) {
  const interact_job *job = gj->job;
  const nj_tokens *texts = &job->side[TEXT], *clips = &job->side[CLIP];
  for (int64_t i = job->block[gj->b]; i < job->block[gj->b + 1]; i++)
    for (int64_t k = texts->first[i]; k < texts->first[i + 1]; k++) {
      int64_t row = k - texts->first[job->block[gj->b]];
      double sum = 0;
      for (int64_t j = 0; j < clips->items; j++)
        if (nj_tokens_count(clips, j) > 0)
          sum += pair_grad(gj, TEXT, i, j, TEXT) *
                 interact_number(job, gj->values, row * clips->items + j);
      add_weight(gj, TEXT, k, sum);
    }
}

static void scatter(const interact_job *job, int side, int64_t begin, int64_t end, const void *rows,
                    nj_tensor *x) {
  size_t row = (size_t)job->side[side].width * job->size;
  for (int64_t k = begin; k < end; k++)
    memcpy(token_row(job, x, side, k), (const char *)rows + (size_t)(k - begin) * row, row);
}

/* One block of texts. frames: all clips' gathered tokens; frame_grad: gathers their gradients.
 * `words` serves again for the gradient of the words. */
static nj_status attention_block(gradient_job *gj, const void *frames, void *frame_grad) {
  interact_job *job = gj->job;
  const nj_tokens *texts = &job->side[TEXT], *clips = &job->side[CLIP];
  int64_t rows = interact_rows(job, gj->b), begin = texts->first[job->block[gj->b]];
  int64_t d = texts->width, row = d > 0 ? d : 1, e_row = clips->total > 0 ? clips->total : 1;
  nj_gemm_type type = job->dtype == NJ_F32 ? NJ_GEMM_F32 : NJ_GEMM_F64;
  nj_tokens_gather(texts, begin, begin + rows, gj->words);
  NJ_TRY(nj_parallel(job->ctx, job->n_groups, attention_task, gj));
  if (gj->weight[TEXT] && job->share[TEXT] > 0)
    word_weights(gj);
  if (gj->x[CLIP])
    NJ_TRY(nj_gemm(job->ctx, type, 1, 0, clips->total, d, rows, gj->e, e_row, gj->words, row,
                   gj->b > 0, frame_grad, row));
  if (!gj->x[TEXT])
    return NJ_OK;
  NJ_TRY(nj_gemm(job->ctx, type, 0, 0, rows, d, clips->total, gj->e, e_row, frames, row, 0,
                 gj->words, row));
  scatter(job, TEXT, begin, begin + rows, gj->words, gj->x[TEXT]);
  return NJ_OK;
}

static nj_status attention_backward(gradient_job *gj) {
  interact_job *job = gj->job;
  const nj_tokens *texts = &job->side[TEXT], *clips = &job->side[CLIP];
  int64_t rows = 0;
  for (int64_t b = 0; b < job->n_blocks; b++)
    rows = interact_rows(job, b) > rows ? interact_rows(job, b) : rows;
  NJ_TRY(interact_pack(job));
  size_t width = (size_t)texts->width * job->size;
  void *frames = nj_calloc(job->ctx, (size_t)clips->total, width);
  void *frame_grad = nj_calloc(job->ctx, (size_t)clips->total, width);
  gj->words = nj_calloc(job->ctx, (size_t)rows, width);
  gj->e = nj_calloc(job->ctx, (size_t)rows * job->size, (size_t)clips->total);
  gj->values = nj_calloc(job->ctx, (size_t)rows * job->size, (size_t)clips->items);
  nj_status st = frames && frame_grad && gj->words && gj->e && gj->values ? NJ_OK : NJ_ENOMEM;
  if (!st)
    nj_tokens_gather(clips, 0, clips->total, frames);
  for (gj->b = 0; !st && gj->b < job->n_blocks; gj->b++)
    st = attention_block(gj, frames, frame_grad);
  if (!st && gj->x[CLIP])
    scatter(job, CLIP, 0, clips->total, frame_grad, gj->x[CLIP]);
  nj_free(job->ctx, frames);
  nj_free(job->ctx, frame_grad);
  nj_free(job->ctx, gj->words);
  nj_free(job->ctx, gj->e);
  nj_free(job->ctx, gj->values);
  return st;
}

/* ---- both ---- */

/* Zeros for what is asked for: inputs are texts, clips, text_weights, clip_weights. */
static nj_status make_grads(nj_ctx *ctx, nj_node *node, gradient_job *gj, nj_tensor **grads) {
  static const int saved[] = {SAVED_X, SAVED_X + 1, SAVED_WEIGHTS, SAVED_WEIGHTS + 1};
  for (int i = 0; i < 4; i++)
    if (nj_needs(node, i)) {
      const nj_tensor *like = node->saved[saved[i]];
      NJ_TRY(nj_zeros(ctx, node->dtype, like->ndim, like->shape, &grads[i]));
    }
  for (int side = 0; side < 2; side++) {
    gj->x[side] = grads[side];
    gj->weight[side] = grads[2 + side];
  }
  return NJ_OK;
}

nj_status nj_interact_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_interact_options o = {.kind = (nj_interact_kind)node->ints[0],
                           .direction = (nj_interact_direction)node->ints[1],
                           .temperature = node->reals[0],
                           .text_mask = node->saved[SAVED_MASK],
                           .clip_mask = node->saved[SAVED_MASK + 1],
                           .text_weights = node->saved[SAVED_WEIGHTS],
                           .clip_weights = node->saved[SAVED_WEIGHTS + 1]};
  interact_job job;
  nj_tensor *g = NULL;
  nj_status st = interact_begin(ctx, node->saved[0], node->saved[1], &o, &job);
  gradient_job gj = {.job = &job};
  for (int side = 0; side < 2; side++)
    job.at[side] = node->saved[SAVED_AT + side] ? nj_data(node->saved[SAVED_AT + side]) : NULL;
  if (!st)
    st = nj_as_contiguous(grad, &g);
  if (!st)
    st = make_grads(ctx, node, &gj, grads);
  if (!st) {
    gj.g = nj_data(g);
    st = o.kind == NJ_INTERACT_MAX ? max_backward(&gj) : attention_backward(&gj);
  }
  nj_release(g);
  interact_end(&job);
  return st;
}
