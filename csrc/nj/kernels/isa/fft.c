/* The batched real FFT (see kernels/fft.h). A complex point is two vectors side by side: real
 * parts of all lanes, imaginary parts of all lanes. */
#include "kernels/fft.h"

#include <string.h>

#include "kernels/isa.h"

#define L NJ_LANES

typedef struct {
  nj_vf re, im;
} point;

static inline point get(const float *z, int64_t i) {
  return (point){nj_vf_load(z + 2 * i * L), nj_vf_load(z + (2 * i + 1) * L)};
}

static inline void put(float *z, int64_t i, point a) {
  nj_vf_store(z + 2 * i * L, a.re);
  nj_vf_store(z + (2 * i + 1) * L, a.im);
}

static inline point add(point a, point b) { return (point){a.re + b.re, a.im + b.im}; }
static inline point sub(point a, point b) { return (point){a.re - b.re, a.im - b.im}; }
static inline point times_minus_i(point a) { return (point){a.im, -a.re}; }

static inline point times(point a, const float *w) {
  nj_vf c = nj_vf_set(w[0]), s = nj_vf_set(w[1]);
  return (point){a.re * c - a.im * s, a.re * s + a.im * c};
}

static inline void dft4(point *a, point *b, point *c, point *d) {
  point s = add(*a, *c), t = sub(*a, *c), u = add(*b, *d), v = times_minus_i(sub(*b, *d));
  *a = add(s, u);
  *b = add(t, v);
  *c = sub(s, u);
  *d = sub(t, v);
}

/* y[k] replaces x[k]. */
static inline void dft8(point x[8]) {
  const nj_vf half_root = nj_vf_set(0.70710678118654752440f);
  dft4(&x[0], &x[2], &x[4], &x[6]); /* even frequencies' halves, in x[0], x[2], x[4], x[6] */
  dft4(&x[1], &x[3], &x[5], &x[7]);
  point o1 = {(x[3].re + x[3].im) * half_root, (x[3].im - x[3].re) * half_root};
  point o2 = times_minus_i(x[5]);
  point o3 = {(x[7].im - x[7].re) * half_root, -(x[7].re + x[7].im) * half_root};
  point e0 = x[0], e1 = x[2], e2 = x[4], e3 = x[6], o0 = x[1];
  x[0] = add(e0, o0), x[4] = sub(e0, o0);
  x[1] = add(e1, o1), x[5] = sub(e1, o1);
  x[2] = add(e2, o2), x[6] = sub(e2, o2);
  x[3] = add(e3, o3), x[7] = sub(e3, o3);
}

/* One decimation-in-frequency pass over a block of radix * m points. */
static void pass8(float *z, int64_t m, const float *w) {
  for (int64_t j = 0; j < m; j++, w += 14) {
    point x[8];
    for (int q = 0; q < 8; q++)
      x[q] = get(z, j + q * m);
    dft8(x);
    put(z, j, x[0]);
    for (int q = 1; q < 8; q++)
      put(z, j + q * m, times(x[q], w + 2 * (q - 1)));
  }
}

static void pass4(float *z, int64_t m, const float *w) {
  for (int64_t j = 0; j < m; j++, w += 6) {
    point a = get(z, j), b = get(z, j + m), c = get(z, j + 2 * m), d = get(z, j + 3 * m);
    dft4(&a, &b, &c, &d);
    put(z, j, a);
    put(z, j + m, times(b, w));
    put(z, j + 2 * m, times(c, w + 2));
    put(z, j + 3 * m, times(d, w + 4));
  }
}

/* The last pass, without twiddles: `blocks` neighbouring transforms of `radix` points. */
static void last_pass(float *z, int radix, int64_t blocks) {
  if (radix == 8) {
    for (int64_t i = 0; i < 8 * blocks; i += 8) {
      point x[8];
      for (int q = 0; q < 8; q++)
        x[q] = get(z, i + q);
      dft8(x);
      for (int q = 0; q < 8; q++)
        put(z, i + q, x[q]);
    }
  } else if (radix == 4) {
    for (int64_t i = 0; i < 4 * blocks; i += 4) {
      point a = get(z, i), b = get(z, i + 1), c = get(z, i + 2), d = get(z, i + 3);
      dft4(&a, &b, &c, &d);
      put(z, i, a), put(z, i + 1, b), put(z, i + 2, c), put(z, i + 3, d);
    }
  } else {
    for (int64_t i = 0; i < 2 * blocks; i += 2) {
      point a = get(z, i), b = get(z, i + 1);
      put(z, i, add(a, b)), put(z, i + 1, sub(a, b));
    }
  }
}

/* Depth first; at most NJ_FFT_STAGES deep. Radix 2 is only ever the last stage. */
static void transform(const nj_fft_plan *plan, int stage, float *z) {
  if (stage == plan->stages)
    return;
  int radix = plan->radix[stage];
  int64_t m = plan->span[stage];
  if (m == 1) {
    last_pass(z, radix, 1);
    return;
  }
  (radix == 8 ? pass8 : pass4)(z, m, plan->twiddle[stage]);
  if (stage + 2 == plan->stages)
    last_pass(z, plan->radix[stage + 1], radix);
  else
    for (int q = 0; q < radix; q++)
      transform(plan, stage + 1, z + 2 * q * m * L);
}

/* Transform of `half` points by convolution with a chirp; the result, in natural order, lies in
 * the second half of work. */
static float *bluestein(const nj_fft_plan *plan, const float *z, float *work) {
  int64_t points = plan->points, half = plan->half;
  float *other = work + 2 * points * L;
  for (int64_t j = 0; j < half; j++)
    put(work, j, times(get(z, j), plan->chirp + 2 * j));
  memset(work + 2 * half * L, 0, sizeof(float) * 2 * (size_t)((points - half) * L));
  transform(plan, 0, work);
  for (int64_t k = 0; k < points; k++) { /* conjugated: the inverse is a forward transform */
    point y = times(get(work, plan->order[k]), plan->response + 2 * plan->order[k]);
    put(other, k, (point){y.re, -y.im});
  }
  transform(plan, 0, other);
  for (int64_t j = 0; j < half; j++) {
    point y = get(other, plan->order[j]);
    put(work, j, times((point){y.re, -y.im}, plan->chirp + 2 * j));
  }
  return work;
}

/* Does the complex transform; *order says where frequency k lies (NULL: at k). */
static const float *complex_points(const nj_fft_plan *plan, float *x, float *work,
                                   const int32_t **order) {
  *order = NULL;
  float *z = x;
  if (plan->n % 2) { /* real samples into complex points, from the end */
    z = plan->chirp ? work + 2 * (int64_t)plan->points * L : work;
    for (int64_t j = 0; j < plan->n; j++)
      put(z, j, (point){nj_vf_load(x + j * L), nj_vf_set(0)});
  }
  if (plan->chirp)
    return bluestein(plan, z, work);
  transform(plan, 0, z);
  *order = plan->order;
  return z;
}

static inline void emit(float *out, int64_t k, point a, int power) {
  if (power)
    nj_vf_store(out + k * L, a.re * a.re + a.im * a.im);
  else
    put(out, k, a);
}

/* Frequencies of the real signal from those of its packed complex points: with Z the transform of
 * x[2j] + i x[2j+1], E and O those of the even and odd samples, X[k] = E[k] + exp(-2 pi i k/n) O[k]. */
static inline void real_points(const nj_fft_plan *plan, const float *z, const int32_t *order,
                               float *out, int power) {
  int64_t half = plan->half;
  const nj_vf scale = nj_vf_set(0.5f);
  point first = get(z, 0);
  const nj_vf zero = nj_vf_set(0);
  emit(out, 0, (point){first.re + first.im, zero}, power);
  emit(out, half, (point){first.re - first.im, zero}, power);
  for (int64_t k = 1; k <= half / 2; k++) {
    point a = get(z, order ? order[k] : k);
    point b = get(z, order ? order[half - k] : half - k);
    point even = {(a.re + b.re) * scale, (a.im - b.im) * scale};
    point odd = times((point){(a.im + b.im) * scale, (b.re - a.re) * scale}, plan->unpack + 2 * k);
    emit(out, k, add(even, odd), power);
    emit(out, half - k, (point){even.re - odd.re, odd.im - even.im}, power);
  }
}

static inline void real_transform(const nj_fft_plan *plan, float *x, float *work, float *out,
                                  int power) {
  const int32_t *order;
  const float *z = complex_points(plan, x, work, &order);
  if (plan->n % 2 == 0) {
    real_points(plan, z, order, out, power);
    return;
  }
  for (int64_t k = 0; k <= plan->n / 2; k++)
    emit(out, k, get(z, order ? order[k] : k), power);
}

static void spectrum(const nj_fft_plan *plan, float *x, float *work, float *out) {
  real_transform(plan, x, work, out, 0);
}

static void power(const nj_fft_plan *plan, float *x, float *work, float *out) {
  real_transform(plan, x, work, out, 1);
}

/* Transposes L rows of L floats: log2(L) rounds of a perfect shuffle. */
#if L == 16
#define LOW(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif L == 8
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

static inline void shuffle_round(const nj_vf *a, nj_vf *b) {
  for (int i = 0; i < L / 2; i++) {
    b[2 * i] = LOW(a[i], a[i + L / 2]);
    b[2 * i + 1] = HIGH(a[i], a[i + L / 2]);
  }
}

static inline void transpose(nj_vf *a) {
  nj_vf b[L];
  for (int width = L; width > 1; width /= 4) {
    shuffle_round(a, b);
    if (width == 2) { /* an odd number of rounds */
      memcpy(a, b, sizeof b);
      return;
    }
    shuffle_round(b, a);
  }
}

static void frames(const float *signal, int64_t hop, const float *window, int n, float *x) {
  int t = 0;
  for (; t + L <= n; t += L) {
    nj_vf rows[L];
    for (int lane = 0; lane < L; lane++)
      rows[lane] = nj_vf_load(signal + lane * hop + t);
    transpose(rows);
    for (int i = 0; i < L; i++)
      nj_vf_store(x + (int64_t)(t + i) * L, rows[i] * nj_vf_set(window[t + i]));
  }
  for (; t < n; t++)
    for (int lane = 0; lane < L; lane++)
      x[(int64_t)t * L + lane] = signal[lane * hop + t] * window[t];
}

const struct nj_fft_kernels NJ_ISA_NAME(nj_fft_kernels) = {
    .lanes = L,
    .frames = frames,
    .spectrum = spectrum,
    .power = power,
};
