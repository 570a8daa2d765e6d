/* From power spectra to log-mel rows, `lanes` frames at once (the layout of kernels/fft.h). */
#ifndef NJ_KERNELS_MEL_H
#define NJ_KERNELS_MEL_H

#include <stdint.h>

/* A sparse filter bank: band b weighs bins first[b] … first[b] + count[b] - 1 by
 * weight[offset[b]] … */
typedef struct {
  int bands;
  const int32_t *first;
  const int32_t *count;
  const int32_t *offset;
  const float *weight;
} nj_mel_bands;

/* y = scale * ln(x + eps) + shift for x > clamp, else floor (worked out in double precision, so that
 * silence is exact); identity without `logarithm`. Then (y + add) * mul. */
typedef struct {
  int logarithm;
  float clamp, eps, floor;
  float scale, shift;
  float add, mul;
} nj_mel_curve;

struct nj_mel_kernels {
  /* out[i] = wave[i], i < n; with `quantize` rounded towards zero to 16 bits (x * 32767, clipped)
   * and back; with `preemphasis` != 0 then y[i + 1] - preemphasis y[i], which reads wave[n]. */
  void (*samples)(const float *wave, int64_t n, int quantize, float preemphasis, float *out);
  /* power[k * lanes + lane] to its square root, for `bins` bins. */
  void (*magnitude)(float *power, int bins);
  /* out[frame * stride + band] for the first `frames` (<= lanes) of the lanes. */
  void (*bands)(const nj_mel_bands *bank, const nj_mel_curve *curve, const float *power, int frames,
                float *out, int64_t stride);
};

#endif
