/* Accounted memory. Blocks are 64-byte aligned; every byte is counted against the context's limit;
 * freed blocks up to 64 MiB are kept in size classes for the next request (training asks for the
 * same sizes every step). */
#ifndef NJ_BASE_ALLOC_H
#define NJ_BASE_ALLOC_H

#include "base/context.h"

/* NULL on failure, with ENOMEM's text set. nj_alloc(ctx, 0) returns a valid block. Uninitialised. */
void *nj_alloc(nj_ctx *ctx, size_t bytes);
/* Zeroed, with overflow of count * size checked. */
void *nj_calloc(nj_ctx *ctx, size_t count, size_t size);
/* Grows or shrinks, keeping the content; NULL leaves `block` as it was. `block` may be NULL. */
void *nj_realloc(nj_ctx *ctx, void *block, size_t bytes);
void nj_free(nj_ctx *ctx, void *block); /* NULL is fine */
char *nj_strdup(nj_ctx *ctx, const char *text);

typedef struct {
  size_t live;          /* bytes handed out and not yet freed */
  size_t peak;          /* the most that live has been */
  size_t cached;        /* freed, kept for reuse */
  size_t limit;         /* 0: none */
  uint64_t allocations; /* requests served since the context began */
} nj_memory;

nj_memory nj_memory_get(nj_ctx *ctx);
void nj_memory_set_limit(nj_ctx *ctx, size_t limit);
void nj_memory_reset_peak(nj_ctx *ctx);
/* Gives cached blocks back to the system. */
void nj_memory_trim(nj_ctx *ctx);
/* Test hook: the request after `count` more successful ones fails, and so do all that follow,
 * until it is called with a negative count. */
void nj_memory_fail_after(nj_ctx *ctx, int64_t count);

#endif
