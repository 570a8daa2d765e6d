#include "audio/renderer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "audio/resample.h"
#include "base/parallel.h"

typedef struct batch {
  struct batch *next;
  int64_t n;
  nj_mixture *items; /* with their parts after them, one block */
  int64_t *lengths;  /* rows: frames, also those of filling, or samples */
  int64_t longest;
  int64_t begun, done; /* items */
  int started;         /* within the window; rows are there */
  nj_samples rows;
  nj_fault *faults;
  nj_status status; /* of the batch as a whole */
} batch;

struct nj_renderer {
  nj_ctx *ctx;
  nj_renderer_options options;
  nj_sources *sources;
  int started;
  pthread_mutex_t lock;
  pthread_cond_t work, ready;
  batch *first, *last;
  int64_t pending, window; /* window: batches started and not taken */
  atomic_int closing;
  int n_jobs;
  nj_job *jobs[64];
};

/* Scratch of one rendering thread, grown to the longest item. */
typedef struct {
  nj_samples wave;
  float *mel;
} scratch;

static nj_status check(nj_ctx *ctx, const nj_renderer_options *o) {
  if (o->rate < 1000 || o->rate > 1000000)
    return nj_fail(ctx, NJ_EARG, "renderer: rate must be in [1000, 1000000] Hz, got %lld",
                   (long long)o->rate);
  if (o->front_end && nj_mel_get_options(o->front_end)->rate != o->rate)
    return nj_fail(ctx, NJ_EARG, "renderer: rate is %lld Hz, the front-end's is %lld",
                   (long long)o->rate, (long long)nj_mel_get_options(o->front_end)->rate);
  if (o->jobs < 1 || o->jobs > 64)
    return nj_fail(ctx, NJ_EARG, "renderer: jobs must be in [1, 64], got %d", o->jobs);
  if (o->ahead < 1 || o->ahead > 1024)
    return nj_fail(ctx, NJ_EARG, "renderer: ahead must be in [1, 1024], got %d", o->ahead);
  return NJ_OK;
}

nj_renderer_options nj_renderer_default_options(void) {
  return (nj_renderer_options){
      .jobs = 1, .ahead = 2, .sources = {.whole = 60, .cache_bytes = 256 << 20}};
}

#define O nj_renderer_options
static const char *const caches[] = {"float", "int16", NULL};
static const nj_option option_rows[] = {
    NJ_OPTION_RANGE(O, "rate", rate, NJ_RATE_MIN, NJ_RATE_MAX, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "ahead", ahead, 1, 1024, 0),
    NJ_OPTION_RANGE(O, "jobs", jobs, 1, 64, NJ_OPTION_DERIVED),
    NJ_OPTION_ENUM(O, "cache", sources.int16, caches, 0),
    NJ_OPTION_RANGE(O, "whole", sources.whole, 0.001, 3600, 0),
    NJ_OPTION_FLAG(O, "partial", sources.partial, 0),
};
NJ_OPTION_TABLE(renderer, option_rows, NULL)
#undef O

nj_status nj_renderer_new(nj_ctx *ctx, const nj_renderer_options *o, nj_renderer **out) {
  NJ_TRY(check(ctx, o));
  nj_renderer *r = nj_calloc(ctx, 1, sizeof *r);
  if (!r)
    return NJ_ENOMEM;
  r->options = *o;
  r->options.sources.rate = o->rate;
  nj_status st = nj_sources_new(ctx, &r->options.sources, &r->sources);
  if (st) {
    nj_free(ctx, r);
    return st;
  }
  r->ctx = nj_ctx_retain(ctx);
  if (o->front_end)
    nj_mel_retain(o->front_end);
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->work, NULL);
  pthread_cond_init(&r->ready, NULL);
  *out = r;
  return NJ_OK;
}

nj_sources *nj_renderer_sources(nj_renderer *r) { return r->sources; }
int nj_renderer_started(const nj_renderer *r) { return r->started; }
int64_t nj_renderer_pending(const nj_renderer *r) { return r->pending; }
int64_t nj_renderer_next_items(const nj_renderer *r) { return r->first ? r->first->n : 0; }

static void free_batch(nj_ctx *ctx, batch *b) {
  if (!b)
    return;
  nj_samples_free(&b->rows);
  nj_free(ctx, b->items);
  nj_free(ctx, b->lengths);
  nj_free(ctx, b->faults);
  nj_free(ctx, b);
}

/* Whether its threads are those of the process that this one was forked from. */
static int lost(const nj_renderer *r) { return r->n_jobs > 0 && nj_job_lost(r->jobs[0]); }

static nj_status check_process(nj_renderer *r) {
  return lost(r) ? nj_fail(r->ctx, NJ_ESTATE,
                           "renderer: it works for the process that this one was forked from; make "
                           "another one")
                 : NJ_OK;
}

void nj_renderer_free(nj_renderer *r) {
  if (!r)
    return;
  if (lost(
          r)) /* what the parent's threads were at cannot be told: left to the end of the process */
    return;
  nj_ctx *ctx = r->ctx;
  atomic_store(&r->closing, 1);
  pthread_mutex_lock(&r->lock);
  pthread_cond_broadcast(&r->work);
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < r->n_jobs; i++)
    nj_job_join(r->jobs[i]);
  while (r->first) {
    batch *b = r->first;
    r->first = b->next;
    free_batch(ctx, b);
  }
  nj_sources_free(r->sources);
  nj_mel_release(r->options.front_end);
  pthread_cond_destroy(&r->work);
  pthread_cond_destroy(&r->ready);
  pthread_mutex_destroy(&r->lock);
  nj_free(ctx, r);
  nj_ctx_release(ctx);
}

/* ---- one item ---- */

static int closing(void *data) { return atomic_load(&((nj_renderer *)data)->closing); }

static int64_t row_floats(const nj_renderer *r) {
  return r->options.front_end ? nj_mel_get_options(r->options.front_end)->mels : 1;
}

static nj_status prepare(nj_renderer *r, scratch *s, int64_t samples) {
  s->wave.ctx = r->ctx;
  s->wave.length = 0;
  NJ_TRY(nj_samples_reserve(&s->wave, samples));
  if (r->options.front_end && !s->mel) {
    size_t floats = nj_mel_scratch(r->options.front_end);
    s->mel = nj_alloc(r->ctx, floats * sizeof *s->mel);
    if (!s->mel)
      return NJ_ENOMEM;
  }
  return NJ_OK;
}

static void free_scratch(nj_ctx *ctx, scratch *s) {
  s->wave.ctx = ctx;
  nj_samples_free(&s->wave);
  nj_free(ctx, s->mel);
  s->mel = NULL;
}

/* Fills rows from `from` on with silence. */
static void pad(const nj_renderer *r, batch *b, int64_t item, int64_t from) {
  int64_t width = row_floats(r);
  float silence = r->options.front_end ? nj_mel_silence(r->options.front_end) : 0;
  float *rows = b->rows.data + item * b->longest * width;
  for (int64_t i = from * width; i < b->longest * width; i++)
    rows[i] = silence;
}

static nj_status mix_and_transform(nj_renderer *r, batch *b, int64_t item, scratch *s,
                                   int (*stop)(void *), void *stop_data, nj_fault *fault) {
  const nj_mixture *m = &b->items[item];
  int64_t samples = nj_mixture_length(m, r->options.rate), rows = b->lengths[item];
  float *out = b->rows.data + item * b->longest * row_floats(r);
  if (!r->options.front_end)
    return nj_mixture_render(r->sources, r->options.rate, m, stop, stop_data, out, fault);
  if (prepare(r, s, samples))
    return nj_fault_set(fault, NJ_ENOMEM, "renderer: out of memory");
  NJ_TRY(nj_mixture_render(r->sources, r->options.rate, m, stop, stop_data, s->wave.data, fault));
  const int64_t piece = 512; /* frames between looks at `stop` */
  for (int64_t t = 0; t < rows; t += piece) {
    if (stop && stop(stop_data))
      return nj_fault_set(fault, NJ_EINTR, "interrupted!");
    int64_t count = rows - t < piece ? rows - t : piece;
    nj_mel_rows(r->options.front_end, s->wave.data, samples, t, count, s->mel,
                out + t * row_floats(r));
  }
  nj_mel_finish(r->options.front_end, out, rows);
  return NJ_OK;
}

static nj_status render_item(nj_renderer *r, batch *b, int64_t item, scratch *s,
                             int (*stop)(void *), void *stop_data) {
  nj_fault fault = {NJ_OK, ""};
  nj_status st = mix_and_transform(r, b, item, s, stop, stop_data, &fault);
  if (st) {
    b->faults[item] = fault;
    b->lengths[item] = 0;
  }
  if (st != NJ_EINTR) /* else nobody will look */
    pad(r, b, item, b->lengths[item]);
  return st;
}

/* ---- batches ---- */

/* One block: the items, then all their parts. */
static nj_mixture *copy_items(nj_ctx *ctx, int64_t n, const nj_mixture *items) {
  size_t parts = 0;
  for (int64_t i = 0; i < n; i++)
    parts += (size_t)items[i].n_parts;
  nj_mixture *copy = nj_alloc(ctx, (size_t)n * sizeof *copy + parts * sizeof(nj_mixture_part));
  if (!copy)
    return NULL;
  nj_mixture_part *at = (nj_mixture_part *)(void *)(copy + n);
  for (int64_t i = 0; i < n; i++) {
    copy[i] = items[i];
    copy[i].parts = at;
    if (items[i].n_parts)
      memcpy(at, items[i].parts, (size_t)items[i].n_parts * sizeof *at);
    at += items[i].n_parts;
  }
  return copy;
}

static nj_status check_items(nj_renderer *r, int64_t n, const nj_mixture *items) {
  if (n < 1 || n > 1000000)
    return nj_fail(r->ctx, NJ_EARG, "renderer: a batch holds 1 to 1000000 items, got %lld",
                   (long long)n);
  for (int64_t i = 0; i < n; i++) {
    nj_fault fault = {NJ_OK, ""};
    if (nj_mixture_check(&items[i], nj_sources_count(r->sources), &fault))
      return nj_fail(r->ctx, NJ_EARG, "renderer: item %lld: %s", (long long)i + 1,
                     fault.text + strlen("renderer: "));
  }
  return NJ_OK;
}

static nj_status new_batch(nj_renderer *r, int64_t n, const nj_mixture *items, batch **out) {
  NJ_TRY(check_items(r, n, items));
  batch *b = nj_calloc(r->ctx, 1, sizeof *b);
  if (!b)
    return NJ_ENOMEM;
  b->n = n;
  b->rows.ctx = r->ctx;
  b->items = copy_items(r->ctx, n, items);
  b->lengths = nj_calloc(r->ctx, (size_t)n, sizeof *b->lengths);
  b->faults = nj_calloc(r->ctx, (size_t)n, sizeof *b->faults);
  if (!b->items || !b->lengths || !b->faults) {
    free_batch(r->ctx, b);
    return NJ_ENOMEM;
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t samples = nj_mixture_length(&items[i], r->options.rate);
    b->lengths[i] = r->options.front_end ? nj_mel_frames(r->options.front_end, samples) : samples;
    if (b->lengths[i] > b->longest)
      b->longest = b->lengths[i];
  }
  *out = b;
  return NJ_OK;
}

/* Room for the rows. Any thread. */
static nj_status start_batch(const nj_renderer *r, batch *b) {
  b->started = 1;
  NJ_TRY(nj_samples_reserve(&b->rows, b->n * b->longest * row_floats(r)));
  b->rows.length = b->n * b->longest * row_floats(r);
  return NJ_OK;
}

/* How many of an item's rows are its own. */
static int64_t own_rows(const nj_renderer *r, const batch *b, int64_t item) {
  const nj_mel *fe = r->options.front_end;
  if (!fe || b->lengths[item] == 0) /* 0: it could not be rendered */
    return b->lengths[item];
  return nj_mel_valid_frames(fe, nj_mixture_length(&b->items[item], r->options.rate));
}

/* Makes tensors of a finished batch, which is freed. Calling thread. */
static nj_status hand_over(nj_renderer *r, batch *b, nj_tensor **data, nj_tensor **lengths,
                           nj_fault *faults) {
  nj_ctx *ctx = r->ctx;
  nj_tensor *rows = NULL, *counts = NULL;
  int64_t shape[3] = {b->n, b->longest, row_floats(r)};
  nj_status st = b->status;
  if (st == NJ_ENOMEM)
    nj_fail(ctx, st, "renderer: out of memory for a batch of %lld items", (long long)b->n);
  if (!st)
    st = nj_samples_to_tensor(&b->rows, r->options.front_end ? 3 : 2, shape, &rows);
  if (!st)
    st = nj_empty(ctx, NJ_I64, 1, shape, &counts);
  if (!st) {
    for (int64_t i = 0; i < b->n; i++)
      NJ_I64_DATA(counts)[i] = own_rows(r, b, i);
    if (faults)
      memcpy(faults, b->faults, (size_t)b->n * sizeof *faults);
    *data = rows;
    *lengths = counts;
  } else {
    nj_release(rows);
  }
  free_batch(ctx, b);
  return st;
}

/* ---- the jobs ---- */

/* The next item to do, with its batch; waits for one. 0 when the renderer closes. Under the lock. */
static int find_work(nj_renderer *r, batch **out, int64_t *item) {
  while (!closing(r)) {
    for (batch *b = r->first; b; b = b->next) {
      if (!b->started) {
        if (r->window >= r->options.ahead)
          break;
        r->window++;
        b->status = start_batch(r, b);
        if (b->status) { /* lost as a whole; the taker is told */
          b->begun = b->done = b->n;
          pthread_cond_broadcast(&r->ready);
        }
      }
      if (b->begun < b->n) {
        *out = b;
        *item = b->begun++;
        return 1;
      }
    }
    pthread_cond_wait(&r->work, &r->lock);
  }
  return 0;
}

static void run_job(nj_job *job, void *arg) {
  (void)job; /* `closing` tells it to end */
  nj_renderer *r = arg;
  scratch s = {0};
  batch *b;
  int64_t item;
  pthread_mutex_lock(&r->lock);
  while (find_work(r, &b, &item)) {
    pthread_mutex_unlock(&r->lock);
    render_item(r, b, item, &s, closing, r);
    pthread_mutex_lock(&r->lock);
    if (++b->done == b->n)
      pthread_cond_broadcast(&r->ready);
  }
  pthread_mutex_unlock(&r->lock);
  free_scratch(r->ctx, &s);
}

static nj_status start_jobs(nj_renderer *r) {
  r->started = 1;
  while (r->n_jobs < r->options.jobs) {
    nj_status st = nj_job_start(r->ctx, run_job, r, &r->jobs[r->n_jobs]);
    if (st)
      return r->n_jobs > 0 ? NJ_OK : st; /* fewer threads than wished do the same work */
    r->n_jobs++;
  }
  return NJ_OK;
}

nj_status nj_renderer_submit(nj_renderer *r, int64_t n, const nj_mixture *items) {
  batch *b = NULL;
  NJ_TRY(check_process(r));
  NJ_TRY(new_batch(r, n, items, &b));
  nj_status st = start_jobs(r);
  if (st) {
    free_batch(r->ctx, b);
    return st;
  }
  pthread_mutex_lock(&r->lock);
  if (r->last)
    r->last->next = b;
  else
    r->first = b;
  r->last = b;
  r->pending++;
  pthread_cond_broadcast(&r->work);
  pthread_mutex_unlock(&r->lock);
  return NJ_OK;
}

nj_status nj_renderer_next(nj_renderer *r, nj_tensor **data, nj_tensor **lengths,
                           nj_fault *faults) {
  NJ_TRY(check_process(r));
  if (!r->first)
    return nj_fail(r->ctx, NJ_ESTATE, "renderer: nothing is pending; submit a batch first");
  pthread_mutex_lock(&r->lock);
  batch *b = r->first;
  while (!b->started || b->done < b->n) {
    nj_job_wait(&r->ready, &r->lock);
    pthread_mutex_unlock(&r->lock);
    NJ_TRY(nj_poll(r->ctx));
    pthread_mutex_lock(&r->lock);
  }
  r->first = b->next;
  if (!r->first)
    r->last = NULL;
  r->pending--;
  r->window--;
  pthread_cond_broadcast(&r->work);
  pthread_mutex_unlock(&r->lock);
  return hand_over(r, b, data, lengths, faults);
}

/* ---- at once ---- */

nj_status nj_renderer_render(nj_renderer *r, int64_t n, const nj_mixture *items, nj_tensor **data,
                             nj_tensor **lengths, nj_fault *faults) {
  batch *b = NULL;
  NJ_TRY(check_process(r));
  NJ_TRY(new_batch(r, n, items, &b));
  scratch s = {0};
  nj_status st = start_batch(r, b);
  for (int64_t i = 0; i < n && !st; i++)
    if (render_item(r, b, i, &s, nj_poll_stop, r->ctx) == NJ_EINTR)
      st = nj_fail(r->ctx, NJ_EINTR, "interrupted!");
  free_scratch(r->ctx, &s);
  if (st && st != NJ_ENOMEM) {
    free_batch(r->ctx, b);
    return st;
  }
  b->status = st;
  return hand_over(r, b, data, lengths, faults);
}

nj_status nj_renderer_wave(nj_renderer *r, const nj_mixture *item, nj_tensor **out) {
  NJ_TRY(check_process(r));
  NJ_TRY(check_items(r, 1, item));
  nj_tensor *wave = NULL;
  int64_t samples = nj_mixture_length(item, r->options.rate);
  NJ_TRY(nj_empty(r->ctx, NJ_F32, 1, &samples, &wave));
  nj_fault fault = {NJ_OK, ""};
  if (nj_mixture_render(r->sources, r->options.rate, item, nj_poll_stop, r->ctx, NJ_F32_DATA(wave),
                        &fault)) {
    nj_release(wave);
    return nj_fault_raise(r->ctx, &fault);
  }
  *out = wave;
  return NJ_OK;
}
