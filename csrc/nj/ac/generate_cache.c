#include "ac/generate_cache.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/row.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "tensor/flow.h"

struct nj_decoder_cache {
  nj_decoder *net;
  int64_t clips, layers, most, step;
  int64_t *first;     /* clips + 1: where a clip's frames begin in `frames` */
  int64_t *frames;    /* the valid frames, as rows of (B · N) */
  nj_tensor **memory; /* layers: keys and values of the frames, (B, N, 2 D) */
  nj_tensor **past;   /* most · layers: queries, keys and values of a step's rows, (n, 3 D) */
};

/* ---- the frames ---- */

static void list_frames(nj_decoder_cache *cache, const nj_tensor *memory, const nj_tensor *mask) {
  int64_t n = memory->shape[1], count = 0;
  for (int64_t b = 0; b < cache->clips; b++) {
    cache->first[b] = count;
    for (int64_t i = 0; i < n; i++)
      if (!mask || nj_get(mask, (int64_t[]){b, i}) != 0)
        cache->frames[count++] = b * n + i;
  }
  cache->first[cache->clips] = count;
}

/* x · wᵀ + b through rows `from` … of stacked projections. */
static nj_status project(nj_ctx *ctx, nj_dense in, nj_tensor *x, int64_t from, int64_t count,
                         nj_tensor **out) {
  nj_tensor *w = NULL, *b = NULL;
  nj_status st = nj_narrow(ctx, in.weight, 0, from, count, &w);
  if (!st)
    st = nj_narrow(ctx, in.bias, 0, from, count, &b);
  if (!st)
    st = nj_linear(ctx, x, w, b, out);
  nj_release(w);
  nj_release(b);
  return st;
}

static nj_multi_head attention_of(const nj_decoder_cache *cache, int64_t layer, const char *part) {
  char name[NJ_DECODER_NAME], full[2 * NJ_DECODER_NAME];
  nj_decoder_layer_name(layer, name);
  size_t n = strlen(name);
  memcpy(full, name, n);
  full[n] = '.';
  strcpy(full + n + 1, part);
  return nj_multi_head_of(&cache->net->base.params, full, cache->net->options.heads);
}

static nj_status remember_frames(nj_decoder_cache *cache, nj_tensor *memory) {
  int64_t width = cache->net->options.width;
  nj_tensor *projected = NULL;
  NJ_TRY(nj_decoder_project_memory(cache->net, memory, NULL, &projected));
  nj_status st = NJ_OK;
  for (int64_t i = 0; i < cache->layers && !st; i++)
    st = project(cache->net->base.ctx, attention_of(cache, i, "multihead_attn").in, projected,
                 width, 2 * width, &cache->memory[i]);
  nj_release(projected);
  return st;
}

nj_status nj_decoder_cache_new(nj_decoder *net, nj_tensor *memory, nj_tensor *mask, int64_t most,
                               nj_decoder_cache **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_decoder_cache *cache = nj_calloc(ctx, 1, sizeof *cache);
  if (!cache)
    return NJ_ENOMEM;
  *cache = (nj_decoder_cache){
      .net = net, .clips = memory->shape[0], .layers = net->options.layers, .most = most};
  cache->first = nj_calloc(ctx, (size_t)cache->clips + 1, sizeof *cache->first);
  cache->frames =
      nj_calloc(ctx, (size_t)(memory->shape[0] * memory->shape[1]), sizeof *cache->frames);
  cache->memory = nj_calloc(ctx, (size_t)cache->layers, sizeof(nj_tensor *));
  cache->past = nj_calloc(ctx, (size_t)(most * cache->layers), sizeof(nj_tensor *));
  nj_status st = cache->first && cache->frames && cache->memory && cache->past ? NJ_OK : NJ_ENOMEM;
  if (!st) {
    list_frames(cache, memory, mask);
    st = remember_frames(cache, memory);
  }
  if (st) {
    nj_decoder_cache_free(cache);
    return st;
  }
  *out = cache;
  return NJ_OK;
}

void nj_decoder_cache_free(nj_decoder_cache *cache) {
  if (!cache)
    return;
  nj_ctx *ctx = cache->net->base.ctx;
  for (int64_t i = 0; cache->memory && i < cache->layers; i++)
    nj_release(cache->memory[i]);
  for (int64_t i = 0; cache->past && i < cache->most * cache->layers; i++)
    nj_release(cache->past[i]);
  nj_free(ctx, cache->first);
  nj_free(ctx, cache->frames);
  nj_free(ctx, cache->memory);
  nj_free(ctx, cache->past);
  nj_free(ctx, cache);
}

/* ---- attention of one query a row ---- */

#define ROWS 4 /* of a block */

typedef struct {
  const nj_decoder_cache *cache;
  const nj_decoder_rows *rows;
  int64_t layer;
  int over_frames; /* else over the row's own past */
  const float *queries;
  int64_t query_row;
  float *out; /* (n, D) */
} attention_job;

/* Points at the keys and values (whole rows, all heads) of what row i looks at; gives how many. */
static int64_t gather(const attention_job *job, int64_t i, const float **keys,
                      const float **values) {
  const nj_decoder_cache *cache = job->cache;
  int64_t width = cache->net->options.width, n = 0;
  if (job->over_frames) {
    const float *data = NJ_F32_DATA(cache->memory[job->layer]);
    int32_t clip = job->rows->clips[i];
    for (int64_t f = cache->first[clip]; f < cache->first[clip + 1]; f++, n++) {
      keys[n] = data + cache->frames[f] * 2 * width;
      values[n] = keys[n] + width;
    }
    return n;
  }
  for (; n <= cache->step; n++) {
    int64_t row = n < cache->step ? job->rows->past[i * job->rows->past_row + n] : i;
    keys[n] = NJ_F32_DATA(cache->past[n * cache->layers + job->layer]) + row * 3 * width + width;
    values[n] = keys[n] + width;
  }
  return n;
}

/* One head of one row. */
static void attend(const nj_row_kernels *row, const float *query, const float **keys,
                   const float **values, int64_t n, int64_t offset, int64_t size, float *scores,
                   float *out) {
  float scale = 1 / sqrtf((float)size);
  for (int64_t d = 0; d < size; d++)
    out[d] = 0;
  if (n == 0)
    return;
  for (int64_t j = 0; j < n; j++)
    scores[j] = row->dot(query + offset, keys[j] + offset, size) * scale;
  row->softmax(scores, scores, n);
  for (int64_t j = 0; j < n; j++) {
    const float *value = values[j] + offset;
    float share = scores[j];
    for (int64_t d = 0; d < size; d++)
      out[d] += share * value[d];
  }
}

static nj_status attend_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const attention_job *job = argument;
  const nj_decoder_cache *cache = job->cache;
  nj_ctx *ctx = cache->net->base.ctx;
  int64_t width = cache->net->options.width, heads = cache->net->options.heads;
  int64_t size = width / heads, most = cache->step + 1;
  for (int64_t b = 0; job->over_frames && b < cache->clips; b++)
    if (cache->first[b + 1] - cache->first[b] > most)
      most = cache->first[b + 1] - cache->first[b];
  const float **keys = nj_calloc(ctx, (size_t)most, 2 * sizeof *keys);
  float *scores = nj_calloc(ctx, (size_t)most, sizeof *scores);
  for (int64_t i = begin; keys && scores && i < end; i++) {
    int64_t n = gather(job, i, keys, keys + most);
    for (int64_t h = 0; h < heads; h++)
      attend(nj_ctx_kernels(ctx)->row, job->queries + i * job->query_row, keys, keys + most, n,
             h * size, size, scores, job->out + i * width + h * size);
  }
  nj_status st = keys && scores ? NJ_OK : NJ_ENOMEM;
  nj_free(ctx, keys);
  nj_free(ctx, scores);
  return st;
}

static nj_status run_attention(attention_job *job, nj_tensor **out) {
  nj_ctx *ctx = job->cache->net->base.ctx;
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, NJ_F32, 2, (int64_t[]){job->rows->n, job->cache->net->options.width}, &y));
  job->out = nj_data(y);
  nj_status st = nj_parallel_range(ctx, job->rows->n, ROWS, attend_rows, job);
  if (st)
    nj_release(y);
  else
    *out = y;
  return st;
}

/* ---- a step ---- */

static nj_status self_attention(nj_decoder_cache *cache, const nj_decoder_rows *rows, int64_t layer,
                                nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = cache->net->base.ctx;
  nj_multi_head m = attention_of(cache, layer, "self_attn");
  nj_tensor **kept = &cache->past[cache->step * cache->layers + layer], *heads = NULL;
  NJ_TRY(nj_dense_forward(ctx, m.in, x, kept));
  attention_job job = {.cache = cache,
                       .rows = rows,
                       .layer = layer,
                       .queries = NJ_F32_DATA(*kept),
                       .query_row = 3 * cache->net->options.width};
  NJ_TRY(run_attention(&job, &heads));
  nj_status st = nj_dense_forward(ctx, m.out, heads, out);
  nj_release(heads);
  return st;
}

static nj_status memory_attention(nj_decoder_cache *cache, const nj_decoder_rows *rows,
                                  int64_t layer, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = cache->net->base.ctx;
  int64_t width = cache->net->options.width;
  nj_multi_head m = attention_of(cache, layer, "multihead_attn");
  nj_tensor *queries = NULL, *heads = NULL;
  NJ_TRY(project(ctx, m.in, x, 0, width, &queries));
  attention_job job = {.cache = cache,
                       .rows = rows,
                       .layer = layer,
                       .over_frames = 1,
                       .queries = NJ_F32_DATA(queries),
                       .query_row = width};
  nj_status st = run_attention(&job, &heads);
  if (!st)
    st = nj_dense_forward(ctx, m.out, heads, out);
  nj_release(queries);
  nj_release(heads);
  return st;
}

static nj_status feed_forward(nj_decoder_cache *cache, const nj_decoder_rows *rows, int64_t layer,
                              nj_tensor *x, nj_tensor **out) {
  (void)rows;
  char name[NJ_DECODER_NAME];
  const nj_params *p = &cache->net->base.params;
  nj_decoder_layer_name(layer, name);
  return nj_feed_forward(cache->net->base.ctx, nj_dense_of(p, "%s.linear1", name),
                         nj_dense_of(p, "%s.linear2", name), NJ_GELU, x, (nj_drop){0}, out);
}

typedef nj_status (*layer_part)(nj_decoder_cache *cache, const nj_decoder_rows *rows, int64_t layer,
                                nj_tensor *x, nj_tensor **out);

static nj_status with_residual(nj_decoder_cache *cache, const nj_decoder_rows *rows, int64_t layer,
                               const char *norm, layer_part part, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = cache->net->base.ctx;
  const nj_decoder_options *o = &cache->net->options;
  const nj_params *p = &cache->net->base.params;
  char name[NJ_DECODER_NAME];
  nj_decoder_layer_name(layer, name);
  nj_flow f = nj_flow_begin(x);
  if (!o->post_norm)
    NJ_FLOW(f, nj_layer_norm_of(ctx, p, name, norm, o->eps, f.x, &f.next));
  NJ_FLOW(f, part(cache, rows, layer, f.x, &f.next));
  NJ_FLOW(f, nj_add_residual(ctx, f.x, x, (nj_drop){0}, &f.next));
  if (o->post_norm)
    NJ_FLOW(f, nj_layer_norm_of(ctx, p, name, norm, o->eps, f.x, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_decoder_cache_step(nj_decoder_cache *cache, const nj_decoder_rows *rows,
                                nj_tensor **logits) {
  nj_ctx *ctx = cache->net->base.ctx;
  nj_tensor *ids = NULL;
  NJ_TRY(nj_poll(ctx));
  NJ_TRY(nj_empty(ctx, NJ_I64, 2, (int64_t[]){rows->n, 1}, &ids));
  memcpy(nj_data(ids), rows->tokens, (size_t)rows->n * sizeof *rows->tokens);
  nj_flow f = nj_flow_begin(ids);
  nj_release(ids);
  NJ_FLOW(f, nj_decoder_embed(cache->net, f.x, cache->step, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 2, (int64_t[]){rows->n, cache->net->options.width}, &f.next));
  for (int64_t i = 0; i < cache->layers; i++) {
    NJ_FLOW(f, with_residual(cache, rows, i, "norm1", self_attention, f.x, &f.next));
    NJ_FLOW(f, with_residual(cache, rows, i, "norm2", memory_attention, f.x, &f.next));
    NJ_FLOW(f, with_residual(cache, rows, i, "norm3", feed_forward, f.x, &f.next));
  }
  NJ_FLOW(f, nj_decoder_logits(cache->net, f.x, &f.next));
  cache->step++;
  return nj_flow_end(&f, logits);
}
