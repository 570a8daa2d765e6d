#include "base/alloc.h"
#include "base/rng.h"
#include "ctest.h"
#include "kernels/kernels.h"

TEST(alloc_blocks_are_aligned_and_accounted) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 4096, 100000, 3 << 20};
  enum { N = sizeof sizes / sizeof *sizes };
  void *blocks[N];
  size_t total = 0;
  for (int i = 0; i < N; i++) {
    blocks[i] = nj_alloc(ctx, sizes[i]);
    CHECK(blocks[i] && (uintptr_t)blocks[i] % 64 == 0);
    memset(blocks[i], 0xA5, sizes[i]);
    total += sizes[i];
  }
  CHECK_INT(nj_memory_get(ctx).live, total);
  CHECK_INT(nj_memory_get(ctx).peak, total);
  CHECK_INT(nj_memory_get(ctx).allocations, N);
  for (int i = 0; i < N; i++)
    nj_free(ctx, blocks[i]);
  nj_free(ctx, NULL);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  CHECK_INT(nj_memory_get(ctx).peak, total);
  nj_memory_reset_peak(ctx);
  CHECK_INT(nj_memory_get(ctx).peak, 0);
  nj_ctx_release(ctx);
}

TEST(alloc_reuses_freed_blocks) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  void *block = nj_alloc(ctx, 5000);
  nj_free(ctx, block);
  CHECK(nj_memory_get(ctx).cached >= 5000);
  void *again = nj_alloc(ctx, 5000);
  CHECK(again == block);
  CHECK_INT(nj_memory_get(ctx).cached, 0);
  nj_free(ctx, again);
  nj_memory_trim(ctx);
  CHECK_INT(nj_memory_get(ctx).cached, 0);
  nj_ctx_release(ctx);
}

/* Sizes that round up to a class must come back from a request of any size of that class. */
TEST(alloc_cache_never_hands_out_too_little) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  nj_rng rng = nj_rng_make(1, 0);
  enum { SLOTS = 32 };
  unsigned char *slot[SLOTS] = {0};
  size_t size[SLOTS] = {0};
  for (int step = 0; step < 20000; step++) {
    int i = (int)nj_rng_below(&rng, SLOTS);
    for (size_t at = 0; slot[i] && at < size[i]; at += 1 + size[i] / 7)
      CHECK(slot[i][at] == (unsigned char)i);
    if (slot[i] && size[i])
      CHECK(slot[i][size[i] - 1] == (unsigned char)i);
    nj_free(ctx, slot[i]);
    size[i] = (size_t)nj_rng_below(&rng, (int64_t)1 << nj_rng_below(&rng, 18));
    slot[i] = nj_alloc(ctx, size[i]);
    CHECK(slot[i]);
    memset(slot[i], i, size[i]);
  }
  for (int i = 0; i < SLOTS; i++)
    nj_free(ctx, slot[i]);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(alloc_limit_refuses_and_recovers) {
  nj_ctx_options options = nj_ctx_default_options();
  options.memory_limit = 1 << 20;
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(&options, &ctx));
  void *half = nj_alloc(ctx, 600 << 10);
  CHECK(half);
  CHECK(!nj_alloc(ctx, 600 << 10));
  CHECK_TEXT(nj_ctx_error(ctx), "out of memory: 614400 bytes wanted, 614400 in use, limit 1048576");
  CHECK_INT(nj_memory_get(ctx).live, 600 << 10);
  /* What the cache holds gives way to a request. */
  nj_free(ctx, half);
  void *large = nj_alloc(ctx, 900 << 10);
  CHECK(large);
  CHECK(nj_memory_get(ctx).live + nj_memory_get(ctx).cached <= (1 << 20));
  nj_memory_set_limit(ctx, 0);
  void *more = nj_alloc(ctx, 8 << 20);
  CHECK(more);
  nj_free(ctx, more);
  nj_free(ctx, large);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(alloc_absurd_sizes_fail) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  CHECK(!nj_alloc(ctx, SIZE_MAX));
  CHECK(!nj_alloc(ctx, SIZE_MAX / 2));
  CHECK(!nj_calloc(ctx, SIZE_MAX / 4, 8));
  CHECK_TEXT(nj_ctx_error(ctx), "out of memory");
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(alloc_failure_injection) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  nj_memory_fail_after(ctx, 2);
  void *a = nj_alloc(ctx, 10), *b = nj_calloc(ctx, 1, 10);
  CHECK(a && b);
  CHECK(!nj_alloc(ctx, 10));
  CHECK(!nj_alloc(ctx, 10));
  CHECK(!nj_realloc(ctx, a, 100));
  CHECK(!nj_strdup(ctx, "x"));
  nj_memory_fail_after(ctx, -1);
  void *c = nj_alloc(ctx, 10);
  CHECK(c);
  nj_free(ctx, a);
  nj_free(ctx, b);
  nj_free(ctx, c);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(alloc_calloc_zeroes_reused_memory) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  unsigned char *dirty = nj_alloc(ctx, 1000);
  memset(dirty, 0xFF, 1000);
  nj_free(ctx, dirty);
  unsigned char *clean = nj_calloc(ctx, 10, 100);
  for (int i = 0; i < 1000; i++)
    CHECK(clean[i] == 0);
  nj_free(ctx, clean);
  nj_ctx_release(ctx);
}

TEST(alloc_realloc_and_strdup_keep_content) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  char *text = nj_strdup(ctx, "segment");
  CHECK(text && strcmp(text, "segment") == 0);
  text = nj_realloc(ctx, text, 100000);
  CHECK(text && strcmp(text, "segment") == 0);
  text = nj_realloc(ctx, text, 4);
  CHECK(text && memcmp(text, "segm", 4) == 0);
  CHECK_INT(nj_memory_get(ctx).live, 4);
  char *fresh = nj_realloc(ctx, NULL, 8);
  CHECK(fresh);
  nj_free(ctx, fresh);
  nj_free(ctx, text);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}
