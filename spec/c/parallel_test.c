#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "ctest.h"
#include "kernels/kernels.h"

enum { BLOCKS = 500 };

typedef struct {
  nj_ctx *ctx;
  atomic_int runs[BLOCKS];
  atomic_int bad_worker;
  int fail_at; /* block that fails; -1: none */
} record;

static nj_status count_run(void *arg, int64_t block, int worker) {
  record *r = arg;
  if (worker < 0 || worker >= nj_threads(r->ctx))
    atomic_store(&r->bad_worker, 1);
  atomic_fetch_add(&r->runs[block], 1);
  if (block == r->fail_at)
    return nj_fail(r->ctx, NJ_EFORMAT, "block %lld is bad", (long long)block);
  return NJ_OK;
}

static nj_ctx *with_threads(int threads) {
  nj_ctx_options options = nj_ctx_default_options();
  options.threads = threads;
  nj_ctx *ctx = NULL;
  return nj_ctx_new(&options, &ctx) == NJ_OK ? ctx : NULL;
}

TEST(parallel_runs_each_block_once) {
  static const int threads[] = {1, 2, 3, 8};
  for (int i = 0; i < 4; i++) {
    nj_ctx *ctx = with_threads(threads[i]);
    CHECK(ctx);
    CHECK_INT(nj_threads(ctx), threads[i]);
    for (int round = 0; round < 20; round++) {
      static record r;
      r = (record){.ctx = ctx, .fail_at = -1};
      CHECK_OK(nj_parallel(ctx, BLOCKS, count_run, &r));
      for (int b = 0; b < BLOCKS; b++)
        CHECK_INT(r.runs[b], 1);
      CHECK(!r.bad_worker);
    }
    nj_ctx_release(ctx);
  }
}

TEST(parallel_reports_a_failing_block) {
  for (int threads = 1; threads <= 4; threads += 3) {
    nj_ctx *ctx = with_threads(threads);
    static record r;
    r = (record){.ctx = ctx, .fail_at = 17};
    CHECK_INT(nj_parallel(ctx, BLOCKS, count_run, &r), NJ_EFORMAT);
    CHECK_TEXT(nj_ctx_error(ctx), "block 17 is bad");
    r = (record){.ctx = ctx, .fail_at = -1};
    CHECK_OK(nj_parallel(ctx, BLOCKS, count_run, &r)); /* the pool lives on */
    nj_ctx_release(ctx);
  }
}

static int stop_now(void *data) { return atomic_load((atomic_int *)data); }

typedef struct {
  atomic_int stop, done;
} long_work;

static nj_status take_a_millisecond(void *arg, int64_t block, int worker) {
  (void)block, (void)worker;
  long_work *work = arg;
  nanosleep(&(struct timespec){0, 1000000}, NULL);
  if (atomic_fetch_add(&work->done, 1) == 20)
    atomic_store(&work->stop, 1);
  return NJ_OK;
}

TEST(parallel_stops_on_interrupt) {
  for (int threads = 1; threads <= 2; threads++) {
    long_work work = {0};
    nj_ctx_options options = nj_ctx_default_options();
    options.threads = threads;
    options.should_stop = stop_now;
    options.should_stop_data = &work.stop;
    nj_ctx *ctx = NULL;
    CHECK_OK(nj_ctx_new(&options, &ctx));
    CHECK_INT(nj_parallel(ctx, 100000, take_a_millisecond, &work), NJ_EINTR);
    CHECK(work.done < 5000);
    nj_ctx_release(ctx);
  }
}

static nj_status nested(void *arg, int64_t block, int worker) {
  (void)worker;
  nj_ctx *ctx = ((record *)arg)->ctx;
  return block < 4 ? nj_parallel(ctx, BLOCKS, count_run, arg) : NJ_OK;
}

TEST(parallel_nested_runs_serially) {
  nj_ctx *ctx = with_threads(3);
  static record r;
  r = (record){.ctx = ctx, .fail_at = -1};
  CHECK_OK(nj_parallel(ctx, 8, nested, &r));
  for (int b = 0; b < BLOCKS; b++)
    CHECK_INT(r.runs[b], 4);
  CHECK(!r.bad_worker);
  nj_ctx_release(ctx);
}

typedef struct {
  atomic_llong sum;
  atomic_int too_long;
} range_record;

static nj_status sum_range(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  range_record *r = arg;
  if (end - begin > 7 || begin % 7 != 0)
    atomic_store(&r->too_long, 1);
  for (int64_t i = begin; i < end; i++)
    atomic_fetch_add(&r->sum, i);
  return NJ_OK;
}

TEST(parallel_range_covers_the_range_in_grains) {
  nj_ctx *ctx = with_threads(2);
  for (int64_t total = 0; total < 30; total++) {
    range_record r = {0};
    CHECK_OK(nj_parallel_range(ctx, total, 7, sum_range, &r));
    CHECK_INT(r.sum, total * (total - 1) / 2);
    CHECK(!r.too_long);
  }
  nj_ctx_release(ctx);
}

static nj_status set_threads_inside(void *arg, int64_t block, int worker) {
  (void)block, (void)worker;
  return nj_threads_set(arg, 2);
}

TEST(parallel_threads_can_change_between_batches_only) {
  nj_ctx *ctx = with_threads(2);
  CHECK_INT(nj_threads_set(ctx, 0), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "threads: expected 1 to 256, got 0");
  CHECK_INT(nj_threads_set(ctx, 257), NJ_EARG);
  CHECK_INT(nj_parallel(ctx, 1, set_threads_inside, ctx), NJ_ESTATE);
  static record r;
  for (int threads = 4; threads >= 1; threads--) {
    CHECK_OK(nj_threads_set(ctx, threads));
    r = (record){.ctx = ctx, .fail_at = -1};
    CHECK_OK(nj_parallel(ctx, BLOCKS, count_run, &r));
    CHECK(!r.bad_worker);
  }
  nj_ctx_release(ctx);
}

typedef struct {
  nj_ctx *ctx;
  atomic_int rounds;
} job_work;

static void allocate_until_cancelled(nj_job *job, void *arg) {
  job_work *work = arg;
  while (!nj_job_cancelled(job)) {
    void *block = nj_alloc(work->ctx, 1000);
    nj_free(work->ctx, block);
    atomic_fetch_add(&work->rounds, 1);
  }
}

TEST(job_runs_beside_the_caller_and_ends_when_asked) {
  nj_ctx *ctx = with_threads(2);
  job_work work = {.ctx = ctx};
  nj_job *job = NULL;
  CHECK_OK(nj_job_start(ctx, allocate_until_cancelled, &work, &job));
  static record r;
  for (int i = 0; i < 50 || work.rounds < 10; i++) {
    r = (record){.ctx = ctx, .fail_at = -1};
    CHECK_OK(nj_parallel(ctx, BLOCKS, count_run, &r));
  }
  CHECK(!nj_job_done(job));
  nj_job_join(job);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
  nj_job_join(NULL);
}

static void return_at_once(nj_job *job, void *arg) {
  (void)job;
  atomic_store((atomic_int *)arg, 1);
}

TEST(job_done_is_seen) {
  nj_ctx *ctx = with_threads(1);
  atomic_int ran = 0;
  nj_job *job = NULL;
  CHECK_OK(nj_job_start(ctx, return_at_once, &ran, &job));
  while (!nj_job_done(job))
    nanosleep(&(struct timespec){0, 100000}, NULL);
  CHECK_INT(ran, 1);
  nj_job_join(job);
  nj_ctx_release(ctx);
}

/* A context that dies inside its own job's reference must not be joined from that thread. */
TEST(job_keeps_its_context) {
  nj_ctx *ctx = with_threads(1);
  atomic_int ran = 0;
  nj_job *job = NULL;
  CHECK_OK(nj_job_start(ctx, return_at_once, &ran, &job));
  nj_ctx_release(ctx);
  nj_job_join(job);
  CHECK_INT(ran, 1);
}

#ifndef __SANITIZE_THREAD__ /* which ends children of programs with threads */

/* Forks; the child does `work` and ends with 0 when it could. Gives its exit status, -1 when it hangs. */
static int in_child(int (*work)(nj_ctx *ctx, void *arg), nj_ctx *ctx, void *arg) {
  pid_t child = fork();
  if (child == 0) {
    alarm(10);
    _exit(work(ctx, arg));
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                               : -1;
}

static int all_blocks(nj_ctx *ctx, void *arg) {
  (void)arg;
  static record r;
  for (int round = 0; round < 5; round++) {
    r = (record){.ctx = ctx, .fail_at = -1};
    if (nj_parallel(ctx, BLOCKS, count_run, &r) != NJ_OK || r.bad_worker)
      return 1;
    for (int b = 0; b < BLOCKS; b++)
      if (r.runs[b] != 1)
        return 2;
  }
  if (nj_threads_set(ctx, 2) != NJ_OK)
    return 3;
  nj_ctx_release(ctx);
  return 0;
}

static int release_only(nj_ctx *ctx, void *arg) {
  (void)arg;
  nj_ctx_release(ctx);
  return 0;
}

TEST(parallel_works_in_the_child_of_a_fork) {
  nj_ctx *ctx = with_threads(4);
  static record r;
  for (int round = 0; round < 10; round++) {
    r = (record){.ctx = ctx, .fail_at = -1};
    CHECK_OK(nj_parallel(ctx, BLOCKS, count_run, &r));
    CHECK_INT(in_child(all_blocks, ctx, NULL), 0);
    CHECK_INT(in_child(release_only, ctx, NULL), 0);
  }
  r = (record){.ctx = ctx, .fail_at = -1};
  CHECK_OK(nj_parallel(ctx, BLOCKS, count_run, &r)); /* the parent's pool lives on */
  nj_ctx_release(ctx);
}

static int end_job(nj_ctx *ctx, void *arg) {
  if (!nj_job_lost(arg))
    return 4;
  nj_free(ctx, nj_alloc(ctx, 1000));
  nj_job_join(arg);
  return all_blocks(ctx, NULL);
}

/* The job holds the heap's lock most of the time. */
TEST(job_of_the_parent_does_not_hang_the_child_of_a_fork) {
  nj_ctx *ctx = with_threads(2);
  job_work work = {.ctx = ctx};
  nj_job *job = NULL;
  CHECK_OK(nj_job_start(ctx, allocate_until_cancelled, &work, &job));
  CHECK(!nj_job_lost(job));
  for (int round = 0; round < 50; round++)
    CHECK_INT(in_child(end_job, ctx, job), 0);
  nj_job_join(job);
  nj_ctx_release(ctx);
}

#endif
