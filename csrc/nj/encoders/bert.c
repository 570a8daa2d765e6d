#include "encoders/bert.h"

#include <stdio.h>

#include "nn/transformer.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

nj_bert_options nj_bert_default_options(void) {
  return (nj_bert_options){.vocabulary = 30522,
                           .width = 768,
                           .layers = 12,
                           .heads = 12,
                           .feed_forward = 3072,
                           .positions = 512,
                           .types = 2,
                           .dropout = 0.1,
                           .eps = 1e-12};
}

static void derive(void *options, uint64_t given) {
  nj_bert_options *o = options;
  if (!nj_option_given(&nj_bert_option_table, given, "feed_forward"))
    o->feed_forward = 4 * o->width;
  if (!o->roberta)
    return;
  if (!nj_option_given(&nj_bert_option_table, given, "positions"))
    o->positions = 514;
  if (!nj_option_given(&nj_bert_option_table, given, "types"))
    o->types = 1;
  if (!nj_option_given(&nj_bert_option_table, given, "eps"))
    o->eps = 1e-5;
  if (!nj_option_given(&nj_bert_option_table, given, "padding_id"))
    o->padding_id = 1;
}

#define O nj_bert_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "vocabulary", vocabulary, 1, 1e9, 0),
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "layers", layers, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "heads", heads, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "feed_forward", feed_forward, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "positions", positions, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "types", types, 1, 65536, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_RANGE(O, "eps", eps, 0, 1, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "padding_id", padding_id, 0, 1e9, NJ_OPTION_DERIVED),
    NJ_OPTION_FLAG(O, "roberta", roberta, 0),
    NJ_OPTION_FLAG(O, "pooler", pooler, NJ_OPTION_SPARSE),
};
NJ_OPTION_TABLE(bert, items, derive)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_bert_options *o) {
  if (o->vocabulary < 1 || o->types < 1)
    return nj_fail(ctx, NJ_EARG, "bert: every size must be at least 1");
  nj_transformer_options layer = {.width = o->width, .heads = o->heads, .hidden = o->feed_forward};
  NJ_TRY(nj_transformer_check(ctx, "bert", &layer, o->layers, o->positions, o->dropout));
  if (o->padding_id < 0 || o->padding_id >= o->vocabulary)
    return nj_fail(ctx, NJ_EARG, "bert: padding id %lld is outside the vocabulary of %lld",
                   (long long)o->padding_id, (long long)o->vocabulary);
  return NJ_OK;
}

static nj_status add_embeddings(nj_params *p, const nj_bert_options *o) {
  NJ_TRY(nj_params_add(p, "embeddings.word_embeddings", "weight", NJ_INIT_BERT, 0, 2,
                       (int64_t[]){o->vocabulary, o->width}));
  NJ_TRY(nj_params_add(p, "embeddings.position_embeddings", "weight", NJ_INIT_BERT, 0, 2,
                       (int64_t[]){o->positions, o->width}));
  NJ_TRY(nj_params_add(p, "embeddings.token_type_embeddings", "weight", NJ_INIT_BERT, 0, 2,
                       (int64_t[]){o->types, o->width}));
  return nj_params_add_layer_norm(p, "embeddings.LayerNorm", o->width);
}

static nj_status add_layer(nj_params *p, const nj_bert_options *o, int64_t layer) {
  /* Name, input and output sizes; 0 out: a LayerNorm. */
  const struct {
    const char *name;
    int64_t in, out;
  } parts[] = {{"attention.self.query", o->width, o->width},
               {"attention.self.key", o->width, o->width},
               {"attention.self.value", o->width, o->width},
               {"attention.output.dense", o->width, o->width},
               {"attention.output.LayerNorm", o->width, 0},
               {"intermediate.dense", o->width, o->feed_forward},
               {"output.dense", o->feed_forward, o->width},
               {"output.LayerNorm", o->width, 0}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char prefix[96];
    snprintf(prefix, sizeof prefix, "encoder.layer.%lld.%s", (long long)layer, parts[i].name);
    if (parts[i].out)
      NJ_TRY(nj_params_add_linear(p, prefix, parts[i].in, parts[i].out, NJ_INIT_BERT));
    else
      NJ_TRY(nj_params_add_layer_norm(p, prefix, parts[i].in));
  }
  return NJ_OK;
}

static void clear_padding_row(nj_bert *net) {
  nj_tensor *words = nj_param_of(&net->base.params, "embeddings.word_embeddings.weight");
  float *row = NJ_F32_DATA(words) + net->options.padding_id * net->options.width;
  for (int64_t i = 0; i < net->options.width; i++)
    row[i] = 0;
}

static nj_status build(nj_network *base) {
  nj_bert *net = (nj_bert *)base;
  const nj_bert_options *o = &net->options;
  NJ_TRY(check_options(base->ctx, o));
  NJ_TRY(add_embeddings(&base->params, o));
  for (int64_t i = 0; i < o->layers; i++)
    NJ_TRY(add_layer(&base->params, o, i));
  if (o->pooler)
    NJ_TRY(nj_params_add_linear(&base->params, "pooler.dense", o->width, o->width, NJ_INIT_BERT));
  clear_padding_row(net);
  return NJ_OK;
}

const nj_network_kind nj_bert_network = NJ_NETWORK_KIND(bert, .build = build);
NJ_NETWORK_DEFINE(bert)

static nj_status check_input(nj_bert *net, const nj_tensor *ids, const nj_tensor *mask,
                             const nj_tensor *types) {
  nj_ctx *ctx = net->base.ctx;
  if (ids->dtype != NJ_I64 || ids->ndim != 2)
    return nj_fail(ctx, NJ_ESHAPE, "bert: ids must be int64 of shape (batch, words), got %s %s",
                   nj_dtype_name(ids->dtype), NJ_SHAPE_OF(ids));
  int64_t room = net->options.positions - (net->options.roberta ? net->options.padding_id + 1 : 0);
  if (ids->shape[1] > room)
    return nj_fail(ctx, NJ_EARG,
                   "bert: %lld words, this encoder has positions for %lld; truncate "
                   "with {max = %lld} when tokenising",
                   (long long)ids->shape[1], (long long)room, (long long)room);
  if (mask && !nj_same_shape(mask, ids))
    return nj_fail(ctx, NJ_ESHAPE, "bert: the mask must have the shape of ids, %s, got %s",
                   NJ_SHAPE_OF(ids), NJ_SHAPE_OF(mask));
  if (types && (types->dtype != NJ_I64 || !nj_same_shape(types, ids)))
    return nj_fail(ctx, NJ_ESHAPE, "bert: types must be int64 with the shape of ids, %s, got %s %s",
                   NJ_SHAPE_OF(ids), nj_dtype_name(types->dtype), NJ_SHAPE_OF(types));
  return NJ_OK;
}

/* int64 (B, N): BERT counts 0, 1, 2 …; RoBERTa counts words that are not padding, from padding_id + 1. */
static nj_status position_ids(nj_bert *net, const nj_tensor *ids, nj_tensor **out) {
  nj_tensor *positions = NULL;
  NJ_TRY(nj_empty(net->base.ctx, NJ_I64, 2, ids->shape, &positions));
  int64_t *data = NJ_I64_DATA(positions), pad = net->options.padding_id;
  for (int64_t b = 0; b < ids->shape[0]; b++) {
    int64_t next = pad + 1;
    for (int64_t n = 0; n < ids->shape[1]; n++) {
      int is_padding = (int64_t)nj_get(ids, (int64_t[]){b, n}) == pad;
      *data++ = !net->options.roberta ? n : is_padding ? pad : next++;
    }
  }
  *out = positions;
  return NJ_OK;
}

static nj_status layer_norm(nj_bert *net, nj_tensor *x, const char *prefix, nj_tensor **out) {
  return nj_layer_norm(net->base.ctx, x, nj_param_of(&net->base.params, "%s.weight", prefix),
                       nj_param_of(&net->base.params, "%s.bias", prefix), net->options.eps, out);
}

/* What is added for the sentence that a word belongs to: (B, N, D), or a row that broadcasts. */
static nj_status embed_types(nj_bert *net, nj_tensor *types, nj_tensor **out) {
  nj_tensor *rows = nj_param_of(&net->base.params, "embeddings.token_type_embeddings.weight");
  return types ? nj_embedding(net->base.ctx, rows, types, -1, out)
               : nj_narrow(net->base.ctx, rows, 0, 0, 1, out);
}

static nj_status embed(nj_bert *net, nj_tensor *ids, nj_tensor *types, int training, nj_rng *rng,
                       nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  nj_tensor *positions = NULL, *at = NULL, *type = NULL;
  nj_status st = position_ids(net, ids, &positions);
  if (!st)
    st = nj_embedding(ctx, nj_param_of(p, "embeddings.position_embeddings.weight"), positions,
                      net->options.roberta ? net->options.padding_id : -1, &at);
  nj_release(positions);
  if (!st)
    st = embed_types(net, types, &type);
  if (st) {
    nj_release(at);
    return st;
  }
  nj_flow f = nj_flow_begin(ids);
  NJ_FLOW(f, nj_embedding(ctx, nj_param_of(p, "embeddings.word_embeddings.weight"), ids,
                          net->options.padding_id, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, at, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, type, &f.next));
  NJ_FLOW(f, layer_norm(net, f.x, "embeddings.LayerNorm", &f.next));
  if (training && net->options.dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, net->options.dropout, 1, rng, &f.next));
  nj_release(at);
  nj_release(type);
  return nj_flow_end(&f, out);
}

static nj_dense dense_of(const nj_bert *net, int64_t layer, const char *name) {
  return nj_dense_of(&net->base.params, "encoder.layer.%lld.%s", (long long)layer, name);
}

static nj_status self_attention(nj_bert *net, nj_tensor *x, nj_tensor *mask, int64_t layer,
                                nj_drop drop, nj_tensor **out) {
  nj_multi_head m = {.of = {dense_of(net, layer, "attention.self.query"),
                            dense_of(net, layer, "attention.self.key"),
                            dense_of(net, layer, "attention.self.value")},
                     .out = dense_of(net, layer, "attention.output.dense"),
                     .heads = net->options.heads};
  return nj_multi_head_forward(net->base.ctx, &m, x, x, mask, drop, out);
}

static nj_status feed_forward(nj_bert *net, nj_tensor *x, int64_t layer, nj_tensor **out) {
  return nj_feed_forward(net->base.ctx, dense_of(net, layer, "intermediate.dense"),
                         dense_of(net, layer, "output.dense"), NJ_GELU, x, (nj_drop){0}, out);
}

/* LayerNorm(residual + dropout(x)) */
static nj_status join_residual(nj_bert *net, nj_tensor *x, nj_tensor *residual, int64_t layer,
                               const char *norm, nj_drop drop, nj_tensor **out) {
  char prefix[96];
  snprintf(prefix, sizeof prefix, "encoder.layer.%lld.%s", (long long)layer, norm);
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_add_residual(net->base.ctx, f.x, residual, drop, &f.next));
  NJ_FLOW(f, layer_norm(net, f.x, prefix, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status run_layer(nj_bert *net, nj_tensor *x, nj_tensor *mask, int64_t layer, nj_drop drop,
                           nj_tensor **out) {
  nj_tensor *attended = NULL;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, self_attention(net, f.x, mask, layer, drop, &f.next));
  NJ_FLOW(f, join_residual(net, f.x, x, layer, "attention.output.LayerNorm", drop, &f.next));
  if (!f.status)
    attended = nj_retain(f.x);
  NJ_FLOW(f, feed_forward(net, f.x, layer, &f.next));
  NJ_FLOW(f, join_residual(net, f.x, attended, layer, "output.LayerNorm", drop, &f.next));
  nj_release(attended);
  return nj_flow_end(&f, out);
}

nj_status nj_bert_forward(nj_bert *net, nj_tensor *ids, nj_tensor *mask, nj_tensor *types,
                          int training, nj_rng *rng, nj_tensor **hidden, nj_tensor **words) {
  nj_tensor *attend = NULL;
  NJ_TRY(check_input(net, ids, mask, types));
  NJ_TRY(nj_attention_mask(net->base.ctx, "bert", mask, ids->shape[1], ids->shape[1], 0, &attend));
  nj_drop drop = {training ? net->options.dropout : 0, rng};
  nj_flow f = nj_flow_begin(ids);
  NJ_FLOW(f, embed(net, f.x, types, training, rng, &f.next));
  if (hidden && !f.status)
    hidden[0] = nj_retain(f.x);
  for (int64_t i = 0; i < net->options.layers; i++) {
    NJ_FLOW(f, run_layer(net, f.x, attend, i, drop, &f.next));
    if (hidden && !f.status)
      hidden[i + 1] = nj_retain(f.x);
  }
  nj_release(attend);
  return nj_flow_end(&f, words);
}

nj_status nj_bert_pool(nj_bert *net, nj_tensor *words, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_dense dense = nj_dense_of(&net->base.params, "pooler.dense");
  if (!dense.weight)
    return nj_fail(ctx, NJ_EARG, "bert: this network has no pooler; make it with {pooler = true}");
  if (words->ndim != 3 || words->shape[1] < 1 || words->shape[2] != net->options.width)
    return nj_fail(ctx, NJ_ESHAPE, "bert: the pooler takes words (batch, words, %lld), got %s",
                   (long long)net->options.width, NJ_SHAPE_OF(words));
  nj_flow f = nj_flow_begin(words);
  NJ_FLOW(f, nj_select(ctx, f.x, 1, 0, &f.next));
  NJ_FLOW(f, nj_dense_forward(ctx, dense, f.x, &f.next));
  NJ_FLOW(f, nj_tanh(ctx, f.x, &f.next));
  return nj_flow_end(&f, out);
}
