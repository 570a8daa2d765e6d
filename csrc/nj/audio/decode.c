#include "audio/decode.h"

#include <math.h>
#include <string.h>

#include "audio/downmix.h"
#include "audio/resample.h"
#include "audio/sndfile.h"
#include "base/parallel.h"

#define CHUNK 65536 /* samples read at a time, over all channels */
#define OPERATION "decode"

nj_audio_decode_options nj_audio_decode_default_options(void) {
  return (nj_audio_decode_options){.to = INFINITY, .max_seconds = NJ_DECODE_MAX_SECONDS};
}

#define O nj_audio_decode_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "rate", rate, NJ_RATE_MIN, NJ_RATE_MAX, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "from", from, 0, 1e9, 0),
    NJ_OPTION_RANGE(O, "to", to, 0, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "channel", channel, 1, 1024, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "max_seconds", max_seconds, 1e-6, 1e6, 0),
    NJ_OPTION_FLAG(O, "partial", partial, 0),
};
NJ_OPTION_TABLE_AS(audio_decode, "decode", items, NULL)
#undef O

nj_status nj_audio_probe(nj_ctx *ctx, const nj_audio_source *source, nj_audio_info *info) {
  nj_sound sound;
  nj_fault fault = {NJ_OK, ""};
  nj_sound_open(source, "info", &sound, info, &fault);
  if (!fault.status)
    nj_sound_close(&sound);
  return nj_fault_raise(ctx, &fault);
}

/* One decoding: from frames of the file to samples of the result. Both ends of the chain count in
 * their own rate from the beginning of the file, so that a range holds the samples that the whole
 * file would have had there. */
struct nj_audio_decoder {
  nj_ctx *ctx;
  nj_audio_decode_options options;
  const char *name;
  nj_audio_info *info;
  nj_fault *fault; /* of the call that runs */
  nj_sound sound;
  nj_resampler *resampler; /* NULL when the rates agree */
  nj_samples *out;         /* of the call that runs */
  int64_t rate;
  int64_t skip;  /* samples of the result still to be dropped */
  int64_t want;  /* samples of the result, if the file has them */
  int64_t made;  /* samples of the result so far */
  int64_t start; /* first frame fed */
  int64_t frames;
  int64_t held; /* frames of the file's first chunk that wait in raw */
  int ended;
  float *raw, *mono, *drop;
};

static nj_status no_memory(const nj_audio_decoder *d) {
  return nj_fault_set(d->fault, NJ_ENOMEM, OPERATION ": out of memory while reading '%s'", d->name);
}

static int64_t greatest_divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

static nj_status check_options(const nj_audio_decode_options *o, nj_fault *fault) {
  if (o->rate && (o->rate < NJ_RATE_MIN || o->rate > NJ_RATE_MAX))
    return nj_fault_set(fault, NJ_EARG, OPERATION ": rate must be in [%d, %d] Hz, got %lld",
                        NJ_RATE_MIN, NJ_RATE_MAX, (long long)o->rate);
  if (!(o->from >= 0) || !(o->to > o->from) || o->from > 1e9)
    return nj_fault_set(fault, NJ_EARG,
                        OPERATION ": expected 0 <= from < to in seconds, got from %g to %g",
                        o->from, o->to);
  if (!(o->max_seconds > 0) || o->max_seconds > 1e6)
    return nj_fault_set(fault, NJ_EARG, OPERATION ": max_seconds must be in (0, 1e6], got %g",
                        o->max_seconds);
  return NJ_OK;
}

static nj_status too_long(const nj_audio_decoder *d) {
  d->info->too_long = 1;
  return nj_fault_set(d->fault, NJ_EUNSUPPORTED,
                      OPERATION ": '%s' is longer than %g seconds; ask for a range by from and to, "
                                "or raise max_seconds",
                      d->name, d->options.max_seconds);
}

/* Moves the file to `frame`, a multiple of `period`, or to one before it from which decoding is exact. */
static void seek_near(nj_audio_decoder *d, int64_t frame, int64_t period) {
  int64_t rate = d->info->rate, known = d->info->frames;
  int is_ogg = strcmp(d->info->format, "OGG") == 0;
  if (strncmp(d->info->encoding, "MP", 2) == 0) /* MP3 and its elders, in whatever file */
    frame -= rate;                              /* frames lean on the bits of those before */
  if (is_ogg && known >= 0 && frame > known - 30 * rate)
    frame = known - 30 * rate; /* libsndfile 1.2 misplaces what lies on the last page */
  frame = frame > 0 ? frame / period * period : 0;
  if (frame > 0 && d->sound.header.seekable && (known < 0 ? !is_ogg : frame < known) &&
      sf_seek(d->sound.file, frame, SEEK_SET) == frame)
    d->start = frame;
}

/* Finds where to begin: the result's grid begins at the file's first sample, so a range is fed from
 * an earlier frame on which both grids meet, with a run-up for the filter. */
static nj_status plan_range(nj_audio_decoder *d) {
  const nj_audio_decode_options *o = &d->options;
  int64_t file_rate = d->info->rate;
  double limit = o->max_seconds * (double)d->rate;
  int64_t first = llround(o->from * (double)d->rate);
  double end = o->to * (double)d->rate;
  d->want = isinf(end) || end - (double)first > limit ? INT64_MAX : llround(end) - first;
  if (d->info->frames >= 0) {
    int64_t most = nj_resampled_length(d->info->frames, file_rate, d->rate) - first;
    if ((double)(most < d->want ? most : d->want) > limit)
      return too_long(d);
  }
  if (first == 0)
    return NJ_OK;
  int64_t g = greatest_divisor(file_rate, d->rate), period = file_rate / g;
  int64_t before = d->rate == file_rate ? 0 : 4096 * (1 + file_rate / d->rate);
  int64_t frame = (int64_t)((double)first * (double)file_rate / (double)d->rate) - before;
  seek_near(d, frame, period);
  d->skip = first - d->start / period * (d->rate / g);
  return NJ_OK;
}

/* Takes n samples at the result's rate. */
static nj_status take(nj_audio_decoder *d, const float *samples, int64_t n) {
  int64_t dropped = n < d->skip ? n : d->skip;
  d->skip -= dropped;
  samples += dropped;
  n -= dropped;
  if (n > d->want - d->made)
    n = d->want - d->made;
  if (n <= 0)
    return NJ_OK;
  if ((double)(d->made + n) > d->options.max_seconds * (double)d->rate)
    return too_long(d);
  if (nj_samples_reserve(d->out, n))
    return no_memory(d);
  memcpy(d->out->data + d->out->length, samples, (size_t)n * sizeof *samples);
  d->out->length += n;
  d->made += n;
  return NJ_OK;
}

/* n mono samples at the file's rate; NULL: the end of the file. */
static nj_status feed(nj_audio_decoder *d, const float *mono, int64_t n) {
  if (!d->resampler)
    return mono ? take(d, mono, n) : NJ_OK;
  int64_t at = 0, made;
  do {
    int64_t used = 0;
    NJ_TRY(nj_resampler_feed(d->resampler, mono ? mono + at : NULL, n - at, &used, d->drop, CHUNK,
                             &made, d->fault));
    at += used;
    NJ_TRY(take(d, d->drop, made));
  } while (mono ? at < n || made == CHUNK : made > 0);
  return NJ_OK;
}

static void replace_non_finite(nj_audio_decoder *d, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(d->raw[i])) {
      d->raw[i] = 0;
      d->info->replaced++;
    }
}

static const float *to_mono(nj_audio_decoder *d, int64_t frames) {
  if (d->info->channels == 1)
    return d->raw;
  nj_downmix(d->raw, frames, d->info->channels, d->options.channel, d->mono);
  return d->mono;
}

static int satisfied(const nj_audio_decoder *d) { return d->skip == 0 && d->made >= d->want; }

/* One chunk of the file; *got is 0 at its end. */
static nj_status read_chunk(nj_audio_decoder *d, int64_t *got) {
  if (d->options.stop && d->options.stop(d->options.stop_data))
    return nj_fault_set(d->fault, NJ_EINTR, "interrupted!");
  *got = d->held;
  d->held = 0;
  if (*got == 0)
    *got = nj_sound_frames(&d->sound, d->raw, CHUNK / d->info->channels);
  if (*got <= 0)
    return NJ_OK;
  d->frames += *got;
  replace_non_finite(d, *got * d->info->channels);
  return feed(d, to_mono(d, *got), *got);
}

/* The file has ended after `there` frames: as it should have? */
static nj_status check_end(nj_audio_decoder *d, int64_t there) {
  int error = sf_error(d->sound.file);
  const char *why = error ? sf_strerror(d->sound.file) : "";
  if (d->info->frames > there)
    return nj_fault_set(d->fault, NJ_EFORMAT,
                        OPERATION ": '%s' is cut or damaged: its header says %lld frames, %lld "
                                  "could be read (partial takes those)%s%s",
                        d->name, (long long)d->info->frames, (long long)there, error ? ": " : "",
                        why);
  if (error)
    return nj_fault_set(d->fault, NJ_EFORMAT, OPERATION ": '%s' is damaged at %.3f s: %s", d->name,
                        (double)there / (double)d->info->rate, why);
  if (d->info->cut)
    return nj_fault_set(d->fault, NJ_EFORMAT,
                        OPERATION ": '%s' is cut: it ends after %lld frames, before its header or "
                                  "stream says (partial takes those)",
                        d->name, (long long)there);
  return NJ_OK;
}

/* At the end of the file: what the filter still holds, and whether the file kept its promise. */
static nj_status finish(nj_audio_decoder *d) {
  if (satisfied(d))
    return NJ_OK;
  int64_t there = d->start + d->frames;
  if (d->info->frames > there)
    d->info->cut = 1;
  if (!d->options.partial)
    NJ_TRY(check_end(d, there));
  if (there == 0)
    return nj_fault_set(d->fault, NJ_EFORMAT, OPERATION ": '%s' holds no samples", d->name);
  int64_t first = llround(d->options.from * (double)d->rate);
  int64_t whole = nj_resampled_length(there, d->info->rate, d->rate);
  if (whole <= first)
    return nj_fault_set(d->fault, NJ_ENOTFOUND,
                        OPERATION ": '%s' ends at %.3f s, before from = %g s", d->name,
                        (double)there / (double)d->info->rate, d->options.from);
  if (d->want > whole - first)
    d->want = whole - first;
  if (d->resampler)
    NJ_TRY(feed(d, NULL, 0));
  int64_t missing = d->want - d->made; /* at most a sample or two of rounding */
  if (missing > 0) {
    if (nj_samples_reserve(d->out, missing))
      return no_memory(d);
    memset(d->out->data + d->out->length, 0, (size_t)missing * sizeof *d->out->data);
    d->out->length += missing;
    d->made += missing;
  }
  return NJ_OK;
}

#define LOOKED_AT 30 /* seconds */

/* Do the channels cancel each other? Decided once, by the file's first seconds in chunks from its
 * beginning, so that ranges and tiles agree: they do when no chunk that is not quiet says otherwise.
 * Mostly the first one settles it, and is kept when it will be wanted. */
static nj_status look_at_channels(nj_audio_decoder *d, const nj_audio_source *source) {
  int channels = d->info->channels;
  nj_downmix_look look = {0};
  int64_t chunks = 0, frames = 0, got = 0;
  if (channels == 1 || d->options.channel)
    return NJ_OK;
  while (!look.settled && frames < LOOKED_AT * d->info->rate) {
    if (d->options.stop && d->options.stop(d->options.stop_data))
      return nj_fault_set(d->fault, NJ_EINTR, "interrupted!");
    got = nj_sound_frames(&d->sound, d->raw, CHUNK / channels);
    if (got <= 0)
      break;
    nj_downmix_look_at(&look, d->raw, got, channels);
    frames += got;
    chunks++;
  }
  if (nj_downmix_cancels(&look, channels)) {
    d->info->cancelled = 1;
    d->options.channel = 1;
  }
  if (chunks == 1 && got > 0 && llround(d->options.from * (double)d->rate) == 0) {
    d->held = got;
    return NJ_OK;
  }
  nj_audio_info again;
  nj_sound_close(&d->sound);
  NJ_TRY(nj_sound_open(source, OPERATION, &d->sound, &again, d->fault));
  if (again.channels != channels || again.rate != d->info->rate)
    return nj_fault_set(d->fault, NJ_EIO, OPERATION ": '%s' was changed while it was read",
                        d->name);
  return NJ_OK;
}

static nj_status prepare(nj_audio_decoder *d, const nj_audio_source *source) {
  if (d->options.channel > d->info->channels)
    return nj_fault_set(d->fault, NJ_EUNSUPPORTED,
                        OPERATION ": '%s' has %d channels, channel %d was asked for", d->name,
                        d->info->channels, d->options.channel);
  d->rate = d->options.rate ? d->options.rate : d->info->rate;
  int64_t chunk = CHUNK / d->info->channels;
  d->raw = nj_alloc(d->ctx, sizeof(float) * (size_t)(CHUNK + chunk + CHUNK));
  if (!d->raw)
    return no_memory(d);
  d->mono = d->raw + CHUNK;
  d->drop = d->mono + chunk;
  NJ_TRY(look_at_channels(d, source));
  NJ_TRY(plan_range(d));
  if (d->rate != d->info->rate)
    NJ_TRY(nj_resampler_new(d->ctx, d->info->rate, d->rate, &d->resampler, d->fault));
  return NJ_OK;
}

nj_status nj_audio_decoder_open(nj_ctx *ctx, const nj_audio_source *source,
                                const nj_audio_decode_options *options, nj_audio_info *info,
                                nj_audio_decoder **out, nj_fault *fault) {
  NJ_TRY(check_options(options, fault));
  const char *name = nj_audio_source_name(source);
  nj_audio_decoder *d = nj_calloc(ctx, 1, sizeof *d);
  if (!d)
    return nj_fault_set(fault, NJ_ENOMEM, OPERATION ": out of memory while reading '%s'", name);
  d->ctx = ctx;
  d->options = *options;
  d->name = name;
  d->info = info;
  d->fault = fault;
  nj_status st = nj_sound_open(source, OPERATION, &d->sound, info, fault);
  if (!st)
    st = prepare(d, source);
  if (st) {
    nj_audio_decoder_close(d);
    return st;
  }
  *out = d;
  return NJ_OK;
}

void nj_audio_decoder_close(nj_audio_decoder *d) {
  if (!d)
    return;
  nj_sound_close(&d->sound);
  nj_resampler_free(d->resampler);
  nj_free(d->ctx, d->raw);
  nj_free(d->ctx, d);
}

nj_status nj_audio_decoder_read(nj_audio_decoder *d, nj_samples *samples, int *ended,
                                nj_fault *fault) {
  d->out = samples;
  d->fault = fault;
  int64_t got = 0;
  if (!d->ended && !satisfied(d))
    NJ_TRY(read_chunk(d, &got));
  if (!d->ended && got <= 0) {
    NJ_TRY(finish(d));
    d->ended = 1;
  }
  *ended = d->ended;
  return NJ_OK;
}

nj_status nj_audio_decode_samples(const nj_audio_source *source,
                                  const nj_audio_decode_options *options, nj_audio_info *info,
                                  nj_samples *samples, nj_fault *fault) {
  nj_audio_info own;
  nj_audio_decoder *d = NULL;
  nj_status st =
      nj_audio_decoder_open(samples->ctx, source, options, info ? info : &own, &d, fault);
  for (int ended = 0; !st && !ended;)
    st = nj_audio_decoder_read(d, samples, &ended, fault);
  nj_audio_decoder_close(d);
  if (st)
    nj_samples_free(samples);
  else
    nj_samples_trim(samples);
  return st;
}

static nj_status to_tensor(nj_samples *samples, nj_tensor **out) {
  int64_t shape[1] = {samples->length};
  return nj_samples_to_tensor(samples, 1, shape, out);
}

nj_status nj_audio_decode(nj_ctx *ctx, const nj_audio_source *source,
                          const nj_audio_decode_options *options, nj_audio_info *info,
                          nj_tensor **out) {
  nj_samples samples = {.ctx = ctx};
  nj_fault fault = {NJ_OK, ""};
  nj_audio_decode_options o = *options;
  if (!o.stop) {
    o.stop = nj_poll_stop;
    o.stop_data = ctx;
  }
  if (nj_audio_decode_samples(source, &o, info, &samples, &fault))
    return nj_fault_raise(ctx, &fault);
  return to_tensor(&samples, out);
}

typedef struct {
  nj_ctx *ctx;
  const nj_audio_source *sources;
  const nj_audio_decode_options *options;
  nj_audio_info *infos;
  nj_samples *samples;
  nj_fault *faults;
} many_job;

static nj_status decode_one(void *arg, int64_t i, int worker) {
  (void)worker;
  many_job *job = arg;
  job->samples[i].ctx = job->ctx;
  nj_audio_decode_samples(&job->sources[i], job->options, job->infos ? &job->infos[i] : NULL,
                          &job->samples[i], &job->faults[i]);
  return NJ_OK;
}

nj_status nj_audio_decode_many(nj_ctx *ctx, int64_t n, const nj_audio_source *sources,
                               const nj_audio_decode_options *options, nj_audio_info *infos,
                               nj_tensor **out, nj_fault *faults) {
  nj_fault fault = {NJ_OK, ""};
  if (check_options(options, &fault))
    return nj_fault_raise(ctx, &fault);
  nj_samples *samples = nj_calloc(ctx, (size_t)n, sizeof *samples);
  if (!samples)
    return NJ_ENOMEM;
  memset(faults, 0, (size_t)n * sizeof *faults);
  many_job job = {ctx, sources, options, infos, samples, faults};
  nj_status st = nj_parallel(ctx, n, decode_one, &job);
  int64_t i = 0;
  for (; i < n && !st; i++) {
    out[i] = NULL;
    if (faults[i].status == NJ_OK)
      st = to_tensor(&samples[i], &out[i]);
  }
  if (st) {
    for (int64_t k = 0; k < i; k++)
      nj_release(out[k]);
    for (int64_t k = 0; k < n; k++)
      if (samples[k].ctx)
        nj_samples_free(&samples[k]);
  }
  nj_free(ctx, samples);
  return st;
}
