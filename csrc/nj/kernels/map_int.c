/* The elementwise kernels for integers, all computed in int64 with unsigned arithmetic: narrower
 * types take the low bits, which is the same as computing in them. */
#include "kernels/map.h"

#include <math.h>
#include <stddef.h>

static int64_t wrap(uint64_t x) { return (int64_t)x; }
static int64_t negate(int64_t x) { return wrap(0 - (uint64_t)x); }

/* Bounds arrive as doubles; one out of range bounds nothing. */
static int64_t saturate(double x) {
  if (x >= 9223372036854775808.0)
    return INT64_MAX;
  return x <= -9223372036854775808.0 ? INT64_MIN : (int64_t)x;
}

static int64_t trunc_div(int64_t a, int64_t b) {
  if (b == 0)
    return 0;
  return b == -1 ? negate(a) : a / b;
}

static int64_t remainder_of(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }

static int64_t floor_div(int64_t a, int64_t b) {
  return trunc_div(a, b) - (remainder_of(a, b) != 0 && (a < 0) != (b < 0));
}

static int64_t floored_mod(int64_t a, int64_t b) {
  int64_t r = remainder_of(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* A negative power is the integer part of 1 / a^-b. */
static int64_t power(int64_t a, int64_t b) {
  if (b < 0)
    return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  uint64_t base = (uint64_t)a, y = 1;
  for (; b; b >>= 1, base *= base)
    if (b & 1)
      y *= base;
  return wrap(y);
}

#define UNARY_INT(X)                                \
  X(NEG, neg, negate(x))                            \
  X(ABS, abs, x < 0 ? negate(x) : x)                \
  X(SIGN, sign, (x > 0) - (x < 0))                  \
  X(SQUARE, square, wrap((uint64_t)x *(uint64_t)x)) \
  X(RELU, relu, x > 0 ? x : 0)                      \
  X(FLOOR, floor, x)                                \
  X(CEIL, ceil, x)                                  \
  X(ROUND, round, x)                                \
  X(TRUNC, trunc, x)                                \
  X(CLAMP, clamp, x<low ? (low < high ? low : high) : x> high ? high : x)

#define UNARY(NAME, name, expression)                                                      \
  static void unary_##name(const int64_t *xs, int64_t *y, int64_t n, double p, double q) { \
    int64_t low = saturate(ceil(p)), high = saturate(floor(q));                            \
    (void)low, (void)high;                                                                 \
    for (int64_t i = 0; i < n; i++) {                                                      \
      int64_t x = xs[i];                                                                   \
      y[i] = expression;                                                                   \
    }                                                                                      \
  }
UNARY_INT(UNARY)

#define BINARY_INT(X)                          \
  X(ADD, add, wrap((uint64_t)a + (uint64_t)b)) \
  X(SUB, sub, wrap((uint64_t)a - (uint64_t)b)) \
  X(MUL, mul, wrap((uint64_t)a *(uint64_t)b))  \
  X(MAXIMUM, maximum, a > b ? a : b)           \
  X(MINIMUM, minimum, a < b ? a : b)           \
  X(POW, pow, power(a, b))                     \
  X(FMOD, fmod, remainder_of(a, b))            \
  X(FLOOR_DIV, floor_div, floor_div(a, b))     \
  X(MOD, mod, floored_mod(a, b))               \
  X(TRUNC_DIV, trunc_div, trunc_div(a, b))     \
  X(AXPY, axpy, wrap((uint64_t)a + (uint64_t)saturate(p) * (uint64_t)b))

#define BINARY(NAME, name, expression)                                                    \
  static void binary_##name(const int64_t *as, int64_t sa, const int64_t *bs, int64_t sb, \
                            int64_t *y, int64_t n, double p, double q) {                  \
    (void)p, (void)q;                                                                     \
    for (int64_t i = 0; i < n; i++) {                                                     \
      int64_t a = as[i * sa], b = bs[i * sb];                                             \
      y[i] = expression;                                                                  \
    }                                                                                     \
  }
BINARY_INT(BINARY)

#define COMPARE(NAME, name, operator)                                                    \
  static void compare_##name(const int64_t *a, int64_t sa, const int64_t *b, int64_t sb, \
                             uint8_t *y, int64_t n) {                                    \
    for (int64_t i = 0; i < n; i++)                                                      \
      y[i] = a[i * sa] operator b[i * sb];                                               \
  }
NJ_MAP_COMPARE_LIST(COMPARE)

static void select_values(const uint8_t *c, int64_t sc, const int64_t *a, int64_t sa,
                          const int64_t *b, int64_t sb, int64_t *y, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    y[i] = c[i * sc] ? a[i * sa] : b[i * sb];
}

const nj_map_kernels_int nj_map_int = {
#define LINE(NAME, name, expression) .unary[NJ_MAP_##NAME] = unary_##name,
    UNARY_INT(LINE)
#undef LINE
#define LINE(NAME, name, expression) .binary[NJ_MAP_##NAME] = binary_##name,
        BINARY_INT(LINE)
#undef LINE
#define LINE(NAME, name, operator) .compare[NJ_MAP_##NAME] = compare_##name,
            NJ_MAP_COMPARE_LIST(LINE)
#undef LINE
                .select = select_values,
};
