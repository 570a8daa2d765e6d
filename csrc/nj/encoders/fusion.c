#include "encoders/fusion.h"

#include <stdio.h>

#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/join.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "tensor/flow.h"

/* Places of the layers in the authors' lists: the global one begins with its mean. */
static const int local_at[] = {0, 1, 3, 4}, global_at[] = {1, 2, 4, 5};

enum { LAYER_NAME = 96 };

static void name_layer(char *name, const char *prefix, const char *branch, int at) {
  snprintf(name, LAYER_NAME, "%s.%s.%d", prefix, branch, at);
}

static nj_status add_conv(nj_params *params, const char *name, int64_t in, int64_t out) {
  NJ_TRY(nj_params_add(params, name, "weight", NJ_INIT_LINEAR, in, 4, (int64_t[]){out, in, 1, 1}));
  return nj_params_add(params, name, "bias", NJ_INIT_LINEAR, in, 1, &out);
}

static nj_status add_branch(nj_params *params, const char *prefix, const char *branch,
                            const int *at, int64_t channels) {
  char name[LAYER_NAME];
  for (int i = 0; i < 2; i++) {
    int64_t in = i ? channels / 4 : channels, out = i ? channels : channels / 4;
    name_layer(name, prefix, branch, at[2 * i]);
    NJ_TRY(add_conv(params, name, in, out));
    name_layer(name, prefix, branch, at[2 * i + 1]);
    NJ_TRY(nj_params_add_batch_norm(params, name, out));
  }
  return NJ_OK;
}

nj_status nj_fusion_add(nj_params *params, const char *prefix, int64_t channels) {
  NJ_TRY(add_branch(params, prefix, "local_att", local_at, channels));
  return add_branch(params, prefix, "global_att", global_at, channels);
}

/* One convolution and its batch norm, at places `at` and `at + 1` of the list. */
static nj_status layer(nj_ctx *ctx, const nj_params *params, const char *prefix, const char *branch,
                       const int *at, nj_tensor *x, int training, int relu, nj_tensor **out) {
  char conv[LAYER_NAME], bn[LAYER_NAME];
  nj_batch_norm_options norm = nj_batch_norm_default_options();
  norm.training = training;
  norm.relu = relu;
  name_layer(conv, prefix, branch, at[0]);
  name_layer(bn, prefix, branch, at[1]);
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_conv2d(ctx, f.x, nj_param_of(params, "%s.weight", conv),
                       nj_param_of(params, "%s.bias", conv), NULL, &f.next));
  NJ_FLOW(f, nj_batch_norm(ctx, f.x, nj_param_of(params, "%s.weight", bn),
                           nj_param_of(params, "%s.bias", bn),
                           nj_param_of(params, "%s.running_mean", bn),
                           nj_param_of(params, "%s.running_var", bn), &norm, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status branch_of(nj_ctx *ctx, const nj_params *params, const char *prefix, int global,
                           nj_tensor *x, int training, nj_tensor **out) {
  const char *branch = global ? "global_att" : "local_att";
  const int *at = global ? global_at : local_at;
  nj_flow f = nj_flow_begin(x);
  if (global)
    NJ_FLOW(f, nj_mean(ctx, f.x, 2, (int[]){2, 3}, 1, &f.next));
  NJ_FLOW(f, layer(ctx, params, prefix, branch, at, f.x, training, 1, &f.next));
  NJ_FLOW(f, layer(ctx, params, prefix, branch, at + 2, f.x, training, 0, &f.next));
  return nj_flow_end(&f, out);
}

/* w of x + y; of a single clip while training, as if it stood there twice. */
static nj_status weigh(nj_ctx *ctx, const nj_params *params, const char *prefix, nj_tensor *x,
                       nj_tensor *y, int training, nj_tensor **out) {
  nj_tensor *global = NULL;
  int twice = training && x->shape[0] == 1;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_add(ctx, f.x, y, &f.next));
  if (twice)
    NJ_FLOW(f, nj_cat(ctx, 2, (nj_tensor *[]){f.x, f.x}, 0, &f.next));
  if (!f.status)
    f.status = branch_of(ctx, params, prefix, 1, f.x, training, &global);
  NJ_FLOW(f, branch_of(ctx, params, prefix, 0, f.x, training, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, global, &f.next));
  NJ_FLOW(f, nj_sigmoid(ctx, f.x, &f.next));
  if (twice)
    NJ_FLOW(f, nj_narrow(ctx, f.x, 0, 0, 1, &f.next));
  nj_release(global);
  return nj_flow_end(&f, out);
}

nj_status nj_fusion_forward(nj_ctx *ctx, const nj_params *params, const char *prefix, nj_tensor *x,
                            nj_tensor *y, int training, nj_tensor **out) {
  nj_tensor *rest = NULL;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, weigh(ctx, params, prefix, x, y, training, &f.next));
  if (!f.status)
    f.status = nj_affine(ctx, f.x, -2, 2, &rest);
  nj_flow g = nj_flow_begin(y);
  g.status = f.status;
  NJ_FLOW(g, nj_mul(ctx, g.x, rest, &g.next));
  NJ_FLOW(f, nj_affine(ctx, f.x, 2, 0, &f.next));
  NJ_FLOW(f, nj_mul(ctx, f.x, x, &f.next));
  if (!f.status)
    f.status = g.status;
  NJ_FLOW(f, nj_add(ctx, f.x, g.x, &f.next));
  nj_release(rest);
  nj_release(g.x);
  return nj_flow_end(&f, out);
}
