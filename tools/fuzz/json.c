/* The JSON reader: events until the end or the first error, then the same by nj_json_skip. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nj_ctx *ctx = fuzz_context();
  char *copy = fuzz_copy(data, size);
  nj_json json;
  nj_json_open(&json, ctx, "input", copy, size);
  nj_status walked = NJ_OK;
  do
    walked = nj_json_next(&json);
  while (walked == NJ_OK && json.event != NJ_JSON_END);
  nj_json_close(&json);
  nj_json_open(&json, ctx, "input", copy, size);
  nj_status skipped = nj_json_skip(&json);
  if (skipped == NJ_OK)
    skipped = nj_json_next(&json);
  if (skipped != walked) /* both ways agree on what JSON is */
    abort();
  nj_json_close(&json);
  free(copy);
  fuzz_check_memory(ctx);
  return 0;
}
