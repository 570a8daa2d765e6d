#include "ac/interaction.h"

#include <stdio.h>

#include "nn/transformer.h"
#include "ops/elementwise.h"
#include "ops/shape.h"
#include "tensor/flow.h"

#define CO_ATTENTION_EPS 1e-5

/* ---- making ---- */

/* One stream's parameters: side 1 and stream "v" for the frames, 2 and "t" for the captions. The
 * numbers of projections say what they project: the keys and values that frames attend to are
 * side 2's. */
static nj_status add_stream(nj_params *p, int64_t width, int side, const char *stream) {
  char name[64];
  snprintf(name, sizeof name, "biattention.query%d", side);
  NJ_TRY(nj_params_add_linear(p, name, width, width, NJ_INIT_BERT));
  snprintf(name, sizeof name, "biattention.key%d", 3 - side);
  NJ_TRY(nj_params_add_linear(p, name, width, width, NJ_INIT_BERT));
  snprintf(name, sizeof name, "biattention.value%d", 3 - side);
  NJ_TRY(nj_params_add_linear(p, name, width, width, NJ_INIT_BERT));
  snprintf(name, sizeof name, "biOutput.dense%d", side);
  NJ_TRY(nj_params_add_linear(p, name, width, width, NJ_INIT_BERT));
  snprintf(name, sizeof name, "biOutput.LayerNorm%d", side);
  NJ_TRY(nj_params_add_layer_norm(p, name, width));
  snprintf(name, sizeof name, "%s_intermediate.dense", stream);
  NJ_TRY(nj_params_add_linear(p, name, width, width, NJ_INIT_BERT));
  snprintf(name, sizeof name, "%s_output.dense", stream);
  NJ_TRY(nj_params_add_linear(p, name, width, width, NJ_INIT_BERT));
  snprintf(name, sizeof name, "%s_output.LayerNorm", stream);
  return nj_params_add_layer_norm(p, name, width);
}

static nj_transformer_options layer_options(const nj_interaction_options *o) {
  return (nj_transformer_options){.width = o->width,
                                  .heads = o->heads,
                                  .hidden = o->hidden,
                                  .pre_norm = 1,
                                  .activation = NJ_GELU,
                                  .eps = CO_ATTENTION_EPS};
}

nj_interaction_options nj_interaction_default_options(void) {
  return (nj_interaction_options){
      .heads = 4, .layers = 4, .positions = 512, .dropout = 0.1, .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_interaction_options *o = options;
  if (!nj_option_given(&nj_interaction_option_table, given, "hidden"))
    o->hidden = 4 * o->width;
}

#define O nj_interaction_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "heads", heads, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "layers", layers, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "hidden", hidden, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "positions", positions, 1, 1 << 20, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_FLAG(O, "captions", captions, 0),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_HIDDEN),
};
NJ_OPTION_TABLE(interaction, items, derive)
#undef O

static nj_status build(nj_network *base) {
  const nj_interaction_options *o = &((nj_interaction *)base)->options;
  nj_params *p = &base->params;
  const nj_transformer_options layer = layer_options(o);
  NJ_TRY(
      nj_transformer_check(base->ctx, "interaction", &layer, o->layers, o->positions, o->dropout));
  NJ_TRY(add_stream(p, o->width, 1, "v"));
  if (o->captions)
    NJ_TRY(add_stream(p, o->width, 2, "t"));
  if (o->layers > 0)
    NJ_TRY(nj_params_add(p, "frame_position_embeddings", "weight", NJ_INIT_BERT, 0, 2,
                         (int64_t[]){o->positions, o->width}));
  for (int64_t i = 0; i < o->layers; i++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "transformer.layers.%lld", (long long)i);
    NJ_TRY(nj_transformer_add_layer(p, prefix, &layer, 0));
  }
  return NJ_OK;
}

const nj_network_kind nj_interaction_network = NJ_NETWORK_KIND(
    interaction, .dtype_at = offsetof(nj_interaction, options.dtype), .build = build);
NJ_NETWORK_DEFINE(interaction)

/* ---- running ---- */

static nj_status check_sequence(nj_interaction *net, const char *what, const nj_tensor *x,
                                const nj_tensor *mask, int64_t batch) {
  nj_ctx *ctx = net->base.ctx;
  if (x->ndim != 3 || x->shape[2] != net->options.width || (batch >= 0 && x->shape[0] != batch))
    return nj_fail(ctx, NJ_ESHAPE, "interaction: expected %s (batch, %s, %lld)%s, got %s", what,
                   what, (long long)net->options.width,
                   batch >= 0 ? " of as many clips as there are frames for" : "", NJ_SHAPE_OF(x));
  if (mask && (mask->ndim != 2 || mask->shape[0] != x->shape[0] || mask->shape[1] != x->shape[1]))
    return nj_fail(ctx, NJ_ESHAPE, "interaction: expected a mask of %s (%lld, %lld), got %s", what,
                   (long long)x->shape[0], (long long)x->shape[1], NJ_SHAPE_OF(mask));
  return NJ_OK;
}

static nj_status check_input(nj_interaction *net, const nj_tensor *frames,
                             const nj_tensor *frame_mask, const nj_tensor *captions,
                             const nj_tensor *caption_mask) {
  NJ_TRY(check_sequence(net, "frames", frames, frame_mask, -1));
  if (captions)
    NJ_TRY(check_sequence(net, "captions", captions, caption_mask, frames->shape[0]));
  if (net->options.layers > 0 && frames->shape[1] > net->options.positions)
    return nj_fail(net->base.ctx, NJ_EARG,
                   "interaction: %lld frames, this network has positions for %lld",
                   (long long)frames->shape[1], (long long)net->options.positions);
  return NJ_OK;
}

/* One stream of the co-attention block: x attends to source. mask: of the source's tokens. */
static nj_status co_attend(nj_interaction *net, int side, const char *stream, nj_tensor *x,
                           nj_tensor *source, nj_tensor *mask, nj_drop drop, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  char norm[32], last[32];
  snprintf(norm, sizeof norm, "LayerNorm%d", side);
  snprintf(last, sizeof last, "%s_output", stream);
  nj_multi_head m = {.of = {nj_dense_of(p, "biattention.query%d", side),
                            nj_dense_of(p, "biattention.key%d", 3 - side),
                            nj_dense_of(p, "biattention.value%d", 3 - side)},
                     .out = nj_dense_of(p, "biOutput.dense%d", side),
                     .heads = net->options.heads};
  nj_dense first = nj_dense_of(p, "%s_intermediate.dense", stream);
  nj_dense second = nj_dense_of(p, "%s_output.dense", stream);
  nj_tensor *middle = NULL;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_multi_head_forward(ctx, &m, f.x, source, mask, drop, &f.next));
  NJ_FLOW(f, nj_add_residual(ctx, f.x, x, drop, &f.next));
  NJ_FLOW(f, nj_layer_norm_of(ctx, p, "biOutput", norm, CO_ATTENTION_EPS, f.x, &f.next));
  if (!f.status)
    middle = nj_retain(f.x);
  NJ_FLOW(f, nj_feed_forward(ctx, first, second, NJ_GELU, f.x, (nj_drop){0}, &f.next));
  NJ_FLOW(f, nj_add_residual(ctx, f.x, middle, drop, &f.next));
  NJ_FLOW(f, nj_layer_norm_of(ctx, p, last, "LayerNorm", CO_ATTENTION_EPS, f.x, &f.next));
  nj_release(middle);
  return nj_flow_end(&f, out);
}

/* x + layers(x + positions) */
static nj_status run_layers(nj_interaction *net, nj_tensor *x, nj_tensor *mask, nj_drop drop,
                            nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  nj_transformer_options layer = layer_options(&net->options);
  nj_tensor *positions = NULL;
  if (net->options.layers == 0) {
    *out = nj_retain(x);
    return NJ_OK;
  }
  NJ_TRY(nj_narrow(ctx, nj_param_of(p, "frame_position_embeddings.weight"), 0, 0, x->shape[1],
                   &positions));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_add(ctx, f.x, positions, &f.next));
  for (int64_t i = 0; i < net->options.layers; i++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "transformer.layers.%lld", (long long)i);
    NJ_FLOW(f, nj_transformer_encoder_layer(ctx, p, prefix, &layer, f.x, mask, drop, &f.next));
  }
  NJ_FLOW(f, nj_add(ctx, f.x, x, &f.next));
  nj_release(positions);
  return nj_flow_end(&f, out);
}

/* One caption a clip, which is not valid. */
static nj_status no_captions(nj_interaction *net, const nj_tensor *frames, nj_tensor **captions,
                             nj_tensor **mask) {
  int64_t shape[] = {frames->shape[0], 1, net->options.width};
  NJ_TRY(nj_zeros(net->base.ctx, frames->dtype, 3, shape, captions));
  return nj_zeros(net->base.ctx, NJ_U8, 2, shape, mask);
}

static nj_status run_all(nj_interaction *net, nj_tensor *frames, nj_tensor *frame_mask,
                         nj_tensor *captions, nj_tensor *caption_mask, nj_drop drop,
                         nj_tensor **out, nj_tensor **enhanced) {
  nj_tensor *see_frames = NULL, *see_captions = NULL, *other = NULL;
  int64_t n = frames->shape[1], k = captions->shape[1];
  nj_status st = nj_attention_mask(net->base.ctx, "interaction", frame_mask, n, n, 0, &see_frames);
  if (!st)
    st = nj_attention_mask(net->base.ctx, "interaction", caption_mask, n, k, 0, &see_captions);
  if (!st && enhanced)
    st = co_attend(net, 2, "t", captions, frames, see_frames, drop, &other);
  nj_flow f = nj_flow_begin(frames);
  f.status = st;
  NJ_FLOW(f, co_attend(net, 1, "v", f.x, captions, see_captions, drop, &f.next));
  NJ_FLOW(f, run_layers(net, f.x, see_frames, drop, &f.next));
  nj_release(see_frames);
  nj_release(see_captions);
  st = nj_flow_end(&f, out);
  if (st)
    nj_release(other);
  else if (enhanced)
    *enhanced = other;
  return st;
}

nj_status nj_interaction_forward(nj_interaction *net, nj_tensor *frames, nj_tensor *frame_mask,
                                 nj_tensor *captions, nj_tensor *caption_mask, int training,
                                 nj_rng *rng, nj_tensor **out, nj_tensor **enhanced) {
  nj_drop drop = {training ? net->options.dropout : 0, rng};
  NJ_TRY(check_input(net, frames, frame_mask, captions, caption_mask));
  if (captions)
    return run_all(net, frames, frame_mask, captions, caption_mask, drop, out,
                   net->options.captions ? enhanced : NULL);
  nj_tensor *nothing = NULL, *mask = NULL;
  nj_status st = no_captions(net, frames, &nothing, &mask);
  if (!st)
    st = run_all(net, frames, frame_mask, nothing, mask, drop, out, NULL);
  nj_release(nothing);
  nj_release(mask);
  return st;
}
