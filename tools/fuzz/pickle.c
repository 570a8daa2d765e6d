/* The pickle inside a torch file, without the zip around it, whose checksums stop a fuzzer. Storages
 * lie in the input itself. */
#include "fuzz.h"

typedef struct {
  nj_ctx *ctx;
  size_t size;
} place;

static nj_status find(void *arg, const nj_pickle_storage *storage, uint64_t need,
                      nj_zip_bytes *out) {
  const place *p = arg;
  (void)storage;
  if (need > p->size)
    return nj_fail(p->ctx, NJ_EFORMAT, "too large");
  *out = (nj_zip_bytes){.begin = p->size - need, .bytes = need};
  return NJ_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nj_ctx *ctx = fuzz_context();
  void *copy = fuzz_copy(data, size);
  nj_archive *archive = nj_calloc(ctx, 1, sizeof *archive);
  place p = {ctx, size};
  nj_pickle pickle;
  if (!archive)
    abort();
  archive->ctx = nj_ctx_retain(ctx);
  archive->path = nj_strdup(ctx, "input");
  if (nj_mapping_from_memory(ctx, copy, size, free, copy, &archive->mapping) != NJ_OK)
    abort();
  if (nj_pickle_open(&pickle, ctx, "input", copy, size) == NJ_OK &&
      nj_torch_fill(archive, &pickle, find, &p, 0) == NJ_OK)
    fuzz_read_all(archive);
  nj_pickle_close(&pickle);
  nj_archive_close(archive);
  fuzz_check_memory(ctx);
  return 0;
}
