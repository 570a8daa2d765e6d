/* The renderer's threads, where ThreadSanitizer can watch them: jobs against the calling thread,
 * files shared by several jobs, closing in the middle. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "audio/encode.h"
#include "audio/renderer.h"
#include "base/rng.h"
#include "ctest.h"
#include "kernels/kernels.h"

enum { FILES = 3, ITEMS = 6, BATCHES = 4 };

static char paths[FILES][64];

static int write_sounds(nj_ctx *ctx) {
  for (int f = 0; f < FILES; f++) {
    snprintf(paths[f], sizeof paths[f], "/tmp/nightjar-%ld-%d.flac", (long)getpid(), f);
    int64_t n = 9000 + 4000 * f;
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
  return 1;
}

static void remove_sounds(void) {
  for (int f = 0; f < FILES; f++)
    remove(paths[f]);
}

static nj_renderer *make(nj_ctx *ctx, nj_mel *fe, int jobs) {
  nj_renderer_options o = {.rate = 32000, .front_end = fe, .jobs = jobs, .ahead = 2};
  o.sources.whole = 60;
  o.sources.cache_bytes = 200000; /* less than all of them: files come and go */
  nj_renderer *r = NULL;
  if (nj_renderer_new(ctx, &o, &r))
    return NULL;
  for (int f = 0; f < FILES; f++)
    if (nj_sources_add_file(nj_renderer_sources(r), paths[f])) {
      nj_renderer_free(r);
      return NULL;
    }
  return r;
}

static nj_mixture_part parts[ITEMS][2];

static void describe(nj_mixture *items, int batch) {
  for (int i = 0; i < ITEMS; i++) {
    parts[i][0] = parts[i][1] = nj_mixture_default_part();
    parts[i][0].source = (i + batch) % FILES;
    parts[i][1].source = (i * batch + 1) % FILES;
    parts[i][1].onset = 0.05 * i;
    items[i] = (nj_mixture){.length = 0.3 + 0.1 * i, .n_parts = 2, .parts = parts[i]};
    items[i].noise = NJ_NOISE_PINK;
    items[i].noise_level = -30;
    items[i].noise_snr = NAN;
    items[i].noise_seed = (uint64_t)i;
  }
}

/* 1 when every batch has the bits of the calling thread's. */
static int agree(nj_renderer *r) {
  nj_mixture items[ITEMS];
  for (int b = 0; b < BATCHES; b++) {
    describe(items, b);
    if (nj_renderer_submit(r, ITEMS, items))
      return 0;
  }
  int equal = 1;
  for (int b = 0; b < BATCHES; b++) {
    nj_tensor *ahead = NULL, *now = NULL, *n1 = NULL, *n2 = NULL;
    nj_fault faults[ITEMS];
    describe(items, b);
    if (nj_renderer_next(r, &ahead, &n1, faults) ||
        nj_renderer_render(r, ITEMS, items, &now, &n2, NULL))
      return 0;
    for (int i = 0; i < ITEMS; i++)
      equal = equal && faults[i].status == NJ_OK;
    equal = equal && nj_same_shape(ahead, now) &&
            memcmp(nj_data(ahead), nj_data(now), 4 * (size_t)nj_numel(now)) == 0 &&
            memcmp(nj_data(n1), nj_data(n2), sizeof(int64_t) * ITEMS) == 0;
    nj_release(ahead);
    nj_release(now);
    nj_release(n1);
    nj_release(n2);
  }
  return equal;
}

TEST(renderer_jobs_agree_with_the_calling_thread) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  CHECK(write_sounds(ctx));
  nj_mel_options mel;
  CHECK(nj_mel_preset("panns", &mel));
  nj_mel *fe = NULL;
  CHECK_OK(nj_mel_new(ctx, &mel, &fe));
  for (int jobs = 1; jobs <= 4; jobs += 3) {
    nj_renderer *r = make(ctx, fe, jobs);
    CHECK(r);
    CHECK(agree(r));
    nj_renderer_free(r);
  }
  nj_mel_release(fe);
  remove_sounds();
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(renderer_closes_in_the_middle_and_outlives_its_context_reference) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  CHECK(write_sounds(ctx));
  for (int round = 0; round < 4; round++) {
    nj_renderer *r = make(ctx, NULL, 3);
    CHECK(r);
    nj_mixture items[ITEMS];
    for (int b = 0; b < BATCHES; b++) {
      describe(items, b);
      CHECK_OK(nj_renderer_submit(r, ITEMS, items));
    }
    if (round == 3)
      nj_ctx_release(ctx); /* the renderer holds one of its own */
    nj_renderer_free(r);
  }
  remove_sounds();
}

TEST(renderer_reports_what_is_wrong) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  nj_renderer_options o = {.rate = 32000, .jobs = 0, .ahead = 2};
  nj_renderer *r = NULL;
  CHECK_INT(nj_renderer_new(ctx, &o, &r), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "renderer: jobs must be in [1, 64], got 0");
  o.jobs = 1;
  CHECK_OK(nj_renderer_new(ctx, &o, &r));
  nj_tensor *data = NULL, *lengths = NULL;
  CHECK_INT(nj_renderer_next(r, &data, &lengths, NULL), NJ_ESTATE);
  CHECK_TEXT(nj_ctx_error(ctx), "renderer: nothing is pending");
  nj_mixture item = {.length = NAN, .noise_snr = NAN};
  CHECK_INT(nj_renderer_submit(r, 1, &item), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "renderer: item 1: length must be in (0, 3600] s");
  nj_renderer_free(r);
  nj_ctx_release(ctx);
}
