#include "encoders/convnet.h"

#include <stdio.h>

#include "encoders/pooling.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

static nj_status check_options(nj_ctx *ctx, const nj_convnet_options *o) {
  if (o->mels < 1 || o->n_blocks < 1 || o->n_blocks > NJ_CONVNET_BLOCKS)
    return nj_fail(ctx, NJ_EARG, "convnet: needs at least 1 mel bin and 1 to %d blocks",
                   NJ_CONVNET_BLOCKS);
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

static nj_status add_block(nj_params *params, int block, int64_t in, int64_t out) {
  for (int k = 1; k <= 2; k++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "conv_block%d.conv%d", block, k);
    NJ_TRY(nj_params_add(params, prefix, "weight", NJ_INIT_XAVIER, 0, 4,
                         (int64_t[]){out, k == 1 ? in : out, 3, 3}));
  }
  for (int k = 1; k <= 2; k++) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "conv_block%d.bn%d", block, k);
    NJ_TRY(nj_params_add_batch_norm(params, prefix, out));
  }
  return NJ_OK;
}

static nj_status add_all(nj_convnet *net) {
  int64_t in = 1;
  NJ_TRY(nj_params_add_batch_norm(&net->params, "bn0", net->options.mels));
  for (int i = 0; i < net->options.n_blocks; i++) {
    NJ_TRY(add_block(&net->params, i + 1, in, net->options.channels[i]));
    in = net->options.channels[i];
  }
  return NJ_OK;
}

nj_status nj_convnet_new(nj_ctx *ctx, const nj_convnet_options *options, nj_rng *rng,
                         nj_convnet **out) {
  NJ_TRY(check_options(ctx, options));
  nj_convnet *net = nj_calloc(ctx, 1, sizeof *net);
  if (!net)
    return NJ_ENOMEM;
  net->ctx = nj_ctx_retain(ctx);
  net->options = *options;
  net->params = (nj_params){.ctx = ctx, .rng = rng};
  nj_status st = add_all(net);
  net->params.rng = NULL;
  if (st) {
    nj_convnet_free(net);
    return st;
  }
  *out = net;
  return NJ_OK;
}

void nj_convnet_free(nj_convnet *net) {
  if (!net)
    return;
  nj_ctx *ctx = net->ctx;
  nj_params_free(&net->params);
  nj_free(ctx, net);
  nj_ctx_release(ctx);
}

int64_t nj_convnet_frames(const nj_convnet *net, int64_t length) {
  int64_t frames = length;
  for (int i = 0; i < net->options.n_blocks; i++)
    frames /= net->options.pool_time[i];
  return frames < 1 && length > 0 ? 1 : frames;
}

int64_t nj_convnet_stride(const nj_convnet *net) {
  int64_t stride = 1;
  for (int i = 0; i < net->options.n_blocks; i++)
    stride *= net->options.pool_time[i];
  return stride;
}

static nj_status batch_norm(nj_convnet *net, nj_tensor *x, const char *prefix,
                            const nj_batch_norm_options *options, nj_tensor **out) {
  const nj_params *p = &net->params;
  return nj_batch_norm(net->ctx, x, nj_param_of(p, "%s.weight", prefix),
                       nj_param_of(p, "%s.bias", prefix), nj_param_of(p, "%s.running_mean", prefix),
                       nj_param_of(p, "%s.running_var", prefix), options, out);
}

static nj_status conv_bn_relu(nj_convnet *net, int block, int k, nj_tensor *x, int training,
                              nj_tensor **out) {
  nj_ctx *ctx = net->ctx;
  char bn[64];
  snprintf(bn, sizeof bn, "conv_block%d.bn%d", block, k);
  nj_tensor *weight = nj_param_of(&net->params, "conv_block%d.conv%d.weight", block, k);
  nj_conv_options same = nj_conv_default_options();
  same.padding[0] = same.padding[1] = 1;
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
  nj_ctx *ctx = net->ctx;
  const nj_convnet_options *o = &net->options;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, conv_bn_relu(net, i + 1, 1, f.x, training, &f.next));
  NJ_FLOW(f, conv_bn_relu(net, i + 1, 2, f.x, training, &f.next));
  if (o->pool_time[i] > 1 || o->pool_mel[i] > 1) {
    const nj_pool_options pool = {.kernel = {o->pool_time[i], o->pool_mel[i]},
                                  .stride = {o->pool_time[i], o->pool_mel[i]}};
    NJ_FLOW(f, nj_avg_pool2d(ctx, f.x, &pool, &f.next));
  }
  if (training && o->dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, o->dropout, 1, rng, &f.next));
  return nj_flow_end(&f, out);
}

/* bn0 over mel bins, frames behind a clip's end set to zero, and SpecAugment's stripes. */
static nj_status front(nj_convnet *net, nj_tensor *x, nj_tensor *lengths, int training, nj_rng *rng,
                       nj_tensor **out) {
  nj_ctx *ctx = net->ctx;
  const nj_convnet_options *o = &net->options;
  nj_batch_norm_options norm = nj_batch_norm_default_options();
  norm.training = training;
  norm.channel_dim = 2;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, batch_norm(net, f.x, "bn0", &norm, &f.next));
  if (lengths)
    NJ_FLOW(f, nj_mask_time(ctx, f.x, lengths, 0.0, &f.next));
  if (training && (o->stripes.time_stripes || o->stripes.freq_stripes))
    NJ_FLOW(f, nj_spec_augment(ctx, f.x, &o->stripes, lengths, rng, &f.next));
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 1, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status check_input(nj_convnet *net, const nj_tensor *x, const nj_tensor *lengths) {
  nj_ctx *ctx = net->ctx;
  if (x->ndim != 3 || x->shape[2] != net->options.mels)
    return nj_fail(ctx, NJ_ESHAPE,
                   "convnet: expected log-mels of shape (batch, frames, %lld), got "
                   "%s",
                   (long long)net->options.mels, NJ_SHAPE_OF(x));
  if (x->dtype != NJ_F32)
    return nj_fail(ctx, NJ_EDTYPE, "convnet: expected float32 log-mels, got %s",
                   nj_dtype_name(x->dtype));
  if (x->shape[1] < nj_convnet_stride(net))
    return nj_fail(ctx, NJ_ESHAPE, "convnet: %lld frames are too few, one output frame takes %lld",
                   (long long)x->shape[1], (long long)nj_convnet_stride(net));
  return nj_check_lengths(ctx, "convnet", x, lengths);
}

static nj_status output_lengths(nj_convnet *net, const nj_tensor *x, const nj_tensor *lengths,
                                nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(net->ctx, NJ_I64, 1, x->shape, &y));
  for (int64_t i = 0; i < x->shape[0]; i++) {
    int64_t length = lengths ? (int64_t)nj_get(lengths, &i) : x->shape[1];
    NJ_I64_DATA(y)[i] = nj_convnet_frames(net, length);
  }
  *out = y;
  return NJ_OK;
}

static nj_status trunk(nj_convnet *net, nj_tensor *x, nj_tensor *lengths, int training, nj_rng *rng,
                       nj_tensor **out) {
  nj_ctx *ctx = net->ctx;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, front(net, f.x, lengths, training, rng, &f.next));
  for (int i = 0; i < net->options.n_blocks; i++)
    NJ_FLOW(f, run_block(net, i, f.x, training, rng, &f.next));
  NJ_FLOW(f, nj_mean(ctx, f.x, 1, (int[]){3}, 0, &f.next)); /* (B, C, N) */
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_convnet_forward(nj_convnet *net, nj_tensor *x, nj_tensor *lengths, int training,
                             nj_rng *rng, nj_tensor **frames, nj_tensor **clip,
                             nj_tensor **frame_lengths) {
  nj_tensor *y = NULL, *pooled = NULL, *left = NULL;
  NJ_TRY(check_input(net, x, lengths));
  nj_status st = output_lengths(net, x, lengths, &left);
  if (!st)
    st = trunk(net, x, lengths, training, rng, &y);
  if (!st)
    st = nj_max_plus_mean(net->ctx, y, lengths ? left : NULL, &pooled);
  if (st) {
    nj_release(y);
    nj_release(left);
    return st;
  }
  *frames = y;
  *clip = pooled;
  *frame_lengths = left;
  return NJ_OK;
}
