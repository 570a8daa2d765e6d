#include "audio/reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "audio/resample.h"
#include "base/alloc.h"
#include "base/parallel.h"

typedef struct tile {
  struct tile *next;
  nj_samples rows;
  int64_t samples;
} tile;

typedef struct file {
  struct file *next;
  struct nj_reader *reader;
  char *path;
  tile *first, *last; /* waiting */
  int64_t taken;      /* tiles handed over */
  int64_t samples;
  int begun, done;   /* by a job */
  int own, again;    /* read on the calling thread; for the second time */
  atomic_int wanted; /* 0: its job may stop */
  nj_fault fault;
} file;

struct nj_reader {
  nj_ctx *ctx;
  nj_reader_options options;
  pthread_mutex_t lock;
  pthread_cond_t work, ready;
  file *first, *last;
  int64_t pending;
  size_t bytes; /* of waiting tiles */
  atomic_int closing;
  int n_jobs, started;
  nj_job *jobs[64];
  nj_tiler tiler; /* of the calling thread */
};

static nj_status check(nj_ctx *ctx, const nj_reader_options *o) {
  NJ_TRY(nj_tiling_check(ctx, &o->tiling, "reader"));
  if (o->jobs < 0 || o->jobs > 64)
    return nj_fail(ctx, NJ_EARG, "reader: jobs must be in [0, 64], got %d", o->jobs);
  if (o->ahead < 1 || o->ahead > 4096)
    return nj_fail(ctx, NJ_EARG, "reader: ahead must be in [1, 4096], got %d", o->ahead);
  return NJ_OK;
}

nj_reader_options nj_reader_default_options(void) {
  return (nj_reader_options){
      .tiling = {.max_seconds = NJ_DECODE_MAX_SECONDS}, .jobs = 1, .ahead = 16, .bytes = 32 << 20};
}

static void derive(void *options, uint64_t given) {
  nj_tiling *t = &((nj_reader_options *)options)->tiling;
  if (!nj_option_given(&nj_reader_option_table, given, "tile"))
    t->size = 30 * t->rate;
  if (!nj_option_given(&nj_reader_option_table, given, "step"))
    t->step = (double)t->size;
}

#define O nj_reader_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "rate", tiling.rate, NJ_RATE_MIN, NJ_RATE_MAX, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "tile", tiling.size, 1, 0x1p32, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "step", tiling.step, 1, 0x1p32, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "ahead", ahead, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "jobs", jobs, 0, 64, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "max_seconds", tiling.max_seconds, 1e-6, 1e6, 0),
};
NJ_OPTION_TABLE(reader, items, derive)
#undef O

nj_status nj_reader_new(nj_ctx *ctx, const nj_reader_options *o, nj_reader **out) {
  NJ_TRY(check(ctx, o));
  nj_reader *r = nj_calloc(ctx, 1, sizeof *r);
  if (!r)
    return NJ_ENOMEM;
  r->ctx = nj_ctx_retain(ctx);
  r->options = *o;
  if (o->tiling.front_end)
    nj_mel_retain(o->tiling.front_end);
  r->tiler = (nj_tiler){.ctx = ctx, .tiling = &r->options.tiling};
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->work, NULL);
  pthread_cond_init(&r->ready, NULL);
  *out = r;
  return NJ_OK;
}

static void free_tile(nj_ctx *ctx, tile *t) {
  if (t)
    nj_samples_free(&t->rows);
  nj_free(ctx, t);
}

static size_t tile_bytes(const tile *t) { return (size_t)t->rows.room * sizeof(float); }

static void drop_tiles(nj_reader *r, file *f) {
  while (f->first) {
    tile *t = f->first;
    f->first = t->next;
    r->bytes -= tile_bytes(t);
    free_tile(r->ctx, t);
  }
  f->last = NULL;
}

static void free_file(nj_reader *r, file *f) {
  drop_tiles(r, f);
  nj_free(r->ctx, f->path);
  nj_free(r->ctx, f);
}

/* Whether its threads are those of the process that this one was forked from. */
static int lost(const nj_reader *r) { return r->n_jobs > 0 && nj_job_lost(r->jobs[0]); }

static nj_status check_process(nj_reader *r) {
  return lost(r) ? nj_fail(r->ctx, NJ_ESTATE,
                           "reader: it works for the process that this one was forked from; make "
                           "another one")
                 : NJ_OK;
}

void nj_reader_free(nj_reader *r) {
  if (!r)
    return;
  if (lost(
          r)) /* what the parent's threads were at cannot be told: left to the end of the process */
    return;
  nj_ctx *ctx = r->ctx;
  pthread_mutex_lock(&r->lock);
  atomic_store(&r->closing, 1);
  pthread_cond_broadcast(&r->work);
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < r->n_jobs; i++)
    nj_job_join(r->jobs[i]);
  while (r->first) {
    file *f = r->first;
    r->first = f->next;
    free_file(r, f);
  }
  nj_tiler_free(&r->tiler);
  nj_mel_release(r->options.tiling.front_end);
  pthread_cond_destroy(&r->work);
  pthread_cond_destroy(&r->ready);
  pthread_mutex_destroy(&r->lock);
  nj_free(ctx, r);
  nj_ctx_release(ctx);
}

int64_t nj_reader_pending(const nj_reader *r) { return r->pending; }

size_t nj_reader_bytes(nj_reader *r) {
  if (lost(r))
    return r->bytes;
  pthread_mutex_lock(&r->lock);
  size_t bytes = r->bytes;
  pthread_mutex_unlock(&r->lock);
  return bytes;
}

/* ---- the jobs ---- */

static int unwanted(void *data) {
  file *f = data;
  return atomic_load(&f->reader->closing) || !atomic_load(&f->wanted);
}

/* Tiles of the oldest file need no room when none of them waits: the caller can always go on. */
static int may_enter(const nj_reader *r, const file *f, size_t bytes) {
  return (f == r->first && !f->first) ||
         (r->bytes <= r->options.bytes && bytes <= r->options.bytes - r->bytes);
}

/* Puts a tile after its file's, when there is room. 0: nobody wants it. */
static int enter(nj_reader *r, file *f, tile *t) {
  size_t bytes = tile_bytes(t);
  pthread_mutex_lock(&r->lock);
  while (!unwanted(f) && !may_enter(r, f, bytes))
    pthread_cond_wait(&r->work, &r->lock);
  int wanted = !unwanted(f);
  if (wanted) {
    if (f->last)
      f->last->next = t;
    else
      f->first = t;
    f->last = t;
    r->bytes += bytes;
    pthread_cond_broadcast(&r->ready);
  }
  pthread_mutex_unlock(&r->lock);
  return wanted;
}

/* *out NULL: the file has ended. */
static nj_status read_tile(nj_reader *r, nj_tiler *tiler, tile **out, nj_fault *fault) {
  *out = NULL;
  tile *t = nj_calloc(r->ctx, 1, sizeof *t);
  if (!t)
    return nj_fault_set(fault, NJ_ENOMEM, "decode: out of memory for a tile");
  t->rows.ctx = r->ctx;
  nj_status st = nj_tiler_next(tiler, &t->rows, &t->samples, fault);
  if (st || t->samples == 0) {
    free_tile(r->ctx, t);
    return st;
  }
  nj_samples_trim(&t->rows);
  *out = t;
  return NJ_OK;
}

static void read_file(nj_reader *r, nj_tiler *tiler, file *f) {
  nj_fault fault = {NJ_OK, ""};
  tile *t = NULL;
  nj_status st = nj_tiler_open(tiler, f->path, unwanted, f, &fault);
  while (!st) {
    st = read_tile(r, tiler, &t, &fault);
    if (st || !t)
      break;
    if (!enter(r, f, t)) {
      free_tile(r->ctx, t);
      break;
    }
  }
  pthread_mutex_lock(&r->lock);
  f->samples = nj_tiler_samples(tiler);
  f->fault = fault;
  f->done = 1;
  pthread_cond_broadcast(&r->ready);
  pthread_mutex_unlock(&r->lock);
  nj_tiler_close(tiler);
}

/* The next file to begin; waits for one. NULL when the reader closes. Under the lock. */
static file *find_file(nj_reader *r) {
  while (!atomic_load(&r->closing)) {
    file *f = r->first;
    for (int i = 0; f && i < r->options.ahead; i++, f = f->next)
      if (!f->begun) {
        f->begun = 1;
        return f;
      }
    pthread_cond_wait(&r->work, &r->lock);
  }
  return NULL;
}

static void run_job(nj_job *job, void *arg) {
  (void)job; /* `closing` tells it to end */
  nj_reader *r = arg;
  nj_tiler tiler = {.ctx = r->ctx, .tiling = &r->options.tiling};
  file *f;
  pthread_mutex_lock(&r->lock);
  while ((f = find_file(r))) {
    pthread_mutex_unlock(&r->lock);
    read_file(r, &tiler, f);
    pthread_mutex_lock(&r->lock);
  }
  pthread_mutex_unlock(&r->lock);
  nj_tiler_free(&tiler);
}

static nj_status start_jobs(nj_reader *r) {
  while (!r->started && r->n_jobs < r->options.jobs) {
    nj_status st = nj_job_start(r->ctx, run_job, r, &r->jobs[r->n_jobs]);
    if (st && r->n_jobs == 0)
      return st;
    if (st)
      break; /* fewer threads than wished do the same work */
    r->n_jobs++;
  }
  r->started = 1;
  return NJ_OK;
}

/* ---- the calling thread ---- */

nj_status nj_reader_submit(nj_reader *r, const char *path) {
  NJ_TRY(check_process(r));
  size_t size = strlen(path) + 1;
  file *f = nj_calloc(r->ctx, 1, sizeof *f);
  if (!f)
    return NJ_ENOMEM;
  f->path = nj_alloc(r->ctx, size);
  nj_status st = f->path ? start_jobs(r) : NJ_ENOMEM;
  if (st) {
    free_file(r, f);
    return st;
  }
  memcpy(f->path, path, size);
  f->reader = r;
  atomic_init(&f->wanted, 1);
  f->own = f->begun = r->options.jobs == 0;
  pthread_mutex_lock(&r->lock);
  if (r->last)
    r->last->next = f;
  else
    r->first = f;
  r->last = f;
  r->pending++;
  pthread_cond_broadcast(&r->work);
  pthread_mutex_unlock(&r->lock);
  return NJ_OK;
}

/* Waits until the file's job has a tile (with `tiles`), or has ended. Holds the lock after NJ_OK. */
static nj_status wait_for(nj_reader *r, const file *f, int tiles) {
  pthread_mutex_lock(&r->lock);
  while (!f->done && !(tiles && f->first)) {
    nj_job_wait(&r->ready, &r->lock);
    pthread_mutex_unlock(&r->lock);
    NJ_TRY(nj_poll(r->ctx));
    pthread_mutex_lock(&r->lock);
  }
  return NJ_OK;
}

/* A tile of a file that the calling thread reads; skips those that were taken before. */
static nj_status read_own(nj_reader *r, file *f, tile **out) {
  nj_status st = NJ_OK;
  int64_t there = 1;
  f->fault.status = NJ_OK;
  if (!r->tiler.decoder) {
    st = nj_tiler_open(&r->tiler, f->path, nj_poll_stop, r->ctx, &f->fault);
    for (int64_t i = 0; !st && there && i < f->taken; i++)
      st = nj_tiler_next(&r->tiler, NULL, &there, &f->fault);
    if (st == NJ_EINTR)
      nj_tiler_close(&r->tiler); /* from the beginning, the next time */
  }
  if (!st)
    st = read_tile(r, &r->tiler, out, &f->fault);
  if (st == NJ_EINTR)
    return nj_fault_raise(r->ctx, &f->fault);
  if (st || !*out) {
    f->samples = nj_tiler_samples(&r->tiler);
    nj_tiler_close(&r->tiler);
  }
  return NJ_OK;
}

static nj_status take_tile(nj_reader *r, file *f, tile **out) {
  *out = NULL;
  if (f->own)
    return read_own(r, f, out);
  NJ_TRY(wait_for(r, f, 1));
  tile *t = f->first;
  if (t) {
    f->first = t->next;
    if (!f->first)
      f->last = NULL;
    r->bytes -= tile_bytes(t);
    pthread_cond_broadcast(&r->work);
  }
  pthread_mutex_unlock(&r->lock);
  *out = t;
  return NJ_OK;
}

/* After running out of memory: once, a file is read again on the calling thread. */
static nj_status begin_again(nj_reader *r, file *f) {
  atomic_store(&f->wanted, 0);
  if (!f->own) {
    pthread_mutex_lock(&r->lock);
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
    NJ_TRY(wait_for(r, f, 0));
    drop_tiles(r, f);
    pthread_mutex_unlock(&r->lock);
  }
  nj_tiler_close(&r->tiler);
  f->own = f->again = 1;
  return nj_fail(r->ctx, NJ_ENOMEM, "reader: out of memory while reading '%s'", f->path);
}

static nj_status tile_to_tensor(nj_reader *r, tile *t, nj_tensor **out, int64_t *own) {
  const nj_mel *fe = r->options.tiling.front_end;
  int64_t width = nj_tiling_width(&r->options.tiling);
  int64_t shape[2] = {t->rows.length / width, width};
  *own = fe ? nj_mel_valid_frames(fe, t->samples) : t->samples;
  nj_status st = nj_samples_to_tensor(&t->rows, fe ? 2 : 1, shape, out);
  free_tile(r->ctx, t);
  return st;
}

/* The oldest file has ended. */
static void forget(nj_reader *r, int64_t *samples, nj_fault *fault) {
  pthread_mutex_lock(&r->lock);
  file *f = r->first;
  r->first = f->next;
  if (!r->first)
    r->last = NULL;
  r->pending--;
  pthread_cond_broadcast(&r->work);
  pthread_mutex_unlock(&r->lock);
  *samples = f->samples;
  *fault = f->fault;
  free_file(r, f);
}

nj_status nj_reader_next(nj_reader *r, nj_tensor **out, int64_t *count, nj_fault *fault) {
  NJ_TRY(check_process(r));
  if (r->pending == 0)
    return nj_fail(r->ctx, NJ_ESTATE, "reader: nothing is pending; submit a file first");
  file *f = r->first;
  tile *t = NULL;
  int lost = 0;
  *out = NULL;
  if (!f->own && !atomic_load(&f->wanted)) /* the caller was interrupted while it began again */
    return begin_again(r, f);
  NJ_TRY(take_tile(r, f, &t));
  if (t) {
    nj_status st = tile_to_tensor(r, t, out, count);
    f->taken += st == NJ_OK;
    lost = st == NJ_ENOMEM;
    if (!lost)
      return st;
  }
  if ((lost || f->fault.status == NJ_ENOMEM) && !f->again)
    return begin_again(r, f);
  if (lost) {
    nj_tiler_close(&r->tiler);
    nj_fault_set(&f->fault, NJ_ENOMEM, "decode: out of memory for a tile");
  }
  forget(r, count, fault);
  return NJ_OK;
}
