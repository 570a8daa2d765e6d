#include "encoders/convnet.h"

#include <stdio.h>

#include "nn/pooling.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

nj_convnet_options nj_convnet_default_options(void) {
  nj_convnet_options o = {.mels = 64,
                          .convolutions = 2,
                          .kernel = 3,
                          .dropout = 0.2,
                          .stripes = nj_spec_augment_default_options()};
  for (int i = 0; i < NJ_CONVNET_BLOCKS; i++)
    o.pool_time[i] = o.pool_mel[i] = 2;
  return o;
}

#define O nj_convnet_options
static const char *const frame_names[] = {"plain", "neighbours", NULL};
static const nj_option items[] = {
    NJ_OPTION_LIST_OF(O, "channels", channels, n_blocks, NJ_OPTION_REQUIRED),
    NJ_OPTION_LIST_OF(O, "pool_time", pool_time, n_blocks, NJ_OPTION_FOLLOWS),
    NJ_OPTION_LIST_OF(O, "pool_mel", pool_mel, n_blocks, NJ_OPTION_FOLLOWS),
    NJ_OPTION_RANGE(O, "mels", mels, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_RANGE(O, "convolutions", convolutions, 1, 2, 0),
    NJ_OPTION_RANGE(O, "kernel", kernel, 1, 63, 0),
    NJ_OPTION_RANGE(O, "classes", classes, 0, 1e9, 0),
    NJ_OPTION_ENUM(O, "frames", neighbours, frame_names, NJ_OPTION_SPARSE),
    NJ_STRIPE_OPTIONS(O),
};
NJ_OPTION_TABLE(convnet, items, NULL)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_convnet_options *o) {
  if (o->mels < 1 || o->n_blocks < 1 || o->n_blocks > NJ_CONVNET_BLOCKS)
    return nj_fail(ctx, NJ_EARG, "convnet: needs at least 1 mel bin and 1 to %d blocks",
                   NJ_CONVNET_BLOCKS);
  if (o->convolutions < 1 || o->convolutions > 2 || o->kernel < 1 || o->kernel % 2 == 0)
    return nj_fail(ctx, NJ_EARG,
                   "convnet: a block has 1 or 2 convolutions of an odd size, got %d of size %lld",
                   o->convolutions, (long long)o->kernel);
  if (o->classes < 0)
    return nj_fail(ctx, NJ_EARG, "convnet: the number of classes cannot be negative");
  int64_t mels = o->mels;
  for (int i = 0; i < o->n_blocks; i++) {
    if (o->channels[i] < 1 || o->pool_time[i] < 1 || o->pool_mel[i] < 1)
      return nj_fail(ctx, NJ_EARG,
                     "convnet: block %d needs at least 1 channel and pools of at "
                     "least 1",
                     i + 1);
    mels /= o->pool_mel[i];
    if (mels < 1)
      return nj_fail(ctx, NJ_EARG, "convnet: %lld mel bins are pooled away by block %d",
                     (long long)o->mels, i + 1);
  }
  if (!(o->dropout >= 0 && o->dropout < 1))
    return nj_fail(ctx, NJ_EARG, "convnet: dropout must be in [0, 1), got %g", o->dropout);
  return NJ_OK;
}

static nj_status add_block(nj_convnet *net, int block, int64_t in, int64_t out) {
  nj_params *params = &net->base.params;
  const int64_t kernel = net->options.kernel;
  for (int k = 1; k <= net->options.convolutions; k++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "conv_block%d.conv%d", block, k);
    NJ_TRY(nj_params_add(params, prefix, "weight", NJ_INIT_XAVIER, 0, 4,
                         (int64_t[]){out, k == 1 ? in : out, kernel, kernel}));
  }
  for (int k = 1; k <= net->options.convolutions; k++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "conv_block%d.bn%d", block, k);
    NJ_TRY(nj_params_add_batch_norm(params, prefix, out));
  }
  return NJ_OK;
}

static nj_status build(nj_network *base) {
  nj_convnet *net = (nj_convnet *)base;
  int64_t in = 1;
  NJ_TRY(check_options(base->ctx, &net->options));
  NJ_TRY(nj_params_add_batch_norm(&net->base.params, "bn0", net->options.mels));
  for (int i = 0; i < net->options.n_blocks; i++) {
    NJ_TRY(add_block(net, i + 1, in, net->options.channels[i]));
    in = net->options.channels[i];
  }
  return net->options.classes ? nj_panns_add_classifier(&net->base.params, in, net->options.classes)
                              : NJ_OK;
}

static int64_t frames_of(const nj_network *base, int64_t length) {
  const nj_convnet *net = (const nj_convnet *)base;
  int64_t frames = length;
  for (int i = 0; i < net->options.n_blocks; i++)
    frames /= net->options.pool_time[i];
  return frames < 1 && length > 0 ? 1 : frames;
}

static int64_t stride_of(const nj_network *base) {
  const nj_convnet *net = (const nj_convnet *)base;
  int64_t stride = 1;
  for (int i = 0; i < net->options.n_blocks; i++)
    stride *= net->options.pool_time[i];
  return stride;
}

static nj_status batch_norm(nj_convnet *net, nj_tensor *x, const char *prefix,
                            const nj_batch_norm_options *options, nj_tensor **out) {
  const nj_params *p = &net->base.params;
  return nj_batch_norm(net->base.ctx, x, nj_param_of(p, "%s.weight", prefix),
                       nj_param_of(p, "%s.bias", prefix), nj_param_of(p, "%s.running_mean", prefix),
                       nj_param_of(p, "%s.running_var", prefix), options, out);
}

static nj_status conv_bn_relu(nj_convnet *net, int block, int k, nj_tensor *x, int training,
                              nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  char bn[64];
  snprintf(bn, sizeof bn, "conv_block%d.bn%d", block, k);
  nj_tensor *weight = nj_param_of(&net->base.params, "conv_block%d.conv%d.weight", block, k);
  nj_conv_options same = nj_conv_default_options();
  same.padding[0] = same.padding[1] = net->options.kernel / 2;
  nj_batch_norm_options norm = nj_batch_norm_default_options();
  norm.training = training;
  norm.relu = 1;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_conv2d(ctx, f.x, weight, NULL, &same, &f.next));
  NJ_FLOW(f, batch_norm(net, f.x, bn, &norm, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status run_block(nj_convnet *net, int i, nj_tensor *x, int training, nj_rng *rng,
                           nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_convnet_options *o = &net->options;
  nj_flow f = nj_flow_begin(x);
  for (int k = 1; k <= o->convolutions; k++)
    NJ_FLOW(f, conv_bn_relu(net, i + 1, k, f.x, training, &f.next));
  if (o->pool_time[i] > 1 || o->pool_mel[i] > 1) {
    const nj_pool_options pool = nj_pool_default_options(o->pool_time[i], o->pool_mel[i]);
    NJ_FLOW(f, nj_avg_pool2d(ctx, f.x, &pool, &f.next));
  }
  if (training && o->dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, o->dropout, 1, rng, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status trunk(nj_convnet *net, nj_tensor *x, nj_tensor *lengths, int training, nj_rng *rng,
                       nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_panns_front(ctx, &net->base.params, f.x, lengths, training, &net->options.stripes,
                            rng, &f.next));
  for (int i = 0; i < net->options.n_blocks; i++)
    NJ_FLOW(f, run_block(net, i, f.x, training, rng, &f.next));
  NJ_FLOW(f, nj_panns_frames(ctx, f.x, &f.next));
  return nj_flow_end(&f, out);
}

/* Puts frames pooled with their neighbours in the place of *frames. */
static nj_status with_neighbours(nj_convnet *net, const nj_tensor *lengths, int64_t T,
                                 nj_tensor **frames) {
  nj_tensor *left = NULL, *y = NULL;
  nj_status st = NJ_OK;
  if (lengths)
    st = nj_network_frames(&net->base, (*frames)->shape[0], lengths, T, &left);
  if (!st)
    st = nj_panns_neighbours(net->base.ctx, *frames, left, &y);
  nj_release(left);
  if (st)
    return st;
  nj_release(*frames);
  *frames = y;
  return NJ_OK;
}

static nj_status forward(nj_network *base, const nj_audio_input *in, nj_audio_output *out) {
  nj_convnet *net = (nj_convnet *)base;
  nj_tensor *y = NULL;
  NJ_TRY(
      nj_panns_check(base->ctx, "convnet", in->x, in->lengths, net->options.mels, stride_of(base)));
  const int64_t T = in->x->shape[1];
  NJ_TRY(trunk(net, in->x, in->lengths, base->training, in->rng, &y));
  nj_status st = NJ_OK;
  if (net->options.neighbours)
    st = with_neighbours(net, in->lengths, T, &y);
  if (!st)
    st = nj_panns_pool(base, y, in->lengths, T, out);
  return nj_finish(st, y, &out->frames);
}

static int64_t width_of(const nj_network *base) {
  const nj_convnet_options *o = &((const nj_convnet *)base)->options;
  return o->channels[o->n_blocks - 1];
}

static nj_status logits(nj_network *base, nj_tensor *clip, nj_rng *rng, nj_tensor **inner,
                        nj_tensor **out) {
  return nj_panns_classify(base, "convnet", clip, rng, inner, out);
}

static const nj_audio_encoder audio = {.forward = forward,
                                       .frames = frames_of,
                                       .stride = stride_of,
                                       .width = width_of,
                                       .pool = nj_max_plus_mean,
                                       .logits = logits};
const nj_network_kind nj_convnet_network =
    NJ_NETWORK_KIND(convnet, .build = build, .audio = &audio);
NJ_NETWORK_DEFINE(convnet)
