/* Files of weights: safetensors, torch's zip and legacy formats, and what is none of them. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nj_ctx *ctx = fuzz_context();
  void *copy = fuzz_copy(data, size);
  nj_mapping *mapping = NULL;
  nj_archive *archive = NULL;
  if (nj_mapping_from_memory(ctx, copy, size, free, copy, &mapping) == NJ_OK &&
      nj_archive_open_mapping(ctx, "input", mapping, &archive) == NJ_OK)
    fuzz_read_all(archive);
  nj_archive_close(archive);
  nj_mapping_release(mapping);
  fuzz_check_memory(ctx);
  return 0;
}
