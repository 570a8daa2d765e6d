/* Elementwise functions of two tensors. */
#include "ops/broadcast.h"
#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/map_values.h"
#include "tensor/autograd.h"

/* ---- backward: node->ints hold the shapes of a (at 0) and b ---- */

enum { SHAPE_A = 0, SHAPE_B = NJ_KEPT_INTS };

/* grads[input] = the sum over broadcasting of f(grad, factor), or of grad alone without factor. */
static nj_status give(nj_ctx *ctx, nj_node *node, int input, nj_map_binary f, nj_tensor *grad,
                      nj_tensor *factor, nj_tensor **grads) {
  nj_tensor *product = NULL;
  if (factor)
    NJ_TRY(nj_map_values(ctx, node->op, f, grad, factor, 0, &product));
  nj_status st =
      nj_sum_to_kept(ctx, node, input ? SHAPE_B : SHAPE_A, product ? product : grad, &grads[input]);
  nj_release(product);
  return st;
}

/* grads[input] = sum of outer(grad, inner(u, v)). */
static nj_status give_nested(nj_ctx *ctx, nj_node *node, int input, nj_map_binary outer,
                             nj_tensor *grad, nj_map_binary inner, nj_tensor *u, nj_tensor *v,
                             nj_tensor **grads) {
  nj_tensor *factor = NULL;
  NJ_TRY(nj_map_values(ctx, node->op, inner, u, v, 0, &factor));
  nj_status st = give(ctx, node, input, outer, grad, factor, grads);
  nj_release(factor);
  return st;
}

static nj_status add_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  for (int i = 0; i < 2; i++)
    if (nj_needs(node, i))
      NJ_TRY(give(ctx, node, i, NJ_MAP_MUL, grad, NULL, grads));
  return NJ_OK;
}

static nj_status sub_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  if (nj_needs(node, 0))
    NJ_TRY(give(ctx, node, 0, NJ_MAP_MUL, grad, NULL, grads));
  if (!nj_needs(node, 1))
    return NJ_OK;
  nj_tensor *summed = NULL;
  NJ_TRY(nj_sum_to_kept(ctx, node, SHAPE_B, grad, &summed));
  nj_status st = nj_neg(ctx, summed, &grads[1]);
  nj_release(summed);
  return st;
}

static nj_status mul_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  for (int i = 0; i < 2; i++)
    if (nj_needs(node, i))
      NJ_TRY(give(ctx, node, i, NJ_MAP_MUL, grad, node->saved[1 - i], grads));
  return NJ_OK;
}

/* d(a/b) = da / b - y db / b */
static nj_status div_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *b = node->saved[1], *y = node->saved[2];
  if (nj_needs(node, 0))
    NJ_TRY(give(ctx, node, 0, NJ_MAP_DIV, grad, b, grads));
  if (nj_needs(node, 1))
    NJ_TRY(give_nested(ctx, node, 1, NJ_MAP_MUL, grad, NJ_MAP_NEG_DIV, y, b, grads));
  return NJ_OK;
}

static nj_status pow_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *a = node->saved[0], *b = node->saved[1];
  if (nj_needs(node, 0))
    NJ_TRY(give_nested(ctx, node, 0, NJ_MAP_MUL, grad, NJ_MAP_POW_SLOPE_A, a, b, grads));
  if (nj_needs(node, 1))
    NJ_TRY(give_nested(ctx, node, 1, NJ_MAP_MUL, grad, NJ_MAP_POW_SLOPE_B, a, b, grads));
  return NJ_OK;
}

static nj_status maximum_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *a = node->saved[0], *b = node->saved[1];
  if (nj_needs(node, 0))
    NJ_TRY(give_nested(ctx, node, 0, NJ_MAP_MUL, grad, NJ_MAP_MAX_SHARE, a, b, grads));
  if (nj_needs(node, 1))
    NJ_TRY(give_nested(ctx, node, 1, NJ_MAP_MUL, grad, NJ_MAP_MAX_SHARE, b, a, grads));
  return NJ_OK;
}

static nj_status minimum_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *a = node->saved[0], *b = node->saved[1];
  if (nj_needs(node, 0))
    NJ_TRY(give_nested(ctx, node, 0, NJ_MAP_MUL, grad, NJ_MAP_MAX_SHARE, b, a, grads));
  if (nj_needs(node, 1))
    NJ_TRY(give_nested(ctx, node, 1, NJ_MAP_MUL, grad, NJ_MAP_MAX_SHARE, a, b, grads));
  return NJ_OK;
}

/* d atan2(a, b) = (b da - a db) / (a^2 + b^2) */
static nj_status atan2_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *a = node->saved[0], *b = node->saved[1];
  if (nj_needs(node, 0))
    NJ_TRY(give_nested(ctx, node, 0, NJ_MAP_MUL, grad, NJ_MAP_ATAN2_SLOPE, a, b, grads));
  if (nj_needs(node, 1))
    NJ_TRY(give_nested(ctx, node, 1, NJ_MAP_NEG_MUL, grad, NJ_MAP_ATAN2_SLOPE, b, a, grads));
  return NJ_OK;
}

/* a - b * trunc(a / b), and the same with floor. */
static nj_status fmod_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *a = node->saved[0], *b = node->saved[1];
  if (nj_needs(node, 0))
    NJ_TRY(give(ctx, node, 0, NJ_MAP_MUL, grad, NULL, grads));
  if (nj_needs(node, 1))
    NJ_TRY(give_nested(ctx, node, 1, NJ_MAP_NEG_MUL, grad, NJ_MAP_TRUNC_DIV, a, b, grads));
  return NJ_OK;
}

static nj_status mod_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *a = node->saved[0], *b = node->saved[1];
  if (nj_needs(node, 0))
    NJ_TRY(give(ctx, node, 0, NJ_MAP_MUL, grad, NULL, grads));
  if (nj_needs(node, 1))
    NJ_TRY(give_nested(ctx, node, 1, NJ_MAP_NEG_MUL, grad, NJ_MAP_FLOOR_DIV, a, b, grads));
  return NJ_OK;
}

/* ---- forward ---- */

static int wants(const nj_tensor *x) { return nj_requires_grad(x); }

/* Saves what the gradients that will be asked for need, no more: slot 0 is a, 1 b, 2 y. */
static nj_status save_operands(nj_node *node, nj_map_binary f, nj_tensor *a, nj_tensor *b,
                               nj_tensor *y) {
  switch (f) {
  case NJ_MAP_ADD:
  case NJ_MAP_SUB:
    return NJ_OK;
  case NJ_MAP_MUL:
    if (wants(b))
      NJ_TRY(nj_save(node, 0, a));
    return wants(a) ? nj_save(node, 1, b) : NJ_OK;
  case NJ_MAP_DIV:
    NJ_TRY(nj_save(node, 1, b));
    return wants(b) ? nj_save(node, 2, y) : NJ_OK;
  default:
    NJ_TRY(nj_save(node, 0, a));
    return nj_save(node, 1, b);
  }
}

static nj_status binary(nj_ctx *ctx, const char *op, nj_map_binary f, nj_backward_fn backward,
                        nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_map_values(ctx, op, f, a, b, 0, &y));
  nj_node *node = NULL;
  nj_status st =
      backward ? nj_record(ctx, y, op, backward, 2, (nj_tensor *[]){a, b}, &node) : NJ_OK;
  if (!st && node) {
    nj_keep_shape(node, SHAPE_A, a);
    nj_keep_shape(node, SHAPE_B, b);
    st = save_operands(node, f, a, b, y);
  }
  return nj_finish(st, y, out);
}

/* Among integers, a zero in b is refused. */
static nj_status check_divisor(nj_ctx *ctx, const char *op, nj_tensor *a, nj_tensor *b) {
  if (nj_dtype_is_float(nj_dtype_promote(a->dtype, b->dtype)))
    return NJ_OK;
  int64_t smallest;
  NJ_TRY(nj_count_equal(ctx, b, 0, &smallest));
  return smallest ? nj_fail(ctx, NJ_EARG, "%s: division by zero among integers", op) : NJ_OK;
}

#define NJ_PLAIN(name, NAME)                                                      \
  nj_status nj_##name(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) { \
    return binary(ctx, #name, NJ_MAP_##NAME, name##_backward, a, b, out);         \
  }
NJ_PLAIN(add, ADD)
NJ_PLAIN(sub, SUB)
NJ_PLAIN(mul, MUL)
NJ_PLAIN(div, DIV)
NJ_PLAIN(maximum, MAXIMUM)
NJ_PLAIN(minimum, MINIMUM)
NJ_PLAIN(atan2, ATAN2)

nj_status nj_fmod(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  NJ_TRY(check_divisor(ctx, "fmod", a, b));
  return binary(ctx, "fmod", NJ_MAP_FMOD, fmod_backward, a, b, out);
}

nj_status nj_mod(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  NJ_TRY(check_divisor(ctx, "mod", a, b));
  return binary(ctx, "mod", NJ_MAP_MOD, mod_backward, a, b, out);
}

nj_status nj_floor_div(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  NJ_TRY(check_divisor(ctx, "floor_div", a, b));
  return binary(ctx, "floor_div", NJ_MAP_FLOOR_DIV, NULL, a, b, out);
}

/* Common constant exponents have far cheaper forms. */
static nj_status constant_power(nj_ctx *ctx, nj_tensor *a, double b, nj_tensor **out) {
  if (b == 2)
    return nj_square(ctx, a, out);
  if (b == 0.5)
    return nj_sqrt(ctx, a, out);
  if (b == -0.5)
    return nj_rsqrt(ctx, a, out);
  return b == -1 ? nj_reciprocal(ctx, a, out) : NJ_EUNSUPPORTED;
}

nj_status nj_pow(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  nj_dtype dtype = nj_dtype_promote(a->dtype, b->dtype);
  if (!nj_dtype_is_float(dtype)) {
    int64_t negative;
    NJ_TRY(nj_count_less(ctx, b, 0, &negative));
    if (negative)
      return nj_fail(ctx, NJ_EARG,
                     "pow: an integer to a negative power is no integer; convert "
                     "to float32 first");
  } else if (b->ndim == 0 && dtype == a->dtype && !wants(b)) {
    nj_status st = constant_power(ctx, a, nj_get(b, NULL), out);
    if (st != NJ_EUNSUPPORTED)
      return st;
  }
  return binary(ctx, "pow", NJ_MAP_POW, pow_backward, a, b, out);
}
