/* The error of the vectorised functions against libm in double, on every instruction set this CPU
 * has, over floats spread through the whole range; the bounds are those kernels/vecmath.h states. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctest.h"
#include "kernels/kernels.h"
#include "kernels/map.h"

static const char *const isas[] = {"portable", "avx2", "avx512"};

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double gelu(double x) { return x * 0.5 * erfc(-x * 0.70710678118654752); }

/* Distance in units of the last place of the correctly rounded result; huge for a wrong special
 * value. */
static double ulps(double want, float got) {
  const double wrong = 1e9;
  if (isnan(want) || isnan(got))
    return isnan(want) && isnan(got) ? 0 : wrong;
  float rounded = (float)want;
  if (isinf(rounded) || isinf(got))
    return rounded == got ? 0 : wrong;
  int exponent;
  frexp(want, &exponent);
  double unit = ldexp(1, exponent - 24);
  return fabs((double)got - want) / fmax(unit, 0x1p-149);
}

static double worst_of(const nj_kernels *kernels, nj_map_unary f, double (*want)(double), float low,
                       float high) {
  enum { N = 1024 };
  float x[N], y[N];
  double worst = 0;
  uint64_t bits = 12345;
  while (bits >> 32 == 0) {
    for (int i = 0; i < N; i++, bits += 1999) {
      uint32_t word = (uint32_t)bits;
      memcpy(&x[i], &word, sizeof word);
    }
    kernels->map->unary[f](x, y, N, 0, 0);
    for (int i = 0; i < N; i++)
      if (!(x[i] < low || x[i] > high))
        worst = fmax(worst, ulps(want((double)x[i]), y[i]));
  }
  return worst;
}

/* Prints nothing while all is well. */
static int within(const char *name, nj_map_unary f, double (*want)(double), float low, float high,
                  double bound) {
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    const nj_kernels *kernels = nj_kernels_find(isas[i]);
    double worst = kernels ? worst_of(kernels, f, want, low, high) : 0;
    if (worst > bound) {
      printf("%s, %s: %.3f ulp, bound %.3f\n", name, isas[i], worst, bound);
      return 0;
    }
  }
  return 1;
}

TEST(vecmath_stays_within_its_bounds) {
  CHECK(within("exp", NJ_MAP_EXP, exp, -INFINITY, INFINITY, 1.0));
  CHECK(within("log", NJ_MAP_LOG, log, -INFINITY, INFINITY, 0.8));
  CHECK(within("tanh", NJ_MAP_TANH, tanh, -INFINITY, INFINITY, 1.4));
  CHECK(within("sigmoid", NJ_MAP_SIGMOID, sigmoid, -INFINITY, INFINITY, 2.4));
  CHECK(within("erf", NJ_MAP_ERF, erf, -INFINITY, INFINITY, 1.4));
  CHECK(within("sqrt", NJ_MAP_SQRT, sqrt, -INFINITY, INFINITY, 0.5));
  CHECK(within("floor", NJ_MAP_FLOOR, floor, -INFINITY, INFINITY, 0));
  CHECK(within("ceil", NJ_MAP_CEIL, ceil, -INFINITY, INFINITY, 0));
  CHECK(within("round", NJ_MAP_ROUND, rint, -INFINITY, INFINITY, 0));
  CHECK(within("softplus", NJ_MAP_SOFTPLUS, softplus, -80, INFINITY, 2.5));
  CHECK(within("gelu", NJ_MAP_GELU, gelu, 0, INFINITY, 2.5));
}

/* n from 1 to a few vectors: a tail must give the bits that a whole vector gives. */
TEST(elementwise_tails_have_the_bits_of_whole_vectors) {
  enum { N = 70 };
  float a[N], b[N], whole[N], part[N];
  for (int i = 0; i < N; i++) {
    a[i] = 0.37f * (float)i + 0.1f;
    b[i] = 5.0f - 0.13f * (float)i;
  }
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    const nj_kernels *kernels = nj_kernels_find(isas[k]);
    for (int f = 0; kernels && f < NJ_MAP_UNARY_COUNT; f++) {
      kernels->map->unary[f](a, whole, N, 0.3, 1.7);
      for (int n = 1; n < N; n++) {
        kernels->map->unary[f](a + N - n, part, n, 0.3, 1.7);
        CHECK(memcmp(part, whole + N - n, (size_t)n * sizeof(float)) == 0);
      }
      kernels->map->grad[f](a, 1, b, 1, whole, N, 0.3, 1.7);
      for (int n = 1; n < N; n++) {
        kernels->map->grad[f](a + N - n, 1, b + N - n, 1, part, n, 0.3, 1.7);
        CHECK(memcmp(part, whole + N - n, (size_t)n * sizeof(float)) == 0);
      }
    }
    for (int f = 0; kernels && f < NJ_MAP_BINARY_COUNT; f++) {
      kernels->map->binary[f](a, 1, b, 1, whole, N, 0.3, 0);
      for (int n = 1; n < N; n++) {
        kernels->map->binary[f](a + N - n, 1, b + N - n, 1, part, n, 0.3, 0);
        CHECK(memcmp(part, whole + N - n, (size_t)n * sizeof(float)) == 0);
      }
    }
  }
}
