#include "base/parallel.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/context_internal.h"

/* One batch of blocks at a time. Workers sleep on `wake`, claim blocks from an atomic counter, and
 * the last to finish signals `idle`. The calling thread works too, and polls for interrupts. */
struct nj_pool {
  nj_ctx *ctx;
  int n_threads; /* beside the caller */
  pthread_t *threads;
  pthread_mutex_t lock;
  pthread_cond_t wake, idle;
  uint64_t batch; /* grows with each batch; tells a woken worker that there is something new */
  int closing;
  int working; /* workers that have not finished the batch */
  nj_block_fn fn;
  void *arg;
  int64_t n_blocks;
  atomic_int_fast64_t next;
  atomic_int status; /* the first failure */
};

typedef struct {
  nj_pool *pool;
  int worker;
} worker_start;

/* The pool whose block this thread is running, to make nested calls serial. Per thread and set only
 * while a block runs; it carries nothing from one call to the next. */
static _Thread_local const nj_ctx *running_in;
static _Thread_local int running_worker;

int nj_cpu_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
    return CPU_COUNT(&set) > 256 ? 256 : CPU_COUNT(&set);
  return 1;
}

static void run_block(nj_pool *pool, int64_t block, int worker) {
  nj_status st = pool->fn(pool->arg, block, worker);
  if (st != NJ_OK) {
    int none = NJ_OK;
    atomic_compare_exchange_strong(&pool->status, &none, (int)st);
  }
}

static void work(nj_pool *pool, int worker) {
  running_in = pool->ctx;
  running_worker = worker;
  while (atomic_load_explicit(&pool->status, memory_order_relaxed) == NJ_OK) {
    int64_t block = atomic_fetch_add(&pool->next, 1);
    if (block >= pool->n_blocks)
      break;
    run_block(pool, block, worker);
  }
  running_in = NULL;
}

static void *worker_main(void *argument) {
  worker_start start = *(worker_start *)argument;
  free(argument);
  nj_pool *pool = start.pool;
  uint64_t seen = 0;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    while (!pool->closing && pool->batch == seen)
      pthread_cond_wait(&pool->wake, &pool->lock);
    if (pool->closing)
      break;
    seen = pool->batch;
    pthread_mutex_unlock(&pool->lock);
    work(pool, start.worker);
    pthread_mutex_lock(&pool->lock);
    if (--pool->working == 0)
      pthread_cond_signal(&pool->idle);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/* Signals belong to the host's threads: ours are born with all of them blocked. */
static int spawn(pthread_t *thread, void *(*entry)(void *), void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(thread, NULL, entry, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

/* In the child of a fork there are none of the parent's threads. Their pool is forgotten, not closed:
 * its conditions count sleepers that nobody can wake. The next batch starts another. */
static void leave_parent(nj_ctx *ctx) {
  if (ctx->owner == getpid())
    return;
  ctx->owner = getpid();
  pthread_mutex_init(&ctx->lock, NULL);
  nj_heap_after_fork(&ctx->heap);
  if (ctx->pool) {
    free(ctx->pool->threads);
    free(ctx->pool);
    ctx->pool = NULL;
  }
}

static nj_status pool_start(nj_ctx *ctx) {
  nj_pool *pool = calloc(1, sizeof *pool);
  if (!pool)
    return nj_fail(ctx, NJ_ENOMEM, "threads: out of memory");
  pool->ctx = ctx;
  pool->threads = calloc((size_t)ctx->threads, sizeof *pool->threads);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->idle, NULL);
  ctx->pool = pool;
  for (int i = 1; i < ctx->threads; i++) {
    worker_start *start = pool->threads ? malloc(sizeof *start) : NULL;
    if (start)
      *start = (worker_start){pool, i};
    if (!start || spawn(&pool->threads[i - 1], worker_main, start) != 0) {
      free(start);
      nj_pool_stop(ctx);
      return nj_fail(ctx, NJ_ENOMEM, "threads: thread %d of %d could not be started", i + 1,
                     ctx->threads);
    }
    pool->n_threads++;
  }
  return NJ_OK;
}

void nj_pool_stop(nj_ctx *ctx) {
  leave_parent(ctx);
  nj_pool *pool = ctx->pool;
  if (!pool)
    return;
  pthread_mutex_lock(&pool->lock);
  pool->closing = 1;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  for (int i = 0; i < pool->n_threads; i++)
    pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_cond_destroy(&pool->idle);
  pthread_mutex_destroy(&pool->lock);
  free(pool->threads);
  free(pool);
  ctx->pool = NULL;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The caller's share of the work: like work(), and asks every 10 ms whether to stop. */
static void work_and_poll(nj_ctx *ctx, nj_pool *pool) {
  int64_t polled = now_ms();
  running_in = ctx;
  running_worker = 0;
  while (atomic_load_explicit(&pool->status, memory_order_relaxed) == NJ_OK) {
    int64_t block = atomic_fetch_add(&pool->next, 1);
    if (block >= pool->n_blocks)
      break;
    run_block(pool, block, 0);
    if (now_ms() - polled >= 10) {
      int none = NJ_OK;
      if (nj_poll(ctx) != NJ_OK)
        atomic_compare_exchange_strong(&pool->status, &none, NJ_EINTR);
      polled = now_ms();
    }
  }
  running_in = NULL;
}

static nj_status run_serially(int64_t n_blocks, nj_block_fn fn, void *arg, int worker) {
  for (int64_t block = 0; block < n_blocks; block++)
    NJ_TRY(fn(arg, block, worker));
  return NJ_OK;
}

static nj_status run_alone(nj_ctx *ctx, int64_t n_blocks, nj_block_fn fn, void *arg) {
  nj_pool alone = {.ctx = ctx, .fn = fn, .arg = arg, .n_blocks = n_blocks};
  work_and_poll(ctx, &alone);
  return (nj_status)atomic_load(&alone.status);
}

nj_status nj_parallel(nj_ctx *ctx, int64_t n_blocks, nj_block_fn fn, void *arg) {
  if (n_blocks <= 0)
    return NJ_OK;
  if (running_in == ctx)
    return run_serially(n_blocks, fn, arg, running_worker);
  if (ctx->threads == 1 || n_blocks == 1)
    return run_alone(ctx, n_blocks, fn, arg);
  leave_parent(ctx);
  if (!ctx->pool)
    NJ_TRY(pool_start(ctx));
  nj_pool *pool = ctx->pool;
  pthread_mutex_lock(&pool->lock);
  pool->fn = fn;
  pool->arg = arg;
  pool->n_blocks = n_blocks;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->status, NJ_OK);
  pool->working = pool->n_threads;
  pool->batch++;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  work_and_poll(ctx, pool);
  pthread_mutex_lock(&pool->lock);
  while (pool->working > 0)
    pthread_cond_wait(&pool->idle, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
  return (nj_status)atomic_load(&pool->status);
}

typedef struct {
  nj_range_fn fn;
  void *arg;
  int64_t total, grain;
} range;

static nj_status range_block(void *argument, int64_t block, int worker) {
  const range *r = argument;
  int64_t begin = block * r->grain, end = begin + r->grain;
  return r->fn(r->arg, begin, end < r->total ? end : r->total, worker);
}

nj_status nj_parallel_range(nj_ctx *ctx, int64_t total, int64_t grain, nj_range_fn fn, void *arg) {
  if (total <= 0)
    return NJ_OK;
  if (grain < 1)
    grain = 1;
  range r = {fn, arg, total, grain};
  return nj_parallel(ctx, (total - 1) / grain + 1, range_block, &r);
}

int nj_threads(const nj_ctx *ctx) { return ctx->threads; }

nj_status nj_threads_set(nj_ctx *ctx, int threads) {
  if (threads < 1 || threads > 256)
    return nj_fail(ctx, NJ_EARG, "threads: expected 1 to 256, got %d", threads);
  if (running_in == ctx)
    return nj_fail(ctx, NJ_ESTATE, "threads: cannot change inside a parallel block");
  if (threads != ctx->threads)
    nj_pool_stop(ctx);
  ctx->threads = threads;
  return NJ_OK;
}

struct nj_job {
  nj_ctx *ctx;
  pthread_t thread;
  pid_t owner;
  nj_job_fn fn;
  void *arg;
  atomic_int cancelled, done;
};

static void *job_main(void *argument) {
  nj_job *job = argument;
  running_in = job->ctx; /* so that kernels it calls stay on this thread */
  running_worker = 0;
  job->fn(job, job->arg);
  running_in = NULL;
  atomic_store(&job->done, 1);
  return NULL;
}

nj_status nj_job_start(nj_ctx *ctx, nj_job_fn fn, void *arg, nj_job **out) {
  leave_parent(ctx);
  nj_job *job = nj_calloc(ctx, 1, sizeof *job);
  if (!job)
    return NJ_ENOMEM;
  job->ctx = nj_ctx_retain(ctx);
  job->owner = getpid();
  job->fn = fn;
  job->arg = arg;
  if (spawn(&job->thread, job_main, job) != 0) {
    nj_free(ctx, job);
    nj_ctx_release(ctx);
    return nj_fail(ctx, NJ_ENOMEM, "threads: a background job could not be started");
  }
  *out = job;
  return NJ_OK;
}

int nj_job_cancelled(const nj_job *job) { return atomic_load(&job->cancelled); }
int nj_job_lost(const nj_job *job) { return job->owner != getpid(); }
int nj_job_done(const nj_job *job) { return atomic_load(&job->done); }

void nj_job_join(nj_job *job) {
  if (!job)
    return;
  nj_ctx *ctx = job->ctx;
  atomic_store(&job->cancelled, 1);
  if (!nj_job_lost(job))
    pthread_join(job->thread, NULL);
  nj_free(ctx, job);
  nj_ctx_release(ctx);
}

void nj_job_wait(pthread_cond_t *ready, pthread_mutex_t *lock) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 10000000;
  if (until.tv_nsec >= 1000000000)
    until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_cond_timedwait(ready, lock, &until);
}
