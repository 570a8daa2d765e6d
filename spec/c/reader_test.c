/* The reader's threads, where ThreadSanitizer can watch them: jobs against the calling thread, a
 * queue that is full, closing in the middle, and running out of memory. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audio/encode.h"
#include "audio/reader.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "ctest.h"
#include "kernels/kernels.h"

enum { FILES = 5, ROUNDS = 4, TILES = 64 };

static char paths[FILES][64]; /* the last one is no sound */

static int write_sounds(nj_ctx *ctx) {
  for (int f = 0; f < FILES - 1; f++) {
    snprintf(paths[f], sizeof paths[f], "/tmp/nightjar-reader-%ld-%d.flac", (long)getpid(), f);
    int64_t n = 6000 + 9000 * f;
    nj_tensor *x = NULL;
    if (nj_empty(ctx, NJ_F32, 1, &n, &x))
      return 0;
    nj_rng rng = nj_rng_make(1, (uint64_t)f);
    for (int64_t i = 0; i < n; i++)
      NJ_F32_DATA(x)[i] = (float)nj_rng_uniform(&rng) - 0.5f;
    nj_status st = nj_audio_write(ctx, paths[f], x, 16000, NULL);
    nj_release(x);
    if (st)
      return 0;
  }
  snprintf(paths[FILES - 1], sizeof paths[FILES - 1], "/tmp/nightjar-reader-%ld", (long)getpid());
  FILE *file = fopen(paths[FILES - 1], "wb");
  return file && fputs("no sound", file) >= 0 && fclose(file) == 0;
}

static void remove_sounds(void) {
  for (int f = 0; f < FILES; f++)
    remove(paths[f]);
}

static nj_reader *make(nj_ctx *ctx, nj_mel *fe, int jobs, size_t bytes) {
  nj_reader_options o = {
      .tiling = {.front_end = fe, .rate = 8000, .size = 4000, .step = 3000, .max_seconds = 60},
      .jobs = jobs,
      .ahead = 4,
      .bytes = bytes};
  nj_reader *r = NULL;
  return nj_reader_new(ctx, &o, &r) ? NULL : r;
}

static int submit_all(nj_reader *r) {
  for (int i = 0; i < ROUNDS * FILES; i++)
    if (nj_reader_submit(r, paths[i % FILES]))
      return 0;
  return 1;
}

/* The next file's tiles; how many, or -1 where it failed. */
static int take(nj_reader *r, nj_tensor **tiles, nj_fault *fault) {
  int64_t count;
  for (int n = 0; n < TILES; n++) {
    nj_status st = nj_reader_next(r, &tiles[n], &count, fault);
    if (st == NJ_ENOMEM)
      st = nj_reader_next(r, &tiles[n], &count, fault);
    if (st)
      return -2;
    if (!tiles[n])
      return fault->status ? -1 : n;
  }
  return -3;
}

static void drop(nj_tensor **tiles) {
  for (int n = 0; n < TILES && tiles[n]; n++)
    nj_release(tiles[n]);
}

/* 1 when every file has the bits of the calling thread's. */
static int agree(nj_reader *ahead, nj_reader *own) {
  int equal = submit_all(ahead) && submit_all(own);
  for (int i = 0; equal && i < ROUNDS * FILES; i++) {
    nj_tensor *a[TILES] = {0}, *b[TILES] = {0};
    nj_fault fa, fb;
    int n = take(ahead, a, &fa);
    equal = n == take(own, b, &fb) && n >= -1 && fa.status == fb.status &&
            (n == -1) == (i % FILES == FILES - 1);
    for (int k = 0; equal && k < n; k++)
      equal = nj_same_shape(a[k], b[k]) &&
              memcmp(nj_data(a[k]), nj_data(b[k]), 4 * (size_t)nj_numel(a[k])) == 0;
    drop(a);
    drop(b);
  }
  return equal && nj_reader_pending(ahead) == 0 && nj_reader_bytes(ahead) == 0;
}

static nj_mel *front_end(nj_ctx *ctx) {
  nj_mel_options mel;
  nj_mel *fe = NULL;
  return nj_mel_preset("panns8k", &mel) && !nj_mel_new(ctx, &mel, &fe) ? fe : NULL;
}

TEST(reader_jobs_agree_with_the_calling_thread) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  CHECK(write_sounds(ctx));
  nj_mel *fe = front_end(ctx);
  CHECK(fe);
  const size_t bytes[] = {0, 20000, 100000000};
  for (int jobs = 1; jobs <= 3; jobs++) {
    nj_reader *ahead = make(ctx, fe, jobs, bytes[jobs - 1]), *own = make(ctx, fe, 0, 0);
    CHECK(ahead && own);
    CHECK(agree(ahead, own));
    nj_reader_free(ahead);
    nj_reader_free(own);
  }
  nj_mel_release(fe);
  remove_sounds();
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(reader_closes_in_the_middle_and_outlives_its_context_reference) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  CHECK(write_sounds(ctx));
  for (int round = 0; round < 8; round++) {
    nj_reader *r = make(ctx, NULL, round % 4, round % 2 ? 0 : 50000);
    CHECK(r);
    CHECK(submit_all(r));
    for (int i = 0; i < round; i++) {
      nj_tensor *tile = NULL;
      int64_t count;
      nj_fault fault;
      CHECK_OK(nj_reader_next(r, &tile, &count, &fault));
      nj_release(tile);
    }
    if (round == 7)
      nj_ctx_release(ctx); /* the reader holds one of its own */
    nj_reader_free(r);
  }
  remove_sounds();
}

/* Files that found no memory while it failed are read anew. */
TEST(reader_reads_anew_what_found_no_memory) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  CHECK(write_sounds(ctx));
  nj_mel *fe = front_end(ctx);
  CHECK(fe);
  for (int jobs = 0; jobs <= 2; jobs++)
    for (int fail = 0; fail < 30; fail += 3) {
      nj_reader *r = make(ctx, fe, jobs, 20000);
      CHECK(r);
      CHECK(submit_all(r));
      nj_tensor *tile = NULL, *tiles[TILES] = {0};
      int64_t count;
      nj_fault fault;
      CHECK_OK(nj_reader_next(r, &tile, &count, &fault)); /* of the first file's two */
      nj_release(tile);
      nj_memory_fail_after(ctx, fail);
      usleep(500);
      nj_status st = nj_reader_next(r, &tile, &count, &fault);
      nj_memory_fail_after(ctx, -1);
      CHECK(st == NJ_OK || st == NJ_ENOMEM);
      if (st)
        CHECK_OK(nj_reader_next(r, &tile, &count, &fault));
      if (tile) {
        nj_release(tile);
        CHECK_OK(nj_reader_next(r, &tile, &count, &fault));
      }
      CHECK(!tile);
      CHECK_INT(fault.status, NJ_OK);
      CHECK_INT(count, 3000);
      CHECK(take(r, tiles, &fault) > 1);
      drop(tiles);
      nj_reader_free(r);
    }
  nj_mel_release(fe);
  remove_sounds();
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(reader_reports_what_is_wrong) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  nj_reader_options o = {
      .tiling = {.rate = 8000, .size = 10, .step = 10, .max_seconds = 1}, .jobs = 65, .ahead = 1};
  nj_reader *r = NULL;
  CHECK_INT(nj_reader_new(ctx, &o, &r), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "reader: jobs must be in [0, 64], got 65");
  o.jobs = 1;
  o.tiling.step = 10.5;
  CHECK_INT(nj_reader_new(ctx, &o, &r), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "reader: step must be in [1, tile = 10] samples, got 10.5");
  o.tiling.step = 10;
  CHECK_OK(nj_reader_new(ctx, &o, &r));
  nj_tensor *tile = NULL;
  int64_t count;
  nj_fault fault;
  CHECK_INT(nj_reader_next(r, &tile, &count, &fault), NJ_ESTATE);
  CHECK_TEXT(nj_ctx_error(ctx), "reader: nothing is pending");
  nj_reader_free(r);
  nj_ctx_release(ctx);
}

#ifndef __SANITIZE_THREAD__ /* which ends children of programs with threads */

static int use_in_child(nj_ctx *ctx, nj_reader *r) {
  nj_tensor *tile = NULL;
  int64_t count = 0;
  nj_fault fault;
  alarm(10);
  if (nj_reader_next(r, &tile, &count, &fault) != NJ_ESTATE ||
      nj_reader_submit(r, paths[0]) != NJ_ESTATE)
    return 1;
  nj_reader_free(r);
  nj_reader *own = make(ctx, NULL, 1, 1 << 20);
  nj_tensor *tiles[TILES];
  if (!own || nj_reader_submit(own, paths[0]) || take(own, tiles, &fault) < 1)
    return 2;
  nj_reader_free(own);
  return 0;
}

TEST(reader_of_the_parent_is_refused_in_the_child_of_a_fork) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  CHECK(write_sounds(ctx));
  for (int round = 0; round < 5; round++) {
    nj_reader *r = make(ctx, NULL, 2, 1 << 20);
    CHECK(r && submit_all(r));
    pid_t child = fork();
    if (child == 0)
      _exit(use_in_child(ctx, r));
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    nj_reader_free(r);
  }
  remove_sounds();
  nj_ctx_release(ctx);
}

#endif
