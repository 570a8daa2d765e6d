#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/context_internal.h"

#define ALIGNMENT 64

/* Precedes what the caller sees, and fills one alignment unit. */
struct nj_block {
  size_t capacity; /* bytes the caller may use */
  size_t size;     /* bytes the caller asked for; what is accounted */
  nj_block *next;  /* while cached */
};

_Static_assert(sizeof(nj_block) <= ALIGNMENT, "the header must fit before the data");

static void *data_of(nj_block *block) { return (char *)block + ALIGNMENT; }
static nj_block *block_of(void *data) { return (nj_block *)(void *)((char *)data - ALIGNMENT); }

/* The size class that holds `bytes`, and its capacity; -1 when too large to be cached. */
static int class_of(size_t bytes, size_t *capacity) {
  if (bytes < ((size_t)1 << NJ_CLASS_LOW))
    bytes = (size_t)1 << NJ_CLASS_LOW;
  if (bytes > ((size_t)1 << NJ_CLASS_HIGH)) {
    *capacity = bytes;
    return -1;
  }
  int log2 = 63 - __builtin_clzll((unsigned long long)bytes);
  size_t low = (size_t)1 << log2, step = low / NJ_CLASS_STEPS;
  size_t above = (bytes - low + step - 1) / step; /* 0 … NJ_CLASS_STEPS */
  *capacity = low + above * step;
  return (log2 - NJ_CLASS_LOW) * NJ_CLASS_STEPS + (int)above;
}

nj_status nj_heap_init(nj_heap *heap, size_t limit) {
  memset(heap, 0, sizeof *heap);
  heap->account.limit = limit;
  heap->fail_after = -1;
  heap->owner = getpid();
  return pthread_mutex_init(&heap->lock, NULL) == 0 ? NJ_OK : NJ_ENOMEM;
}

void nj_heap_after_fork(nj_heap *heap) {
  if (heap->owner == getpid())
    return;
  heap->owner = getpid();
  if (pthread_mutex_trylock(&heap->lock) == 0) {
    pthread_mutex_unlock(&heap->lock);
    return;
  }
  /* A thread of the parent held it, in the middle of its work: its lists are not to be trusted. */
  pthread_mutex_init(&heap->lock, NULL);
  memset(heap->cache, 0, sizeof heap->cache);
  heap->account.cached = 0;
}

/* The lock is looked at before the process is asked for, which takes a system call. */
static void lock_heap(nj_heap *heap) {
  if (pthread_mutex_trylock(&heap->lock) == 0)
    return;
  nj_heap_after_fork(heap);
  pthread_mutex_lock(&heap->lock);
}

static void drop_cache(nj_heap *heap) {
  for (int i = 0; i < NJ_CLASSES; i++)
    while (heap->cache[i]) {
      nj_block *block = heap->cache[i];
      heap->cache[i] = block->next;
      free(block);
    }
  heap->account.cached = 0;
}

void nj_heap_destroy(nj_heap *heap) {
  drop_cache(heap);
  pthread_mutex_destroy(&heap->lock);
}

/* Under the lock: may `bytes` more be handed out? Cached memory counts against the limit too, and
 * gives way to a live request. */
static int admit(nj_heap *heap, size_t bytes) {
  if (heap->fail_after == 0)
    return 0;
  nj_memory *account = &heap->account;
  if (account->limit == 0)
    return 1;
  if (account->live > account->limit || bytes > account->limit - account->live)
    return 0;
  if (account->live + bytes + account->cached > account->limit)
    drop_cache(heap);
  return 1;
}

static void count(nj_heap *heap, size_t bytes) {
  nj_memory *account = &heap->account;
  account->live += bytes;
  account->allocations++;
  if (account->live > account->peak)
    account->peak = account->live;
  if (heap->fail_after > 0)
    heap->fail_after--;
}

void *nj_alloc(nj_ctx *ctx, size_t bytes) {
  nj_heap *heap = &ctx->heap;
  size_t capacity = 0;
  nj_block *block = NULL;
  if (bytes <= SIZE_MAX / 2) {
    int class = class_of(bytes, &capacity);
    lock_heap(heap);
    if (admit(heap, bytes)) {
      if (class >= 0 && heap->cache[class]) {
        block = heap->cache[class];
        heap->cache[class] = block->next;
        heap->account.cached -= block->capacity;
      } else {
        size_t total = (capacity + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        block = aligned_alloc(ALIGNMENT, total);
        if (!block) { /* the system is short: give back what we hoard and ask once more */
          drop_cache(heap);
          block = aligned_alloc(ALIGNMENT, total);
        }
      }
    }
    if (block) {
      block->capacity = capacity;
      block->size = bytes;
      count(heap, bytes);
    }
    pthread_mutex_unlock(&heap->lock);
  }
  if (block)
    return data_of(block);
  nj_memory now = nj_memory_get(ctx);
  if (now.limit)
    nj_fail(ctx, NJ_ENOMEM, "out of memory: %zu bytes wanted, %zu in use, limit %zu", bytes,
            now.live, now.limit);
  else
    nj_fail(ctx, NJ_ENOMEM, "out of memory: %zu bytes wanted, %zu in use", bytes, now.live);
  return NULL;
}

void nj_free(nj_ctx *ctx, void *data) {
  if (!data)
    return;
  nj_heap *heap = &ctx->heap;
  nj_block *block = block_of(data);
  size_t capacity;
  int class = class_of(block->capacity, &capacity);
  lock_heap(heap);
  heap->account.live -= block->size;
  /* Live and cached together never hold much more than was live at the peak: a quarter for the
   * rounding to size classes, so that all of a training step's blocks serve the next step. */
  size_t keep = heap->account.peak + heap->account.peak / 4 + ((size_t)16 << 20);
  if (class >= 0 && heap->account.cached + heap->account.live + block->capacity <= keep) {
    block->next = heap->cache[class];
    heap->cache[class] = block;
    heap->account.cached += block->capacity;
    block = NULL;
  }
  pthread_mutex_unlock(&heap->lock);
  free(block);
}

void *nj_calloc(nj_ctx *ctx, size_t n, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(n, size, &bytes)) {
    nj_fail(ctx, NJ_ENOMEM, "out of memory: %zu items of %zu bytes wanted", n, size);
    return NULL;
  }
  void *data = nj_alloc(ctx, bytes);
  return data ? memset(data, 0, bytes) : NULL;
}

void *nj_realloc(nj_ctx *ctx, void *data, size_t bytes) {
  if (!data)
    return nj_alloc(ctx, bytes);
  nj_block *block = block_of(data);
  void *grown = nj_alloc(ctx, bytes);
  if (!grown)
    return NULL;
  memcpy(grown, data, block->size < bytes ? block->size : bytes);
  nj_free(ctx, data);
  return grown;
}

char *nj_strdup(nj_ctx *ctx, const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = nj_alloc(ctx, bytes);
  return copy ? memcpy(copy, text, bytes) : NULL;
}

nj_memory nj_memory_get(nj_ctx *ctx) {
  lock_heap(&ctx->heap);
  nj_memory now = ctx->heap.account;
  pthread_mutex_unlock(&ctx->heap.lock);
  return now;
}

void nj_memory_set_limit(nj_ctx *ctx, size_t limit) {
  lock_heap(&ctx->heap);
  ctx->heap.account.limit = limit;
  pthread_mutex_unlock(&ctx->heap.lock);
}

void nj_memory_reset_peak(nj_ctx *ctx) {
  lock_heap(&ctx->heap);
  ctx->heap.account.peak = ctx->heap.account.live;
  pthread_mutex_unlock(&ctx->heap.lock);
}

void nj_memory_trim(nj_ctx *ctx) {
  lock_heap(&ctx->heap);
  drop_cache(&ctx->heap);
  pthread_mutex_unlock(&ctx->heap.lock);
}

void nj_memory_fail_after(nj_ctx *ctx, int64_t n) {
  lock_heap(&ctx->heap);
  ctx->heap.fail_after = n;
  pthread_mutex_unlock(&ctx->heap.lock);
}
