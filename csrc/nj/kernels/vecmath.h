/* Elementary functions over vectors of floats, for files in kernels/isa/. Polynomials were fitted
 * with Remez's algorithm in 60 digits; spec/c/vecmath_test.c measures the error of every function on every
 * instruction set against libm in double precision, and holds it to the bound stated here.
 *
 *   function     largest error measured, in ulp      special values
 *   exp          1.0                                 -inf 0, inf inf, NaN NaN
 *   log          0.8                                 0 -inf, negative NaN, inf inf
 *   tanh         1.4                                 odd; saturates at +-1
 *   sigmoid      2.4                                 keeps small results down to denormals
 *   erf          1.4                                 odd; saturates at +-1
 *
 * The lanes of a vector never influence each other, so a value has the same bits wherever it
 * stands in a row. */
#ifndef NJ_KERNELS_VECMATH_H
#define NJ_KERNELS_VECMATH_H

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/isa.h"

typedef uint32_t nj_vu __attribute__((vector_size(NJ_LANES * 4)));

static inline nj_vf nj_v_set(float x) { return nj_vf_set(x); }
static inline nj_vf nj_v_load(const float *p) { return nj_vf_load(p); }
static inline void nj_v_store(float *p, nj_vf v) { nj_vf_store(p, v); }

/* ---- the first n lanes (0 < n < NJ_LANES) ---- */

static inline nj_vf nj_v_load_n(const float *p, int64_t n, float fill) {
#if defined(__AVX512F__)
  return (nj_vf)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << n) - 1), p);
#else
  nj_vf v = nj_vf_set(fill);
  memcpy(&v, p, (size_t)n * sizeof *p);
  return v;
#endif
}

static inline void nj_v_store_n(float *p, nj_vf v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
  memcpy(p, &v, (size_t)n * sizeof *p);
#endif
}

/* ---- choice ---- */

/* a where the mask is set (all bits of the lane), else b. */
static inline nj_vf nj_v_sel(nj_vi mask, nj_vf a, nj_vf b) {
  return (nj_vf)((mask & (nj_vi)a) | (~mask & (nj_vi)b));
}

/* Bit i is lane i's. */
static inline unsigned nj_v_mask_bits(nj_vi mask) {
#if defined(__AVX512DQ__)
  return (unsigned)_mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX2__)
  return (unsigned)_mm256_movemask_ps((__m256)mask);
#elif defined(__SSE2__)
  return (unsigned)_mm_movemask_ps((__m128)mask);
#else
  unsigned bits = 0;
  for (int i = 0; i < NJ_LANES; i++)
    bits |= (unsigned)(mask[i] & 1) << i;
  return bits;
#endif
}

static inline nj_vf nj_v_abs(nj_vf x) { return (nj_vf)((nj_vu)x & 0x7fffffffu); }

static inline nj_vf nj_v_copysign(nj_vf magnitude, nj_vf sign) {
  return (nj_vf)(((nj_vu)magnitude & 0x7fffffffu) | ((nj_vu)sign & 0x80000000u));
}

/* The smaller / larger; when either is NaN, b. */
static inline nj_vf nj_v_lesser(nj_vf a, nj_vf b) {
#if defined(__AVX512F__)
  return (nj_vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (nj_vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (nj_vf)_mm_min_ps((__m128)a, (__m128)b);
#else
  return nj_v_sel(a < b, a, b);
#endif
}

static inline nj_vf nj_v_greater(nj_vf a, nj_vf b) {
#if defined(__AVX512F__)
  return (nj_vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (nj_vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (nj_vf)_mm_max_ps((__m128)a, (__m128)b);
#else
  return nj_v_sel(a > b, a, b);
#endif
}

/* NaN if either is NaN. */
static inline nj_vf nj_v_max(nj_vf a, nj_vf b) { return nj_v_sel(a != a, a, nj_v_greater(a, b)); }
static inline nj_vf nj_v_min(nj_vf a, nj_vf b) { return nj_v_sel(a != a, a, nj_v_lesser(a, b)); }

/* ---- rounding ---- */

/* To the nearest integer, ties to even; keeps the sign of zero, infinities and NaN. */
static inline nj_vf nj_v_rint(nj_vf x) {
#if defined(__AVX512F__)
  return (nj_vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (nj_vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const nj_vf big = nj_vf_set(8388608.0f);
  nj_vf a = nj_v_abs(x);
  nj_vf r = (a + big) - big;
  return nj_v_copysign(nj_v_sel(a < big, r, x), x);
#endif
}

static inline nj_vf nj_v_floor(nj_vf x) {
  nj_vf r = nj_v_rint(x);
  return nj_v_sel(r > x, r - nj_vf_set(1.0f), r);
}

static inline nj_vf nj_v_ceil(nj_vf x) {
  nj_vf r = nj_v_rint(x);
  return nj_v_copysign(nj_v_sel(r < x, r + nj_vf_set(1.0f), r), x);
}

static inline nj_vf nj_v_sqrt(nj_vf x) {
#if defined(__AVX512F__)
  return (nj_vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (nj_vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (nj_vf)_mm_sqrt_ps((__m128)x);
#else
  for (int i = 0; i < NJ_LANES; i++)
    x[i] = sqrtf(x[i]);
  return x;
#endif
}

/* ---- exp, log ---- */

/* x * 2^n for n in [-160, 160], in two steps so that denormals round once. */
static inline __attribute__((unused)) nj_vf nj_v_scale2(nj_vf x, nj_vi n) {
  nj_vi half = n >> 1;
  nj_vu first = ((nj_vu)half + 127u) << 23, second = ((nj_vu)(n - half) + 127u) << 23;
  return x * (nj_vf)first * (nj_vf)second;
}

static inline nj_vf nj_v_exp(nj_vf x) {
  const nj_vf magic = nj_vf_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
  x = nj_v_greater(nj_vf_set(-105.0f), nj_v_lesser(nj_vf_set(89.0f), x)); /* NaN stays */
  nj_vf shifted = x * nj_vf_set(1.44269504f) + magic;
  nj_vf n = shifted - magic;
  nj_vf r = x - n * nj_vf_set(0.693359375f); /* ln 2 in two pieces, the first exact in products */
  r = r - n * nj_vf_set(-2.12194440e-4f);
  nj_vf p = nj_vf_set(0.00138131413f);
  p = p * r + nj_vf_set(0.00836941879f);
  p = p * r + nj_vf_set(0.041668456f);
  p = p * r + nj_vf_set(0.166665152f);
  p = p * r + nj_vf_set(0.49999994f);
  p = (p * r) * r + r;
  p = p + nj_vf_set(1.0f);
#if defined(__AVX512F__)
  return (nj_vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  return nj_v_scale2(p, (nj_vi)((nj_vu)shifted - (nj_vu)magic));
#endif
}

static inline nj_vf nj_v_log(nj_vf x) {
  const nj_vf zero = nj_vf_set(0.0f);
  nj_vi tiny = x < nj_vf_set(1.17549435e-38f);
  nj_vf scaled = nj_v_sel(tiny, x * nj_vf_set(8388608.0f), x);
  nj_vu bits = (nj_vu)scaled - 0x3f3504f3u; /* sqrt(1/2): the mantissa falls in [0.707, 1.414) */
  nj_vi exponent = (nj_vi)bits >> 23;
  nj_vf f = (nj_vf)((bits & 0x007fffffu) + 0x3f3504f3u) - nj_vf_set(1.0f);
  nj_vf e = __builtin_convertvector(exponent, nj_vf) - nj_v_sel(tiny, nj_vf_set(23.0f), zero);
  nj_vf p = nj_vf_set(0.0674666315f);
  p = p * f + nj_vf_set(-0.116756402f);
  p = p * f + nj_vf_set(0.118881449f);
  p = p * f + nj_vf_set(-0.124055892f);
  p = p * f + nj_vf_set(0.142195553f);
  p = p * f + nj_vf_set(-0.166679963f);
  p = p * f + nj_vf_set(0.200021192f);
  p = p * f + nj_vf_set(-0.250000089f);
  p = p * f + nj_vf_set(0.333333135f);
  nj_vf square = f * f;
  nj_vf low = (p * f) * square + e * nj_vf_set(-2.12194440e-4f);
  low = low - square * nj_vf_set(0.5f);
  nj_vf y = (low + f) + e * nj_vf_set(0.693359375f);
  y = nj_v_sel(x == zero, nj_vf_set(-INFINITY), y);
  y = nj_v_sel((x < zero) | (x != x), nj_vf_set(NAN), y);
  return nj_v_sel(x == nj_vf_set(INFINITY), x, y);
}

static inline float nj_v_log_scalar(float x) { return nj_v_log(nj_vf_set(x))[0]; }

/* log(1 + x) for x >= 0: the rounding of 1 + x is given back. */
static inline nj_vf nj_v_log1p_positive(nj_vf x) {
  const nj_vf one = nj_vf_set(1.0f);
  nj_vf u = one + x;
  nj_vf y = nj_v_log(u) + (x - (u - one)) / u;
  return nj_v_sel(x == nj_vf_set(INFINITY), x, y);
}

/* ---- tanh, sigmoid, erf ---- */

static inline nj_vf nj_v_tanh(nj_vf x) {
  const nj_vf one = nj_vf_set(1.0f);
  nj_vf a = nj_v_abs(x), t = a * a;
  nj_vf p = nj_vf_set(-0.00564830704f);
  p = p * t + nj_vf_set(0.0205898173f);
  p = p * t + nj_vf_set(-0.0537251234f);
  p = p * t + nj_vf_set(0.133312747f);
  p = p * t + nj_vf_set(-0.333332747f);
  nj_vf small = (p * t) * a + a;
  nj_vf large = one - nj_vf_set(2.0f) / (nj_v_exp(a + a) + one);
  return nj_v_copysign(nj_v_sel(a < nj_vf_set(0.625f), small, large), x);
}

static inline nj_vf nj_v_sigmoid(nj_vf x) {
  const nj_vf one = nj_vf_set(1.0f);
  nj_vf e = nj_v_exp(-nj_v_abs(x));
  return nj_v_sel(x < nj_vf_set(0.0f), e, one) / (one + e);
}

static inline nj_vf nj_v_erf(nj_vf x) {
  nj_vf a = nj_v_abs(x), t = a * a;
  nj_vf p = nj_vf_set(8.33408703e-05f);
  p = p * t + nj_vf_set(-0.000813415681f);
  p = p * t + nj_vf_set(0.00520027615f);
  p = p * t + nj_vf_set(-0.0268590916f);
  p = p * t + nj_vf_set(0.112836897f);
  p = p * t + nj_vf_set(-0.376126319f);
  p = p * t + nj_vf_set(0.128379166f);
  nj_vf small = p * a + a;
  nj_vf b = nj_v_lesser(nj_vf_set(4.0f), a);
  nj_vf q = nj_vf_set(-2.11621573e-05f); /* log(erfc(b)) on [0.92, 4] */
  q = q * b + nj_vf_set(0.000435221795f);
  q = q * b + nj_vf_set(-0.00417465717f);
  q = q * b + nj_vf_set(0.0251286626f);
  q = q * b + nj_vf_set(-0.108294003f);
  q = q * b + nj_vf_set(-0.633334577f);
  q = q * b + nj_vf_set(-1.12952089f);
  q = q * b + nj_vf_set(0.000175879846f);
  nj_vf large = nj_vf_set(1.0f) - nj_v_exp(q);
  nj_vf y = nj_v_copysign(nj_v_sel(a < nj_vf_set(0.925f), small, large), x);
  return nj_v_sel(x != x, x, y);
}

/* ---- one lane at a time through libm, for what no hot loop needs ---- */

#define NJ_V_LANEWISE(name, function)                                   \
  static __attribute__((noinline, unused)) nj_vf nj_v_##name(nj_vf x) { \
    for (int i = 0; i < NJ_LANES; i++)                                  \
      x[i] = function(x[i]);                                            \
    return x;                                                           \
  }
NJ_V_LANEWISE(expm1, expm1f)
NJ_V_LANEWISE(log1p, log1pf)
NJ_V_LANEWISE(log2, log2f)
NJ_V_LANEWISE(log10, log10f)
NJ_V_LANEWISE(sin, sinf)
NJ_V_LANEWISE(cos, cosf)
NJ_V_LANEWISE(trunc, truncf)

#define NJ_V_LANEWISE2(name, function)                                           \
  static __attribute__((noinline, unused)) nj_vf nj_v_##name(nj_vf a, nj_vf b) { \
    for (int i = 0; i < NJ_LANES; i++)                                           \
      a[i] = function(a[i], b[i]);                                               \
    return a;                                                                    \
  }
NJ_V_LANEWISE2(pow, powf)
NJ_V_LANEWISE2(atan2, atan2f)
NJ_V_LANEWISE2(fmod, fmodf)

/* ---- across the lanes, always in the same order: halves onto halves ---- */

typedef float nj_v4 __attribute__((vector_size(16)));
typedef float nj_v8 __attribute__((vector_size(32)));

/* Lanes count … 2 * count - 1 moved down to 0 … count - 1; what is in the others does not matter. */
static inline __attribute__((always_inline)) nj_vf nj_v_move_down(nj_vf v, const int count) {
#if defined(__clang__)
  nj_vf moved = v;
  for (int i = 0; i < count; i++)
    moved[i] = v[i + count];
  return moved;
#else
  static const int32_t places[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  nj_vi from;
  memcpy(&from, places, sizeof from);
  return __builtin_shuffle(v, (from + count) & (NJ_LANES - 1));
#endif
}

#define NJ_V_ACROSS(name, combine)                     \
  static inline float nj_v_across_##name(nj_vf v) {    \
    if (NJ_LANES > 8)                                  \
      v = combine(v, nj_v_move_down(v, NJ_LANES / 2)); \
    if (NJ_LANES > 4)                                  \
      v = combine(v, nj_v_move_down(v, 4));            \
    v = combine(v, nj_v_move_down(v, 2));              \
    v = combine(v, nj_v_move_down(v, 1));              \
    return v[0];                                       \
  }
#define NJ_V_TIMES(a, b) ((a) * (b))
NJ_V_ACROSS(prod, NJ_V_TIMES)
NJ_V_ACROSS(max, nj_v_max)
NJ_V_ACROSS(min, nj_v_min)

static inline float nj_v_across_sum(nj_vf v) {
  nj_v4 quarter;
#if NJ_LANES == 16
  nj_v8 low, high;
  memcpy(&low, &v, sizeof low);
  memcpy(&high, (const char *)&v + sizeof low, sizeof high);
  low = low + high;
#elif NJ_LANES == 8
  nj_v8 low = v;
#endif
#if NJ_LANES == 4
  quarter = v;
#else
  nj_v4 upper;
  memcpy(&quarter, &low, sizeof quarter);
  memcpy(&upper, (const char *)&low + sizeof quarter, sizeof upper);
  quarter = quarter + upper;
#endif
  return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

#endif
