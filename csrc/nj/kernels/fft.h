/* Real FFT of several signals at once: one signal per vector lane, so that no butterfly needs a
 * shuffle. A power of two n is transformed as n/2 complex points, in place, by radix-8, -4 and -2
 * passes (decimation in frequency, depth first: after one pass over everything each part fits in
 * the first cache). Its result lies in digit-reversed order, which costs nothing to read, because
 * every "element" is a whole vector. Other lengths go through Bluestein's chirp transform
 * (Bluestein, 1970) over the next power of two.
 *
 * Signals are laid out sample-major: x[t * lanes + lane]. */
#ifndef NJ_KERNELS_FFT_H
#define NJ_KERNELS_FFT_H

#include "base/context.h"

#define NJ_FFT_MAX 65536 /* samples */
#define NJ_FFT_STAGES 12

typedef struct nj_fft_plan {
  int n;      /* samples of the real signal */
  int half;   /* complex points made of them: n/2, or n when n is odd */
  int points; /* of the power-of-two transform: half, or Bluestein's length */
  int stages;
  int radix[NJ_FFT_STAGES];
  int span[NJ_FFT_STAGES];             /* size of a stage's sub-transforms */
  const float *twiddle[NJ_FFT_STAGES]; /* per j < span: radix-1 pairs (cos, sin) */
  const int32_t *order;  /* frequency k of the power-of-two transform lies at order[k] */
  const float *unpack;   /* pairs (cos, sin) of -2 pi k / n, k = 0 … half/2; NULL for odd n */
  const float *chirp;    /* Bluestein: pairs of exp(-i pi j j / half), j < half; else NULL */
  const float *response; /* Bluestein: transform of the conjugate chirp / points, digit-reversed */
  void *memory;
} nj_fft_plan;

/* Errors: EARG (n outside 1 … NJ_FFT_MAX), ENOMEM. A plan is read-only: threads share it. */
nj_status nj_fft_plan_new(nj_ctx *ctx, int n, nj_fft_plan **out);
void nj_fft_plan_free(nj_ctx *ctx, nj_fft_plan *plan);
/* Floats of scratch, per lane, that a transform needs beside its input. */
size_t nj_fft_work(const nj_fft_plan *plan);

struct nj_fft_kernels {
  int lanes;
  /* Cuts `lanes` frames out of `signal`, one every `hop` samples, multiplies them by `window` (n
   * values) and lays them out as x. Reads (lanes - 1) * hop + n samples. */
  void (*frames)(const float *signal, int64_t hop, const float *window, int n, float *x);
  /* spectrum[(2k + part) * lanes + lane], k = 0 … n/2: real and imaginary parts. x (n * lanes
   * floats) is overwritten; work holds nj_fft_work(plan) * lanes floats. 64-byte aligned. */
  void (*spectrum)(const nj_fft_plan *plan, float *x, float *work, float *spectrum);
  /* power[k * lanes + lane] = |X[k]|^2. */
  void (*power)(const nj_fft_plan *plan, float *x, float *work, float *power);
};

#endif
