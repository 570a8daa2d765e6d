#include "encoders/mobilenet.h"

#include <stdio.h>

#include "nn/pooling.h"
#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

/* MobileNetV3-Large, at width 1. `down`: which of the options' strides, from 1; 0: stride 1. */
static const struct {
  int in, kernel, expanded, out, squeezes, hardswish, down;
} layout[NJ_MOBILENET_BLOCKS] = {
    {16, 3, 16, 16, 0, 0, 0},    {16, 3, 64, 24, 0, 0, 1},    {24, 3, 72, 24, 0, 0, 0},
    {24, 5, 72, 40, 1, 0, 2},    {40, 5, 120, 40, 1, 0, 0},   {40, 5, 120, 40, 1, 0, 0},
    {40, 3, 240, 80, 0, 1, 3},   {80, 3, 200, 80, 0, 1, 0},   {80, 3, 184, 80, 0, 1, 0},
    {80, 3, 184, 80, 0, 1, 0},   {80, 3, 480, 112, 1, 1, 0},  {112, 3, 672, 112, 1, 1, 0},
    {112, 5, 672, 160, 1, 1, 4}, {160, 5, 960, 160, 1, 1, 0}, {160, 5, 960, 160, 1, 1, 0},
};
#define HEAD 1280

nj_mobilenet_options nj_mobilenet_default_options(void) {
  return (nj_mobilenet_options){
      .width = 1, .mels = 128, .classes = 527, .strides = {2, 2, 2, 2}, .dropout = 0.2};
}

#define O nj_mobilenet_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "width", width, 0.01, 64, 0),
    NJ_OPTION_RANGE(O, "mels", mels, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "classes", classes, 0, 1e9, 0),
    NJ_OPTION_LIST(O, "strides", strides, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
};
NJ_OPTION_TABLE(mobilenet, items, NULL)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_mobilenet_options *o) {
  if (!(o->width > 0 && o->width <= 64))
    return nj_fail(ctx, NJ_EARG, "mobilenet: the width must be in (0, 64], got %g", o->width);
  if (o->mels < 1 || o->classes < 0)
    return nj_fail(ctx, NJ_EARG, "mobilenet: needs at least 1 mel bin and 0 classes");
  for (int i = 0; i < 4; i++)
    if (o->strides[i] != 1 && o->strides[i] != 2)
      return nj_fail(ctx, NJ_EARG, "mobilenet: strides are 1 or 2, got %lld",
                     (long long)o->strides[i]);
  if (!(o->dropout >= 0 && o->dropout < 1))
    return nj_fail(ctx, NJ_EARG, "mobilenet: dropout must be in [0, 1), got %g", o->dropout);
  return NJ_OK;
}

/* ---- making ---- */

/* The multiple of 8 nearest to n, but at least 8 and not below nine tenths of n. */
static int64_t rounded(double n) {
  int64_t multiple = (int64_t)(n + 4) / 8 * 8;
  if (multiple < 8)
    multiple = 8;
  return (double)multiple < 0.9 * n ? multiple + 8 : multiple;
}

static int64_t scaled(const nj_mobilenet *net, int n) { return rounded(n * net->options.width); }

/* "<prefix>.0" is the convolution, "<prefix>.1" the norm. */
static nj_status add_unit(nj_mobilenet *net, nj_conv_norm *unit, const char *prefix, int64_t in,
                          int64_t out, int64_t kernel, int64_t groups,
                          nj_conv_activation activation) {
  char conv[80], norm[80];
  snprintf(conv, sizeof conv, "%s.0", prefix);
  snprintf(norm, sizeof norm, "%s.1", prefix);
  NJ_TRY(nj_conv_norm_add(unit, &net->base.params, conv, norm, in, out, kernel, kernel, groups,
                          NJ_INIT_HE_OUT));
  unit->activation = activation;
  unit->eps = 1e-3;
  unit->momentum = 0.01;
  return NJ_OK;
}

static nj_status add_squeeze(nj_mobilenet *net, nj_inverted_residual *block, const char *prefix,
                             int64_t channels) {
  nj_params *p = &net->base.params;
  int64_t inner = rounded((double)channels / 4);
  for (int i = 0; i < 2; i++) {
    char name[96];
    snprintf(name, sizeof name, "%s.conc_se_layers.0.fc%d", prefix, i + 1);
    NJ_TRY(
        nj_params_add_linear(p, name, i ? inner : channels, i ? channels : inner, NJ_INIT_SMALL));
    block->squeeze[2 * i] = p->items[p->n - 2].tensor;
    block->squeeze[2 * i + 1] = p->items[p->n - 1].tensor;
  }
  return NJ_OK;
}

static nj_status add_block(nj_mobilenet *net, int i) {
  nj_inverted_residual *block = &net->blocks[i];
  int64_t in = scaled(net, layout[i].in), expanded = scaled(net, layout[i].expanded);
  int64_t out = scaled(net, layout[i].out);
  nj_conv_activation activation = layout[i].hardswish ? NJ_ACTIVATE_HARDSWISH : NJ_ACTIVATE_RELU;
  char prefix[64];
  int part = 0;
  block->expands = expanded != in;
  block->squeezes = layout[i].squeezes;
  block->stride = layout[i].down ? net->options.strides[layout[i].down - 1] : 1;
  block->residual = block->stride == 1 && in == out;
#define PREFIX (snprintf(prefix, sizeof prefix, "features.%d.block.%d", i + 1, part++), prefix)
  if (block->expands)
    NJ_TRY(add_unit(net, &block->expand, PREFIX, in, expanded, 1, 1, activation));
  NJ_TRY(add_unit(net, &block->depthwise, PREFIX, expanded, expanded, layout[i].kernel, expanded,
                  activation));
  block->depthwise.conv.stride[0] = block->depthwise.conv.stride[1] = block->stride;
  if (block->squeezes)
    NJ_TRY(add_squeeze(net, block, PREFIX, expanded));
  return add_unit(net, &block->project, PREFIX, expanded, out, 1, 1, NJ_ACTIVATE_NONE);
#undef PREFIX
}

static nj_status build(nj_network *base) {
  nj_mobilenet *net = (nj_mobilenet *)base;
  NJ_TRY(check_options(base->ctx, &net->options));
  NJ_TRY(add_unit(net, &net->stem, "features.0", 1, scaled(net, layout[0].in), 3, 1,
                  NJ_ACTIVATE_HARDSWISH));
  net->stem.conv.stride[0] = net->stem.conv.stride[1] = 2;
  for (int i = 0; i < NJ_MOBILENET_BLOCKS; i++)
    NJ_TRY(add_block(net, i));
  int64_t in = scaled(net, layout[NJ_MOBILENET_BLOCKS - 1].out);
  net->channels = 6 * in;
  NJ_TRY(add_unit(net, &net->last, "features.16", in, net->channels, 1, 1, NJ_ACTIVATE_HARDSWISH));
  if (!net->options.classes)
    return NJ_OK;
  int64_t head = scaled(net, HEAD);
  NJ_TRY(
      nj_params_add_linear(&net->base.params, "classifier.2", net->channels, head, NJ_INIT_SMALL));
  return nj_params_add_linear(&net->base.params, "classifier.5", head, net->options.classes,
                              NJ_INIT_SMALL);
}

static void clear(nj_network *base) {
  nj_mobilenet *net = (nj_mobilenet *)base;
  for (int i = 0; i < NJ_MOBILENET_BLOCKS; i++) {
    nj_conv_norm_free(&net->blocks[i].expand);
    nj_conv_norm_free(&net->blocks[i].depthwise);
    nj_conv_norm_free(&net->blocks[i].project);
  }
  nj_conv_norm_free(&net->stem);
  nj_conv_norm_free(&net->last);
}

static int64_t frames_of(const nj_network *base, int64_t length) {
  const nj_mobilenet *net = (const nj_mobilenet *)base;
  int64_t frames = (length + 1) / 2;
  for (int i = 0; i < 4; i++)
    frames = (frames + net->options.strides[i] - 1) / net->options.strides[i];
  return frames;
}

static int64_t stride_of(const nj_network *base) {
  const int64_t *s = ((const nj_mobilenet *)base)->options.strides;
  return 2 * s[0] * s[1] * s[2] * s[3];
}

/* ---- forward ---- */

/* One call: how far each clip reaches at the present resolution. */
typedef struct {
  nj_mobilenet *net;
  int training;
  nj_tensor *left; /* int64 (B); NULL: every clip fills the image */
  nj_tensor *mask; /* uint8 (B, 1, 1, T'): 1 past the end; made when first needed */
} pass;

static void halve(pass *p) {
  nj_release(p->mask);
  p->mask = NULL;
  for (int64_t i = 0; p->left && i < p->left->shape[0]; i++)
    NJ_I64_DATA(p->left)[i] = (NJ_I64_DATA(p->left)[i] + 1) / 2;
}

static nj_status make_mask(pass *p, int64_t frames) {
  int64_t batch = p->left->shape[0];
  NJ_TRY(nj_zeros(p->net->base.ctx, NJ_U8, 4, (int64_t[]){batch, 1, 1, frames}, &p->mask));
  uint8_t *data = nj_data(p->mask);
  for (int64_t b = 0; b < batch; b++)
    for (int64_t n = NJ_I64_DATA(p->left)[b]; n < frames; n++)
      data[b * frames + n] = 1;
  return NJ_OK;
}

/* x (B, C, M', T') with zeros past each clip's end. */
static nj_status clear_end(pass *p, nj_tensor *x, nj_tensor **out) {
  if (!p->left) {
    *out = nj_retain(x);
    return NJ_OK;
  }
  if (!p->mask)
    NJ_TRY(make_mask(p, x->shape[3]));
  return nj_masked_fill(p->net->base.ctx, x, p->mask, 0.0, out);
}

/* The mean of each channel over the clip's pixels, (B, C); past its end x is zero. */
static nj_status squeeze_mean(pass *p, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = p->net->base.ctx;
  if (!p->left)
    return nj_mean(ctx, x, 2, (int[]){2, 3}, 0, out);
  nj_tensor *share = NULL;
  NJ_TRY(nj_empty(ctx, NJ_F32, 2, (int64_t[]){x->shape[0], 1}, &share));
  for (int64_t b = 0; b < x->shape[0]; b++)
    NJ_F32_DATA(share)[b] = (float)(1.0 / (double)(NJ_I64_DATA(p->left)[b] * x->shape[2]));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_sum(ctx, f.x, 2, (int[]){2, 3}, 0, &f.next));
  NJ_FLOW(f, nj_mul(ctx, f.x, share, &f.next));
  nj_release(share);
  return nj_flow_end(&f, out);
}

/* x * sigmoid(fc2(relu(fc1(mean of x)))), channel by channel. */
static nj_status squeeze_excite(pass *p, const nj_inverted_residual *block, nj_tensor *x,
                                nj_tensor **out) {
  nj_ctx *ctx = p->net->base.ctx;
  nj_tensor *const *w = block->squeeze;
  const int64_t shape[] = {x->shape[0], x->shape[1], 1, 1};
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, squeeze_mean(p, f.x, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, w[0], w[1], &f.next));
  NJ_FLOW(f, nj_relu(ctx, f.x, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, w[2], w[3], &f.next));
  NJ_FLOW(f, nj_sigmoid(ctx, f.x, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 4, shape, &f.next));
  NJ_FLOW(f, nj_mul(ctx, x, f.x, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status run_block(pass *p, nj_inverted_residual *block, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = p->net->base.ctx;
  nj_flow f = nj_flow_begin(x);
  if (block->expands)
    NJ_FLOW(f, nj_conv_norm_forward(ctx, &block->expand, f.x, p->training, &f.next));
  NJ_FLOW(f, clear_end(p, f.x, &f.next));
  NJ_FLOW(f, nj_conv_norm_forward(ctx, &block->depthwise, f.x, p->training, &f.next));
  if (block->stride == 2)
    halve(p);
  if (block->squeezes) {
    NJ_FLOW(f, clear_end(p, f.x, &f.next));
    NJ_FLOW(f, squeeze_excite(p, block, f.x, &f.next));
  }
  NJ_FLOW(f, nj_conv_norm_forward(ctx, &block->project, f.x, p->training, &f.next));
  if (block->residual)
    NJ_FLOW(f, nj_add(ctx, f.x, x, &f.next));
  return nj_flow_end(&f, out);
}

/* Keeps the image of stage `at` for the caller. */
static void keep_stage(nj_flow *f, nj_tensor **stages, int at) {
  if (stages && f->status == NJ_OK)
    stages[at] = nj_retain(f->x);
}

static nj_status trunk(pass *p, nj_tensor *x, nj_tensor **stages, nj_tensor **out) {
  nj_mobilenet *net = p->net;
  nj_ctx *ctx = net->base.ctx;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 1, &f.next));
  NJ_FLOW(f, clear_end(p, f.x, &f.next));
  NJ_FLOW(f, nj_conv_norm_forward(ctx, &net->stem, f.x, p->training, &f.next));
  halve(p);
  keep_stage(&f, stages, 0);
  for (int i = 0; i < NJ_MOBILENET_BLOCKS; i++) {
    NJ_FLOW(f, run_block(p, &net->blocks[i], f.x, &f.next));
    keep_stage(&f, stages, i + 1);
  }
  NJ_FLOW(f, nj_conv_norm_forward(ctx, &net->last, f.x, p->training, &f.next));
  keep_stage(&f, stages, NJ_MOBILENET_BLOCKS + 1);
  NJ_FLOW(f, clear_end(p, f.x, &f.next));
  NJ_FLOW(f, nj_mean(ctx, f.x, 1, (int[]){2}, 0, &f.next)); /* (B, C, N) */
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status check_input(nj_mobilenet *net, const nj_tensor *x) {
  if (x->ndim != 3 || x->shape[2] != net->options.mels)
    return nj_fail(net->base.ctx, NJ_ESHAPE,
                   "mobilenet: expected log-mels of shape (batch, frames, %lld), got %s",
                   (long long)net->options.mels, NJ_SHAPE_OF(x));
  if (x->dtype != NJ_F32)
    return nj_fail(net->base.ctx, NJ_EDTYPE, "mobilenet: expected float32 log-mels, got %s",
                   nj_dtype_name(x->dtype));
  if (x->shape[1] < 1)
    return nj_fail(net->base.ctx, NJ_ESHAPE, "mobilenet: expected at least one frame, got %s",
                   NJ_SHAPE_OF(x));
  return NJ_OK;
}

/* A copy of lengths that `halve` may write to, or NULL when all clips are as long as the batch. */
static nj_status present_lengths(nj_ctx *ctx, const nj_tensor *x, nj_tensor *lengths,
                                 nj_tensor **out) {
  int shorter = 0;
  for (int64_t i = 0; lengths && i < lengths->shape[0]; i++)
    shorter = shorter || nj_get(lengths, &i) < (double)x->shape[1];
  *out = NULL;
  return shorter ? nj_clone(ctx, lengths, out) : NJ_OK;
}

static nj_status forward(nj_network *base, const nj_audio_input *in, nj_audio_output *out) {
  nj_mobilenet *net = (nj_mobilenet *)base;
  nj_tensor *x = in->x;
  NJ_TRY(check_input(net, x));
  NJ_TRY(nj_check_lengths(base->ctx, "mobilenet", x, in->lengths));
  pass p = {.net = net, .training = base->training};
  nj_tensor *y = NULL, *mean = NULL, *left = NULL;
  nj_status st = nj_network_frames(base, x->shape[0], in->lengths, x->shape[1], &left);
  if (!st)
    st = present_lengths(base->ctx, x, in->lengths, &p.left);
  if (!st)
    st = trunk(&p, x, out->stages, &y);
  if (!st)
    st = nj_mean_time(base->ctx, y, p.left ? left : NULL, &mean);
  nj_release(p.left);
  nj_release(p.mask);
  if (st) {
    nj_release(y);
    nj_release(left);
    return st;
  }
  out->frames = y;
  out->clip = mean;
  out->lengths = left;
  return NJ_OK;
}

static nj_status logits(nj_network *base, nj_tensor *clip, nj_rng *rng, nj_tensor **inner,
                        nj_tensor **out) {
  nj_mobilenet *net = (nj_mobilenet *)base;
  nj_tensor *hidden = NULL;
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  if (!net->options.classes)
    return nj_fail(ctx, NJ_EARG, "mobilenet: logits need a classifier (option 'classes')");
  nj_flow f = nj_flow_begin(clip);
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_params_find(p, "classifier.2.weight"),
                       nj_params_find(p, "classifier.2.bias"), &f.next));
  NJ_FLOW(f, nj_hardswish(ctx, f.x, &f.next));
  if (!f.status)
    hidden = nj_retain(f.x);
  if (base->training && net->options.dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, net->options.dropout, 1, rng, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_params_find(p, "classifier.5.weight"),
                       nj_params_find(p, "classifier.5.bias"), &f.next));
  nj_status st = nj_flow_end(&f, out);
  if (st || !inner)
    nj_release(hidden);
  else
    *inner = hidden;
  return st;
}

static int64_t width_of(const nj_network *base) { return ((const nj_mobilenet *)base)->channels; }

static const nj_audio_encoder audio = {.n_stages = NJ_MOBILENET_STAGES,
                                       .forward = forward,
                                       .frames = frames_of,
                                       .stride = stride_of,
                                       .width = width_of,
                                       .pool = nj_mean_time,
                                       .logits = logits};
const nj_network_kind nj_mobilenet_network =
    NJ_NETWORK_KIND(mobilenet, .build = build, .clear = clear, .audio = &audio);
NJ_NETWORK_DEFINE(mobilenet)
