#include "audio/encode.h"

#include <math.h>
#include <sndfile.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"

#define CHUNK 16384 /* frames written at a time */

static const struct {
  const char *ending;
  int format;
  const char *encoding; /* the usual one */
} formats[] = {
    {".wav", SF_FORMAT_WAV, "pcm16"},  {".flac", SF_FORMAT_FLAC, "pcm16"},
    {".ogg", SF_FORMAT_OGG, "vorbis"}, {".oga", SF_FORMAT_OGG, "vorbis"},
    {".opus", SF_FORMAT_OGG, "opus"},  {".aiff", SF_FORMAT_AIFF, "pcm16"},
    {".aif", SF_FORMAT_AIFF, "pcm16"}, {".caf", SF_FORMAT_CAF, "pcm16"},
    {".mp3", SF_FORMAT_MPEG, "mp3"},
};

static const struct {
  const char *name;
  int code;
} encodings[] = {
    {"pcm16", SF_FORMAT_PCM_16}, {"pcm24", SF_FORMAT_PCM_24},       {"pcm32", SF_FORMAT_PCM_32},
    {"float", SF_FORMAT_FLOAT},  {"double", SF_FORMAT_DOUBLE},      {"vorbis", SF_FORMAT_VORBIS},
    {"opus", SF_FORMAT_OPUS},    {"mp3", SF_FORMAT_MPEG_LAYER_III},
};

/* libsndfile's format code for a path and an encoding. */
static nj_status choose_format(nj_ctx *ctx, const char *path, const char *encoding, SF_INFO *info) {
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof formats / sizeof *formats; i++)
    if (strcasecmp(dot, formats[i].ending) == 0) {
      info->format = formats[i].format;
      encoding = encoding ? encoding : formats[i].encoding;
    }
  if (!info->format)
    return nj_fail(ctx, NJ_EARG,
                   "write: '%s' must end in .wav, .flac, .ogg, .opus, .aiff, .caf or .mp3", path);
  int code = 0;
  for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
    if (strcmp(encoding, encodings[i].name) == 0)
      code = encodings[i].code;
  if (!code)
    return nj_fail(ctx, NJ_EARG,
                   "write: encoding must be pcm16, pcm24, pcm32, float, double, vorbis, opus or "
                   "mp3, got '%s'",
                   encoding);
  info->format |= code;
  if (!sf_format_check(info))
    return nj_fail(ctx, NJ_EARG, "write: '%s' cannot hold %d channels at %d Hz encoded as %s", path,
                   info->channels, info->samplerate, encoding);
  return NJ_OK;
}

static nj_status write_frames(nj_ctx *ctx, SNDFILE *file, const float *x, int64_t channels,
                              int64_t frames, float *chunk) {
  for (int64_t at = 0; at < frames; at += CHUNK) {
    NJ_TRY(nj_poll(ctx));
    int64_t n = frames - at < CHUNK ? frames - at : CHUNK;
    for (int64_t i = 0; i < n; i++)
      for (int64_t c = 0; c < channels; c++) {
        float v = x[c * frames + at + i];
        chunk[i * channels + c] = isfinite(v) ? v : 0;
      }
    if (sf_writef_float(file, chunk, n) != n)
      return nj_fail(ctx, NJ_EIO, "write: %s", sf_strerror(file));
  }
  return NJ_OK;
}

static nj_status write_file(nj_ctx *ctx, const char *path, int fd, SF_INFO *info, const float *x,
                            int64_t frames) {
  float *chunk = nj_calloc(ctx, (size_t)CHUNK * (size_t)info->channels, sizeof *chunk);
  if (!chunk)
    return NJ_ENOMEM;
  int channels = info->channels;
  SNDFILE *file = sf_open_fd(fd, SFM_WRITE, info, SF_FALSE);
  nj_status st;
  if (!file) {
    st = nj_fail(ctx, NJ_EIO, "write: cannot write '%s': %s", path, sf_strerror(NULL));
  } else {
    sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    /* The PEAK chunk holds the time of day: equal samples are to give equal files. */
    sf_command(file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
    st = write_frames(ctx, file, x, channels, frames, chunk);
    int rc = sf_close(file);
    if (!st && rc)
      st = nj_fail(ctx, NJ_EIO, "write: cannot finish '%s': %s", path, sf_error_number(rc));
  }
  nj_free(ctx, chunk);
  return st;
}

nj_status nj_audio_write(nj_ctx *ctx, const char *path, nj_tensor *x, int64_t rate,
                         const char *encoding) {
  if (x->ndim < 1 || x->ndim > 2)
    return nj_fail(ctx, NJ_ESHAPE, "write: expected (samples) or (channels, samples), got %s",
                   NJ_SHAPE_OF(x));
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "write: expected float samples, got %s",
                   nj_dtype_name(x->dtype));
  int64_t channels = x->ndim == 2 ? x->shape[0] : 1, frames = x->shape[x->ndim - 1];
  if (channels < 1 || channels > 256)
    return nj_fail(ctx, NJ_ESHAPE, "write: expected 1 to 256 channels, got %s", NJ_SHAPE_OF(x));
  if (rate < 1 || rate > 655350)
    return nj_fail(ctx, NJ_EARG, "write: rate must be in [1, 655350] Hz, got %lld",
                   (long long)rate);
  SF_INFO info = {.samplerate = (int)rate, .channels = (int)channels};
  NJ_TRY(choose_format(ctx, path, encoding, &info));
  nj_new_file *file = NULL;
  nj_tensor *in = NULL;
  NJ_TRY(nj_as(x, NJ_F32, &in));
  nj_status st = nj_file_create(ctx, "write", path, &file);
  if (!st) {
    st = write_file(ctx, path, nj_file_descriptor(file), &info, NJ_F32_DATA(in), frames);
    if (st)
      nj_file_abandon(file);
    else
      st = nj_file_commit(file);
  }
  nj_release(in);
  return st;
}
