/* What is inside a context; for the files of base/ only. */
#ifndef NJ_BASE_CONTEXT_INTERNAL_H
#define NJ_BASE_CONTEXT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/parallel.h"

#define NJ_ERROR_TEXT 1024

typedef struct nj_block nj_block;
typedef struct nj_pool nj_pool;

/* Size classes: eight to each power of two from 2^6 to 2^26 bytes. */
#define NJ_CLASS_STEPS 8
#define NJ_CLASS_LOW 6
#define NJ_CLASS_HIGH 26
#define NJ_CLASSES ((NJ_CLASS_HIGH - NJ_CLASS_LOW) * NJ_CLASS_STEPS + 1)

typedef struct {
  pthread_mutex_t lock;
  pid_t owner;                 /* the process whose threads may hold the lock */
  nj_block *cache[NJ_CLASSES]; /* freed blocks by size class */
  nj_memory account;
  int64_t fail_after; /* negative: never */
} nj_heap;

struct nj_ctx {
  atomic_int refs;
  nj_ctx_options options;
  const struct nj_kernels *kernels;
  nj_heap heap;
  nj_pool *pool;
  pid_t owner; /* the process that the pool's threads are of */
  int threads;
  int grad_enabled;
  uint64_t sequence;
  void (*hooks[NJ_CTX_HOOKS])(void); /* run when the last reference is gone, the last added first */
  int n_hooks;
  pthread_mutex_t lock; /* of the hooks and the text */
  char error[NJ_ERROR_TEXT];
};

nj_status nj_heap_init(nj_heap *heap, size_t limit);
void nj_heap_destroy(nj_heap *heap);
/* In the child of a fork: takes the lock from threads that are not there. Not while others run. */
void nj_heap_after_fork(nj_heap *heap);
/* Joins the pool's threads; a later nj_parallel starts them again. */
void nj_pool_stop(nj_ctx *ctx);
/* Cores this process may run on. */
int nj_cpu_count(void);

#endif
