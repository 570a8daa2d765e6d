#include "ac/caption_pool.h"

#include <stdio.h>

#include "nn/transformer.h"
#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "tensor/flow.h"

static nj_transformer_options layer_options(const nj_caption_pool_options *o) {
  return (nj_transformer_options){.width = o->width,
                                  .heads = o->heads,
                                  .hidden = o->hidden,
                                  .pre_norm = o->pre_norm,
                                  .activation = NJ_RELU,
                                  .eps = 1e-5};
}

nj_caption_pool_options nj_caption_pool_default_options(void) {
  return (nj_caption_pool_options){
      .kind = NJ_CAPTION_MEAN, .layers = 2, .heads = 1, .positions = 64, .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_caption_pool_options *o = options;
  if (o->kind == NJ_CAPTION_TRANSFORMER &&
      !nj_option_given(&nj_caption_pool_option_table, given, "heads"))
    o->heads = 4;
  if (!nj_option_given(&nj_caption_pool_option_table, given, "hidden"))
    o->hidden = o->width;
}

#define O nj_caption_pool_options
static const char *const kinds[] = {"mean", "transformer", NULL};
static const char *const norms[] = {"post", "pre", NULL};
static const nj_option items[] = {
    NJ_OPTION_ENUM(O, "kind", kind, kinds, 0),
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "layers", layers, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "heads", heads, 1, 65536, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "hidden", hidden, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "positions", positions, 1, 1 << 20, 0),
    NJ_OPTION_ENUM(O, "norm", pre_norm, norms, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_HIDDEN),
};
NJ_OPTION_TABLE(caption_pool, items, derive)
#undef O

static nj_status build(nj_network *base) {
  const nj_caption_pool_options *o = &((nj_caption_pool *)base)->options;
  const nj_transformer_options layer = layer_options(o);
  NJ_TRY(
      nj_transformer_check(base->ctx, "caption_pool", &layer, o->layers, o->positions, o->dropout));
  if (o->kind == NJ_CAPTION_MEAN)
    return NJ_OK;
  NJ_TRY(nj_params_add(&base->params, "position_embeddings", "weight", NJ_INIT_BERT, 0, 2,
                       (int64_t[]){o->positions, o->width}));
  for (int64_t i = 0; i < o->layers; i++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "transformer.layers.%lld", (long long)i);
    NJ_TRY(nj_transformer_add_layer(&base->params, prefix, &layer, 0));
  }
  return NJ_OK;
}

const nj_network_kind nj_caption_pool_network = NJ_NETWORK_KIND(
    caption_pool, .dtype_at = offsetof(nj_caption_pool, options.dtype), .build = build);
NJ_NETWORK_DEFINE(caption_pool)

static nj_status check_input(nj_caption_pool *net, const nj_tensor *x, const nj_tensor *mask) {
  nj_ctx *ctx = net->base.ctx;
  if (x->ndim != 3 || x->shape[2] != net->options.width)
    return nj_fail(ctx, NJ_ESHAPE,
                   "caption_pool: expected captions (batch, captions, %lld), got %s",
                   (long long)net->options.width, NJ_SHAPE_OF(x));
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "caption_pool: expected float32 or float64 captions, got %s",
                   nj_dtype_name(x->dtype));
  if (mask && (mask->ndim != 2 || mask->shape[0] != x->shape[0] || mask->shape[1] != x->shape[1]))
    return nj_fail(ctx, NJ_ESHAPE, "caption_pool: expected a mask (%lld, %lld), got %s",
                   (long long)x->shape[0], (long long)x->shape[1], NJ_SHAPE_OF(mask));
  if (net->options.kind == NJ_CAPTION_TRANSFORMER && x->shape[1] > net->options.positions)
    return nj_fail(ctx, NJ_EARG, "caption_pool: %lld captions, this network has positions for %lld",
                   (long long)x->shape[1], (long long)net->options.positions);
  return NJ_OK;
}

/* x with zeros under the mask. */
static nj_status clear_hidden(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor **out) {
  nj_flow f = nj_flow_begin(mask);
  NJ_FLOW(f, nj_logical_not(ctx, f.x, &f.next));
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 2, &f.next));
  NJ_FLOW(f, nj_masked_fill(ctx, x, f.x, 0, &f.next));
  return nj_flow_end(&f, out);
}

/* (B, 1, K): 1 / count at an item's valid captions, 0 elsewhere. */
static nj_status mean_weights(nj_ctx *ctx, const nj_tensor *x, nj_tensor *mask, nj_tensor **out) {
  nj_tensor *y = NULL;
  int64_t k = x->shape[1];
  NJ_TRY(nj_empty(ctx, x->dtype, 3, (int64_t[]){x->shape[0], 1, k}, &y));
  for (int64_t b = 0; b < x->shape[0]; b++) {
    int64_t count = 0;
    for (int64_t i = 0; i < k; i++)
      count += !mask || nj_get(mask, (int64_t[]){b, i}) != 0;
    for (int64_t i = 0; i < k; i++) {
      int valid = !mask || nj_get(mask, (int64_t[]){b, i}) != 0;
      nj_set(y, (int64_t[]){b, 0, i}, valid ? 1 / (double)count : 0);
    }
  }
  *out = y;
  return NJ_OK;
}

static nj_status run_layers(nj_caption_pool *net, nj_tensor *x, nj_tensor *see, nj_drop drop,
                            nj_tensor **out) {
  nj_transformer_options layer = layer_options(&net->options);
  nj_tensor *positions = NULL;
  NJ_TRY(nj_narrow(net->base.ctx, nj_param_of(&net->base.params, "position_embeddings.weight"), 0,
                   0, x->shape[1], &positions));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_add(net->base.ctx, f.x, positions, &f.next));
  for (int64_t i = 0; i < net->options.layers; i++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "transformer.layers.%lld", (long long)i);
    NJ_FLOW(f, nj_transformer_encoder_layer(net->base.ctx, &net->base.params, prefix, &layer, f.x,
                                            see, drop, &f.next));
  }
  nj_release(positions);
  return nj_flow_end(&f, out);
}

nj_status nj_caption_pool_forward(nj_caption_pool *net, nj_tensor *captions, nj_tensor *mask,
                                  int training, nj_rng *rng, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *see = NULL, *weights = NULL;
  nj_drop drop = {training ? net->options.dropout : 0, rng};
  NJ_TRY(check_input(net, captions, mask));
  int64_t k = captions->shape[1];
  NJ_TRY(mean_weights(ctx, captions, mask, &weights));
  nj_status st = nj_attention_mask(ctx, "caption_pool", mask, k, k, 0, &see);
  nj_flow f = nj_flow_begin(captions);
  f.status = st;
  if (mask)
    NJ_FLOW(f, clear_hidden(ctx, f.x, mask, &f.next));
  if (net->options.kind == NJ_CAPTION_TRANSFORMER)
    NJ_FLOW(f, run_layers(net, f.x, see, drop, &f.next));
  NJ_FLOW(f, nj_matmul(ctx, weights, f.x, &f.next));
  NJ_FLOW(f, nj_squeeze(ctx, f.x, 1, &f.next));
  nj_release(see);
  nj_release(weights);
  return nj_flow_end(&f, out);
}
