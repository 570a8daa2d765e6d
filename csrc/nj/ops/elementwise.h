/* Elementwise operations. Results of inputs that are laid out like permuted contiguous memory keep
 * that layout (see nj_empty_result): ask for nj_as_contiguous before reading a result by nj_data. */
#ifndef NJ_OPS_ELEMENTWISE_H
#define NJ_OPS_ELEMENTWISE_H

#include "tensor/tensor.h"

/* ---- one input ----
 * Differentiable. Floats keep their dtype; an integer input becomes float32 where the function has
 * no integers (exp, sqrt, sigmoid, …) and keeps its dtype where it has (neg, abs, sign, square, relu,
 * floor, ceil, round, trunc; wrapping). round is to even. sign and relu of NaN are NaN. */
/* clang-format off */
#define NJ_ELEMENTWISE_UNARY(X)                                                             \
  X(neg, NEG) X(abs, ABS) X(sign, SIGN) X(square, SQUARE) X(reciprocal, RECIPROCAL)         \
  X(exp, EXP) X(expm1, EXPM1) X(log, LOG) X(log1p, LOG1P) X(log2, LOG2) X(log10, LOG10)     \
  X(sqrt, SQRT) X(rsqrt, RSQRT) X(sin, SIN) X(cos, COS) X(tanh, TANH) X(erf, ERF)           \
  X(sigmoid, SIGMOID) X(relu, RELU) X(gelu, GELU) X(gelu_tanh, GELU_TANH) X(silu, SILU)     \
  X(hardswish, HARDSWISH) X(hardsigmoid, HARDSIGMOID) X(softplus, SOFTPLUS)                 \
  X(floor, FLOOR) X(ceil, CEIL) X(round, ROUND) X(trunc, TRUNC)
/* clang-format on */

#define NJ_X(name, NAME) nj_status nj_##name(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);
NJ_ELEMENTWISE_UNARY(NJ_X)
#undef NJ_X

/* x * scale + shift. Integers become float32. */
nj_status nj_affine(nj_ctx *ctx, nj_tensor *x, double scale, double shift, nj_tensor **out);
/* min(max(x, low), high); -INFINITY and INFINITY bound nothing; low > high gives high. NaN stays
 * NaN. The gradient passes where low <= x <= high. Integers keep their dtype. */
nj_status nj_clamp(nj_ctx *ctx, nj_tensor *x, double low, double high, nj_tensor **out);
/* x where positive, else slope * x. */
nj_status nj_leaky_relu(nj_ctx *ctx, nj_tensor *x, double slope, nj_tensor **out);

/* ---- two inputs ----
 * Broadcasting; the result's dtype is nj_dtype_promote's. Differentiable in both (mod and fmod too;
 * floor_div has no gradient). div, atan2 of integers are float32. Integer arithmetic wraps;
 * floor_div, mod and fmod by an integer zero are EARG. maximum and minimum propagate NaN and share the
 * gradient of ties in halves. floor_div and mod round down as Lua's // and %, fmod keeps the
 * sign of a as C's. pow of integers with a negative exponent is EARG. */
/* clang-format off */
#define NJ_ELEMENTWISE_BINARY(X)                                                            \
  X(add, ADD) X(sub, SUB) X(mul, MUL) X(div, DIV) X(pow, POW) X(maximum, MAXIMUM)           \
  X(minimum, MINIMUM) X(atan2, ATAN2) X(fmod, FMOD) X(mod, MOD) X(floor_div, FLOOR_DIV)
/* clang-format on */

#define NJ_X(name, NAME) \
  nj_status nj_##name(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);
NJ_ELEMENTWISE_BINARY(NJ_X)
#undef NJ_X

#endif
