#include "ac/decoder.h"

#include <math.h>
#include <stdio.h>

#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

nj_decoder_options nj_decoder_default_options(void) {
  return (nj_decoder_options){.width = 128,
                              .layers = 2,
                              .heads = 4,
                              .feed_forward = 512,
                              .memory_width = 128,
                              .positions = 64,
                              .dropout = 0.1,
                              .eps = 1e-5,
                              .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_decoder_options *o = options;
  if (!nj_option_given(&nj_decoder_option_table, given, "feed_forward"))
    o->feed_forward = 4 * o->width;
  if (!nj_option_given(&nj_decoder_option_table, given, "memory_width"))
    o->memory_width = o->width;
}

#define O nj_decoder_options
static const char *const positions[] = {"sines", "learned", NULL};
static const char *const norms[] = {"pre", "post", NULL};
static const char *const activations[] = {"none", "relu", NULL};
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "vocabulary", vocabulary, 1, 1e9, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "layers", layers, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "heads", heads, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "feed_forward", feed_forward, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "memory_width", memory_width, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "positions", positions, 1, 1 << 20, 0),
    NJ_OPTION_ENUM(O, "position", learned, positions, 0),
    NJ_OPTION_FLAG(O, "frame_positions", frame_positions, 0),
    NJ_OPTION_ENUM(O, "norm", post_norm, norms, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_ENUM(O, "memory_activation", memory_relu, activations, 0),
    NJ_OPTION_RANGE(O, "memory_dropout", memory_dropout, 0, 0.999, 0),
    NJ_OPTION_RANGE(O, "eps", eps, 0, 1, 0),
    NJ_OPTION_FLOATS(O, dtype, 0),
};
NJ_OPTION_TABLE(decoder, items, derive)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_decoder_options *o) {
  if (o->vocabulary < 1 || o->width < 1 || o->layers < 0 || o->heads < 1 || o->feed_forward < 1 ||
      o->positions < 1 || o->memory_width < 1)
    return nj_fail(ctx, NJ_EARG, "decoder: every size must be at least 1");
  if (o->width % o->heads)
    return nj_fail(ctx, NJ_EARG, "decoder: %lld heads do not divide a width of %lld",
                   (long long)o->heads, (long long)o->width);
  if (!(o->dropout >= 0 && o->dropout < 1))
    return nj_fail(ctx, NJ_EARG, "decoder: dropout must be in [0, 1), got %g", o->dropout);
  if (!(o->memory_dropout >= 0 && o->memory_dropout < 1))
    return nj_fail(ctx, NJ_EARG, "decoder: memory_dropout must be in [0, 1), got %g",
                   o->memory_dropout);
  if (o->dtype != NJ_F32 && o->dtype != NJ_F64)
    return nj_fail(ctx, NJ_EDTYPE, "decoder: parameters are float32 or float64, not %s",
                   nj_dtype_name(o->dtype));
  return NJ_OK;
}

/* ---- parameters ---- */

const char *nj_decoder_layer_name(int64_t layer, char *buffer) {
  snprintf(buffer, NJ_DECODER_NAME, "decoder.layers.%lld", (long long)layer);
  return buffer;
}

nj_transformer_options nj_decoder_layer_options(const nj_decoder *net) {
  const nj_decoder_options *o = &net->options;
  return (nj_transformer_options){.width = o->width,
                                  .heads = o->heads,
                                  .hidden = o->feed_forward,
                                  .pre_norm = !o->post_norm,
                                  .activation = NJ_GELU,
                                  .eps = o->eps};
}

/* Embeddings are multiplied by sqrt(D) when read: made smaller by as much, tokens weigh as much as
 * positions. */
static void shrink(nj_tensor *x, double factor) {
  for (int64_t i = 0, n = nj_numel(x); i < n; i++)
    if (x->dtype == NJ_F32)
      NJ_F32_DATA(x)[i] *= (float)factor;
    else
      NJ_F64_DATA(x)[i] *= factor;
}

static nj_status add_parameters(nj_decoder *net) {
  const nj_decoder_options *o = &net->options;
  nj_params *p = &net->base.params;
  nj_transformer_options layer = nj_decoder_layer_options(net);
  char name[NJ_DECODER_NAME];
  NJ_TRY(nj_params_add(p, "embed", "weight", NJ_INIT_NORMAL, 0, 2,
                       (int64_t[]){o->vocabulary, o->width}));
  shrink(nj_params_find(p, "embed.weight"), 1 / sqrt((double)o->width));
  if (o->learned)
    NJ_TRY(nj_params_add(p, "positions", "weight", NJ_INIT_BERT, 0, 2,
                         (int64_t[]){o->positions, o->width}));
  if (o->memory_width != o->width || o->memory_relu)
    NJ_TRY(nj_params_add_linear(p, "memory", o->memory_width, o->width, NJ_INIT_LINEAR));
  for (int64_t i = 0; i < o->layers; i++)
    NJ_TRY(nj_transformer_add_layer(p, nj_decoder_layer_name(i, name), &layer, 1));
  if (!o->post_norm)
    NJ_TRY(nj_params_add_layer_norm(p, "decoder.norm", o->width));
  return nj_params_add_linear(p, "out", o->width, o->vocabulary, NJ_INIT_XAVIER);
}

/* (count, D): pe[p][2i] = sin(p / 10000^(2i / D)), pe[p][2i + 1] = cos of the same. */
static nj_status make_sines(const nj_decoder *net, int64_t count, nj_tensor **out) {
  int64_t width = net->options.width;
  nj_tensor *y = NULL;
  double *rates = nj_calloc(net->base.ctx, (size_t)width, sizeof *rates);
  if (!rates)
    return NJ_ENOMEM;
  nj_status st = nj_empty(net->base.ctx, net->options.dtype, 2, (int64_t[]){count, width}, &y);
  for (int64_t i = 0; i < width; i++)
    rates[i] = 1 / pow(10000, (double)(i - i % 2) / (double)width);
  for (int64_t p = 0; !st && p < count; p++)
    for (int64_t i = 0; i < width; i++) {
      double angle = (double)p * rates[i], value = i % 2 ? cos(angle) : sin(angle);
      if (y->dtype == NJ_F32)
        NJ_F32_DATA(y)[p * width + i] = (float)value;
      else
        NJ_F64_DATA(y)[p * width + i] = value;
    }
  nj_free(net->base.ctx, rates);
  if (!st)
    *out = y;
  return st;
}

static nj_status build(nj_network *base) {
  nj_decoder *net = (nj_decoder *)base;
  NJ_TRY(check_options(base->ctx, &net->options));
  NJ_TRY(add_parameters(net));
  return net->options.learned ? NJ_OK : make_sines(net, net->options.positions, &net->sines);
}

static void clear(nj_network *base) { nj_release(((nj_decoder *)base)->sines); }

const nj_network_kind nj_decoder_network = NJ_NETWORK_KIND(
    decoder, .dtype_at = offsetof(nj_decoder, options.dtype), .build = build, .clear = clear);
NJ_NETWORK_DEFINE(decoder)

/* ---- the parts ---- */

nj_status nj_decoder_check_memory(const nj_decoder *net, const char *op, const nj_tensor *memory,
                                  const nj_tensor *mask) {
  const nj_decoder_options *o = &net->options;
  if (memory->dtype != o->dtype)
    return nj_fail(net->base.ctx, NJ_EDTYPE, "%s: expected %s frames, got %s", op,
                   nj_dtype_name(o->dtype), nj_dtype_name(memory->dtype));
  if (memory->ndim != 3 || memory->shape[2] != o->memory_width)
    return nj_fail(net->base.ctx, NJ_ESHAPE, "%s: expected frames (batch, frames, %lld), got %s",
                   op, (long long)o->memory_width, NJ_SHAPE_OF(memory));
  if (mask &&
      (mask->ndim != 2 || mask->shape[0] != memory->shape[0] || mask->shape[1] != memory->shape[1]))
    return nj_fail(net->base.ctx, NJ_ESHAPE,
                   "%s: expected a mask (%lld, %lld) of the frames, got %s", op,
                   (long long)memory->shape[0], (long long)memory->shape[1], NJ_SHAPE_OF(mask));
  return NJ_OK;
}

nj_status nj_decoder_embed(nj_decoder *net, nj_tensor *ids, int64_t first, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *table =
      net->options.learned ? nj_params_find(&net->base.params, "positions.weight") : net->sines;
  nj_tensor *places = NULL;
  NJ_TRY(nj_narrow(ctx, table, 0, first, ids->shape[ids->ndim - 1], &places));
  nj_flow f = nj_flow_begin(ids);
  NJ_FLOW(f,
          nj_embedding(ctx, nj_params_find(&net->base.params, "embed.weight"), f.x, -1, &f.next));
  NJ_FLOW(f, nj_affine(ctx, f.x, sqrt((double)net->options.width), 0, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, places, &f.next));
  nj_release(places);
  return nj_flow_end(&f, out);
}

static nj_status drop_frames(const nj_decoder *net, nj_tensor *x, nj_rng *rng, nj_tensor **out) {
  if (rng && net->options.memory_dropout > 0)
    return nj_dropout(net->base.ctx, x, net->options.memory_dropout, 1, rng, out);
  *out = nj_retain(x);
  return NJ_OK;
}

nj_status nj_decoder_project_memory(nj_decoder *net, nj_tensor *memory, nj_rng *rng,
                                    nj_tensor **out) {
  nj_dense dense = nj_dense_of(&net->base.params, "memory");
  nj_tensor *places = NULL;
  if (net->options.frame_positions)
    NJ_TRY(make_sines(net, memory->shape[1], &places));
  nj_flow f = nj_flow_begin(memory);
  NJ_FLOW(f, drop_frames(net, f.x, rng, &f.next));
  if (dense.weight)
    NJ_FLOW(f, nj_dense_forward(net->base.ctx, dense, f.x, &f.next));
  if (net->options.memory_relu)
    NJ_FLOW(f, nj_relu(net->base.ctx, f.x, &f.next));
  if (dense.weight)
    NJ_FLOW(f, drop_frames(net, f.x, rng, &f.next));
  if (places)
    NJ_FLOW(f, nj_add(net->base.ctx, f.x, places, &f.next));
  nj_release(places);
  return nj_flow_end(&f, out);
}

nj_status nj_decoder_logits(nj_decoder *net, nj_tensor *x, nj_tensor **out) {
  const nj_params *p = &net->base.params;
  nj_flow f = nj_flow_begin(x);
  if (!net->options.post_norm)
    NJ_FLOW(f, nj_layer_norm(net->base.ctx, f.x, nj_params_find(p, "decoder.norm.weight"),
                             nj_params_find(p, "decoder.norm.bias"), net->options.eps, &f.next));
  NJ_FLOW(f, nj_linear(net->base.ctx, f.x, nj_params_find(p, "out.weight"),
                       nj_params_find(p, "out.bias"), &f.next));
  return nj_flow_end(&f, out);
}

/* ---- teacher forcing ---- */

static nj_status check_input(const nj_decoder *net, const nj_tensor *ids, const nj_tensor *memory,
                             const nj_tensor *mask) {
  nj_ctx *ctx = net->base.ctx;
  if (ids->dtype != NJ_I64 || ids->ndim != 2)
    return nj_fail(ctx, NJ_ESHAPE, "decoder: ids must be int64 of shape (batch, tokens), got %s %s",
                   nj_dtype_name(ids->dtype), NJ_SHAPE_OF(ids));
  if (ids->shape[1] > net->options.positions)
    return nj_fail(ctx, NJ_EARG, "decoder: %lld tokens, this decoder has positions for %lld",
                   (long long)ids->shape[1], (long long)net->options.positions);
  for (int64_t b = 0; b < ids->shape[0]; b++)
    for (int64_t t = 0; t < ids->shape[1]; t++) {
      int64_t id = NJ_I64_DATA(ids)[b * ids->stride[0] + t * ids->stride[1]];
      if (id < 0 || id >= net->options.vocabulary)
        return nj_fail(ctx, NJ_EINDEX,
                       "decoder: id %lld is outside the vocabulary of %lld (from 0)", (long long)id,
                       (long long)net->options.vocabulary);
    }
  NJ_TRY(nj_decoder_check_memory(net, "decoder", memory, mask));
  if (memory->shape[0] != ids->shape[0])
    return nj_fail(ctx, NJ_ESHAPE, "decoder: ids of %lld sentences, frames of %lld clips",
                   (long long)ids->shape[0], (long long)memory->shape[0]);
  return NJ_OK;
}

/* The layers over embedded tokens x (B, T, D). */
static nj_status run_layers(nj_decoder *net, nj_tensor *x, nj_tensor *memory, nj_tensor *mask,
                            nj_drop drop, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_transformer_options o = nj_decoder_layer_options(net);
  nj_tensor *causal = NULL, *seen = NULL, *projected = NULL;
  int64_t tokens = x->shape[1];
  nj_status st = nj_attention_mask(ctx, "decoder", NULL, tokens, tokens, 1, &causal);
  if (!st)
    st = nj_attention_mask(ctx, "decoder", mask, tokens, memory->shape[1], 0, &seen);
  if (!st)
    st = nj_decoder_project_memory(net, memory, drop.rng, &projected);
  nj_flow f = nj_flow_begin(x);
  f.status = st;
  for (int64_t i = 0; i < net->options.layers; i++) {
    char name[NJ_DECODER_NAME];
    NJ_FLOW(f, nj_transformer_decoder_layer(ctx, &net->base.params, nj_decoder_layer_name(i, name),
                                            &o, f.x, causal, projected, seen, drop, &f.next));
  }
  nj_release(causal);
  nj_release(seen);
  nj_release(projected);
  return nj_flow_end(&f, out);
}

nj_status nj_decoder_forward(nj_decoder *net, nj_tensor *ids, nj_tensor *memory, nj_tensor *mask,
                             nj_drop drop, nj_tensor **logits) {
  NJ_TRY(check_input(net, ids, memory, mask));
  nj_flow f = nj_flow_begin(ids);
  NJ_FLOW(f, nj_decoder_embed(net, f.x, 0, &f.next));
  if (drop.dropout > 0)
    NJ_FLOW(f, nj_dropout(net->base.ctx, f.x, drop.dropout, 1, drop.rng, &f.next));
  NJ_FLOW(f, run_layers(net, f.x, memory, mask, drop, &f.next));
  NJ_FLOW(f, nj_decoder_logits(net, f.x, &f.next));
  return nj_flow_end(&f, logits);
}
