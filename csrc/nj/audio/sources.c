#include "audio/sources.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

typedef enum { UNKNOWN, LOADING, CACHED, EVICTED, LONG, FAILED } state;

typedef struct {
  char *path;
  nj_tensor *wave;
  state state;
  void *data; /* samples, when cached */
  int64_t length;
  int users;
  uint64_t used; /* the clock when last taken */
  nj_fault *fault;
} source;

struct nj_sources {
  nj_ctx *ctx;
  nj_sources_options options;
  source *list;
  int64_t count, room;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint64_t clock;
  nj_sources_stats stats;
};

nj_status nj_sources_new(nj_ctx *ctx, const nj_sources_options *options, nj_sources **out) {
  nj_sources *s = nj_calloc(ctx, 1, sizeof *s);
  if (!s)
    return NJ_ENOMEM;
  s->ctx = nj_ctx_retain(ctx);
  s->options = *options;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->changed, NULL);
  *out = s;
  return NJ_OK;
}

void nj_sources_free(nj_sources *s) {
  if (!s)
    return;
  nj_ctx *ctx = s->ctx;
  for (int64_t i = 0; i < s->count; i++) {
    nj_free(ctx, s->list[i].path);
    nj_free(ctx, s->list[i].data);
    nj_free(ctx, s->list[i].fault);
    nj_release(s->list[i].wave);
  }
  nj_free(ctx, s->list);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->lock);
  nj_free(ctx, s);
  nj_ctx_release(ctx);
}

int64_t nj_sources_count(const nj_sources *s) { return s->count; }

static nj_status grow(nj_sources *s) {
  if (s->count < s->room)
    return NJ_OK;
  int64_t room = s->room ? 2 * s->room : 64;
  source *list = nj_realloc(s->ctx, s->list, (size_t)room * sizeof *list);
  if (!list)
    return NJ_ENOMEM;
  s->list = list;
  s->room = room;
  return NJ_OK;
}

nj_status nj_sources_add_file(nj_sources *s, const char *path) {
  NJ_TRY(grow(s));
  char *copy = nj_strdup(s->ctx, path);
  if (!copy)
    return NJ_ENOMEM;
  s->list[s->count++] = (source){.path = copy, .state = UNKNOWN};
  return NJ_OK;
}

nj_status nj_sources_add_wave(nj_sources *s, nj_tensor *wave) {
  if (wave->ndim != 1)
    return nj_fail(s->ctx, NJ_ESHAPE, "renderer: source %lld: expected a wave (samples), got %s",
                   (long long)s->count + 1, NJ_SHAPE_OF(wave));
  if (!nj_dtype_is_float(wave->dtype))
    return nj_fail(s->ctx, NJ_EDTYPE, "renderer: source %lld: expected a float wave, got %s",
                   (long long)s->count + 1, nj_dtype_name(wave->dtype));
  NJ_TRY(grow(s));
  nj_tensor *own = NULL;
  NJ_TRY(nj_as(wave, NJ_F32, &own));
  s->list[s->count++] = (source){.wave = own};
  return NJ_OK;
}

/* ---- loading ---- */

static nj_fault out_of_memory(const char *path) {
  nj_fault fault;
  nj_fault_set(&fault, NJ_ENOMEM, "renderer: out of memory while reading '%s'", path);
  return fault;
}

/* Decodes a range of the file; in 16 bits when asked for. *info tells whether it was too long. */
static nj_status decode(nj_sources *s, const char *path, double from, double to, double longest,
                        int (*stop)(void *), void *stop_data, nj_samples *samples,
                        nj_audio_info *info, nj_fault *fault) {
  nj_audio_source file = {.path = path};
  nj_audio_decode_options o = nj_audio_decode_default_options();
  o.rate = s->options.rate;
  o.from = from;
  o.to = to;
  o.partial = s->options.partial;
  o.max_seconds = longest;
  o.stop = stop;
  o.stop_data = stop_data;
  *samples = (nj_samples){.ctx = s->ctx};
  info->too_long = 0;
  return nj_audio_decode_samples(&file, &o, info, samples, fault);
}

static void round_to_int16(nj_ctx *ctx, nj_samples *samples) {
  /* In place: each 16-bit value is written at or before the float it came from. */
  char *bytes = (char *)samples->data;
  for (int64_t i = 0; i < samples->length; i++) {
    float x = samples->data[i];
    x = x > 1.0f ? 1.0f : x < -1.0f ? -1.0f : x;
    int16_t v = (int16_t)lrintf(x * 32767.0f);
    memcpy(bytes + i * (int64_t)sizeof v, &v, sizeof v);
  }
  void *less = nj_realloc(ctx, samples->data, (size_t)samples->length * sizeof(int16_t));
  if (less)
    samples->data = less;
}

static size_t bytes_of(const nj_sources *s, int64_t length) {
  return (size_t)length * (s->options.int16 ? sizeof(int16_t) : sizeof(float));
}

/* Drops what was not used for longest until `bytes` more fit. Under the lock. */
static void make_room(nj_sources *s, size_t bytes) {
  while (s->stats.bytes > 0 && s->stats.bytes + bytes > s->options.cache_bytes) {
    source *oldest = NULL;
    for (int64_t i = 0; i < s->count; i++) {
      source *c = &s->list[i];
      if (c->state == CACHED && c->users == 0 && (!oldest || c->used < oldest->used))
        oldest = c;
    }
    if (!oldest)
      return;
    s->stats.bytes -= bytes_of(s, oldest->length);
    s->stats.evicted++;
    nj_free(s->ctx, oldest->data);
    oldest->data = NULL;
    oldest->state = EVICTED;
  }
}

/* Remembers why a file cannot be read, unless the reason may pass. */
static state keep_fault(nj_sources *s, source *c, const nj_fault *fault) {
  if (fault->status == NJ_ENOMEM || fault->status == NJ_EINTR)
    return UNKNOWN;
  c->fault = nj_alloc(s->ctx, sizeof *c->fault);
  if (!c->fault)
    return UNKNOWN;
  *c->fault = *fault;
  return FAILED;
}

/* Decodes the file whole. Called, and returns, with the lock held; lets go of it meanwhile. */
static nj_status load(nj_sources *s, source *c, int (*stop)(void *), void *stop_data,
                      nj_fault *fault) {
  nj_samples samples;
  nj_audio_info info;
  c->state = LOADING;
  pthread_mutex_unlock(&s->lock);
  nj_status st =
      decode(s, c->path, 0, INFINITY, s->options.whole, stop, stop_data, &samples, &info, fault);
  if (st == NJ_ENOMEM) { /* once more without the cache */
    pthread_mutex_lock(&s->lock);
    make_room(s, SIZE_MAX / 2);
    pthread_mutex_unlock(&s->lock);
    *fault = (nj_fault){NJ_OK, ""};
    st = decode(s, c->path, 0, INFINITY, s->options.whole, stop, stop_data, &samples, &info, fault);
  }
  if (!st && s->options.int16)
    round_to_int16(s->ctx, &samples);
  pthread_mutex_lock(&s->lock);
  if (st && info.too_long) {
    *fault = (nj_fault){NJ_OK, ""};
    c->state = LONG;
    st = NJ_OK;
  } else if (st) {
    c->state = keep_fault(s, c, fault);
  } else {
    make_room(s, bytes_of(s, samples.length));
    c->data = samples.data;
    c->length = samples.length;
    c->state = CACHED;
    s->stats.bytes += bytes_of(s, c->length);
    s->stats.decoded++;
  }
  pthread_cond_broadcast(&s->changed);
  return st;
}

/* Waits a little for another thread that is loading. Under the lock. */
static void wait_for_change(nj_sources *s) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 10000000;
  if (until.tv_nsec >= 1000000000)
    until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

/* Brings a file to CACHED (and takes it) or LONG, or fails. */
static nj_status settle(nj_sources *s, source *c, int (*stop)(void *), void *stop_data,
                        nj_fault *fault) {
  nj_status st = NJ_OK;
  pthread_mutex_lock(&s->lock);
  int waited = 0, loaded = 0;
  while (!st && c->state != CACHED && c->state != LONG) {
    if (c->state == FAILED) {
      *fault = *c->fault;
      st = fault->status;
    } else if (c->state == LOADING) {
      if (waited++ && stop && stop(stop_data))
        st = nj_fault_set(fault, NJ_EINTR, "interrupted!");
      else
        wait_for_change(s);
    } else {
      loaded = 1;
      st = load(s, c, stop, stop_data, fault);
    }
  }
  if (!st && c->state == CACHED) {
    c->users++;
    c->used = ++s->clock;
    s->stats.hits += !loaded;
  }
  pthread_mutex_unlock(&s->lock);
  return st;
}

/* ---- ranges ---- */

/* Cuts a range out of `length` samples. */
static nj_status cut(const nj_sources *s, int64_t index, const char *name, double from, double to,
                     int64_t length, int64_t *first, int64_t *count, nj_fault *fault) {
  double rate = (double)s->options.rate, end = to * rate;
  *first = llround(from * rate);
  int64_t stop = end < (double)length ? llround(end) : length;
  if (*first >= length)
    return nj_fault_set(fault, NJ_ENOTFOUND,
                        "renderer: source %lld (%s) ends at %.3f s, before from = %g s",
                        (long long)index + 1, name, (double)length / rate, from);
  *count = stop > *first ? stop - *first : 0;
  return NJ_OK;
}

static nj_status acquire_wave(const nj_sources *s, int64_t index, double from, double to,
                              nj_source_range *out, nj_fault *fault) {
  int64_t first, count;
  const nj_tensor *wave = s->list[index].wave;
  NJ_TRY(cut(s, index, "a tensor", from, to, nj_numel(wave), &first, &count, fault));
  *out = (nj_source_range){.length = count, .f32 = NJ_F32_DATA(wave) + first, .cached = -1};
  return NJ_OK;
}

nj_status nj_sources_acquire(nj_sources *s, int64_t index, double from, double to,
                             int (*stop)(void *), void *stop_data, nj_source_range *out,
                             nj_fault *fault) {
  source *c = &s->list[index];
  if (c->wave)
    return acquire_wave(s, index, from, to, out, fault);
  NJ_TRY(settle(s, c, stop, stop_data, fault));
  if (c->state == LONG) { /* never changes again */
    nj_samples samples;
    nj_audio_info info;
    NJ_TRY(decode(s, c->path, from, to, NJ_DECODE_MAX_SECONDS, stop, stop_data, &samples, &info,
                  fault));
    *out = (nj_source_range){.length = samples.length, .f32 = samples.data, .cached = -1};
    out->own = samples.data;
    if (!samples.data) {
      *fault = out_of_memory(c->path);
      return fault->status;
    }
    return NJ_OK;
  }
  int64_t first, count;
  *out = (nj_source_range){.cached = index};
  nj_status st = cut(s, index, c->path, from, to, c->length, &first, &count, fault);
  if (st) {
    nj_sources_release(s, out);
    return st;
  }
  out->length = count;
  if (s->options.int16)
    out->i16 = (const int16_t *)c->data + first;
  else
    out->f32 = (const float *)c->data + first;
  return NJ_OK;
}

void nj_sources_release(nj_sources *s, nj_source_range *range) {
  if (range->cached >= 0) {
    pthread_mutex_lock(&s->lock);
    s->list[range->cached].users--;
    make_room(s, 0);
    pthread_mutex_unlock(&s->lock);
  }
  nj_free(s->ctx, range->own);
  *range = (nj_source_range){.cached = -1};
}

nj_sources_stats nj_sources_get_stats(nj_sources *s) {
  pthread_mutex_lock(&s->lock);
  nj_sources_stats stats = s->stats;
  pthread_mutex_unlock(&s->lock);
  return stats;
}
