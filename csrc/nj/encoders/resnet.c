#include "encoders/resnet.h"

#include <stdio.h>

#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

#define STRIDE 32 /* conv_block1, three layers, and the pool behind them */

nj_resnet_options nj_resnet_default_options(void) {
  return (nj_resnet_options){.mels = 64,
                             .width = 64,
                             .blocks = {3, 4, 6, 3},
                             .dropout = 0.2,
                             .block_dropout = 0.1,
                             .stripes = nj_spec_augment_default_options()};
}

static int is_dropout(double p) { return p >= 0 && p < 1; }

static nj_status check_options(nj_ctx *ctx, const nj_resnet_options *o) {
  if (o->mels < STRIDE)
    return nj_fail(ctx, NJ_EARG, "resnet: needs at least %d mel bins, got %lld", STRIDE,
                   (long long)o->mels);
  if (o->width < 1 || o->channels < 0 || o->classes < 0)
    return nj_fail(ctx, NJ_EARG, "resnet: width, channels and classes cannot be negative");
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
  NJ_TRY(
      nj_conv_norm_add(unit, &net->params, conv, norm, in, out, kernel, kernel, 1, NJ_INIT_XAVIER));
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

static nj_status add_all(nj_resnet *net) {
  const nj_resnet_options *o = &net->options;
  NJ_TRY(nj_params_add_batch_norm(&net->params, "bn0", o->mels));
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
  return o->classes ? nj_panns_add_classifier(&net->params, o->channels, o->classes) : NJ_OK;
}

nj_status nj_resnet_new(nj_ctx *ctx, const nj_resnet_options *options, nj_rng *rng,
                        nj_resnet **out) {
  NJ_TRY(check_options(ctx, options));
  nj_resnet *net = nj_calloc(ctx, 1, sizeof *net);
  if (!net)
    return NJ_ENOMEM;
  net->ctx = nj_ctx_retain(ctx);
  net->options = *options;
  if (!net->options.channels)
    net->options.channels = 32 * options->width;
  net->params = (nj_params){.ctx = ctx, .rng = rng};
  for (int i = 0; i < NJ_RESNET_LAYERS; i++)
    net->n_blocks += options->blocks[i];
  net->blocks = nj_calloc(ctx, (size_t)net->n_blocks, sizeof *net->blocks);
  nj_status st = net->blocks ? add_all(net) : NJ_ENOMEM;
  net->params.rng = NULL;
  if (st) {
    nj_resnet_free(net);
    return st;
  }
  *out = net;
  return NJ_OK;
}

void nj_resnet_free(nj_resnet *net) {
  if (!net)
    return;
  nj_ctx *ctx = net->ctx;
  nj_free(ctx, net->blocks); /* its units fold nothing */
  nj_params_free(&net->params);
  nj_free(ctx, net);
  nj_ctx_release(ctx);
}

int64_t nj_resnet_frames(const nj_resnet *net, int64_t length) {
  (void)net;
  int64_t frames = length / STRIDE;
  return frames < 1 && length > 0 ? 1 : frames;
}

int64_t nj_resnet_stride(const nj_resnet *net) {
  (void)net;
  return STRIDE;
}

/* ---- forward ---- */

typedef struct {
  nj_resnet *net;
  int training;
  nj_rng *rng;
} pass;

static nj_status unit(const pass *p, nj_conv_norm *u, nj_tensor *x, nj_tensor **out) {
  return nj_conv_norm_forward(p->net->ctx, u, x, p->training, out);
}

static nj_status drop(const pass *p, double rate, nj_tensor *x, nj_tensor **out) {
  if (p->training && rate > 0)
    return nj_dropout(p->net->ctx, x, rate, 1, p->rng, out);
  *out = nj_retain(x);
  return NJ_OK;
}

static nj_status halve(const pass *p, nj_tensor *x, nj_tensor **out) {
  const nj_pool_options two = {.kernel = {2, 2}, .stride = {2, 2}};
  return nj_avg_pool2d(p->net->ctx, x, &two, out);
}

/* `half` is x pooled where the block pools, else x. */
static nj_status shortcut(const pass *p, nj_resnet_block *block, nj_tensor *half, nj_tensor **out) {
  if (block->shortcut)
    return unit(p, &block->down, half, out);
  *out = nj_retain(half);
  return NJ_OK;
}

static nj_status run_block(const pass *p, nj_resnet_block *block, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = p->net->ctx;
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
  nj_ctx *ctx = net->ctx;
  double rate = net->options.dropout;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_panns_front(ctx, &net->params, f.x, lengths, p->training, &net->options.stripes,
                            p->rng, &f.next));
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

static int64_t frames_of(const void *net, int64_t length) { return nj_resnet_frames(net, length); }

nj_status nj_resnet_forward(nj_resnet *net, nj_tensor *x, nj_tensor *lengths, int training,
                            nj_rng *rng, nj_tensor **frames, nj_tensor **clip,
                            nj_tensor **frame_lengths) {
  const pass p = {net, training, rng};
  nj_tensor *y = NULL;
  NJ_TRY(nj_panns_check(net->ctx, "resnet", x, lengths, net->options.mels, STRIDE));
  NJ_TRY(trunk(&p, x, lengths, &y));
  nj_status st =
      nj_panns_pool(net->ctx, y, lengths, x->shape[1], frames_of, net, clip, frame_lengths);
  return nj_finish(st, y, frames);
}

nj_status nj_resnet_logits(nj_resnet *net, nj_tensor *clip, int training, nj_rng *rng,
                           nj_tensor **inner, nj_tensor **out) {
  return nj_panns_classify(net->ctx, "resnet", &net->params, clip, training, rng, inner, out);
}
