#include "encoders/gpt2.h"

#include <stdio.h>

#include "nn/transformer.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

nj_gpt2_options nj_gpt2_default_options(void) {
  return (nj_gpt2_options){.vocabulary = 50257,
                           .width = 768,
                           .layers = 12,
                           .heads = 12,
                           .feed_forward = 3072,
                           .positions = 1024,
                           .dropout = 0.1,
                           .eps = 1e-5,
                           .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_gpt2_options *o = options;
  if (!nj_option_given(&nj_gpt2_option_table, given, "feed_forward"))
    o->feed_forward = 4 * o->width;
}

#define O nj_gpt2_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "vocabulary", vocabulary, 1, 1 << 30, 0),
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "layers", layers, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "heads", heads, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "feed_forward", feed_forward, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "positions", positions, 1, 1 << 20, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_RANGE(O, "eps", eps, 0, 1, 0),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_HIDDEN),
};
NJ_OPTION_TABLE(gpt2, items, derive)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_gpt2_options *o) {
  if (o->vocabulary < 1)
    return nj_fail(ctx, NJ_EARG, "gpt2: every size must be at least 1");
  nj_transformer_options layer = {.width = o->width, .heads = o->heads, .hidden = o->feed_forward};
  NJ_TRY(nj_transformer_check(ctx, "gpt2", &layer, o->layers, o->positions, o->dropout));
  return NJ_OK;
}

/* Hugging Face's Conv1D: weight (in, out), bias 0. */
static nj_status add_conv1d(nj_params *p, const char *prefix, int64_t in, int64_t out) {
  NJ_TRY(nj_params_add(p, prefix, "weight", NJ_INIT_BERT, 0, 2, (int64_t[]){in, out}));
  return nj_params_add(p, prefix, "bias", NJ_INIT_ZEROS, 0, 1, &out);
}

static nj_status add_layer(nj_params *p, const nj_gpt2_options *o, int64_t layer) {
  /* Name, input and output sizes; 0 out: a LayerNorm. */
  const struct {
    const char *name;
    int64_t in, out;
  } parts[] = {{"ln_1", o->width, 0},
               {"attn.c_attn", o->width, 3 * o->width},
               {"attn.c_proj", o->width, o->width},
               {"ln_2", o->width, 0},
               {"mlp.c_fc", o->width, o->feed_forward},
               {"mlp.c_proj", o->feed_forward, o->width}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "h.%lld.%s", (long long)layer, parts[i].name);
    if (parts[i].out)
      NJ_TRY(add_conv1d(p, prefix, parts[i].in, parts[i].out));
    else
      NJ_TRY(nj_params_add_layer_norm(p, prefix, parts[i].in));
  }
  return NJ_OK;
}

static nj_status build(nj_network *base) {
  nj_params *p = &base->params;
  const nj_gpt2_options *o = &((nj_gpt2 *)base)->options;
  NJ_TRY(check_options(base->ctx, o));
  NJ_TRY(
      nj_params_add(p, "wte", "weight", NJ_INIT_BERT, 0, 2, (int64_t[]){o->vocabulary, o->width}));
  NJ_TRY(
      nj_params_add(p, "wpe", "weight", NJ_INIT_BERT, 0, 2, (int64_t[]){o->positions, o->width}));
  for (int64_t i = 0; i < o->layers; i++)
    NJ_TRY(add_layer(p, o, i));
  return nj_params_add_layer_norm(p, "ln_f", o->width);
}

const nj_network_kind nj_gpt2_network =
    NJ_NETWORK_KIND(gpt2, .dtype_at = offsetof(nj_gpt2, options.dtype), .build = build);
NJ_NETWORK_DEFINE(gpt2)

static nj_status check_input(nj_gpt2 *net, const nj_tensor *ids, const nj_tensor *mask) {
  nj_ctx *ctx = net->base.ctx;
  if (ids->dtype != NJ_I64 || ids->ndim != 2)
    return nj_fail(ctx, NJ_ESHAPE, "gpt2: ids must be int64 of shape (batch, words), got %s %s",
                   nj_dtype_name(ids->dtype), NJ_SHAPE_OF(ids));
  int64_t room = net->options.positions;
  if (ids->shape[1] > room)
    return nj_fail(ctx, NJ_EARG,
                   "gpt2: %lld words, this encoder has positions for %lld; truncate "
                   "with {max = %lld} when tokenising",
                   (long long)ids->shape[1], (long long)room, (long long)room);
  if (mask && !nj_same_shape(mask, ids))
    return nj_fail(ctx, NJ_ESHAPE, "gpt2: the mask must have the shape of ids, %s, got %s",
                   NJ_SHAPE_OF(ids), NJ_SHAPE_OF(mask));
  return NJ_OK;
}

/* wte[ids] + wpe[0 … N - 1] */
static nj_status embed(nj_gpt2 *net, nj_tensor *ids, nj_drop drop, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *places = NULL;
  nj_flow f = nj_flow_begin(ids);
  f.status =
      nj_narrow(ctx, nj_param_of(&net->base.params, "wpe.weight"), 0, 0, ids->shape[1], &places);
  NJ_FLOW(f, nj_embedding(ctx, nj_param_of(&net->base.params, "wte.weight"), ids, -1, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, places, &f.next));
  if (drop.dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, drop.dropout, 1, drop.rng, &f.next));
  nj_release(places);
  return nj_flow_end(&f, out);
}

/* Weight and bias of a Conv1D, the weight turned into (out, in): a view to release. */
static nj_status turned(nj_gpt2 *net, int64_t layer, const char *name, nj_dense *out) {
  nj_dense d = nj_dense_of(&net->base.params, "h.%lld.%s", (long long)layer, name);
  *out = (nj_dense){.bias = d.bias};
  return nj_transpose(net->base.ctx, d.weight, 0, 1, &out->weight);
}

static nj_status attend(nj_gpt2 *net, nj_tensor *x, nj_tensor *mask, int64_t layer, nj_drop drop,
                        nj_tensor **out) {
  nj_multi_head m = {.heads = net->options.heads};
  nj_status st = turned(net, layer, "attn.c_attn", &m.in);
  if (!st)
    st = turned(net, layer, "attn.c_proj", &m.out);
  if (!st)
    st = nj_multi_head_forward(net->base.ctx, &m, x, x, mask, drop, out);
  nj_release(m.in.weight);
  nj_release(m.out.weight);
  return st;
}

static nj_status feed_forward(nj_gpt2 *net, nj_tensor *x, int64_t layer, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_dense first = {0}, second = {0};
  nj_status st = turned(net, layer, "mlp.c_fc", &first);
  if (!st)
    st = turned(net, layer, "mlp.c_proj", &second);
  nj_flow f = nj_flow_begin(x);
  f.status = st;
  NJ_FLOW(f, nj_dense_forward(ctx, first, f.x, &f.next));
  NJ_FLOW(f, nj_gelu_tanh(ctx, f.x, &f.next));
  NJ_FLOW(f, nj_dense_forward(ctx, second, f.x, &f.next));
  nj_release(first.weight);
  nj_release(second.weight);
  return nj_flow_end(&f, out);
}

static nj_status norm(nj_gpt2 *net, nj_tensor *x, const char *prefix, nj_tensor **out) {
  return nj_layer_norm(net->base.ctx, x, nj_param_of(&net->base.params, "%s.weight", prefix),
                       nj_param_of(&net->base.params, "%s.bias", prefix), net->options.eps, out);
}

/* x + dropout(part(norm(x))), the part being attention or the feed-forward. */
static nj_status run_half(nj_gpt2 *net, nj_tensor *x, nj_tensor *mask, int64_t layer, int attention,
                          nj_drop drop, nj_tensor **out) {
  char prefix[48];
  snprintf(prefix, sizeof prefix, "h.%lld.%s", (long long)layer, attention ? "ln_1" : "ln_2");
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, norm(net, f.x, prefix, &f.next));
  if (attention)
    NJ_FLOW(f, attend(net, f.x, mask, layer, drop, &f.next));
  else
    NJ_FLOW(f, feed_forward(net, f.x, layer, &f.next));
  NJ_FLOW(f, nj_add_residual(net->base.ctx, f.x, x, drop, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_gpt2_forward(nj_gpt2 *net, nj_tensor *ids, nj_tensor *mask, int training, nj_rng *rng,
                          nj_tensor **hidden, nj_tensor **words) {
  nj_tensor *sees = NULL;
  NJ_TRY(check_input(net, ids, mask));
  NJ_TRY(nj_attention_mask(net->base.ctx, "gpt2", mask, ids->shape[1], ids->shape[1], 1, &sees));
  nj_drop drop = {training ? net->options.dropout : 0, rng};
  int64_t layers = net->options.layers;
  nj_flow f = nj_flow_begin(ids);
  NJ_FLOW(f, embed(net, f.x, drop, &f.next));
  for (int64_t i = 0; i < layers; i++) {
    if (hidden && !f.status)
      hidden[i] = nj_retain(f.x);
    NJ_FLOW(f, run_half(net, f.x, sees, i, 1, drop, &f.next));
    NJ_FLOW(f, run_half(net, f.x, sees, i, 0, drop, &f.next));
  }
  NJ_FLOW(f, norm(net, f.x, "ln_f", &f.next));
  if (hidden && !f.status)
    hidden[layers] = nj_retain(f.x);
  nj_release(sees);
  return nj_flow_end(&f, words);
}
