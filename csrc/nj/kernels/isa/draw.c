/* Box and Muller's transform over vectors of doubles, rounded to floats.
 *
 * Before rounding a number is at most 4 units in the last place of a double apart from the scalar
 * function's (of 2e7 draws), so the float comes out different only where the double lies next to the middle
 * between two floats. Lanes within 64 units of it, and those for which no such bound holds (a cosine
 * or a result next to 0), are computed again by the scalar function: one in a million. */
#include "kernels/draw.h"

#include "base/rng.h"
#include "kernels/vecmath.h"

#define N (NJ_LANES / 2)

typedef double vd __attribute__((vector_size(N * 8)));
typedef uint64_t vu __attribute__((vector_size(N * 8)));
typedef int64_t vi __attribute__((vector_size(N * 8)));
typedef float halff __attribute__((vector_size(N * 4)));

static inline vd set(double x) { return x - (vd){0}; }

/* N values of two words each. */
static inline vu load(const uint32_t *words) {
  vu v;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  memcpy(&v, words, sizeof v);
#else
  for (int i = 0; i < N; i++)
    v[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
#endif
  return v;
}

/* Every second of 2 N values: the first, third, … and the second, fourth, … */
static inline void split(const uint32_t *words, vu *even, vu *odd) {
  vu low = load(words), high = load(words + 2 * N);
#if defined(__clang__)
  for (int i = 0; i < N; i++) {
    (*even)[i] = i < N / 2 ? low[2 * i] : high[2 * i - N];
    (*odd)[i] = i < N / 2 ? low[2 * i + 1] : high[2 * i + 1 - N];
  }
#else
  vu from = {0};
  for (int i = 0; i < N; i++)
    from[i] = (uint64_t)(2 * i);
  *even = __builtin_shuffle(low, high, from);
  *odd = __builtin_shuffle(low, high, from + 1);
#endif
}

/* Integers below 2^53, exactly: the halves under the exponents of 2^84 and 2^52. */
static inline vd to_double(vu x) {
  vd high = (vd)(x >> 32 | 0x4530000000000000u),
     low = (vd)((x & 0xffffffffu) | 0x4330000000000000u);
  return (high - set(0x1p84 + 0x1p52)) + low;
}

static inline vd uniform(vu word) { return to_double(word >> 11) * set(0x1p-53); }

static inline vd root(vd x) {
#if defined(__AVX512F__)
  return (vd)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX2__)
  return (vd)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  return (vd)_mm_sqrt_pd((__m128d)x);
#else
  for (int i = 0; i < N; i++)
    x[i] = sqrt(x[i]);
  return x;
#endif
}

static inline int any(vi mask) {
#if defined(__AVX512DQ__)
  return _mm512_movepi64_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_pd((__m256d)mask) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_pd((__m128d)mask) != 0;
#else
  int64_t bits = 0;
  for (int i = 0; i < N; i++)
    bits |= mask[i];
  return bits != 0;
#endif
}

/* The logarithm of x in [2^-53, 1]: of 2^e m with m in [0.707, 1.414), as e ln 2 + 2 artanh(s) with
 * s = (m - 1) / (m + 1), whose series ends where s^20 / 21 does not count any more. */
static inline vd logarithm(vd x) {
  const vu root_half = (vu){0} + 0x3fe6a09e667f3bcdu;
  vu bits = (vu)x - root_half + ((uint64_t)1023 << 52);
  vd e = (vd)(bits >> 52 | 0x4330000000000000u) - set(0x1p52 + 1023);
  vd f = (vd)((bits & 0xfffffffffffffu) + root_half) - set(1);
  vd s = f / (f + set(2)), z = s * s, sum = set(1.0 / 19);
  for (int k = 17; k > 1; k -= 2)
    sum = sum * z + set(1.0 / k);
  vd twice = s + s;
  return e * set(0x1.62e42fefa39efp-1) + (twice * z * sum + twice);
}

static inline vd series(vd z, const double *terms, int n) {
  vd sum = set(terms[0]);
  for (int k = 1; k < n; k++)
    sum = sum * z + set(terms[k]);
  return sum;
}

/* The cosine of x in [0, 2 pi]: with r the distance from the nearest multiple of pi / 2, +-cos r or
 * +-sin r by their series, which end where the next term does not count any more. */
static inline vd cosine(vd x) {
  static const double cosines[] = {1.0 / 20922789888000,
                                   -1.0 / 87178291200,
                                   1.0 / 479001600,
                                   -1.0 / 3628800,
                                   1.0 / 40320,
                                   -1.0 / 720,
                                   1.0 / 24,
                                   -1.0 / 2,
                                   1};
  static const double sines[] = {1.0 / 355687428096000,
                                 -1.0 / 1307674368000,
                                 1.0 / 6227020800,
                                 -1.0 / 39916800,
                                 1.0 / 362880,
                                 -1.0 / 5040,
                                 1.0 / 120,
                                 -1.0 / 6,
                                 1};
  const vd magic = set(0x1.8p52); /* adding it rounds to an integer */
  vd shifted = x * set(0x1.45f306dc9c883p-1) + magic, k = shifted - magic;
  vd r = x - k * set(0x1.921fb54442d18p+0); /* pi / 2 in two pieces; k times the first is exact */
  r = r - k * set(0x1.1a62633145c07p-54);
  vd z = r * r;
  vi odd = -(vi)((vu)shifted & 1);
  vd c = series(z, cosines, 9), s = series(z, sines, 9) * r;
  vu value = (vu)(((vi)c & ~odd) | ((vi)s & odd));
  /* Negative in the second and third quadrant: k = 1 (there -sin r) and k = 2. */
  return (vd)(value ^ (((vu)shifted + 1) >> 1 & 1) << 63);
}

static void normals(const uint32_t *words, int64_t n, double scale, float *out) {
  for (int64_t i = 0; i + N <= n; i += N) {
    vu first, second;
    split(words + 4 * i, &first, &second);
    vd angle = uniform(second) * set(6.283185307179586);
    __asm__("" : "+m"(angle)); /* rounded, as the scalar function has it: no fused multiply-add */
    vd c = cosine(angle);
    vd y = root(logarithm(set(1) - uniform(first)) * set(-2)) * c * set(scale);
    vu magnitude = (vu)y & 0x7fffffffffffffffu;
    vi near_middle = (vi)(((vu)y & 0x1fffffffu) - (0x10000000u - 64) <= 128);
    vi unsure = near_middle | (vi)((vd)magnitude < set(0x1p-126)) |
                (vi)((vd)((vu)c & 0x7fffffffffffffffu) < set(0x1p-20));
    halff rounded = __builtin_convertvector(y, halff);
    memcpy(out + i, &rounded, sizeof rounded);
    if (any(unsure))
      for (int k = 0; k < N; k++)
        if (unsure[k])
          out[i + k] = (float)(scale * nj_rng_normal_of(words + 4 * (i + k)));
  }
  for (int64_t i = n - n % N; i < n; i++)
    out[i] = (float)(scale * nj_rng_normal_of(words + 4 * i));
}

/* Every step but the last product is exact. */
static void uniforms(const uint32_t *words, int64_t n, double bound, float *out) {
  for (int64_t i = 0; i + N <= n; i += N) {
    vd y = (uniform(load(words + 2 * i)) * set(2) - set(1)) * set(bound);
    halff rounded = __builtin_convertvector(y, halff);
    memcpy(out + i, &rounded, sizeof rounded);
  }
  for (int64_t i = n - n % N; i < n; i++)
    out[i] = (float)(bound * (2 * nj_rng_uniform_of(words + 2 * i) - 1));
}

const nj_draw_kernels NJ_ISA_NAME(nj_draw_kernels) = {.normals = normals, .uniforms = uniforms};
