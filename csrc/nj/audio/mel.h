/* The log-mel front-end: waveform (samples) to rows of mel bands (frames, mels).
 *
 *   samples ─[quantize]─[pre-emphasis]─ pad ─ frames × window ─ FFT ─ |X|^power ─ bank ─ log ─
 *   (x + add) * mul
 *
 * What every parameter means is written at its field; nj_mel_preset knows the settings of the
 * published models. Frames do not depend on each other (but for top_db), so a batch gives the same
 * bits as its clips alone, for any number of threads. Not differentiable. */
#ifndef NJ_AUDIO_MEL_H
#define NJ_AUDIO_MEL_H

#include "audio/filterbank.h"
#include "audio/window.h"
#include "base/option.h"
#include "tensor/tensor.h"

typedef enum { NJ_MEL_PAD_REFLECT, NJ_MEL_PAD_ZERO } nj_mel_pad;

/* x is a band's energy, to the power chosen.
 *   db    10 log10(max(x, amin)) - 10 log10(max(amin, ref))
 *   ln    ln(x + eps)
 *   log10 log10(max(x, amin))
 *   none  x */
typedef enum { NJ_MEL_DB, NJ_MEL_LN, NJ_MEL_LOG10, NJ_MEL_LINEAR } nj_mel_log;

/* What becomes of a clip that is shorter than `duration`:
 *   pad         zeros follow it
 *   repeat      it is repeated, and cut where the duration ends (MS-CLAP)
 *   repeat_pad  it is repeated as often as it fits in whole, zeros follow (LAION-CLAP)
 * Behind each repetition `gap` seconds of silence may follow. */
typedef enum {
  NJ_MEL_FILL_NONE,
  NJ_MEL_FILL_PAD,
  NJ_MEL_FILL_REPEAT,
  NJ_MEL_FILL_REPEAT_PAD
} nj_mel_fill;

typedef struct {
  int64_t rate;   /* Hz that the wave must have */
  int n_fft;      /* samples transformed, 16 … 32768, any number (powers of two are fastest) */
  int win_length; /* samples under the window, <= n_fft, centred in it */
  int hop;        /* samples from frame to frame */
  nj_window_kind window;
  int periodic;   /* window of period win_length (DFT-even), as torchlibrosa; else symmetric */
  int center;     /* frame t is centred at t * hop: n_fft / 2 samples are padded on both sides */
  nj_mel_pad pad; /* reflect (mirrored again where a clip is shorter than the pad), or zeros */
  double power;   /* of the magnitude: 1 or 2 */
  int mels;
  double fmin, fmax; /* Hz */
  int64_t bank_rate; /* Hz that the bank takes the wave to have: `rate`, but where published weights
                      * were made with another */
  nj_mel_scale scale;
  int area_norm; /* Slaney's norm */
  nj_mel_log log;
  double amin, ref, eps;
  double top_db;      /* db and a whole clip: nothing lies further below its maximum; 0: off */
  double preemphasis; /* y[n] = x[n+1] - preemphasis x[n], a sample shorter; 0: off */
  double add, mul;    /* (y + add) * mul, last of all */
  int quantize;       /* samples are rounded to 16 bits and back first (LAION-CLAP) */
  int drop_last;      /* one frame less at the end (ACT) */
  nj_mel_fill fill;
  double duration; /* seconds that a clip is padded or repeated to; 0: never */
  double gap;      /* repeat and repeat_pad: seconds of silence after each repetition */
} nj_mel_options;

/* Presets: "panns" (32 kHz; also HTS-AT: "htsat"), "panns16k", "panns8k", "laion",
 * "laion_fusion", "msclap2022", "msclap2023", "dcase", "act", "efficientat", "convnext". 0 when
 * unknown. */
int nj_mel_preset(const char *name, nj_mel_options *out);
/* NULL-ended. */
const char *const *nj_mel_preset_names(void);
/* Those of "panns". */
nj_mel_options nj_mel_default_options(void);
extern const nj_option_table nj_mel_option_table;

typedef struct nj_mel nj_mel;

/* One reference to the caller. Errors: EARG (names the option), ENOMEM. The front-end is read-only
 * afterwards: threads share it. */
nj_status nj_mel_new(nj_ctx *ctx, const nj_mel_options *options, nj_mel **out);
nj_mel *nj_mel_retain(nj_mel *fe);
void nj_mel_release(nj_mel *fe); /* NULL is fine */
const nj_mel_options *nj_mel_get_options(const nj_mel *fe);
const nj_filterbank *nj_mel_bank(const nj_mel *fe);

/* Frames of a clip of `samples` samples: 1 + floor(L / hop) when centred (L after filling and
 * pre-emphasis), else 1 + floor((L - n_fft) / hop), at least 1; one less (not below 1) with
 * drop_last. */
int64_t nj_mel_frames(const nj_mel *fe, int64_t samples);
/* How many of them are valid: the clip's frames without what `fill` adds. */
int64_t nj_mel_valid_frames(const nj_mel *fe, int64_t samples);
/* The time at the centre of a frame, counted from 0. */
double nj_mel_seconds(const nj_mel *fe, int64_t frame);
/* The value of a band of digital silence; batches are padded with it. */
float nj_mel_silence(const nj_mel *fe);

/* wave (samples) to (T, mels), or (B, samples) to (B, T, mels). Float dtypes; the result is float32.
 * An empty clip counts as silence. Errors: ESHAPE, EDTYPE, ENOMEM, EINTR. */
nj_status nj_mel_apply(nj_ctx *ctx, const nj_mel *fe, nj_tensor *wave, nj_tensor **out);
/* n clips of any lengths to (n, longest, mels), padded with silence; lengths int64 (n), the clips'
 * valid frames. n >= 1. */
nj_status nj_mel_batch(nj_ctx *ctx, const nj_mel *fe, int n, nj_tensor *const *waves,
                       nj_tensor **out, nj_tensor **lengths);

/* Floats of scratch for nj_mel_rows. */
size_t nj_mel_scratch(const nj_mel *fe);
/* Frames first … first + count - 1 of a clip to out (count, mels), without top_db. Any thread;
 * scratch is 64-byte aligned. The same bits however a clip is cut into calls. */
void nj_mel_rows(const nj_mel *fe, const float *wave, int64_t samples, int64_t first, int64_t count,
                 float *scratch, float *out);
/* What remains once a clip's rows are there: top_db. */
void nj_mel_finish(const nj_mel *fe, float *rows, int64_t frames);

#endif
