#include "base/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/context_internal.h"

nj_ctx_options nj_ctx_default_options(void) { return (nj_ctx_options){0}; }

nj_status nj_ctx_new_with(const nj_ctx_options *options, const struct nj_kernels *kernels,
                          nj_ctx **out) {
  if (options->threads < 0 || options->threads > 256)
    return NJ_EARG;
  nj_ctx *ctx = calloc(1, sizeof *ctx);
  if (!ctx)
    return NJ_ENOMEM;
  if (nj_heap_init(&ctx->heap, options->memory_limit) != NJ_OK) {
    free(ctx);
    return NJ_ENOMEM;
  }
  if (pthread_mutex_init(&ctx->lock, NULL) != 0) {
    nj_heap_destroy(&ctx->heap);
    free(ctx);
    return NJ_ENOMEM;
  }
  atomic_init(&ctx->refs, 1);
  ctx->options = *options;
  ctx->kernels = kernels;
  ctx->owner = getpid();
  ctx->threads = options->threads ? options->threads : nj_cpu_count();
  ctx->grad_enabled = 1;
  *out = ctx;
  return NJ_OK;
}

nj_ctx *nj_ctx_retain(nj_ctx *ctx) {
  atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
  return ctx;
}

void nj_ctx_release(nj_ctx *ctx) {
  if (!ctx || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
    return;
  nj_pool_stop(ctx);
  while (ctx->n_hooks > 0)
    ctx->hooks[--ctx->n_hooks]();
  nj_heap_destroy(&ctx->heap);
  pthread_mutex_destroy(&ctx->lock);
  free(ctx);
}

int nj_ctx_on_release(nj_ctx *ctx, void (*hook)(void)) {
  pthread_mutex_lock(&ctx->lock);
  int added = ctx->n_hooks < NJ_CTX_HOOKS ? 1 : -1;
  for (int i = 0; i < ctx->n_hooks; i++)
    if (ctx->hooks[i] == hook)
      added = 0;
  if (added == 1)
    ctx->hooks[ctx->n_hooks++] = hook;
  pthread_mutex_unlock(&ctx->lock);
  return added;
}

void nj_ctx_detach_host(nj_ctx *ctx) {
  ctx->options.should_stop = NULL;
  ctx->options.log = NULL;
}

nj_status nj_fail(nj_ctx *ctx, nj_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  pthread_mutex_lock(&ctx->lock);
  vsnprintf(ctx->error, sizeof ctx->error, format, arguments);
  pthread_mutex_unlock(&ctx->lock);
  va_end(arguments);
  return status;
}

const char *nj_ctx_error(const nj_ctx *ctx) { return ctx->error; }

void nj_report(nj_ctx *ctx, nj_log_level level, const char *format, ...) {
  if (!ctx->options.log)
    return;
  char text[NJ_ERROR_TEXT];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  ctx->options.log(ctx->options.log_data, level, text);
}

nj_status nj_poll(nj_ctx *ctx) {
  if (ctx->options.should_stop && ctx->options.should_stop(ctx->options.should_stop_data))
    return nj_fail(ctx, NJ_EINTR, "interrupted!");
  return NJ_OK;
}

int nj_poll_stop(void *ctx) { return nj_poll(ctx) != NJ_OK; }

int nj_grad_enabled(const nj_ctx *ctx) { return ctx->grad_enabled; }
void nj_set_grad_enabled(nj_ctx *ctx, int enabled) { ctx->grad_enabled = enabled != 0; }
uint64_t nj_ctx_next_sequence(nj_ctx *ctx) { return ++ctx->sequence; }
const struct nj_kernels *nj_ctx_kernels(const nj_ctx *ctx) { return ctx->kernels; }
