/* The vocabulary of vecmath.h for a "vector" of one double: the same kernel bodies, compiled a
 * second time, serve float64 through libm. */
#ifndef NJ_KERNELS_SCALAR64_H
#define NJ_KERNELS_SCALAR64_H

#include <math.h>
#include <stdint.h>

static inline double nj_d_set(double x) { return x; }
static inline double nj_d_load(const double *p) { return *p; }
static inline void nj_d_store(double *p, double v) { *p = v; }
/* Never reached: one lane leaves no tail. */
static inline double nj_d_load_n(const double *p, int64_t n, double fill) {
  return n > 0 ? *p : fill;
}
static inline void nj_d_store_n(double *p, double v, int64_t n) {
  if (n > 0)
    *p = v;
}
static inline double nj_d_sel(int condition, double a, double b) { return condition ? a : b; }
static inline unsigned nj_d_mask_bits(int condition) { return (unsigned)condition; }
static inline double nj_d_max(double a, double b) { return a > b || a != a ? a : b; }
static inline double nj_d_min(double a, double b) { return a < b || a != a ? a : b; }
static inline double nj_d_sigmoid(double x) {
  double e = exp(-fabs(x));
  return (x < 0 ? e : 1.0) / (1.0 + e);
}

#define NJ_D_LIBM(name, function) \
  static inline double nj_d_##name(double x) { return function(x); }
NJ_D_LIBM(abs, fabs)
NJ_D_LIBM(rint, rint)
NJ_D_LIBM(floor, floor)
NJ_D_LIBM(ceil, ceil)
NJ_D_LIBM(trunc, trunc)
NJ_D_LIBM(sqrt, sqrt)
NJ_D_LIBM(exp, exp)
NJ_D_LIBM(expm1, expm1)
NJ_D_LIBM(log, log)
NJ_D_LIBM(log_scalar, log)
NJ_D_LIBM(log1p, log1p)
NJ_D_LIBM(log1p_positive, log1p)
NJ_D_LIBM(log2, log2)
NJ_D_LIBM(log10, log10)
NJ_D_LIBM(sin, sin)
NJ_D_LIBM(cos, cos)
NJ_D_LIBM(tanh, tanh)
NJ_D_LIBM(erf, erf)

#define NJ_D_LIBM2(name, function) \
  static inline double nj_d_##name(double a, double b) { return function(a, b); }
NJ_D_LIBM2(pow, pow)
NJ_D_LIBM2(atan2, atan2)
NJ_D_LIBM2(fmod, fmod)

static inline double nj_d_across_sum(double v) { return v; }
static inline double nj_d_across_prod(double v) { return v; }
static inline double nj_d_across_max(double v) { return v; }
static inline double nj_d_across_min(double v) { return v; }

#endif
