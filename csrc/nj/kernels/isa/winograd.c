#include "kernels/winograd.h"

#include "kernels/vecmath.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

/* The points: 0, P, -P, Q, -Q and infinity. With P = 1 and Q = 2 the sums would be simpler, but these
 * (oneDNN's) lose less than half as much: relative rms error of 64 channels 6.6e-7 instead of 1.5e-6,
 * the definition in float32 having 3.0e-7 (spec/ops/conv_spec.lua). All products of them are exact. */
#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)
#define P3 (P * P * P)
#define Q3 (Q * Q * Q)
/* 1 / the product of a point's distances from the others. */
#define N0 (1 / (P2 * Q2))
#define NP (1 / (2 * P2 * (P2 - Q2)))
#define NQ (1 / (2 * Q2 * (Q2 - P2)))

/* The one-dimensional transforms; elements are `step` apart. */

/* Bᵀ: six inputs to six points. */
INLINE void b_points(const nj_vf *d, int step, nj_vf *o, int o_step) {
  nj_vf d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
  nj_vf even = d4 - Q2 * d2, odd = P * (d3 - Q2 * d1);
  nj_vf even2 = d4 - P2 * d2, odd2 = Q * (d3 - P2 * d1);
  o[0] = P2 * Q2 * d[0] - (P2 + Q2) * d2 + d4;
  o[o_step] = even + odd;
  o[2 * o_step] = even - odd;
  o[3 * o_step] = even2 + odd2;
  o[4 * o_step] = even2 - odd2;
  o[5 * o_step] = P2 * Q2 * d1 - (P2 + Q2) * d3 + d[5 * step];
}

/* Aᵀ: six points to four results. */
INLINE void a_results(const nj_vf *m, int step, nj_vf *o, int o_step) {
  nj_vf s1 = m[step] + m[2 * step], d1 = m[step] - m[2 * step];
  nj_vf s2 = m[3 * step] + m[4 * step], d2 = m[3 * step] - m[4 * step];
  o[0] = m[0] + s1 + s2;
  o[o_step] = P * d1 + Q * d2;
  o[2 * o_step] = P2 * s1 + Q2 * s2;
  o[3 * o_step] = P3 * d1 + Q3 * d2 + m[5 * step];
}

/* A: four gradients to six points. */
INLINE void a_points(const nj_vf *y, int step, nj_vf *o, int o_step) {
  nj_vf y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
  nj_vf even = y[0] + P2 * y2, odd = P * y1 + P3 * y3;
  nj_vf even2 = y[0] + Q2 * y2, odd2 = Q * y1 + Q3 * y3;
  o[0] = y[0];
  o[o_step] = even + odd;
  o[2 * o_step] = even - odd;
  o[3 * o_step] = even2 + odd2;
  o[4 * o_step] = even2 - odd2;
  o[5 * o_step] = y3;
}

/* G: three weights to six points. */
INLINE void g_points(const nj_vf *g, int step, nj_vf *o, int o_step) {
  nj_vf g1 = g[step], g2 = g[2 * step];
  nj_vf even = NP * g[0] + NP * P2 * g2, odd = NP * P * g1;
  nj_vf even2 = NQ * g[0] + NQ * Q2 * g2, odd2 = NQ * Q * g1;
  o[0] = N0 * g[0];
  o[o_step] = even + odd;
  o[2 * o_step] = even - odd;
  o[3 * o_step] = even2 + odd2;
  o[4 * o_step] = even2 - odd2;
  o[5 * o_step] = g2;
}

/* Gᵀ: six points to three weights. */
INLINE void g_weights(const nj_vf *u, int step, nj_vf *o, int o_step) {
  nj_vf s1 = u[step] + u[2 * step], d1 = u[step] - u[2 * step];
  nj_vf s2 = u[3 * step] + u[4 * step], d2 = u[3 * step] - u[4 * step];
  o[0] = N0 * u[0] + NP * s1 + NQ * s2;
  o[o_step] = NP * P * d1 + NQ * Q * d2;
  o[2 * o_step] = NP * P2 * s1 + NQ * Q2 * s2 + u[5 * step];
}

static void input(const float *from, int64_t row, int64_t pixel, int64_t channels, float *to,
                  int64_t point) {
  for (int64_t c = 0; c < channels; c += NJ_LANES) {
    nj_vf t[36];
    UNROLL for (int j = 0; j < 6; j++) {
      nj_vf d[6];
      UNROLL for (int i = 0; i < 6; i++) d[i] = nj_vf_load(from + i * row + j * pixel + c);
      b_points(d, 1, t + j, 6);
    }
    UNROLL for (int i = 0; i < 6; i++) {
      nj_vf o[6];
      b_points(t + 6 * i, 1, o, 1);
      UNROLL for (int j = 0; j < 6; j++) nj_vf_store(to + (6 * i + j) * point + c, o[j]);
    }
  }
}

static void gradient(const float *from, int64_t row, int64_t pixel, int64_t channels, float *to,
                     int64_t point) {
  for (int64_t c = 0; c < channels; c += NJ_LANES) {
    nj_vf t[24];
    UNROLL for (int j = 0; j < 4; j++) {
      nj_vf y[4];
      UNROLL for (int i = 0; i < 4; i++) y[i] = nj_vf_load(from + i * row + j * pixel + c);
      a_points(y, 1, t + j, 4);
    }
    UNROLL for (int i = 0; i < 6; i++) {
      nj_vf o[6];
      a_points(t + 4 * i, 1, o, 1);
      UNROLL for (int j = 0; j < 6; j++) nj_vf_store(to + (6 * i + j) * point + c, o[j]);
    }
  }
}

/* The 4x4 results of one vector of channels. */
INLINE void results(const float *m, int64_t point, nj_vf y[16]) {
  nj_vf t[24];
  UNROLL for (int j = 0; j < 6; j++) {
    nj_vf p[6];
    UNROLL for (int i = 0; i < 6; i++) p[i] = nj_vf_load(m + (6 * i + j) * point);
    a_results(p, 1, t + j, 6);
  }
  UNROLL for (int i = 0; i < 4; i++) a_results(t + 6 * i, 1, y + 4 * i, 1);
}

static void output(const float *m, int64_t point, int64_t channels, int64_t valid,
                   const float *bias, int relu, int64_t height, int64_t width, float *to,
                   int64_t row, int64_t pixel) {
  for (int64_t c = 0; c < channels; c += NJ_LANES) {
    nj_vf y[16];
    results(m + c, point, y);
    int64_t n = valid - c;
    nj_vf add = {0};
    if (bias)
      add = n >= NJ_LANES ? nj_vf_load(bias + c) : nj_v_load_n(bias + c, n, 0);
    UNROLL for (int k = 0; k < 16; k++) {
      y[k] += add;
      if (relu) /* the bits of y where y >= 0 or y is NaN */
        y[k] = (nj_vf)((nj_vi)y[k] & ~(nj_vi)(y[k] < (nj_vf){0}));
    }
    for (int64_t i = 0; i < height; i++)
      for (int64_t j = 0; j < width; j++) {
        float *p = to + i * row + j * pixel + c;
        if (n >= NJ_LANES)
          nj_vf_store(p, y[4 * i + j]);
        else
          nj_v_store_n(p, y[4 * i + j], n);
      }
  }
}

static void weights(const float *g, int64_t tap, int64_t channels, float *to, int64_t point) {
  for (int64_t c = 0; c < channels; c += NJ_LANES) {
    nj_vf t[18];
    UNROLL for (int j = 0; j < 3; j++) {
      nj_vf w[3];
      UNROLL for (int i = 0; i < 3; i++) w[i] = nj_vf_load(g + (3 * i + j) * tap + c);
      g_points(w, 1, t + j, 3);
    }
    UNROLL for (int i = 0; i < 6; i++) {
      nj_vf o[6];
      g_points(t + 3 * i, 1, o, 1);
      UNROLL for (int j = 0; j < 6; j++) nj_vf_store(to + (6 * i + j) * point + c, o[j]);
    }
  }
}

static void weights_gradient(const float *u, int64_t point, int64_t channels, float *to,
                             int64_t tap) {
  for (int64_t c = 0; c < channels; c += NJ_LANES) {
    nj_vf t[18];
    UNROLL for (int j = 0; j < 6; j++) {
      nj_vf p[6];
      UNROLL for (int i = 0; i < 6; i++) p[i] = nj_vf_load(u + (6 * i + j) * point + c);
      g_weights(p, 1, t + j, 6);
    }
    UNROLL for (int i = 0; i < 3; i++) {
      nj_vf o[3];
      g_weights(t + 6 * i, 1, o, 1);
      UNROLL for (int j = 0; j < 3; j++) nj_vf_store(to + (3 * i + j) * tap + c, o[j]);
    }
  }
}

extern const struct nj_winograd_kernels NJ_ISA_NAME(nj_winograd_kernels);
const struct nj_winograd_kernels NJ_ISA_NAME(nj_winograd_kernels) = {
    .input = input,
    .output = output,
    .gradient = gradient,
    .weights = weights,
    .weights_gradient = weights_gradient};
