/* Sounds that are read again and again, from several threads: files decoded once and kept in a cache
 * of bounded size, and waves that are there already.
 *
 * A file of at most `whole` seconds is decoded whole and cached; of a longer one each range is
 * decoded by itself. Which of both depends on the file alone, so what a range sounds like does not
 * depend on what is in the cache. */
#ifndef NJ_AUDIO_SOURCES_H
#define NJ_AUDIO_SOURCES_H

#include "audio/decode.h"

typedef struct {
  int64_t rate;       /* of everything that comes out */
  double whole;       /* seconds */
  size_t cache_bytes; /* decoded samples kept; those in use come on top */
  int int16;          /* keep them rounded to 16 bits: half the memory, -96 dB of noise */
  int partial;        /* take what is there of files that were cut */
} nj_sources_options;

typedef struct nj_sources nj_sources;

/* Errors: ENOMEM. */
nj_status nj_sources_new(nj_ctx *ctx, const nj_sources_options *options, nj_sources **out);
void nj_sources_free(nj_sources *s); /* nothing may be in use */
/* Adds one, numbered from 0. The path is copied; a wave (samples, at the rate) is retained and must not be
 * written to. Not while other threads read. Errors: EARG, ESHAPE, EDTYPE, ENOMEM. */
nj_status nj_sources_add_file(nj_sources *s, const char *path);
nj_status nj_sources_add_wave(nj_sources *s, nj_tensor *wave);
int64_t nj_sources_count(const nj_sources *s);

typedef struct {
  int64_t length;
  const float *f32;   /* one of the two */
  const int16_t *i16; /* 1 / 32767 */
  int64_t cached;     /* source to be given back, or -1 */
  float *own;
} nj_source_range;

/* Samples from … to (seconds; `to` may be infinite) of source `index`, to be given back with
 * nj_sources_release. Any thread. `stop` as in nj_audio_decode_options. */
nj_status nj_sources_acquire(nj_sources *s, int64_t index, double from, double to,
                             int (*stop)(void *data), void *stop_data, nj_source_range *out,
                             nj_fault *fault);
void nj_sources_release(nj_sources *s, nj_source_range *range);
/* Sample i of a range. */
static inline float nj_source_sample(const nj_source_range *r, int64_t i) {
  return r->f32 ? r->f32[i] : (float)r->i16[i] * (1.0f / 32767.0f);
}

typedef struct {
  size_t bytes;                    /* held now */
  uint64_t decoded, hits, evicted; /* files, since the beginning */
} nj_sources_stats;
nj_sources_stats nj_sources_get_stats(nj_sources *s);

#endif
