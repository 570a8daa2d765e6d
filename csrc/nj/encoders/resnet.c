#include "encoders/resnet.h"

#include <stdio.h>

#include "nn/pooling.h"
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

#define STRIDE 32 /* conv_block1, three layers, and the pool after them */

nj_resnet_options nj_resnet_default_options(void) {
  return (nj_resnet_options){.mels = 64,
                             .width = 64,
                             .blocks = {3, 4, 6, 3},
                             .channels = 2048,
                             .dropout = 0.2,
                             .block_dropout = 0.1,
                             .stripes = nj_spec_augment_default_options()};
}

static void derive(void *options, uint64_t given) {
  nj_resnet_options *o = options;
  if (!nj_option_given(&nj_resnet_option_table, given, "channels"))
    o->channels = 32 * o->width;
}

#define O nj_resnet_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "width", width, 1, 1 << 16, 0),
    NJ_OPTION_LIST(O, "blocks", blocks, 0),
    NJ_OPTION_FLAG(O, "bottleneck", bottleneck, 0),
    NJ_OPTION_RANGE(O, "channels", channels, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "mels", mels, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "classes", classes, 0, 1e9, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_RANGE(O, "block_dropout", block_dropout, 0, 0.999, 0),
    NJ_STRIPE_OPTIONS(O),
};
NJ_OPTION_TABLE(resnet, items, derive)
#undef O

static int is_dropout(double p) { return p >= 0 && p < 1; }

static nj_status check_options(nj_ctx *ctx, const nj_resnet_options *o) {
  if (o->mels < STRIDE)
    return nj_fail(ctx, NJ_EARG, "resnet: needs at least %d mel bins, got %lld", STRIDE,
                   (long long)o->mels);
  if (o->width < 1 || o->channels < 1 || o->classes < 0)
    return nj_fail(ctx, NJ_EARG, "resnet: needs a width and channels of at least 1 and 0 classes");
  for (int i = 0; i < NJ_RESNET_LAYERS; i++)
    if (o->blocks[i] < 1 || o->blocks[i] > NJ_RESNET_BLOCKS)
      return nj_fail(ctx, NJ_EARG, "resnet: layers have 1 to %d blocks, got %lld", NJ_RESNET_BLOCKS,
                     (long long)o->blocks[i]);
  if (!is_dropout(o->dropout) || !is_dropout(o->block_dropout))
    return nj_fail(ctx, NJ_EARG, "resnet: dropout must be in [0, 1), got %g and %g", o->dropout,
                   o->block_dropout);
  return NJ_OK;
}

/* ---- making ---- */

/* Wide networks, whose weights are not kept twice: batch norm stays apart. */
static nj_status add_unit(nj_resnet *net, nj_conv_norm *unit, const char *conv, const char *norm,
                          int64_t in, int64_t out, int64_t kernel, int relu) {
  NJ_TRY(nj_conv_norm_add(unit, &net->base.params, conv, norm, in, out, kernel, kernel, 1,
                          NJ_INIT_XAVIER));
  unit->activation = relu ? NJ_ACTIVATE_RELU : NJ_ACTIVATE_NONE;
  unit->keep_apart = 1;
  return NJ_OK;
}

/* "<prefix>.conv<k>" and "<prefix>.bn<k>". */
static nj_status add_numbered(nj_resnet *net, nj_conv_norm *unit, const char *prefix, int k,
                              int64_t in, int64_t out, int64_t kernel, int relu) {
  char conv[80], norm[80];
  snprintf(conv, sizeof conv, "%s.conv%d", prefix, k);
  snprintf(norm, sizeof norm, "%s.bn%d", prefix, k);
  return add_unit(net, unit, conv, norm, in, out, kernel, relu);
}

static nj_status add_conv_block(nj_resnet *net, nj_conv_norm units[2], const char *prefix,
                                int64_t in, int64_t out) {
  NJ_TRY(add_numbered(net, &units[0], prefix, 1, in, out, 3, 1));
  return add_numbered(net, &units[1], prefix, 2, out, out, 3, 1);
}

/* A fresh block is its shortcut: the gain of its last batch norm is zero. */
static void clear_gain(nj_conv_norm *unit) {
  nj_tensor *gain = unit->from[1];
  for (int64_t i = 0; i < gain->shape[0]; i++)
    NJ_F32_DATA(gain)[i] = 0;
}

static nj_status add_block(nj_resnet *net, nj_resnet_block *block, int layer, int64_t k, int64_t in,
                           int64_t planes) {
  char prefix[64], conv[96], norm[96];
  int64_t out = net->options.bottleneck ? 4 * planes : planes;
  snprintf(prefix, sizeof prefix, "resnet.layer%d.%lld", layer, (long long)k);
  block->pools = k == 0 && layer > 1;
  block->shortcut = k == 0 && (layer > 1 || in != out);
  if (net->options.bottleneck) {
    NJ_TRY(add_numbered(net, &block->conv[0], prefix, 1, in, planes, 1, 1));
    NJ_TRY(add_numbered(net, &block->conv[1], prefix, 2, planes, planes, 3, 1));
    NJ_TRY(add_numbered(net, &block->conv[2], prefix, 3, planes, out, 1, 0));
    clear_gain(&block->conv[2]);
  } else {
    NJ_TRY(add_numbered(net, &block->conv[0], prefix, 1, in, planes, 3, 1));
    NJ_TRY(add_numbered(net, &block->conv[1], prefix, 2, planes, out, 3, 0));
    clear_gain(&block->conv[1]);
  }
  if (!block->shortcut)
    return NJ_OK;
  /* Where the shortcut pools, the pool is its part 0. */
  snprintf(conv, sizeof conv, "%s.downsample.%d", prefix, block->pools);
  snprintf(norm, sizeof norm, "%s.downsample.%d", prefix, block->pools + 1);
  return add_unit(net, &block->down, conv, norm, in, out, 1, 0);
}

static nj_status build(nj_network *base) {
  nj_resnet *net = (nj_resnet *)base;
  const nj_resnet_options *o = &net->options;
  NJ_TRY(check_options(base->ctx, o));
  for (int i = 0; i < NJ_RESNET_LAYERS; i++)
    net->n_blocks += o->blocks[i];
  net->blocks = nj_calloc(base->ctx, (size_t)net->n_blocks, sizeof *net->blocks);
  if (!net->blocks)
    return NJ_ENOMEM;
  NJ_TRY(nj_params_add_batch_norm(&net->base.params, "bn0", o->mels));
  NJ_TRY(add_conv_block(net, net->first, "conv_block1", 1, o->width));
  int64_t in = o->width;
  nj_resnet_block *block = net->blocks;
  for (int layer = 1; layer <= NJ_RESNET_LAYERS; layer++) {
    int64_t planes = o->width << (layer - 1);
    for (int64_t k = 0; k < o->blocks[layer - 1]; k++) {
      NJ_TRY(add_block(net, block++, layer, k, in, planes));
      in = o->bottleneck ? 4 * planes : planes;
    }
  }
  NJ_TRY(add_conv_block(net, net->after, "conv_block_after1", in, o->channels));
  return o->classes ? nj_panns_add_classifier(&net->base.params, o->channels, o->classes) : NJ_OK;
}

/* ---- forward ---- */

typedef struct {
  nj_resnet *net;
  int training;
  nj_rng *rng;
} pass;

static nj_status unit(const pass *p, nj_conv_norm *u, nj_tensor *x, nj_tensor **out) {
  return nj_conv_norm_forward(p->net->base.ctx, u, x, p->training, out);
}

static nj_status drop(const pass *p, double rate, nj_tensor *x, nj_tensor **out) {
  if (p->training && rate > 0)
    return nj_dropout(p->net->base.ctx, x, rate, 1, p->rng, out);
  *out = nj_retain(x);
  return NJ_OK;
}

static nj_status halve(const pass *p, nj_tensor *x, nj_tensor **out) {
  const nj_pool_options two = nj_pool_default_options(2, 2);
  return nj_avg_pool2d(p->net->base.ctx, x, &two, out);
}

/* `half` is x pooled where the block pools, else x. */
static nj_status shortcut(const pass *p, nj_resnet_block *block, nj_tensor *half, nj_tensor **out) {
  if (block->shortcut)
    return unit(p, &block->down, half, out);
  *out = nj_retain(half);
  return NJ_OK;
}

static nj_status run_block(const pass *p, nj_resnet_block *block, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = p->net->base.ctx;
  double rate = p->net->options.block_dropout;
  nj_tensor *half = NULL, *around = NULL;
  nj_flow f = nj_flow_begin(x);
  if (block->pools)
    NJ_FLOW(f, halve(p, f.x, &f.next));
  half = nj_retain(f.x);
  NJ_FLOW(f, unit(p, &block->conv[0], f.x, &f.next));
  if (p->net->options.bottleneck)
    NJ_FLOW(f, unit(p, &block->conv[1], f.x, &f.next));
  NJ_FLOW(f, drop(p, rate, f.x, &f.next));
  NJ_FLOW(f, unit(p, &block->conv[p->net->options.bottleneck ? 2 : 1], f.x, &f.next));
  if (!f.status)
    f.status = shortcut(p, block, half, &around);
  NJ_FLOW(f, nj_add(ctx, f.x, around, &f.next));
  NJ_FLOW(f, nj_relu(ctx, f.x, &f.next));
  nj_release(half);
  nj_release(around);
  return nj_flow_end(&f, out);
}

static nj_status trunk(const pass *p, nj_tensor *x, nj_tensor *lengths, nj_tensor **out) {
  nj_resnet *net = p->net;
  nj_ctx *ctx = net->base.ctx;
  double rate = net->options.dropout;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_panns_front(ctx, &net->base.params, f.x, lengths, p->training,
                            &net->options.stripes, p->rng, &f.next));
  NJ_FLOW(f, unit(p, &net->first[0], f.x, &f.next));
  NJ_FLOW(f, unit(p, &net->first[1], f.x, &f.next));
  NJ_FLOW(f, halve(p, f.x, &f.next));
  NJ_FLOW(f, drop(p, rate, f.x, &f.next));
  for (int64_t i = 0; i < net->n_blocks; i++)
    NJ_FLOW(f, run_block(p, &net->blocks[i], f.x, &f.next));
  NJ_FLOW(f, halve(p, f.x, &f.next));
  NJ_FLOW(f, drop(p, rate, f.x, &f.next));
  NJ_FLOW(f, unit(p, &net->after[0], f.x, &f.next));
  NJ_FLOW(f, unit(p, &net->after[1], f.x, &f.next));
  NJ_FLOW(f, drop(p, rate, f.x, &f.next));
  NJ_FLOW(f, nj_panns_frames(ctx, f.x, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status forward(nj_network *base, const nj_audio_input *in, nj_audio_output *out) {
  nj_resnet *net = (nj_resnet *)base;
  const pass p = {net, base->training, in->rng};
  nj_tensor *y = NULL;
  NJ_TRY(nj_panns_check(base->ctx, "resnet", in->x, in->lengths, net->options.mels, STRIDE));
  NJ_TRY(trunk(&p, in->x, in->lengths, &y));
  nj_status st = nj_panns_pool(base, y, in->lengths, in->x->shape[1], out);
  return nj_finish(st, y, &out->frames);
}

static int64_t frames_of(const nj_network *base, int64_t length) {
  (void)base;
  int64_t frames = length / STRIDE;
  return frames < 1 && length > 0 ? 1 : frames;
}

static int64_t stride_of(const nj_network *base) {
  (void)base;
  return STRIDE;
}

static int64_t width_of(const nj_network *base) {
  return ((const nj_resnet *)base)->options.channels;
}

static nj_status logits(nj_network *base, nj_tensor *clip, nj_rng *rng, nj_tensor **inner,
                        nj_tensor **out) {
  return nj_panns_classify(base, "resnet", clip, rng, inner, out);
}

/* Its units fold nothing. */
static void clear(nj_network *base) { nj_free(base->ctx, ((nj_resnet *)base)->blocks); }

static const nj_audio_encoder audio = {.forward = forward,
                                       .frames = frames_of,
                                       .stride = stride_of,
                                       .width = width_of,
                                       .pool = nj_max_plus_mean,
                                       .logits = logits};
const nj_network_kind nj_resnet_network =
    NJ_NETWORK_KIND(resnet, .build = build, .clear = clear, .audio = &audio);
NJ_NETWORK_DEFINE(resnet)
