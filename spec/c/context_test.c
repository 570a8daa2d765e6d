#include "base/alloc.h"
#include "base/context.h"
#include "ctest.h"
#include "kernels/kernels.h"

static int stop_when_set(void *data) { return *(int *)data; }

static void keep_text(void *data, nj_log_level level, const char *text) {
  snprintf(data, 64, "%d %s", (int)level, text);
}

TEST(context_rejects_bad_options) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  options.isa = "z80";
  CHECK_INT(nj_ctx_new(&options, &ctx), NJ_EARG);
  CHECK(ctx == NULL);
  options.isa = NULL;
  options.threads = -1;
  CHECK_INT(nj_ctx_new(&options, &ctx), NJ_EARG);
  options.threads = 257;
  CHECK_INT(nj_ctx_new(&options, &ctx), NJ_EARG);
  CHECK(ctx == NULL);
}

TEST(context_takes_the_isa_asked_for) {
  static const char *const names[] = {"portable", "avx2", "avx512"};
  for (int i = 0; i < 3; i++) {
    if (!nj_kernels_find(names[i]))
      continue;
    nj_ctx_options options = nj_ctx_default_options();
    options.isa = names[i];
    nj_ctx *ctx = NULL;
    CHECK_OK(nj_ctx_new(&options, &ctx));
    CHECK(strcmp(nj_ctx_kernels(ctx)->isa, names[i]) == 0);
    nj_ctx_release(ctx);
  }
  CHECK(nj_kernels_find("portable"));
}

TEST(context_keeps_the_error_text) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  CHECK(strcmp(nj_ctx_error(ctx), "") == 0);
  CHECK_INT(nj_fail(ctx, NJ_ESHAPE, "matmul: inner sizes differ: %d and %d", 4, 5), NJ_ESHAPE);
  CHECK(strcmp(nj_ctx_error(ctx), "matmul: inner sizes differ: 4 and 5") == 0);
  char longer[4000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  nj_fail(ctx, NJ_EARG, "%s", longer);
  CHECK(strlen(nj_ctx_error(ctx)) >= 100 && strlen(nj_ctx_error(ctx)) < 4000);
  nj_ctx_release(ctx);
}

TEST(context_polls_and_logs_through_the_host) {
  int stop = 0;
  char logged[64] = "";
  nj_ctx_options options = nj_ctx_default_options();
  options.should_stop = stop_when_set;
  options.should_stop_data = &stop;
  options.log = keep_text;
  options.log_data = logged;
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(&options, &ctx));
  CHECK_OK(nj_poll(ctx));
  stop = 1;
  CHECK_INT(nj_poll(ctx), NJ_EINTR);
  CHECK_TEXT(nj_ctx_error(ctx), "interrupted");
  nj_report(ctx, NJ_LOG_WARN, "%d clips skipped", 3);
  CHECK(strcmp(logged, "2 3 clips skipped") == 0);
  nj_ctx_detach_host(ctx);
  CHECK_OK(nj_poll(ctx));
  nj_report(ctx, NJ_LOG_WARN, "unheard");
  CHECK(strcmp(logged, "2 3 clips skipped") == 0);
  nj_ctx_release(ctx);
}

TEST(context_lives_as_long_as_a_reference) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  CHECK(nj_ctx_retain(ctx) == ctx);
  nj_ctx_release(ctx);
  void *block = nj_alloc(ctx, 100); /* would touch freed memory had the context gone */
  CHECK(block);
  nj_free(ctx, block);
  nj_ctx_release(ctx);
  nj_ctx_release(NULL);
}

static int released;
static void count_release(void) { released++; }
static void count_tenfold(void) { released *= 10; }

TEST(context_runs_hooks_once_when_it_goes) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  released = 0;
  CHECK_INT(nj_ctx_on_release(ctx, count_tenfold), 1);
  CHECK_INT(nj_ctx_on_release(ctx, count_release), 1);
  CHECK_INT(nj_ctx_on_release(ctx, count_release), 0); /* there before */
  nj_ctx_retain(ctx);
  nj_ctx_release(ctx);
  CHECK_INT(released, 0);
  nj_ctx_release(ctx);
  CHECK_INT(released, 10); /* the last added ran first, each once */
}
