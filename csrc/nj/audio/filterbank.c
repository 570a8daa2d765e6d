#include "audio/filterbank.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* Slaney's scale: 200/3 Hz a mel up to 1 kHz (15 mel), then 27 mel per factor of 6.4. */
#define LINEAR_HZ (200.0 / 3)
#define BREAK_HZ 1000.0
#define BREAK_MEL (BREAK_HZ / LINEAR_HZ)

double nj_hz_to_mel(nj_mel_scale scale, double hz) {
  switch (scale) {
  case NJ_MEL_HTK:
    return 2595.0 * log10(1.0 + hz / 700.0);
  case NJ_MEL_KALDI:
    return 1127.0 * log(1.0 + hz / 700.0);
  default:
    return hz < BREAK_HZ ? hz / LINEAR_HZ : BREAK_MEL + log(hz / BREAK_HZ) / (log(6.4) / 27.0);
  }
}

double nj_mel_to_hz(nj_mel_scale scale, double mel) {
  switch (scale) {
  case NJ_MEL_HTK:
    return 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
  case NJ_MEL_KALDI:
    return 700.0 * (exp(mel / 1127.0) - 1.0);
  default:
    return mel < BREAK_MEL ? mel * LINEAR_HZ
                           : BREAK_HZ * exp((mel - BREAK_MEL) * (log(6.4) / 27.0));
  }
}

/* Slope of a triangle with the given corners at x, at most its peak of 1. */
static double triangle(double x, double low, double mid, double high) {
  double up = (x - low) / (mid - low), down = (high - x) / (high - mid);
  return fmax(0, fmin(up, down));
}

/* Weight of bin k in band b, straight in Hz; band corners lie `step` mel apart from `low`. */
static double weight_in_hz(const nj_filterbank_options *o, int k, int b, double low, double step) {
  double corner[3];
  for (int i = 0; i < 3; i++)
    corner[i] = nj_mel_to_hz(o->scale, low + (b + i) * step);
  double w = triangle((double)k * (double)o->rate / o->n_fft, corner[0], corner[1], corner[2]);
  return o->area_norm ? w * 2.0 / (corner[2] - corner[0]) : w;
}

/* Straight in mel. torchaudio works this out in single precision, and cancellation makes that visible
 * (1e-5): its steps are followed, since published weights were trained on its numbers. */
static double weight_in_mel(const nj_filterbank_options *o, int k, int b, double low, double step) {
  float hz = (float)((double)o->rate / o->n_fft) * (float)k;
  float mel = 1127.0f * logf(1.0f + hz / 700.0f), corner[3];
  for (int i = 0; i < 3; i++)
    corner[i] = (float)low + (float)(b + i) * (float)step;
  float up = (mel - corner[0]) / (corner[1] - corner[0]);
  float down = (corner[2] - mel) / (corner[2] - corner[1]);
  float w = fmaxf(0, fminf(up, down));
  return o->area_norm ? w * 2.0 /
                            (nj_mel_to_hz(o->scale, low + (b + 2) * step) -
                             nj_mel_to_hz(o->scale, low + b * step))
                      : w;
}

static nj_status check(nj_ctx *ctx, const nj_filterbank_options *o) {
  if (o->bands < 1 || o->bands > 4096)
    return nj_fail(ctx, NJ_EARG, "mel: mels must be in [1, 4096], got %d", o->bands);
  if (!(o->fmin >= 0) || !(o->fmax > o->fmin) || !(o->fmax <= (double)o->rate / 2))
    return nj_fail(ctx, NJ_EARG,
                   "mel: expected 0 <= fmin < fmax <= rate / 2 = %g, got fmin %g and fmax %g",
                   (double)o->rate / 2, o->fmin, o->fmax);
  return NJ_OK;
}

nj_status nj_filterbank_make(nj_ctx *ctx, const nj_filterbank_options *o, nj_filterbank *out) {
  NJ_TRY(check(ctx, o));
  int bins = o->n_fft / 2 + 1, used = o->scale == NJ_MEL_KALDI ? o->n_fft / 2 : bins;
  size_t bands = (size_t)o->bands;
  /* Each bin lies under two triangles at most. */
  size_t most = 2 * (size_t)bins + bands;
  int32_t *ints = nj_alloc(ctx, 3 * bands * sizeof *ints + most * sizeof(float));
  if (!ints)
    return NJ_ENOMEM;
  int32_t *first = ints, *count = ints + bands, *offset = ints + 2 * bands, at = 0;
  float *weights = (float *)(void *)(ints + 3 * bands);
  double low = nj_hz_to_mel(o->scale, o->fmin), high = nj_hz_to_mel(o->scale, o->fmax);
  double step = (high - low) / (o->bands + 1);
  for (int b = 0; b < o->bands; b++) {
    first[b] = count[b] = 0;
    offset[b] = at;
    for (int k = 0; k < used && (size_t)at < most; k++) {
      double w = (o->scale == NJ_MEL_KALDI ? weight_in_mel : weight_in_hz)(o, k, b, low, step);
      if (w == 0)
        continue;
      if (!count[b])
        first[b] = k;
      count[b] = k - first[b] + 1;
      weights[at++] = (float)w;
    }
  }
  *out = (nj_filterbank){{o->bands, first, count, offset, weights}, bins, ints};
  return NJ_OK;
}

void nj_filterbank_free(nj_ctx *ctx, nj_filterbank *bank) {
  nj_free(ctx, bank->memory);
  bank->memory = NULL;
}

void nj_filterbank_dense(const nj_filterbank *bank, float *out) {
  const nj_mel_bands *s = &bank->sparse;
  memset(out, 0, sizeof *out * (size_t)s->bands * (size_t)bank->bins);
  for (int b = 0; b < s->bands; b++)
    memcpy(out + (int64_t)b * bank->bins + s->first[b], s->weight + s->offset[b],
           sizeof *out * (size_t)s->count[b]);
}
