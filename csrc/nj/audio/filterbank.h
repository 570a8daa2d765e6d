/* Mel filter banks: triangles over the bins of a power spectrum. */
#ifndef NJ_AUDIO_FILTERBANK_H
#define NJ_AUDIO_FILTERBANK_H

#include <stdint.h>

#include "base/context.h"
#include "kernels/mel.h"

/* Where the mel scale comes from and in which domain a triangle is straight:
 *   slaney  linear below 1 kHz, logarithmic above (Auditory Toolbox; librosa's default), in Hz
 *   htk     2595 log10(1 + f / 700), in Hz (librosa htk=True, torchaudio's default)
 *   kaldi   1127 ln(1 + f / 700), straight in mel (Kaldi; torchaudio.compliance.kaldi), the
 *           Nyquist bin left out */
typedef enum { NJ_MEL_SLANEY, NJ_MEL_HTK, NJ_MEL_KALDI } nj_mel_scale;

double nj_hz_to_mel(nj_mel_scale scale, double hz);
double nj_mel_to_hz(nj_mel_scale scale, double mel);

typedef struct {
  int64_t rate;
  int n_fft;
  int bands;
  double fmin, fmax; /* Hz; 0 <= fmin < fmax */
  nj_mel_scale scale;
  int area_norm; /* each triangle divided by half its width in Hz (Slaney) */
} nj_filterbank_options;

typedef struct {
  nj_mel_bands sparse;
  int bins; /* n_fft / 2 + 1 */
  void *memory;
} nj_filterbank;

/* Weights are computed in double precision, those of the kaldi scale as torchaudio does. Errors:
 * EARG, ENOMEM. */
nj_status nj_filterbank_make(nj_ctx *ctx, const nj_filterbank_options *options, nj_filterbank *out);
void nj_filterbank_free(nj_ctx *ctx, nj_filterbank *bank);
/* The dense matrix (bands, bins), row-major. */
void nj_filterbank_dense(const nj_filterbank *bank, float *out);

#endif
