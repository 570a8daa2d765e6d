/* Sound files from memory, at their own rate and at another, two seconds at most. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nj_ctx *ctx = fuzz_context();
  void *copy = fuzz_copy(data, size);
  nj_audio_source source = {.bytes = copy, .size = size, .name = "input"};
  nj_audio_decode_options options = nj_audio_decode_default_options();
  options.max_seconds = 2;
  options.partial = size & 1;
  options.rate = size & 2 ? 16000 : 0;
  nj_tensor *x = NULL;
  if (nj_audio_decode(ctx, &source, &options, NULL, &x) == NJ_OK)
    fuzz_read(x);
  nj_release(x);
  free(copy);
  fuzz_check_memory(ctx);
  return 0;
}
