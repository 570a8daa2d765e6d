/* The elementwise functions. Expressions are written in a vocabulary that means vectors of floats
 * in isa/map.c and doubles in map_double.c: K(c) is a constant, F(f) a function of vecmath.h or
 * scalar64.h, SEL(condition, a, b) a choice; p and q are parameters.
 *
 * Unary lines: X(NAME, name, what the derivative needs, f(x), g times the derivative).
 *   NONE  nothing      INPUT  x      RESULT  y      ZERO  the derivative is 0 everywhere */
#ifndef NJ_KERNELS_MAP_LIST_H
#define NJ_KERNELS_MAP_LIST_H

/* clang-format takes products of names for pointers. */
/* clang-format off */
#define NJ_MAP_UNARY_LIST(X)                                                                       \
  X(NEG, neg, NONE, -x, -g)                                                                        \
  X(ABS, abs, INPUT, F(abs)(x), SEL(x > K(0), g, SEL(x < K(0), -g, K(0))))                         \
  X(SIGN, sign, ZERO, SEL(x > K(0), K(1), SEL(x < K(0), K(-1), x * K(0))), g)                      \
  X(EXP, exp, RESULT, F(exp)(x), g * y)                                                            \
  X(EXPM1, expm1, RESULT, F(expm1)(x), g * (y + K(1)))                                             \
  X(LOG, log, INPUT, F(log)(x), g / x)                                                             \
  X(LOG1P, log1p, INPUT, F(log1p)(x), g / (x + K(1)))                                              \
  X(LOG2, log2, INPUT, F(log2)(x), g / (x * K(0.69314718055994531)))                               \
  X(LOG10, log10, INPUT, F(log10)(x), g / (x * K(2.3025850929940457)))                             \
  X(SQRT, sqrt, RESULT, F(sqrt)(x), g / (y + y))                                                   \
  X(RSQRT, rsqrt, RESULT, K(1) / F(sqrt)(x), g * y * y * y * K(-0.5))                              \
  X(SQUARE, square, INPUT, x * x, g * (x + x))                                                     \
  X(RECIPROCAL, reciprocal, RESULT, K(1) / x, -g * (y * y))                                        \
  X(SIN, sin, INPUT, F(sin)(x), g * F(cos)(x))                                                     \
  X(COS, cos, INPUT, F(cos)(x), -g * F(sin)(x))                                                    \
  X(TANH, tanh, RESULT, F(tanh)(x), g * (K(1) - y * y))                                            \
  X(SIGMOID, sigmoid, RESULT, F(sigmoid)(x), g * (y * (K(1) - y)))                                 \
  X(ERF, erf, INPUT, F(erf)(x), g * (K(1.1283791670955126) * F(exp)(-(x * x))))                    \
  X(RELU, relu, RESULT, F(max)(x, K(0)), SEL(y > K(0), g, K(0)))                                   \
  X(LEAKY_RELU, leaky_relu, INPUT, SEL(x > K(0), x, x * p), SEL(x > K(0), g, g * p))               \
  X(GELU, gelu, INPUT, x * (K(0.5) + K(0.5) * F(erf)(x * K(0.70710678118654752))),                 \
    g * (K(0.5) + K(0.5) * F(erf)(x * K(0.70710678118654752)) +                                    \
        x * (K(0.39894228040143268) * F(exp)(x * x * K(-0.5)))))                                   \
  X(GELU_TANH, gelu_tanh, INPUT, x * (K(0.5) + K(0.5) * F(tanh)(GELU_TANH_INNER(x))),              \
    g * GELU_TANH_SLOPE(x, F(tanh)(GELU_TANH_INNER(x))))                                           \
  X(SILU, silu, INPUT, x * F(sigmoid)(x), g * SILU_SLOPE(x, F(sigmoid)(x)))                        \
  X(HARDSWISH, hardswish, INPUT, x * F(min)(F(max)(x + K(3), K(0)), K(6)) * K(1.0 / 6),            \
    SEL(x <= K(-3), K(0), SEL(x < K(3), g * (x * K(1.0 / 3) + K(0.5)), g)))                        \
  X(HARDSIGMOID, hardsigmoid, INPUT, F(min)(F(max)(x + K(3), K(0)), K(6)) * K(1.0 / 6),            \
    SEL((x > K(-3)) & (x < K(3)), g * K(1.0 / 6), K(0)))                                           \
  X(SOFTPLUS, softplus, INPUT, F(max)(x, K(0)) + F(log1p_positive)(F(exp)(-F(abs)(x))),            \
    g * F(sigmoid)(x))                                                                             \
  X(FLOOR, floor, ZERO, F(floor)(x), g)                                                            \
  X(CEIL, ceil, ZERO, F(ceil)(x), g)                                                               \
  X(ROUND, round, ZERO, F(rint)(x), g)                                                             \
  X(TRUNC, trunc, ZERO, F(trunc)(x), g)                                                            \
  X(AFFINE, affine, NONE, x * p + q, g * p)                                                        \
  X(CLAMP, clamp, INPUT, F(min)(F(max)(x, p), q), SEL((x >= p) & (x <= q), g, K(0)))

/* sqrt(2/pi) * (x + 0.044715 x^3), and the slope of x * (1 + tanh(inner)) / 2 with t = tanh(inner). */
#define GELU_TANH_INNER(x) ((x) * (K(0.79788456080286536) + K(0.035677408136300125) * (x) * (x)))
#define GELU_TANH_SLOPE(x, t) gelu_tanh_slope(x, t)
#define SILU_SLOPE(x, s) silu_slope(x, s)

/* Binary lines: X(NAME, name, f(a, b)). Those from MAX_SHARE on serve the derivatives of others. */
#define NJ_MAP_BINARY_LIST(X)                                                                      \
  X(ADD, add, a + b)                                                                               \
  X(SUB, sub, a - b)                                                                               \
  X(MUL, mul, a * b)                                                                               \
  X(DIV, div, a / b)                                                                               \
  X(MAXIMUM, maximum, F(max)(a, b))                                                                \
  X(MINIMUM, minimum, F(min)(a, b))                                                                \
  X(POW, pow, F(pow)(a, b))                                                                        \
  X(ATAN2, atan2, F(atan2)(a, b))                                                                  \
  X(FMOD, fmod, F(fmod)(a, b))                                                                     \
  X(FLOOR_DIV, floor_div, F(floor)(a / b))                                                         \
  X(MOD, mod, floored_mod(a, b))                                                                   \
  X(AXPY, axpy, a + p * b)                                                                         \
  X(LERP, lerp, a + p * (b - a))                                                                   \
  X(MAX_SHARE, max_share, SEL(a > b, K(1), SEL(a == b, K(0.5), K(0))))                             \
  X(POW_SLOPE_A, pow_slope_a, SEL(b == K(0), K(0), b * F(pow)(a, b - K(1))))                       \
  X(POW_SLOPE_B, pow_slope_b, SEL((a == K(0)) & (b >= K(0)), K(0), F(pow)(a, b) * F(log)(a)))      \
  X(ATAN2_SLOPE, atan2_slope, b / (a * a + b * b))                                                 \
  X(TRUNC_DIV, trunc_div, F(trunc)(a / b))                                                         \
  X(NEG_MUL, neg_mul, -(a * b))                                                                    \
  X(NEG_DIV, neg_div, -(a / b))

#define NJ_MAP_COMPARE_LIST(X)                                                                     \
  X(EQ, eq, ==)                                                                                    \
  X(NE, ne, !=)                                                                                    \
  X(LT, lt, <)                                                                                     \
  X(LE, le, <=)                                                                                    \
  X(GT, gt, >)                                                                                     \
  X(GE, ge, >=)

/* clang-format on */

#endif
