/* Elementwise functions of one tensor. */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/elementwise.h"
#include "ops/map_values.h"
#include "tensor/autograd.h"
#include "tensor/iter.h"

enum { NONE, INPUT, RESULT, ZERO };

static const int saves[NJ_MAP_UNARY_COUNT] = {
#define NJ_X(NAME, name, saves, forward, grad) [NJ_MAP_##NAME] = saves,
    NJ_MAP_UNARY_LIST(NJ_X)
#undef NJ_X
};

typedef struct {
  const nj_map_kernels *f32;
  int f;
  double p, q;
} call;

/* ---- backward ---- */

static void backward_f32(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  c->f32->grad[c->f](data[1], stride[1], data[2], stride[2], data[0], n, c->p, c->q);
}

static void backward_f64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  nj_map_double.grad[c->f](data[1], stride[1], data[2], stride[2], data[0], n, c->p, c->q);
}

/* The derivative needs x, y or neither, which is saved[0]. */
static nj_status unary_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_map_unary f = (nj_map_unary)node->ints[0];
  if (saves[f] == ZERO)
    return NJ_OK;
  nj_tensor *saved = node->saved[0] ? node->saved[0] : grad, *gx = NULL;
  NJ_TRY(nj_empty_result(ctx, node->dtype, node->ndim, node->shape, 2, (nj_tensor *[]){saved, grad},
                         &gx));
  call c = {nj_ctx_kernels(ctx)->map, (int)f, node->reals[0], node->reals[1]};
  nj_iter it;
  nj_status st = nj_iter_init(&it, ctx, node->op, 3, (const nj_tensor *[]){gx, grad, saved});
  if (!st)
    st = nj_iter_run(&it, (nj_dtype[]){gx->dtype, gx->dtype, gx->dtype},
                     gx->dtype == NJ_F32 ? backward_f32 : backward_f64, &c);
  return nj_finish(st, gx, &grads[0]);
}

static nj_status unary(nj_ctx *ctx, const char *op, nj_map_unary f, nj_tensor *x, double p,
                       double q, nj_tensor **out) {
  nj_dtype dtype = nj_dtype_is_float(x->dtype) || nj_map_int.unary[f] ? x->dtype : NJ_F32;
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty_result(ctx, dtype, x->ndim, x->shape, 1, &x, &y));
  nj_status st = nj_map_unary_into(ctx, op, f, x, p, q, y);
  nj_node *node = NULL;
  if (!st)
    st = nj_record(ctx, y, op, unary_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = (int64_t)f;
    node->reals[0] = p;
    node->reals[1] = q;
    if (saves[f] == INPUT || saves[f] == RESULT)
      st = nj_save(node, 0, saves[f] == INPUT ? x : y);
  }
  return nj_finish(st, y, out);
}

#define NJ_X(name, NAME)                                            \
  nj_status nj_##name(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) { \
    return unary(ctx, #name, NJ_MAP_##NAME, x, 0, 0, out);          \
  }
NJ_ELEMENTWISE_UNARY(NJ_X)
#undef NJ_X

nj_status nj_affine(nj_ctx *ctx, nj_tensor *x, double scale, double shift, nj_tensor **out) {
  return unary(ctx, "affine", NJ_MAP_AFFINE, x, scale, shift, out);
}

nj_status nj_clamp(nj_ctx *ctx, nj_tensor *x, double low, double high, nj_tensor **out) {
  if (isnan(low) || isnan(high))
    return nj_fail(ctx, NJ_EARG, "clamp: a bound is NaN");
  return unary(ctx, "clamp", NJ_MAP_CLAMP, x, low, high, out);
}

nj_status nj_leaky_relu(nj_ctx *ctx, nj_tensor *x, double slope, nj_tensor **out) {
  return unary(ctx, "leaky_relu", NJ_MAP_LEAKY_RELU, x, slope, 0, out);
}
