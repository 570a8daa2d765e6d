#include "nn/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "ops/draw.h"
#include "tensor/autograd.h"

#define LONGEST_NAME 128

void nj_params_free(nj_params *params) {
  for (size_t i = 0; i < params->n; i++) {
    nj_free(params->ctx, params->items[i].name);
    nj_release(params->items[i].tensor);
  }
  nj_free(params->ctx, params->items);
  *params = (nj_params){.ctx = params->ctx};
}

nj_tensor *nj_params_find(const nj_params *params, const char *name) {
  for (size_t i = 0; i < params->n; i++)
    if (strcmp(params->items[i].name, name) == 0)
      return params->items[i].tensor;
  return NULL;
}

nj_tensor *nj_param_of(const nj_params *params, const char *format, ...) {
  char name[LONGEST_NAME];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  return nj_params_find(params, name);
}

/* Takes the reference to x, also on failure. */
static nj_status append(nj_params *params, const char *prefix, const char *name, nj_tensor *x,
                        int trainable) {
  char full[LONGEST_NAME];
  snprintf(full, sizeof full, "%s%s%s", prefix, *prefix ? "." : "", name);
  char *copy = nj_strdup(params->ctx, full);
  if (copy && params->n == params->room) {
    void *grown = nj_array_grow(params->ctx, params->items, &params->room, params->n + 1,
                                sizeof *params->items);
    if (grown) {
      params->items = grown;
    } else {
      nj_free(params->ctx, copy);
      copy = NULL;
    }
  }
  if (!copy) {
    nj_release(x);
    return NJ_ENOMEM;
  }
  params->items[params->n++] = (nj_param){copy, x, trainable};
  return NJ_OK;
}

/* Weights are (out, in, …): everything after the first two sizes is the receptive field. */
static void fans(int ndim, const int64_t *shape, int64_t *in, int64_t *out) {
  int64_t field = 1;
  for (int i = 2; i < ndim; i++)
    field *= shape[i];
  *out = shape[0] * field;
  *in = (ndim > 1 ? shape[1] : shape[0]) * field;
}

/* What the draws of a kind are multiplied by. */
static double factor_of(nj_init init, int64_t in, int64_t out) {
  switch (init) {
  case NJ_INIT_XAVIER:
    return sqrt(6.0 / (double)(in + out));
  case NJ_INIT_LINEAR:
    return 1.0 / sqrt((double)in);
  case NJ_INIT_BERT:
    return 0.02;
  case NJ_INIT_HE_OUT:
    return sqrt(2.0 / (double)out);
  case NJ_INIT_SMALL:
    return 0.01;
  case NJ_INIT_ZEROS:
  case NJ_INIT_ONES:
  case NJ_INIT_NORMAL:
    break;
  }
  return 1;
}

/* x float32, of n elements. */
static nj_status fill_f32(nj_tensor *x, nj_init init, int64_t fan_in, nj_rng *rng) {
  int64_t n = nj_numel(x), in, out;
  if (init == NJ_INIT_ONES) {
    for (int64_t i = 0; i < n; i++)
      NJ_F32_DATA(x)[i] = 1;
    return NJ_OK;
  }
  if (init == NJ_INIT_ZEROS ||
      !rng) { /* without: about to be loaded, hundreds of megabytes, maybe */
    memset(nj_data(x), 0, (size_t)n * sizeof(float));
    return NJ_OK;
  }
  fans(x->ndim, x->shape, &in, &out);
  double factor = factor_of(init, fan_in ? fan_in : in, out);
  if (init == NJ_INIT_XAVIER || init == NJ_INIT_LINEAR)
    return nj_draw_uniforms(x->ctx, rng, factor, n, NJ_F32_DATA(x));
  return nj_draw_normals(x->ctx, rng, factor, n, NJ_F32_DATA(x));
}

/* In float32's precision for float64 too: the same network in both. */
static nj_status fill(nj_tensor *x, nj_init init, int64_t fan_in, nj_rng *rng) {
  if (x->dtype == NJ_F32)
    return fill_f32(x, init, fan_in, rng);
  nj_tensor *single = NULL;
  NJ_TRY(nj_empty(x->ctx, NJ_F32, x->ndim, x->shape, &single));
  nj_status st = fill_f32(single, init, fan_in, rng);
  if (!st)
    st = nj_copy_values(x, single);
  nj_release(single);
  return st;
}

static nj_dtype dtype_of(const nj_params *params) {
  return params->dtype == NJ_F64 ? NJ_F64 : NJ_F32;
}

nj_status nj_params_add(nj_params *params, const char *prefix, const char *name, nj_init init,
                        int64_t fan_in, int ndim, const int64_t *shape) {
  nj_tensor *x = NULL;
  NJ_TRY(nj_empty(params->ctx, dtype_of(params), ndim, shape, &x));
  nj_status st = fill(x, init, fan_in, params->rng);
  if (!st)
    st = nj_set_requires_grad(x, 1);
  if (st) {
    nj_release(x);
    return st;
  }
  return append(params, prefix, name, x, 1);
}

nj_status nj_params_add_buffer(nj_params *params, const char *prefix, const char *name,
                               double value, int ndim, const int64_t *shape) {
  nj_tensor *x = NULL;
  NJ_TRY(nj_full(params->ctx, dtype_of(params), ndim, shape, value, &x));
  return append(params, prefix, name, x, 0);
}

nj_status nj_params_add_linear(nj_params *params, const char *prefix, int64_t in, int64_t out,
                               nj_init init) {
  nj_init bias = init == NJ_INIT_LINEAR ? NJ_INIT_LINEAR : NJ_INIT_ZEROS;
  NJ_TRY(nj_params_add(params, prefix, "weight", init, 0, 2, (int64_t[]){out, in}));
  return nj_params_add(params, prefix, "bias", bias, in, 1, &out);
}

nj_status nj_params_add_layer_norm(nj_params *params, const char *prefix, int64_t width) {
  NJ_TRY(nj_params_add(params, prefix, "weight", NJ_INIT_ONES, 0, 1, &width));
  return nj_params_add(params, prefix, "bias", NJ_INIT_ZEROS, 0, 1, &width);
}

nj_status nj_params_add_batch_norm(nj_params *params, const char *prefix, int64_t width) {
  NJ_TRY(nj_params_add_layer_norm(params, prefix, width));
  NJ_TRY(nj_params_add_buffer(params, prefix, "running_mean", 0, 1, &width));
  return nj_params_add_buffer(params, prefix, "running_var", 1, 1, &width);
}

nj_status nj_params_freeze(nj_params *params, const char *prefix, int frozen, size_t *count) {
  *count = 0;
  for (size_t i = 0; i < params->n; i++) {
    nj_param *item = &params->items[i];
    if (!item->trainable || strncmp(item->name, prefix, strlen(prefix)) != 0)
      continue;
    NJ_TRY(nj_set_requires_grad(item->tensor, !frozen));
    ++*count;
  }
  return NJ_OK;
}
