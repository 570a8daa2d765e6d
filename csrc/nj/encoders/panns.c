#include "encoders/panns.h"

#include <math.h>

#include "nn/pooling.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "tensor/flow.h"

nj_status nj_panns_check(nj_ctx *ctx, const char *op, const nj_tensor *x, const nj_tensor *lengths,
                         int64_t mels, int64_t stride) {
  if (x->ndim != 3 || x->shape[2] != mels)
    return nj_fail(ctx, NJ_ESHAPE, "%s: expected log-mels of shape (batch, frames, %lld), got %s",
                   op, (long long)mels, NJ_SHAPE_OF(x));
  if (x->dtype != NJ_F32)
    return nj_fail(ctx, NJ_EDTYPE, "%s: expected float32 log-mels, got %s", op,
                   nj_dtype_name(x->dtype));
  if (x->shape[1] < stride)
    return nj_fail(ctx, NJ_ESHAPE, "%s: %lld frames are too few, one output frame takes %lld", op,
                   (long long)x->shape[1], (long long)stride);
  return nj_check_lengths(ctx, op, x, lengths);
}

nj_status nj_panns_front(nj_ctx *ctx, const nj_params *params, nj_tensor *x, nj_tensor *lengths,
                         int training, const nj_spec_augment_options *stripes, nj_rng *rng,
                         nj_tensor **out) {
  nj_batch_norm_options norm = nj_batch_norm_default_options();
  norm.training = training;
  norm.channel_dim = 2;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_batch_norm(ctx, f.x, nj_params_find(params, "bn0.weight"),
                           nj_params_find(params, "bn0.bias"),
                           nj_params_find(params, "bn0.running_mean"),
                           nj_params_find(params, "bn0.running_var"), &norm, &f.next));
  if (lengths)
    NJ_FLOW(f, nj_mask_time(ctx, f.x, lengths, 0.0, &f.next));
  if (training && (stripes->time_stripes || stripes->freq_stripes))
    NJ_FLOW(f, nj_spec_augment(ctx, f.x, stripes, lengths, rng, &f.next));
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 1, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_panns_frames(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_mean(ctx, f.x, 1, (int[]){3}, 0, &f.next)); /* (B, C, N) */
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  return nj_flow_end(&f, out);
}

/* One pool over three frames of (B, N, C), `outside` being what lies past the end. */
static nj_status pool_three(nj_ctx *ctx, nj_tensor *frames, nj_tensor *lengths, double outside,
                            nj_tensor **out) {
  const nj_pool_options three = {.kernel = {3, 1}, .stride = {1, 1}, .padding = {1, 0}};
  nj_flow f = nj_flow_begin(frames);
  if (lengths)
    NJ_FLOW(f, nj_mask_time(ctx, f.x, lengths, outside, &f.next));
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 3, &f.next)); /* (B, C, N, 1) */
  if (outside < 0)
    NJ_FLOW(f, nj_max_pool2d(ctx, f.x, &three, &f.next));
  else
    NJ_FLOW(f, nj_avg_pool2d(ctx, f.x, &three, &f.next));
  NJ_FLOW(f, nj_squeeze(ctx, f.x, 3, &f.next));
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_panns_neighbours(nj_ctx *ctx, nj_tensor *frames, nj_tensor *lengths, nj_tensor **out) {
  nj_tensor *mean = NULL;
  NJ_TRY(pool_three(ctx, frames, lengths, 0, &mean));
  nj_flow f = nj_flow_begin(frames);
  NJ_FLOW(f, pool_three(ctx, f.x, lengths, -INFINITY, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, mean, &f.next));
  if (lengths) /* frames without any neighbour inside are still -inf */
    NJ_FLOW(f, nj_mask_time(ctx, f.x, lengths, 0.0, &f.next));
  nj_release(mean);
  return nj_flow_end(&f, out);
}

nj_status nj_panns_pool(const nj_network *net, nj_tensor *frames, const nj_tensor *lengths,
                        int64_t T, nj_audio_output *out) {
  nj_tensor *left = NULL;
  NJ_TRY(nj_network_frames(net, frames->shape[0], lengths, T, &left));
  nj_status st = nj_max_plus_mean(net->ctx, frames, lengths ? left : NULL, &out->clip);
  if (st)
    nj_release(left);
  else
    out->lengths = left;
  return st;
}

nj_status nj_panns_add_classifier(nj_params *params, int64_t width, int64_t classes) {
  NJ_TRY(nj_params_add_linear(params, "fc1", width, width, NJ_INIT_XAVIER));
  return nj_params_add_linear(params, "fc_audioset", width, classes, NJ_INIT_XAVIER);
}

nj_status nj_panns_classify(const nj_network *net, const char *op, nj_tensor *clip, nj_rng *rng,
                            nj_tensor **inner, nj_tensor **logits) {
  nj_ctx *ctx = net->ctx;
  const nj_params *params = &net->params;
  nj_tensor *w = nj_params_find(params, "fc1.weight"), *embedding = NULL;
  if (!w)
    return nj_fail(ctx, NJ_EARG, "%s: logits need a classifier (option 'classes')", op);
  nj_flow f = nj_flow_begin(clip);
  if (net->training)
    NJ_FLOW(f, nj_dropout(ctx, f.x, 0.5, 1, rng, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, w, nj_params_find(params, "fc1.bias"), &f.next));
  NJ_FLOW(f, nj_relu(ctx, f.x, &f.next));
  if (!f.status)
    embedding = nj_retain(f.x);
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_params_find(params, "fc_audioset.weight"),
                       nj_params_find(params, "fc_audioset.bias"), &f.next));
  nj_status st = nj_flow_end(&f, logits);
  if (st || !inner)
    nj_release(embedding);
  else
    *inner = embedding;
  return st;
}
