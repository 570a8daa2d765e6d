#include "hci/interact.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "hci/interact_internal.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/row.h"

/* Words of a block of texts and frames of a group of clips. Their products are 192 KiB, and a group's
 * frames over the 256 numbers of k that are worked on at a time 256 KiB: both stay in the second-level
 * cache. */
#define WORDS 192
#define FRAMES 256
/* Groups of a task; the block's words are gathered once for all of them. */
#define GROUPS 8

nj_interact_options nj_interact_default_options(void) {
  return (nj_interact_options){.temperature = 0.01};
}

#define O nj_interact_options
static const char *const kinds[] = {"max", "attention", NULL};
static const char *const directions[] = {"both", "text", "clip", NULL};
static const nj_option items[] = {
    NJ_OPTION_ENUM(O, "kind", kind, kinds, 0),
    NJ_OPTION_ENUM(O, "direction", direction, directions, 0),
    NJ_OPTION_RANGE(O, "temperature", temperature, 0, 1e30, 0),
};
NJ_OPTION_TABLE(interact, items, NULL)
#undef O

/* ---- a call's job ---- */

static nj_status check(nj_ctx *ctx, const nj_tensor *texts, const nj_tensor *clips,
                       const nj_interact_options *o) {
  if (texts->dtype != clips->dtype)
    return nj_fail(ctx, NJ_EDTYPE, "interact: texts are %s, clips are %s",
                   nj_dtype_name(texts->dtype), nj_dtype_name(clips->dtype));
  if (texts->ndim == 3 && clips->ndim == 3 && texts->shape[2] != clips->shape[2])
    return nj_fail(ctx, NJ_ESHAPE, "interact: widths differ: texts %s, clips %s",
                   NJ_SHAPE_OF(texts), NJ_SHAPE_OF(clips));
  if (!(o->temperature > 0 && isfinite(1 / o->temperature)))
    return nj_fail(ctx, NJ_EARG, "interact: temperature must be greater than 0, got %g",
                   o->temperature);
  return NJ_OK;
}

nj_status interact_begin(nj_ctx *ctx, nj_tensor *texts, nj_tensor *clips,
                         const nj_interact_options *o, interact_job *job) {
  *job = (interact_job){.ctx = ctx,
                        .kernels = nj_ctx_kernels(ctx),
                        .dtype = texts->dtype,
                        .size = nj_dtype_size(texts->dtype),
                        .kind = o->kind,
                        .weighted = {o->text_weights != NULL, o->clip_weights != NULL},
                        .share = {o->direction == NJ_INTERACT_BOTH   ? 0.5
                                  : o->direction == NJ_INTERACT_TEXT ? 1
                                                                     : 0,
                                  o->direction == NJ_INTERACT_BOTH   ? 0.5
                                  : o->direction == NJ_INTERACT_CLIP ? 1
                                                                     : 0},
                        .sharpness = 1 / o->temperature};
  NJ_TRY(check(ctx, texts, clips, o));
  NJ_TRY(nj_tokens_read(ctx, "interact", "text", texts, o->text_mask, o->text_weights,
                        &job->side[TEXT]));
  NJ_TRY(nj_tokens_read(ctx, "interact", "clip", clips, o->clip_mask, o->clip_weights,
                        &job->side[CLIP]));
  NJ_TRY(nj_tokens_cut(&job->side[TEXT], WORDS, &job->block, &job->n_blocks));
  return nj_tokens_cut(&job->side[CLIP], FRAMES, &job->group, &job->n_groups);
}

void interact_end(interact_job *job) {
  nj_tokens_free(&job->side[TEXT]);
  nj_tokens_free(&job->side[CLIP]);
  nj_free(job->ctx, job->block);
  nj_free(job->ctx, job->group);
  nj_free(job->ctx, job->packed_at);
  nj_free(job->ctx, job->packed);
}

/* ---- products ---- */

static nj_status pack_group(void *argument, int64_t g, int worker) {
  (void)worker;
  const interact_job *job = argument;
  const nj_tokens *clips = &job->side[CLIP];
  int64_t columns = interact_columns(job, g), begin = clips->first[job->group[g]];
  float *frames = nj_alloc(job->ctx, (size_t)columns * (size_t)clips->width * sizeof *frames);
  if (!frames)
    return NJ_ENOMEM;
  nj_tokens_gather(clips, begin, begin + columns, frames);
  nj_status st = nj_gemm_pack(job->ctx, columns, clips->width, frames, 1, clips->width,
                              job->packed + job->packed_at[g]);
  nj_free(job->ctx, frames);
  return st;
}

nj_status interact_pack(interact_job *job) {
  if (job->dtype != NJ_F32)
    return NJ_OK;
  int64_t size = 0;
  job->packed_at = nj_calloc(job->ctx, (size_t)job->n_groups, sizeof *job->packed_at);
  if (!job->packed_at)
    return NJ_ENOMEM;
  for (int64_t g = 0; g < job->n_groups; g++) {
    job->packed_at[g] = size;
    size +=
        nj_gemm_packed_size(job->kernels->tile, interact_columns(job, g), job->side[CLIP].width);
  }
  job->packed = nj_alloc(job->ctx, (size_t)size * sizeof *job->packed);
  if (!job->packed)
    return NJ_ENOMEM;
  return nj_parallel(job->ctx, job->n_groups, pack_group, job);
}

int64_t interact_row(const interact_job *job, int64_t g) {
  int64_t columns = interact_columns(job, g);
  return job->dtype == NJ_F32 ? nj_tile_padded(job->kernels->tile, columns) : columns;
}

void interact_products(const interact_job *job, int64_t b, int64_t g, const void *words, void *e,
                       int64_t e_row, int64_t n) {
  const nj_tokens *clips = &job->side[CLIP];
  int64_t rows = interact_rows(job, b), columns = interact_columns(job, g), d = clips->width;
  if (job->dtype == NJ_F32) {
    nj_gemm_job product = {.m = rows,
                           .n = n,
                           .k = d,
                           .a = words,
                           .a_row = d,
                           .packed = job->packed + job->packed_at[g],
                           .c = e,
                           .c_row = e_row};
    nj_gemm_rows_serial(job->kernels->tile, &product);
    return;
  }
  const double *x = nj_data(clips->x), *w = words;
  const int64_t *place = clips->place + clips->first[job->group[g]];
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++)
      ((double *)e)[r * e_row + c] = nj_row_double.dot(w + r * d, x + place[c] * d, d);
}

/* ---- from products to a token's number, and to the text's and clip's ---- */

void interact_max(const interact_job *job, int side, const interact_block *block, void *max,
                  uint16_t *at) {
  if (job->dtype == NJ_F32) {
    const struct nj_token_kernels *token = job->kernels->token;
    nj_token_block b = {block->e, block->e_row, block->rows, block->columns};
    (side == TEXT ? token->row_max : token->column_max)(&b, max, at);
  } else {
    nj_token_block_double b = {block->e, block->e_row, block->rows, block->columns};
    (side == TEXT ? nj_token_double.row_max : nj_token_double.column_max)(&b, max, at);
  }
}

void interact_mean(const interact_job *job, int side, const interact_block *block,
                   const interact_means *means) {
  if (job->dtype == NJ_F32) {
    const struct nj_token_kernels *token = job->kernels->token;
    nj_token_block b = {block->e, block->e_row, block->rows, block->columns};
    nj_token_means m = {means->max, means->sum, means->value};
    (side == TEXT ? token->row_mean : token->column_mean)(&b, (float)job->sharpness, &m);
  } else {
    nj_token_block_double b = {block->e, block->e_row, block->rows, block->columns};
    nj_token_means_double m = {means->max, means->sum, means->value};
    (side == TEXT ? nj_token_double.row_mean : nj_token_double.column_mean)(&b, job->sharpness, &m);
  }
}

static double dot(const interact_job *job, const void *a, const void *b, int64_t n) {
  return job->dtype == NJ_F32 ? job->kernels->row->dot(a, b, n) : nj_row_double.dot(a, b, n);
}

/* Scratch of a task. token: 3 arrays of the most tokens that an item has. */
typedef struct {
  void *words, *e, *token;
  uint16_t *at;
  int64_t most;
} scratch;

/* One direction's score of one text and clip. */
static double direction_score(const interact_job *job, int side, int64_t item, int64_t other,
                              const interact_block *block, const scratch *s) {
  const nj_tokens *own = &job->side[side];
  int64_t n = nj_tokens_count(own, item), first = own->first[item];
  const void *weight = interact_at(job, own->weight, first);
  if (job->kind == NJ_INTERACT_MAX) {
    uint16_t *at = job->at[side];
    interact_max(job, side, block, s->token, at ? s->at : NULL);
    for (int64_t k = 0; at && k < n; k++)
      at[(first + k) * job->side[!side].items + other] = s->at[k];
    return dot(job, weight, s->token, n);
  }
  interact_means means = {interact_at(job, s->token, s->most),
                          interact_at(job, s->token, 2 * s->most), s->token};
  interact_mean(job, side, block, &means);
  if (job->weighted[side])
    return dot(job, weight, means.value, n);
  interact_block tokens = {means.value, n, 1, n};
  interact_numbers room;
  interact_means whole = {interact_at(job, &room, 0), interact_at(job, &room, 1),
                          interact_at(job, &room, 2)};
  interact_mean(job, TEXT, &tokens, &whole);
  return interact_number(job, whole.value, 0);
}

/* The scores of the texts of block b and the clips of group g. */
static void score_block(const interact_job *job, int64_t b, int64_t g, const scratch *s) {
  const nj_tokens *texts = &job->side[TEXT], *clips = &job->side[CLIP];
  int64_t e_row = interact_row(job, g);
  interact_products(job, b, g, s->words, s->e, e_row, e_row);
  for (int64_t i = job->block[b]; i < job->block[b + 1]; i++)
    for (int64_t j = job->group[g]; j < job->group[g + 1]; j++) {
      int64_t r = texts->first[i] - texts->first[job->block[b]];
      int64_t c = clips->first[j] - clips->first[job->group[g]];
      interact_block block = {interact_at(job, s->e, r * e_row + c), e_row,
                              nj_tokens_count(texts, i), nj_tokens_count(clips, j)};
      double score = 0;
      if (block.rows > 0 && block.columns > 0) {
        if (job->share[TEXT] > 0)
          score += job->share[TEXT] * direction_score(job, TEXT, i, j, &block, s);
        if (job->share[CLIP] > 0)
          score += job->share[CLIP] * direction_score(job, CLIP, j, i, &block, s);
      }
      int64_t at = i * clips->items + j;
      if (job->dtype == NJ_F32)
        NJ_F32_DATA(job->out)[at] = (float)score;
      else
        NJ_F64_DATA(job->out)[at] = score;
    }
}

/* A task is a block of texts and a few groups of clips. */
static nj_status score_task(void *argument, int64_t task, int worker) {
  (void)worker;
  const interact_job *job = argument;
  const nj_tokens *texts = &job->side[TEXT];
  int64_t per_block = (job->n_groups + GROUPS - 1) / GROUPS;
  int64_t b = task / per_block, g0 = task % per_block * GROUPS;
  int64_t g1 = g0 + GROUPS < job->n_groups ? g0 + GROUPS : job->n_groups;
  int64_t rows = interact_rows(job, b), columns = 0, begin = texts->first[job->block[b]];
  for (int64_t g = g0; g < g1; g++)
    columns = interact_row(job, g) > columns ? interact_row(job, g) : columns;
  scratch s = {.most = texts->longest > job->side[CLIP].longest ? texts->longest
                                                                : job->side[CLIP].longest};
  s.words = nj_alloc(job->ctx, (size_t)(rows * texts->width) * job->size);
  s.e = nj_calloc(job->ctx, (size_t)rows * (size_t)columns, job->size);
  s.token = nj_alloc(job->ctx, 3 * (size_t)s.most * job->size);
  s.at = nj_alloc(job->ctx, (size_t)s.most * sizeof *s.at);
  nj_status st = s.words && s.e && s.token && s.at ? NJ_OK : NJ_ENOMEM;
  if (!st) {
    nj_tokens_gather(texts, begin, begin + rows, s.words);
    for (int64_t g = g0; g < g1; g++)
      score_block(job, b, g, &s);
  }
  nj_free(job->ctx, s.words);
  nj_free(job->ctx, s.e);
  nj_free(job->ctx, s.token);
  nj_free(job->ctx, s.at);
  return st;
}

/* ---- the operation ---- */

/* Room for the places of the maxima, as a tensor that backward keeps. */
static nj_status make_places(interact_job *job, int side, nj_tensor **out) {
  const nj_tokens *own = &job->side[side], *other = &job->side[!side];
  if (other->longest > UINT16_MAX + 1)
    return nj_fail(job->ctx, NJ_ESHAPE,
                   "interact: a %s of %lld tokens; with gradients at most %d are possible",
                   side == TEXT ? "clip" : "text", (long long)other->longest, UINT16_MAX + 1);
  int64_t shape[] = {own->total, other->items, (int64_t)sizeof *job->at[side]};
  NJ_TRY(nj_zeros(job->ctx, NJ_U8, 3, shape, out));
  job->at[side] = nj_data(*out);
  return NJ_OK;
}

static nj_status record(interact_job *job, nj_tensor *const inputs[4], const nj_interact_options *o,
                        nj_tensor *const places[2]) {
  nj_node *node = NULL;
  NJ_TRY(nj_record(job->ctx, job->out, "interact", nj_interact_backward, 4, inputs, &node));
  if (!node)
    return NJ_OK;
  node->ints[0] = o->kind;
  node->ints[1] = o->direction;
  node->reals[0] = o->temperature;
  nj_tensor *saved[] = {inputs[0],       inputs[1],       o->text_mask, o->clip_mask,
                        o->text_weights, o->clip_weights, places[0],    places[1]};
  for (int i = 0; i < 8; i++)
    NJ_TRY(nj_save(node, i, saved[i]));
  return NJ_OK;
}

static nj_status run(interact_job *job) {
  const nj_tokens *texts = &job->side[TEXT], *clips = &job->side[CLIP];
  int64_t shape[] = {texts->items, clips->items};
  NJ_TRY(nj_empty(job->ctx, job->dtype, 2, shape, &job->out));
  NJ_TRY(interact_pack(job));
  int64_t per_block = (job->n_groups + GROUPS - 1) / GROUPS;
  return nj_parallel(job->ctx, job->n_blocks * per_block, score_task, job);
}

nj_status nj_interact(nj_ctx *ctx, nj_tensor *texts, nj_tensor *clips,
                      const nj_interact_options *options, nj_tensor **out) {
  nj_interact_options o = options ? *options : nj_interact_default_options();
  nj_tensor *inputs[] = {texts, clips, o.text_weights, o.clip_weights};
  nj_tensor *places[2] = {NULL, NULL};
  interact_job job;
  nj_status st = interact_begin(ctx, texts, clips, &o, &job);
  int keep = o.kind == NJ_INTERACT_MAX && nj_will_record(ctx, 4, inputs);
  for (int side = 0; !st && side < 2 && keep; side++)
    if (job.share[side] > 0)
      st = make_places(&job, side, &places[side]);
  if (!st)
    st = run(&job);
  if (!st)
    st = record(&job, inputs, &o, places);
  nj_release(places[0]);
  nj_release(places[1]);
  interact_end(&job);
  return nj_finish(st, job.out, out);
}
