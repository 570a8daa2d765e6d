#include "audio/mel.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/int.h"
#include "base/parallel.h"
#include "kernels/fft.h"
#include "kernels/kernels.h"
#include "kernels/mel.h"
#include "tensor/autograd.h"

/* Frames a pool block computes: a multiple of every lane count. */
#define BLOCK_FRAMES 64

struct nj_mel {
  atomic_int refs;
  nj_ctx *ctx;
  nj_mel_options options;
  nj_fft_plan *plan;
  nj_filterbank bank;
  nj_mel_curve curve;
  const struct nj_fft_kernels *fft;
  const struct nj_mel_kernels *mel;
  float *window; /* n_fft values */
};

static nj_status check_time(nj_ctx *ctx, const nj_mel_options *o) {
  if (o->rate < 1000 || o->rate > 1000000)
    return nj_fail(ctx, NJ_EARG, "mel: rate must be in [1000, 1000000] Hz, got %lld",
                   (long long)o->rate);
  if (o->bank_rate < 1000 || o->bank_rate > 1000000)
    return nj_fail(ctx, NJ_EARG, "mel: bank_rate must be in [1000, 1000000] Hz, got %lld",
                   (long long)o->bank_rate);
  if (o->n_fft < 16 || o->n_fft > 32768)
    return nj_fail(ctx, NJ_EARG, "mel: n_fft must be in [16, 32768], got %d", o->n_fft);
  if (o->win_length < 1 || o->win_length > o->n_fft)
    return nj_fail(ctx, NJ_EARG, "mel: win_length must be in [1, n_fft = %d], got %d", o->n_fft,
                   o->win_length);
  if (o->hop < 1 || o->hop > 1000000)
    return nj_fail(ctx, NJ_EARG, "mel: hop must be in [1, 1000000], got %d", o->hop);
  if (o->power != 1 && o->power != 2)
    return nj_fail(ctx, NJ_EARG, "mel: power must be 1 or 2, got %g", o->power);
  if (!(fabs(o->preemphasis) <= 1))
    return nj_fail(ctx, NJ_EARG, "mel: preemphasis must be in [-1, 1], got %g", o->preemphasis);
  return NJ_OK;
}

static nj_status check_fill(nj_ctx *ctx, const nj_mel_options *o) {
  if (!(o->duration >= 0 && o->duration <= 3600))
    return nj_fail(ctx, NJ_EARG, "mel: duration must be in [0, 3600] seconds, got %g", o->duration);
  if ((o->fill != NJ_MEL_FILL_NONE) != (o->duration > 0))
    return nj_fail(ctx, NJ_EARG, "mel: fill and duration need each other");
  if (!(o->gap >= 0 && o->gap <= 3600))
    return nj_fail(ctx, NJ_EARG, "mel: gap must be in [0, 3600] seconds, got %g", o->gap);
  if (o->gap > 0 && o->fill != NJ_MEL_FILL_REPEAT && o->fill != NJ_MEL_FILL_REPEAT_PAD)
    return nj_fail(ctx, NJ_EARG, "mel: gap needs fill = \"repeat\" or \"repeat_pad\"");
  return NJ_OK;
}

static nj_status check_log(nj_ctx *ctx, const nj_mel_options *o) {
  if ((o->log == NJ_MEL_DB || o->log == NJ_MEL_LOG10) && !(o->amin > 1e-37 && o->amin < 1e37))
    return nj_fail(ctx, NJ_EARG, "mel: amin must be in (1e-37, 1e37), got %g", o->amin);
  if (o->log == NJ_MEL_DB && !(o->ref > 0 && isfinite(o->ref)))
    return nj_fail(ctx, NJ_EARG, "mel: ref must be positive, got %g", o->ref);
  if (o->log == NJ_MEL_LN && !(o->eps > 1e-37 && o->eps < 1e37))
    return nj_fail(ctx, NJ_EARG, "mel: eps must be in (1e-37, 1e37), got %g", o->eps);
  if (!(o->top_db >= 0))
    return nj_fail(ctx, NJ_EARG, "mel: top_db must be positive, or 0 for none, got %g", o->top_db);
  if (o->top_db > 0 && o->log != NJ_MEL_DB)
    return nj_fail(ctx, NJ_EARG, "mel: top_db needs log = 'db'");
  if (!isfinite(o->add) || !isfinite(o->mul) || o->mul == 0)
    return nj_fail(ctx, NJ_EARG, "mel: add and mul must be finite and mul not 0, got %g and %g",
                   o->add, o->mul);
  return NJ_OK;
}

static nj_mel_curve make_curve(const nj_mel_options *o) {
  nj_mel_curve c = {.logarithm = o->log != NJ_MEL_LINEAR, .add = (float)o->add};
  c.mul = (float)o->mul;
  double scale = 1, shift = 0, floor_at = 0;
  if (o->log == NJ_MEL_DB)
    scale = 10 / log(10), shift = -10 * log10(fmax(o->amin, o->ref));
  else if (o->log == NJ_MEL_LOG10)
    scale = 1 / log(10);
  if (o->log == NJ_MEL_LN)
    c.eps = (float)o->eps, floor_at = o->eps;
  else
    c.clamp = (float)o->amin, floor_at = o->amin;
  c.scale = (float)scale;
  c.shift = (float)shift;
  c.floor = c.logarithm ? (float)(scale * log(floor_at) + shift) : 0;
  return c;
}

nj_status nj_mel_new(nj_ctx *ctx, const nj_mel_options *o, nj_mel **out) {
  NJ_TRY(check_time(ctx, o));
  NJ_TRY(check_fill(ctx, o));
  NJ_TRY(check_log(ctx, o));
  nj_mel *fe = nj_calloc(ctx, 1, sizeof *fe);
  if (!fe)
    return NJ_ENOMEM;
  atomic_init(&fe->refs, 1);
  fe->ctx = nj_ctx_retain(ctx);
  fe->options = *o;
  fe->fft = nj_ctx_kernels(ctx)->fft;
  fe->mel = nj_ctx_kernels(ctx)->mel;
  fe->curve = make_curve(o);
  nj_filterbank_options bank = {.rate = o->bank_rate,
                                .n_fft = o->n_fft,
                                .bands = o->mels,
                                .fmin = o->fmin,
                                .fmax = o->fmax,
                                .scale = o->scale,
                                .area_norm = o->area_norm};
  nj_status st = nj_filterbank_make(ctx, &bank, &fe->bank);
  if (!st)
    st = nj_fft_plan_new(ctx, o->n_fft, &fe->plan);
  if (!st && !(fe->window = nj_alloc(ctx, sizeof(float) * (size_t)o->n_fft)))
    st = NJ_ENOMEM;
  if (st) {
    nj_mel_release(fe);
    return st;
  }
  nj_window(o->window, o->periodic, o->win_length, o->n_fft, fe->window);
  *out = fe;
  return NJ_OK;
}

nj_mel *nj_mel_retain(nj_mel *fe) {
  atomic_fetch_add(&fe->refs, 1);
  return fe;
}

void nj_mel_release(nj_mel *fe) {
  if (!fe || atomic_fetch_sub(&fe->refs, 1) != 1)
    return;
  nj_ctx *ctx = fe->ctx;
  nj_filterbank_free(ctx, &fe->bank);
  nj_fft_plan_free(ctx, fe->plan);
  nj_free(ctx, fe->window);
  nj_free(ctx, fe);
  nj_ctx_release(ctx);
}

const nj_mel_options *nj_mel_get_options(const nj_mel *fe) { return &fe->options; }
const nj_filterbank *nj_mel_bank(const nj_mel *fe) { return &fe->bank; }

/* Frames of n samples, as filled and pre-emphasised. */
static int64_t frames_of(const nj_mel_options *o, int64_t n) {
  int64_t frames = o->center ? 1 + n / o->hop : n > o->n_fft ? 1 + (n - o->n_fft) / o->hop : 1;
  return o->drop_last && frames > 1 ? frames - 1 : frames;
}

/* Samples that a clip is padded to; 0: none is. */
static int64_t window_samples(const nj_mel_options *o) {
  return o->fill == NJ_MEL_FILL_NONE ? 0 : (int64_t)(o->duration * (double)o->rate + 0.5);
}

/* Samples of silence after each repetition. */
static int64_t gap_samples(const nj_mel_options *o) {
  return (int64_t)(o->gap * (double)o->rate + 0.5);
}

/* n samples, of which pre-emphasis takes the last. */
static int64_t emphasised(const nj_mel_options *o, int64_t n) {
  return o->preemphasis != 0 && n > 0 ? n - 1 : n;
}

static int64_t filled(const nj_mel *fe, int64_t samples) {
  int64_t window = window_samples(&fe->options);
  return samples < window ? window : samples;
}

/* Samples after filling and pre-emphasis. */
static int64_t effective(const nj_mel *fe, int64_t samples) {
  return emphasised(&fe->options, filled(fe, samples));
}

/* Where sample `at` of the filled clip comes from, or -1 for a zero; *run: how many follow in the
 * same way. 0 <= at < filled. */
static int64_t source(const nj_mel *fe, int64_t samples, int64_t at, int64_t *run) {
  int64_t n = filled(fe, samples), end = n;
  nj_mel_fill fill = fe->options.fill;
  *run = n - at;
  if (samples >= window_samples(&fe->options))
    return at;
  if (samples == 0 || fill == NJ_MEL_FILL_PAD)
    end = samples;
  int64_t period = samples + gap_samples(&fe->options);
  if (samples > 0 && fill == NJ_MEL_FILL_REPEAT_PAD)
    end = (n + period - samples) / period * period;
  if (end > n)
    end = n;
  if (at >= end)
    return -1;
  int64_t from = at % period, silent = from >= samples;
  int64_t whole = silent ? period - from : samples - from;
  *run = end - at < whole ? end - at : whole;
  return silent ? -1 : from;
}

int64_t nj_mel_frames(const nj_mel *fe, int64_t samples) {
  return frames_of(&fe->options, effective(fe, samples));
}

int64_t nj_mel_valid_frames(const nj_mel *fe, int64_t samples) {
  const nj_mel_options *o = &fe->options;
  return samples < window_samples(o) ? frames_of(o, emphasised(o, samples))
                                     : nj_mel_frames(fe, samples);
}

double nj_mel_seconds(const nj_mel *fe, int64_t frame) {
  const nj_mel_options *o = &fe->options;
  double middle = o->center ? 0 : o->n_fft / 2.0;
  return ((double)frame * o->hop + middle) / (double)o->rate;
}

float nj_mel_silence(const nj_mel *fe) { return (fe->curve.floor + fe->curve.add) * fe->curve.mul; }

static inline int64_t align16(int64_t floats) { return (floats + 15) / 16 * 16; }

/* Scratch: the span of samples under a group of frames, the frames, the power, the FFT's own. */
static int64_t span_floats(const nj_mel *fe) {
  return align16((int64_t)(fe->fft->lanes - 1) * fe->options.hop + fe->options.n_fft);
}

static int64_t frame_floats(const nj_mel *fe) {
  return align16((int64_t)fe->options.n_fft * fe->fft->lanes);
}

static int64_t power_floats(const nj_mel *fe) {
  return align16((int64_t)fe->bank.bins * fe->fft->lanes);
}

size_t nj_mel_scratch(const nj_mel *fe) {
  int64_t work = (int64_t)nj_fft_work(fe->plan) * fe->fft->lanes;
  return (size_t)(span_floats(fe) + frame_floats(fe) + power_floats(fe) + work);
}

/* Index of sample i of an endless mirror of n samples (period 2n - 2), as numpy.pad's reflect. */
static int64_t mirror(int64_t i, int64_t n) {
  if (n == 1)
    return 0;
  int64_t period = 2 * n - 2;
  i %= period;
  if (i < 0)
    i += period;
  return i < n ? i : period - i;
}

/* Sample `at` of a padded clip, pre-emphasised: its neighbour may be of another piece. */
static float across(const nj_mel *fe, const float *wave, int64_t samples, int64_t at) {
  const nj_mel_options *o = &fe->options;
  float pair[2] = {0, 0}, out;
  int64_t run;
  for (int k = 0; k < 2; k++) {
    int64_t from = source(fe, samples, at + k, &run);
    if (from >= 0)
      fe->mel->samples(wave + from, 1, o->quantize, 0, &pair[k]);
  }
  fe->mel->samples(pair, 1, 0, (float)o->preemphasis, &out);
  return out;
}

/* Samples begin … begin + count - 1 of the padded wave (0 is the wave's first sample). */
static void fill_span(const nj_mel *fe, const float *wave, int64_t samples, int64_t begin,
                      int64_t count, float *span) {
  const nj_mel_options *o = &fe->options;
  int64_t n = effective(fe, samples), run;
  int64_t reach = o->center ? (int64_t)o->n_fft / 2 : 0;
  int pieces = o->preemphasis != 0 && samples < window_samples(o);
  for (int64_t i = 0; i < count; i += run) {
    int64_t at = begin + i, from = -1;
    int inside = at >= 0 && at < n;
    int mirrored = o->pad == NJ_MEL_PAD_REFLECT && n > 0 && at >= -reach && at < n + reach;
    run = 1;
    if (inside || mirrored)
      from = source(fe, samples, inside ? at : mirror(at, n), &run);
    if (!inside)
      run = 1;
    else
      run = nj_min_i64(run, nj_min_i64(n - at, count - i));
    if (pieces && (inside || mirrored) && run == 1) {
      span[i] = across(fe, wave, samples, inside ? at : mirror(at, n));
      continue;
    }
    run -= pieces && run > 1; /* the last of a piece is done by itself */
    if (from >= 0)
      fe->mel->samples(wave + from, run, o->quantize, (float)o->preemphasis, span + i);
    else
      memset(span + i, 0, (size_t)run * sizeof *span);
  }
}

void nj_mel_rows(const nj_mel *fe, const float *wave, int64_t samples, int64_t first, int64_t count,
                 float *scratch, float *out) {
  const nj_mel_options *o = &fe->options;
  int lanes = fe->fft->lanes;
  float *span = scratch, *x = span + span_floats(fe), *power = x + frame_floats(fe);
  float *work = power + power_floats(fe);
  int64_t width = (int64_t)(lanes - 1) * o->hop + o->n_fft;
  for (int64_t t = 0; t < count; t += lanes) {
    int frames = count - t < lanes ? (int)(count - t) : lanes;
    int64_t begin = (first + t) * o->hop - (o->center ? o->n_fft / 2 : 0);
    fill_span(fe, wave, samples, begin, width, span);
    fe->fft->frames(span, o->hop, fe->window, o->n_fft, x);
    fe->fft->power(fe->plan, x, work, power);
    if (o->power == 1)
      fe->mel->magnitude(power, fe->bank.bins);
    fe->mel->bands(&fe->bank.sparse, &fe->curve, power, frames, out + t * o->mels, o->mels);
  }
}

void nj_mel_finish(const nj_mel *fe, float *rows, int64_t frames) {
  const nj_mel_options *o = &fe->options;
  int64_t n = frames * o->mels;
  if (!(o->top_db > 0) || n == 0)
    return;
  /* In the scale of the result: affine with a slope of either sign. */
  float best = rows[0], sign = o->mul < 0 ? -1.0f : 1.0f;
  for (int64_t i = 1; i < n; i++)
    if (sign * rows[i] > sign * best)
      best = rows[i];
  float least = best - (float)(o->top_db * o->mul);
  for (int64_t i = 0; i < n; i++)
    if (sign * rows[i] < sign * least)
      rows[i] = least;
}

/* ---- over tensors ---- */

typedef struct {
  const float *wave;
  int64_t samples, frames;
  float *rows;
  int64_t first_block;
} clip;

typedef struct {
  const nj_mel *fe;
  const clip *clips;
  int64_t n;
  float *scratch;
  size_t scratch_floats;
} mel_job;

static nj_status mel_block(void *arg, int64_t block, int worker) {
  const mel_job *job = arg;
  int64_t low = 0, high = job->n - 1; /* the last clip that begins at or before the block */
  while (low < high) {
    int64_t mid = (low + high + 1) / 2;
    if (job->clips[mid].first_block <= block)
      low = mid;
    else
      high = mid - 1;
  }
  const clip *c = &job->clips[low];
  int64_t first = (block - c->first_block) * BLOCK_FRAMES;
  int64_t count = c->frames - first < BLOCK_FRAMES ? c->frames - first : BLOCK_FRAMES;
  nj_mel_rows(job->fe, c->wave, c->samples, first, count,
              job->scratch + (size_t)worker * job->scratch_floats,
              c->rows + first * job->fe->options.mels);
  return NJ_OK;
}

static nj_status finish_clip(void *arg, int64_t i, int worker) {
  (void)worker;
  const mel_job *job = arg;
  nj_mel_finish(job->fe, job->clips[i].rows, job->clips[i].frames);
  return NJ_OK;
}

static nj_status run(nj_ctx *ctx, const nj_mel *fe, clip *clips, int64_t n) {
  int64_t blocks = 0;
  for (int64_t i = 0; i < n; i++) {
    clips[i].first_block = blocks;
    blocks += (clips[i].frames + BLOCK_FRAMES - 1) / BLOCK_FRAMES;
  }
  size_t floats = (size_t)align16((int64_t)nj_mel_scratch(fe));
  mel_job job = {fe, clips, n, NULL, floats};
  job.scratch = nj_calloc(ctx, floats * (size_t)nj_threads(ctx), sizeof(float));
  if (!job.scratch)
    return NJ_ENOMEM;
  nj_status st = nj_parallel(ctx, blocks, mel_block, &job);
  if (!st && fe->options.top_db > 0)
    st = nj_parallel(ctx, n, finish_clip, &job);
  nj_free(ctx, job.scratch);
  return st;
}

static nj_status check_wave(nj_ctx *ctx, nj_tensor *wave, int batched) {
  if (!nj_dtype_is_float(wave->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "mel: expected a float wave, got %s",
                   nj_dtype_name(wave->dtype));
  if (wave->ndim != 1 && !(batched && wave->ndim == 2))
    return nj_fail(ctx, NJ_ESHAPE, "mel: expected a wave of shape (samples)%s, got %s",
                   batched ? " or (clips, samples)" : "", NJ_SHAPE_OF(wave));
  if (nj_will_record(ctx, 1, (nj_tensor *[]){wave}))
    return nj_fail(ctx, NJ_EGRAD, "mel: the front-end is not differentiable; detach the wave");
  return NJ_OK;
}

nj_status nj_mel_apply(nj_ctx *ctx, const nj_mel *fe, nj_tensor *wave, nj_tensor **out) {
  NJ_TRY(check_wave(ctx, wave, 1));
  int64_t samples = wave->shape[wave->ndim - 1], n = wave->ndim == 2 ? wave->shape[0] : 1;
  int64_t frames = nj_mel_frames(fe, samples), mels = fe->options.mels;
  int64_t shape[3] = {n, frames, mels};
  nj_tensor *in = NULL, *y = NULL;
  nj_status st = nj_as(wave, NJ_F32, &in);
  clip *clips = st ? NULL : nj_calloc(ctx, (size_t)n, sizeof *clips);
  if (!st && !clips)
    st = NJ_ENOMEM;
  if (!st)
    st = nj_empty(ctx, NJ_F32, wave->ndim + 1, shape + (wave->ndim == 1), &y);
  for (int64_t i = 0; i < n && !st; i++)
    clips[i] = (clip){NJ_F32_DATA(in) + i * samples, samples, frames,
                      NJ_F32_DATA(y) + i * frames * mels, 0};
  if (!st && n > 0)
    st = run(ctx, fe, clips, n);
  nj_free(ctx, clips);
  nj_release(in);
  if (st) {
    nj_release(y);
    return st;
  }
  *out = y;
  return NJ_OK;
}

/* Allocates the batch and points each clip at its rows. */
static nj_status lay_out(nj_ctx *ctx, const nj_mel *fe, int n, nj_tensor *const *in, clip *clips,
                         nj_tensor **y, nj_tensor **lengths) {
  int64_t longest = 0, mels = fe->options.mels;
  for (int i = 0; i < n; i++) {
    clips[i].samples = nj_numel(in[i]);
    clips[i].wave = NJ_F32_DATA(in[i]);
    clips[i].frames = nj_mel_frames(fe, clips[i].samples);
    if (clips[i].frames > longest)
      longest = clips[i].frames;
  }
  NJ_TRY(nj_empty(ctx, NJ_F32, 3, (int64_t[]){n, longest, mels}, y));
  NJ_TRY(nj_empty(ctx, NJ_I64, 1, (int64_t[]){n}, lengths));
  float silence = nj_mel_silence(fe);
  for (int i = 0; i < n; i++) {
    clips[i].rows = NJ_F32_DATA(*y) + i * longest * mels;
    NJ_I64_DATA(*lengths)[i] = nj_mel_valid_frames(fe, clips[i].samples);
    for (int64_t k = clips[i].frames * mels; k < longest * mels; k++)
      clips[i].rows[k] = silence;
  }
  return NJ_OK;
}

nj_status nj_mel_batch(nj_ctx *ctx, const nj_mel *fe, int n, nj_tensor *const *waves,
                       nj_tensor **out, nj_tensor **lengths) {
  if (n < 1)
    return nj_fail(ctx, NJ_EARG, "mel: a batch needs at least one wave");
  for (int i = 0; i < n; i++)
    NJ_TRY(check_wave(ctx, waves[i], 0));
  nj_tensor *y = NULL, *len = NULL;
  nj_tensor **in = nj_calloc(ctx, (size_t)n, sizeof(nj_tensor *));
  clip *clips = nj_calloc(ctx, (size_t)n, sizeof *clips);
  nj_status st = in && clips ? NJ_OK : NJ_ENOMEM;
  for (int i = 0; i < n && !st; i++)
    st = nj_as(waves[i], NJ_F32, &in[i]);
  if (!st)
    st = lay_out(ctx, fe, n, in, clips, &y, &len);
  if (!st)
    st = run(ctx, fe, clips, n);
  for (int i = 0; in && i < n; i++)
    nj_release(in[i]);
  nj_free(ctx, in);
  nj_free(ctx, clips);
  if (st) {
    nj_release(y);
    nj_release(len);
    return st;
  }
  *out = y;
  *lengths = len;
  return NJ_OK;
}
