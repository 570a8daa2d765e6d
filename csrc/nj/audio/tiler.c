#include "audio/tiler.h"

#include <math.h>
#include <string.h>

#include "audio/resample.h"
#include "base/alloc.h"

nj_status nj_tiling_check(nj_ctx *ctx, const nj_tiling *t, const char *operation) {
  if (t->rate < NJ_RATE_MIN || t->rate > NJ_RATE_MAX)
    return nj_fail(ctx, NJ_EARG, "%s: rate must be in [%d, %d] Hz, got %lld", operation,
                   NJ_RATE_MIN, NJ_RATE_MAX, (long long)t->rate);
  if (t->front_end && nj_mel_get_options(t->front_end)->rate != t->rate)
    return nj_fail(ctx, NJ_EARG, "%s: rate is %lld Hz, the front-end's is %lld", operation,
                   (long long)t->rate, (long long)nj_mel_get_options(t->front_end)->rate);
  if (t->size < 1 || t->size > (int64_t)1 << 32)
    return nj_fail(ctx, NJ_EARG, "%s: tile must be in [1, 2^32] samples, got %lld", operation,
                   (long long)t->size);
  if (!(t->step >= 1 && t->step <= (double)t->size))
    return nj_fail(ctx, NJ_EARG, "%s: step must be in [1, tile = %lld] samples, got %g", operation,
                   (long long)t->size, t->step);
  if (!(t->max_seconds > 0) || t->max_seconds > 1e6)
    return nj_fail(ctx, NJ_EARG, "%s: max_seconds must be in (0, 1e6], got %g", operation,
                   t->max_seconds);
  return NJ_OK;
}

int64_t nj_tiling_width(const nj_tiling *t) {
  return t->front_end ? nj_mel_get_options(t->front_end)->mels : 1;
}

nj_status nj_tiler_open(nj_tiler *t, const char *path, int (*stop)(void *), void *stop_data,
                        nj_fault *fault) {
  nj_audio_source source = {.path = path};
  nj_audio_decode_options o = nj_audio_decode_default_options();
  o.rate = t->tiling->rate;
  o.max_seconds = t->tiling->max_seconds;
  o.stop = t->stop = stop;
  o.stop_data = t->stop_data = stop_data;
  nj_tiler_close(t);
  t->wave.ctx = t->ctx;
  return nj_audio_decoder_open(t->ctx, &source, &o, &t->info, &t->decoder, fault);
}

void nj_tiler_close(nj_tiler *t) {
  nj_audio_decoder_close(t->decoder);
  t->decoder = NULL;
  t->wave.length = t->start = t->covered = t->index = 0;
  t->ended = 0;
}

void nj_tiler_free(nj_tiler *t) {
  nj_tiler_close(t);
  t->wave.ctx = t->ctx;
  nj_samples_free(&t->wave);
  nj_free(t->ctx, t->scratch);
  t->scratch = NULL;
}

int64_t nj_tiler_samples(const nj_tiler *t) { return t->start + t->wave.length; }

static nj_status no_memory(nj_fault *fault) {
  return nj_fault_set(fault, NJ_ENOMEM, "decode: out of memory for a tile");
}

static nj_status transform(nj_tiler *t, int64_t samples, nj_samples *rows, nj_fault *fault) {
  const nj_mel *fe = t->tiling->front_end;
  int64_t mels = nj_mel_get_options(fe)->mels, frames = nj_mel_frames(fe, samples);
  if (!t->scratch && !(t->scratch = nj_calloc(t->ctx, nj_mel_scratch(fe), sizeof(float))))
    return no_memory(fault);
  if (nj_samples_reserve(rows, frames * mels))
    return no_memory(fault);
  const int64_t piece = 512; /* frames between looks at `stop` */
  for (int64_t first = 0; first < frames; first += piece) {
    if (t->stop && t->stop(t->stop_data))
      return nj_fault_set(fault, NJ_EINTR, "interrupted!");
    int64_t count = frames - first < piece ? frames - first : piece;
    nj_mel_rows(fe, t->wave.data, samples, first, count, t->scratch, rows->data + first * mels);
  }
  nj_mel_finish(fe, rows->data, frames);
  rows->length = frames * mels;
  return NJ_OK;
}

static nj_status copy_wave(nj_tiler *t, int64_t samples, nj_samples *rows, nj_fault *fault) {
  if (nj_samples_reserve(rows, samples))
    return no_memory(fault);
  memcpy(rows->data, t->wave.data, (size_t)samples * sizeof *rows->data);
  rows->length = samples;
  return NJ_OK;
}

/* Forgets what no later tile needs. */
static void move_on(nj_tiler *t, int64_t samples) {
  t->covered = samples;
  if (samples < t->tiling->size)
    return; /* the last one */
  int64_t begin = (int64_t)floor((double)++t->index * t->tiling->step + 0.5);
  int64_t shift = begin - t->start, rest = t->wave.length - shift;
  memmove(t->wave.data, t->wave.data + shift, (size_t)rest * sizeof *t->wave.data);
  t->wave.length = rest;
  t->start = begin;
  t->covered -= shift;
}

nj_status nj_tiler_next(nj_tiler *t, nj_samples *rows, int64_t *samples, nj_fault *fault) {
  int64_t size = t->tiling->size;
  while (!t->ended && t->wave.length < size)
    NJ_TRY(nj_audio_decoder_read(t->decoder, &t->wave, &t->ended, fault));
  *samples = t->wave.length < size ? t->wave.length : size;
  if (*samples <= t->covered) {
    *samples = 0;
    return NJ_OK;
  }
  if (rows)
    NJ_TRY(t->tiling->front_end ? transform(t, *samples, rows, fault)
                                : copy_wave(t, *samples, rows, fault));
  move_on(t, *samples);
  return NJ_OK;
}
