/* The pool: work cut into blocks. Block boundaries must depend on the problem alone, never on the
 * number of threads, so that results are bit-identical for any thread count. */
#ifndef NJ_BASE_PARALLEL_H
#define NJ_BASE_PARALLEL_H

#include <pthread.h>

#include "base/context.h"

/* Does block `block`. `worker` in [0, nj_threads) names the executing worker, for scratch memory.
 * May call nj_alloc, nj_free and nj_fail, nothing else of the context. */
typedef nj_status (*nj_block_fn)(void *arg, int64_t block, int worker);

/* Runs blocks 0 … n_blocks-1, each once, in any order; returns when all are done. The first
 * failure (or an interrupt) stops blocks that have not begun. Inside a block it runs serially. After
 * a fork the child starts threads of its own. */
nj_status nj_parallel(nj_ctx *ctx, int64_t n_blocks, nj_block_fn fn, void *arg);

/* The same over a range cut every `grain` items: fn gets [begin, end). */
typedef nj_status (*nj_range_fn)(void *arg, int64_t begin, int64_t end, int worker);
nj_status nj_parallel_range(nj_ctx *ctx, int64_t total, int64_t grain, nj_range_fn fn, void *arg);

int nj_threads(const nj_ctx *ctx);
/* Errors: EARG outside 1 … 256; ESTATE inside a block. */
nj_status nj_threads_set(nj_ctx *ctx, int threads);

/* A long-running job on a thread of its own (decoding ahead, indexing in the background). The job
 * must not touch the context but for nj_alloc and nj_free, and should look at nj_job_cancelled
 * often. */
typedef struct nj_job nj_job;
typedef void (*nj_job_fn)(nj_job *job, void *arg);
nj_status nj_job_start(nj_ctx *ctx, nj_job_fn fn, void *arg, nj_job **out);
int nj_job_cancelled(const nj_job *job);
int nj_job_done(const nj_job *job);
/* 1 in the child of a fork: the job goes on in the parent alone, and may hold its locks for ever here. */
int nj_job_lost(const nj_job *job);
/* For who waits for a job: until `ready` is signalled, or 10 ms, after which it should nj_poll. Under
 * `lock`. */
void nj_job_wait(pthread_cond_t *ready, pthread_mutex_t *lock);
/* Asks the job to end, waits for it and frees it. */
void nj_job_join(nj_job *job);

#endif
