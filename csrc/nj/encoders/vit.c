#include "encoders/vit.h"

#include <stdio.h>

#include "encoders/panns.h"
#include "nn/pooling.h"
#include "nn/transformer.h"
#include "ops/elementwise.h"
#include "ops/join.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

#define EPS 1e-5
#define NAME 64

nj_vit_options nj_vit_default_options(void) {
  return (nj_vit_options){.width = 768,
                          .layers = 12,
                          .heads = 12,
                          .hidden = 3072,
                          .mels = 64,
                          .patch = 4,
                          .positions = 125,
                          .dropout = 0.2,
                          .stripes = nj_spec_augment_default_options(),
                          .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_vit_options *o = options;
  if (!nj_option_given(&nj_vit_option_table, given, "hidden"))
    o->hidden = 4 * o->width;
}

#define O nj_vit_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "width", width, 1, 1 << 16, 0),
    NJ_OPTION_RANGE(O, "layers", layers, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "heads", heads, 1, 1 << 16, 0),
    NJ_OPTION_RANGE(O, "hidden", hidden, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "mels", mels, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "patch", patch, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "positions", positions, 1, 1 << 20, 0),
    NJ_OPTION_RANGE(O, "classes", classes, 0, 1e9, 0),
    NJ_OPTION_FLAG(O, "scores", scores, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_STRIPE_OPTIONS(O),
    NJ_OPTION_FLOATS(O, dtype, 0),
};
NJ_OPTION_TABLE(vit, items, derive)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_vit_options *o) {
  const nj_transformer_options layer = {
      .width = o->width, .heads = o->heads, .hidden = o->hidden, .pre_norm = 1, .eps = EPS};
  NJ_TRY(nj_transformer_check(ctx, "vit", &layer, o->layers, o->positions, o->dropout));
  if (o->mels < 1 || o->patch < 1 || o->classes < 0)
    return nj_fail(ctx, NJ_EARG, "vit: needs at least 1 mel bin, patches of 1 frame and 0 classes");
  if (o->scores && !o->classes)
    return nj_fail(ctx, NJ_EARG, "vit: scores need a classifier (option 'classes')");
  if (o->dtype != NJ_F32 && o->dtype != NJ_F64)
    return nj_fail(ctx, NJ_EDTYPE, "vit: parameters are float32 or float64, not %s",
                   nj_dtype_name(o->dtype));
  return NJ_OK;
}

/* ---- making ---- */

static nj_status add_layer(nj_params *p, const nj_vit_options *o, int64_t layer) {
  char prefix[NAME], part[2 * NAME];
  snprintf(prefix, sizeof prefix, "blocks.layers.%lld", (long long)layer);
#define PART(name) (snprintf(part, sizeof part, "%s.%s", prefix, name), part)
  NJ_TRY(nj_params_add_layer_norm(p, PART("0.norm"), o->width));
  NJ_TRY(nj_params_add_linear(p, PART("0.fn.qkv"), o->width, 3 * o->width, NJ_INIT_LINEAR));
  NJ_TRY(nj_params_add_linear(p, PART("0.fn.proj.0"), o->width, o->width, NJ_INIT_LINEAR));
  NJ_TRY(nj_params_add_layer_norm(p, PART("1.norm"), o->width));
  NJ_TRY(nj_params_add_linear(p, PART("1.fn.mlp.fc1"), o->width, o->hidden, NJ_INIT_LINEAR));
  return nj_params_add_linear(p, PART("1.fn.mlp.fc2"), o->hidden, o->width, NJ_INIT_LINEAR);
#undef PART
}

static nj_status build(nj_network *base) {
  nj_params *p = &base->params;
  const nj_vit_options *o = &((nj_vit *)base)->options;
  NJ_TRY(check_options(base->ctx, o));
  NJ_TRY(nj_params_add(p, "", "cls_token", NJ_INIT_NORMAL, 0, 3, (int64_t[]){1, 1, o->width}));
  NJ_TRY(nj_params_add(p, "", "pos_embedding", NJ_INIT_NORMAL, 0, 3,
                       (int64_t[]){1, o->positions + 1, o->width}));
  NJ_TRY(nj_params_add_batch_norm(p, "bn0", o->mels));
  NJ_TRY(nj_params_add_linear(p, "patch_embed.proj", o->patch * o->mels, o->width, NJ_INIT_LINEAR));
  for (int64_t i = 0; i < o->layers; i++)
    NJ_TRY(add_layer(p, o, i));
  NJ_TRY(nj_params_add_layer_norm(p, "mlp_head.0", o->width));
  return o->classes ? nj_params_add_linear(p, "mlp_head.1", o->width, o->classes, NJ_INIT_LINEAR)
                    : NJ_OK;
}

static int64_t frames_of(const nj_network *base, int64_t length) {
  int64_t patch = ((const nj_vit *)base)->options.patch;
  return (length + patch - 1) / patch;
}

static int64_t longest_of(const nj_network *base) {
  const nj_vit_options *o = &((const nj_vit *)base)->options;
  return o->patch * o->positions;
}

/* ---- forward ---- */

/* (B, 1, T, M) → (B, N, P · M), the last patch padded with zeros at its end. */
static nj_status cut_patches(const nj_vit *net, nj_tensor *x, nj_tensor **out) {
  const nj_vit_options *o = &net->options;
  int64_t n = frames_of(&net->base, x->shape[2]);
  const int64_t none[] = {0, 0, 0}, rest[] = {0, 0, n * o->patch - x->shape[2]};
  nj_flow f = nj_flow_begin(x);
  if (rest[2])
    NJ_FLOW(f, nj_pad(net->base.ctx, f.x, 3, none, rest, NJ_PAD_CONSTANT, 0, &f.next));
  NJ_FLOW(f, nj_reshape(net->base.ctx, f.x, 3, (int64_t[]){x->shape[0], n, o->patch * o->mels},
                        &f.next));
  return nj_flow_end(&f, out);
}

/* The class token before x (B, N, D), and positions: (B, N + 1, D). */
static nj_status add_places(const nj_vit *net, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  nj_tensor *token = NULL, *places = NULL, *joined = NULL;
  const int64_t shape[] = {x->shape[0], 1, net->options.width};
  nj_status st = nj_expand(ctx, nj_params_find(p, "cls_token"), 3, shape, &token);
  if (!st)
    st = nj_cat(ctx, 2, (nj_tensor *[]){token, x}, 1, &joined);
  if (!st)
    st = nj_narrow(ctx, nj_params_find(p, "pos_embedding"), 1, 0, x->shape[1] + 1, &places);
  if (!st)
    st = nj_add(ctx, joined, places, out);
  nj_release(token);
  nj_release(places);
  nj_release(joined);
  return st;
}

/* What attention takes to hide the tokens past each clip's end; NULL without lengths. */
static nj_status key_mask(const nj_vit *net, const nj_tensor *left, int64_t tokens,
                          nj_tensor **out) {
  if (!left)
    return NJ_OK;
  nj_tensor *valid = NULL;
  NJ_TRY(nj_zeros(net->base.ctx, NJ_U8, 2, (int64_t[]){left->shape[0], tokens}, &valid));
  uint8_t *data = nj_data(valid);
  for (int64_t b = 0; b < left->shape[0]; b++)
    for (int64_t i = 0; i <= NJ_I64_DATA(left)[b]; i++)
      data[b * tokens + i] = 1;
  nj_status st = nj_attention_mask(net->base.ctx, "vit", valid, tokens, tokens, 0, out);
  nj_release(valid);
  return st;
}

static nj_status run_layer(const nj_vit *net, int64_t layer, nj_tensor *x, nj_tensor *mask,
                           nj_drop drop, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  char attention[NAME], forward[NAME];
  snprintf(attention, sizeof attention, "blocks.layers.%lld.0", (long long)layer);
  snprintf(forward, sizeof forward, "blocks.layers.%lld.1", (long long)layer);
  const nj_multi_head heads = {.in = nj_dense_of(p, "%s.fn.qkv", attention),
                               .out = nj_dense_of(p, "%s.fn.proj.0", attention),
                               .heads = net->options.heads};
  nj_tensor *middle = NULL;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_layer_norm_of(ctx, p, attention, "norm", EPS, f.x, &f.next));
  NJ_FLOW(f, nj_multi_head_forward(ctx, &heads, f.x, f.x, mask, (nj_drop){0}, &f.next));
  NJ_FLOW(f, nj_add_residual(ctx, f.x, x, drop, &f.next));
  if (!f.status)
    middle = nj_retain(f.x);
  NJ_FLOW(f, nj_layer_norm_of(ctx, p, forward, "norm", EPS, f.x, &f.next));
  NJ_FLOW(f,
          nj_feed_forward(ctx, nj_dense_of(p, "%s.fn.mlp.fc1", forward),
                          nj_dense_of(p, "%s.fn.mlp.fc2", forward), NJ_GELU, f.x, drop, &f.next));
  NJ_FLOW(f, nj_add_residual(ctx, f.x, middle, drop, &f.next));
  nj_release(middle);
  return nj_flow_end(&f, out);
}

/* x (B, T, M) → the class token and the frames after the head (B, N + 1, C). left: frames of each
 * clip, or NULL. */
static nj_status tokens_of(nj_vit *net, nj_tensor *x, nj_tensor *lengths, const nj_tensor *left,
                           int training, nj_rng *rng, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  const nj_drop drop = training ? (nj_drop){net->options.dropout, rng} : (nj_drop){0};
  nj_tensor *mask = NULL;
  NJ_TRY(key_mask(net, left, frames_of(&net->base, x->shape[1]) + 1, &mask));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_panns_front(ctx, p, f.x, lengths, training, &net->options.stripes, rng, &f.next));
  NJ_FLOW(f, cut_patches(net, f.x, &f.next));
  NJ_FLOW(f, nj_dense_forward(ctx, nj_dense_of(p, "patch_embed.proj"), f.x, &f.next));
  NJ_FLOW(f, add_places(net, f.x, &f.next));
  if (drop.dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, drop.dropout, 1, rng, &f.next));
  for (int64_t i = 0; i < net->options.layers; i++)
    NJ_FLOW(f, run_layer(net, i, f.x, mask, drop, &f.next));
  NJ_FLOW(f, nj_layer_norm(ctx, f.x, nj_params_find(p, "mlp_head.0.weight"),
                           nj_params_find(p, "mlp_head.0.bias"), EPS, &f.next));
  if (net->options.scores)
    NJ_FLOW(f, nj_dense_forward(ctx, nj_dense_of(p, "mlp_head.1"), f.x, &f.next));
  nj_release(mask);
  return nj_flow_end(&f, out);
}

static nj_status take_clip(nj_ctx *ctx, nj_tensor *tokens, nj_tensor **out) {
  nj_flow f = nj_flow_begin(tokens);
  NJ_FLOW(f, nj_narrow(ctx, f.x, 1, 0, 1, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 2, (int64_t[]){tokens->shape[0], tokens->shape[2]}, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status take_frames(nj_ctx *ctx, nj_tensor *tokens, nj_tensor *left, nj_tensor **out) {
  nj_flow f = nj_flow_begin(tokens);
  NJ_FLOW(f, nj_narrow(ctx, f.x, 1, 1, tokens->shape[1] - 1, &f.next));
  if (left)
    NJ_FLOW(f, nj_mask_time(ctx, f.x, left, 0.0, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status check_input(const nj_vit *net, const nj_tensor *x, const nj_tensor *lengths) {
  const nj_vit_options *o = &net->options;
  if (x->ndim != 3 || x->shape[2] != o->mels)
    return nj_fail(net->base.ctx, NJ_ESHAPE,
                   "vit: expected log-mels of shape (batch, frames, %lld), got %s",
                   (long long)o->mels, NJ_SHAPE_OF(x));
  if (x->dtype != o->dtype)
    return nj_fail(net->base.ctx, NJ_EDTYPE, "vit: expected %s log-mels, got %s",
                   nj_dtype_name(o->dtype), nj_dtype_name(x->dtype));
  if (x->shape[1] < 1 || x->shape[1] > longest_of(&net->base))
    return nj_fail(net->base.ctx, NJ_ESHAPE, "vit: expected 1 to %lld frames, got %lld",
                   (long long)longest_of(&net->base), (long long)x->shape[1]);
  return nj_check_lengths(net->base.ctx, "vit", x, lengths);
}

static nj_status forward(nj_network *base, const nj_audio_input *in, nj_audio_output *out) {
  nj_vit *net = (nj_vit *)base;
  nj_tensor *x = in->x, *lengths = in->lengths;
  NJ_TRY(check_input(net, x, lengths));
  nj_ctx *ctx = base->ctx;
  nj_tensor *left = NULL, *tokens = NULL, *y = NULL, *token = NULL;
  NJ_TRY(nj_network_frames(base, x->shape[0], lengths, x->shape[1], &left));
  nj_status st =
      tokens_of(net, x, lengths, lengths ? left : NULL, base->training, in->rng, &tokens);
  if (!st)
    st = take_clip(ctx, tokens, &token);
  if (!st)
    st = take_frames(ctx, tokens, lengths ? left : NULL, &y);
  nj_release(tokens);
  if (st) {
    nj_release(token);
    nj_release(left);
    return st;
  }
  out->frames = y;
  out->clip = token;
  out->lengths = left;
  return NJ_OK;
}

static nj_status logits(nj_network *base, nj_tensor *clip, nj_rng *rng, nj_tensor **inner,
                        nj_tensor **out) {
  const nj_vit_options *o = &((nj_vit *)base)->options;
  (void)rng;
  if (!o->classes)
    return nj_fail(base->ctx, NJ_EARG, "vit: logits need a classifier (option 'classes')");
  if (o->scores)
    return nj_fail(base->ctx, NJ_EARG, "vit: clips of this network are logits already (scores)");
  NJ_TRY(nj_dense_forward(base->ctx, nj_dense_of(&base->params, "mlp_head.1"), clip, out));
  if (inner)
    *inner = nj_retain(clip);
  return NJ_OK;
}

static int64_t stride_of(const nj_network *base) { return ((const nj_vit *)base)->options.patch; }

static int64_t width_of(const nj_network *base) {
  const nj_vit_options *o = &((const nj_vit *)base)->options;
  return o->scores ? o->classes : o->width;
}

/* No frames make the class token: the mean of the frames pools them instead. */
static const nj_audio_encoder audio = {.forward = forward,
                                       .frames = frames_of,
                                       .stride = stride_of,
                                       .width = width_of,
                                       .longest = longest_of,
                                       .pool = nj_mean_time,
                                       .logits = logits};
const nj_network_kind nj_vit_network = NJ_NETWORK_KIND(
    vit, .dtype_at = offsetof(nj_vit, options.dtype), .build = build, .audio = &audio);
NJ_NETWORK_DEFINE(vit)
