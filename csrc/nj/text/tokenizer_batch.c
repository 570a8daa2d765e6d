/* Many texts into padded tensors, on the pool. */
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "text/tokenizer.h"

#define GRAIN 16 /* texts a block: a caption takes a few microseconds */

typedef struct {
  const nj_tokenizer *t;
  const nj_text *texts;
  const nj_encode_options *options;
  nj_encoding *rows;
  size_t width;
  int64_t *ids;
  uint8_t *mask, *special;
} job;

static nj_status encode_rows(void *arg, int64_t begin, int64_t end, int worker) {
  job *j = arg;
  (void)worker;
  nj_encoder encoder;
  nj_encoder_open(&encoder, j->t);
  nj_status st = NJ_OK;
  for (int64_t i = begin; i < end && !st; i++)
    st = nj_encoder_run(&encoder, j->texts[i].text, j->texts[i].length, j->options, &j->rows[i]);
  nj_encoder_close(&encoder);
  return st;
}

static nj_status fill_rows(void *arg, int64_t begin, int64_t end, int worker) {
  job *j = arg;
  (void)worker;
  int64_t pad = j->t->role[NJ_ROLE_PAD];
  for (int64_t i = begin; i < end; i++) {
    const nj_encoding *row = &j->rows[i];
    size_t first = (size_t)i * j->width;
    for (size_t k = 0; k < j->width; k++) {
      int real = k < row->count;
      j->ids[first + k] = real ? row->at[k].id : pad;
      j->mask[first + k] = (uint8_t)real;
      j->special[first + k] = (uint8_t)(real ? row->at[k].special : 1);
    }
  }
  return NJ_OK;
}

/* The width of the tensors; complains where rows do not fit it or cannot be padded to it. */
static nj_status measure(job *j, size_t n, size_t wanted) {
  size_t longest = 0, shortest = SIZE_MAX;
  for (size_t i = 0; i < n; i++) {
    size_t count = j->rows[i].count;
    if (wanted > 0 && count > wanted)
      return nj_fail(j->t->ctx, NJ_EARG, "batch: text %zu has %zu tokens, more than the width %zu",
                     i + 1, count, wanted);
    longest = count > longest ? count : longest;
    shortest = count < shortest ? count : shortest;
  }
  j->width = wanted > 0 ? wanted : longest;
  if (n > 0 && shortest < j->width && j->t->role[NJ_ROLE_PAD] < 0)
    return nj_fail(j->t->ctx, NJ_EARG,
                   "batch: the texts differ in length and the tokenizer has no pad token");
  return NJ_OK;
}

static nj_status make_tensors(job *j, size_t n, nj_tensor *out[3]) {
  nj_ctx *ctx = j->t->ctx;
  int64_t shape[2] = {(int64_t)n, (int64_t)j->width};
  NJ_TRY(nj_empty(ctx, NJ_I64, 2, shape, &out[0]));
  NJ_TRY(nj_empty(ctx, NJ_U8, 2, shape, &out[1]));
  NJ_TRY(nj_empty(ctx, NJ_U8, 2, shape, &out[2]));
  j->ids = NJ_I64_DATA(out[0]);
  j->mask = nj_data(out[1]);
  j->special = nj_data(out[2]);
  return nj_parallel_range(ctx, (int64_t)n, GRAIN, fill_rows, j);
}

nj_status nj_encode_batch(const nj_tokenizer *tokenizer, size_t n, const nj_text *texts,
                          const nj_encode_options *options, size_t width, nj_tensor **ids,
                          nj_tensor **mask, nj_tensor **special) {
  nj_ctx *ctx = tokenizer->ctx;
  nj_tensor *out[3] = {NULL, NULL, NULL};
  job j = {.t = tokenizer, .texts = texts, .options = options};
  j.rows = nj_calloc(ctx, n, sizeof *j.rows);
  if (!j.rows)
    return NJ_ENOMEM;
  for (size_t i = 0; i < n; i++)
    j.rows[i].ctx = ctx;
  nj_status st = nj_parallel_range(ctx, (int64_t)n, GRAIN, encode_rows, &j);
  if (!st)
    st = measure(&j, n, width);
  if (!st)
    st = make_tensors(&j, n, out);
  for (size_t i = 0; i < n; i++)
    nj_encoding_free(&j.rows[i]);
  nj_free(ctx, j.rows);
  if (st) {
    for (int i = 0; i < 3; i++)
      nj_release(out[i]);
    return st;
  }
  *ids = out[0];
  *mask = out[1];
  *special = out[2];
  return NJ_OK;
}
