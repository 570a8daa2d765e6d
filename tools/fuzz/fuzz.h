/* What every fuzz target shares: one context, and input copied to a block of its exact size, so that
 * AddressSanitizer sees a read of one byte too many. */
#ifndef NJ_FUZZ_H
#define NJ_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "nj.h"

#define FUZZ_MEMORY ((size_t)512 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline nj_ctx *fuzz_context(void) {
  static nj_ctx *ctx;
  if (!ctx) {
    nj_ctx_options options = nj_ctx_default_options();
    options.threads = 1;
    options.memory_limit = FUZZ_MEMORY;
    if (nj_ctx_new(&options, &ctx) != NJ_OK)
      abort();
  }
  return ctx;
}

/* Nothing may stay behind. */
static inline void fuzz_check_memory(nj_ctx *ctx) {
  if (nj_memory_get(ctx).live != 0)
    abort();
}

static inline void *fuzz_copy(const uint8_t *data, size_t size) {
  void *copy = malloc(size ? size : 1);
  if (!copy)
    abort();
  memcpy(copy, data, size);
  return copy;
}

/* Reads every element of a tensor through its strides. */
static inline void fuzz_read(nj_tensor *x) {
  nj_tensor *flat = NULL;
  if (nj_numel(x) > ((int64_t)1 << 20) || nj_as_contiguous(x, &flat) != NJ_OK)
    return;
  unsigned sum = 0;
  const unsigned char *bytes = nj_data(flat);
  for (size_t i = 0; i < (size_t)nj_numel(flat) * nj_dtype_size(flat->dtype); i++)
    sum += bytes[i];
  volatile unsigned keep = sum;
  (void)keep;
  nj_release(flat);
}

static inline void fuzz_read_all(nj_archive *archive) {
  for (size_t i = 0; i < archive->n_entries; i++) {
    nj_tensor *x = NULL;
    if (nj_archive_read(archive, i, &x) == NJ_OK)
      fuzz_read(x);
    nj_release(x);
  }
}

#endif
