#include "nn/conv_norm.h"

#include <math.h>

#include "ops/elementwise.h"
#include "ops/map_values.h"
#include "ops/norm.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

enum { WEIGHT, GAIN, SHIFT, MEAN, VAR, SOURCES };

nj_status nj_conv_norm_add(nj_conv_norm *unit, nj_params *params, const char *conv,
                           const char *norm, int64_t in, int64_t out, int64_t kernel_h,
                           int64_t kernel_w, int64_t groups, nj_init init) {
  const int64_t shape[] = {out, in / groups, kernel_h, kernel_w};
  *unit = (nj_conv_norm){.conv = nj_conv_default_options(), .eps = 1e-5, .momentum = 0.1};
  unit->conv.groups = groups;
  unit->conv.padding[0] = kernel_h / 2;
  unit->conv.padding[1] = kernel_w / 2;
  NJ_TRY(nj_params_add(params, conv, "weight", init, 0, 4, shape));
  NJ_TRY(nj_params_add_batch_norm(params, norm, out));
  for (int i = 0; i < SOURCES; i++)
    unit->from[i] = params->items[params->n - SOURCES + (size_t)i].tensor;
  return NJ_OK;
}

void nj_conv_norm_free(nj_conv_norm *unit) {
  nj_release(unit->folded_weight);
  nj_release(unit->folded_bias);
  unit->folded_weight = unit->folded_bias = NULL;
}

static int is_fresh(const nj_conv_norm *unit) {
  int fresh = unit->folded_weight != NULL;
  for (int i = 0; i < SOURCES; i++)
    fresh = fresh && unit->folded_version[i] == unit->from[i]->storage->version;
  return fresh;
}

static nj_status fold(nj_ctx *ctx, nj_conv_norm *unit) {
  const nj_tensor *w = unit->from[WEIGHT];
  nj_tensor *folded = NULL, *bias = NULL;
  nj_conv_norm_free(unit);
  NJ_TRY(nj_empty(ctx, NJ_F32, w->ndim, w->shape, &folded));
  nj_status st = nj_empty(ctx, NJ_F32, 1, w->shape, &bias);
  if (st) {
    nj_release(folded);
    return st;
  }
  int64_t out = w->shape[0], each = out > 0 ? nj_numel(w) / out : 0;
  const float *from = NJ_F32_DATA(w);
  float *to = NJ_F32_DATA(folded);
  for (int64_t c = 0; c < out; c++) {
    double scale = nj_get(unit->from[GAIN], &c) / sqrt(nj_get(unit->from[VAR], &c) + unit->eps);
    for (int64_t i = c * each; i < (c + 1) * each; i++)
      to[i] = (float)(from[i] * scale);
    NJ_F32_DATA(bias)
    [c] = (float)(nj_get(unit->from[SHIFT], &c) - nj_get(unit->from[MEAN], &c) * scale);
  }
  unit->folded_weight = folded;
  unit->folded_bias = bias;
  for (int i = 0; i < SOURCES; i++)
    unit->folded_version[i] = unit->from[i]->storage->version;
  return NJ_OK;
}

static nj_status forward_folded(nj_ctx *ctx, nj_conv_norm *unit, nj_tensor *x, nj_tensor **out) {
  nj_conv_options options = unit->conv;
  nj_tensor *y = NULL;
  options.relu = unit->activation == NJ_ACTIVATE_RELU;
  if (!is_fresh(unit))
    NJ_TRY(fold(ctx, unit));
  NJ_TRY(nj_conv2d(ctx, x, unit->folded_weight, unit->folded_bias, &options, &y));
  nj_status st = NJ_OK;
  if (unit->activation == NJ_ACTIVATE_HARDSWISH) /* y is nobody else's yet */
    st = nj_map_unary_into(ctx, "hardswish", NJ_MAP_HARDSWISH, y, 0, 0, y);
  return nj_finish(st, y, out);
}

nj_status nj_conv_norm_forward(nj_ctx *ctx, nj_conv_norm *unit, nj_tensor *x, int training,
                               nj_tensor **out) {
  nj_tensor *const *from = unit->from;
  nj_tensor *const inputs[] = {x, from[WEIGHT], from[GAIN], from[SHIFT]};
  int may_fold = !training && !unit->keep_apart && from[WEIGHT]->dtype == NJ_F32;
  if (may_fold && !nj_will_record(ctx, 4, inputs))
    return forward_folded(ctx, unit, x, out);
  nj_batch_norm_options norm = nj_batch_norm_default_options();
  norm.training = training;
  norm.eps = unit->eps;
  norm.momentum = unit->momentum;
  norm.relu = unit->activation == NJ_ACTIVATE_RELU;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_conv2d(ctx, f.x, from[WEIGHT], NULL, &unit->conv, &f.next));
  NJ_FLOW(f,
          nj_batch_norm(ctx, f.x, from[GAIN], from[SHIFT], from[MEAN], from[VAR], &norm, &f.next));
  if (unit->activation == NJ_ACTIVATE_HARDSWISH)
    NJ_FLOW(f, nj_hardswish(ctx, f.x, &f.next));
  return nj_flow_end(&f, out);
}
