/* What include/nightjar.h offers beyond functions of the rooms below: the same work with plain arguments. */
#include "nightjar.h"

#include <string.h>

#include "audio/decode.h"
#include "audio/mel.h"
#include "kernels/kernels.h"
#include "ops/matmul.h"
#include "store/open.h"
#include "tensor/tensor.h"
#include "text/tokenizer.h"

const char *nj_version(void) { return NJ_VERSION; }

/* ---- tensors ---- */

nj_status nj_tensor_new(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape,
                        const void *data, nj_tensor **out) {
  nj_tensor *x = NULL;
  nj_status st = nj_zeros(ctx, dtype, ndim, shape, &x);
  if (!st && data && nj_numel(x) > 0)
    memcpy(nj_data(x), data, (size_t)nj_numel(x) * nj_dtype_size(dtype));
  return nj_finish(st, x, out);
}

nj_dtype nj_tensor_dtype(const nj_tensor *x) { return x->dtype; }
int nj_tensor_ndim(const nj_tensor *x) { return x->ndim; }

int64_t nj_tensor_size(const nj_tensor *x, int dim) {
  return dim >= 0 && dim < x->ndim ? x->shape[dim] : -1;
}

nj_status nj_tensor_read(nj_tensor *x, nj_dtype dtype, void *values, size_t count) {
  if ((uint64_t)nj_numel(x) != count)
    return nj_fail(x->ctx, NJ_ESHAPE, "tensor_read: %zu values for %lld elements", count,
                   (long long)nj_numel(x));
  nj_tensor *plain = NULL;
  NJ_TRY(nj_as(x, dtype, &plain));
  if (count > 0)
    memcpy(values, nj_data(plain), count * nj_dtype_size(dtype));
  nj_release(plain);
  return NJ_OK;
}

/* ---- sounds ---- */

nj_sound_options nj_sound_default_options(void) {
  nj_audio_decode_options o = nj_audio_decode_default_options();
  return (nj_sound_options){o.rate, o.from, o.to, o.channel, o.max_seconds};
}

nj_status nj_sound_read(nj_ctx *ctx, const char *path, const nj_sound_options *options,
                        nj_tensor **out) {
  nj_audio_decode_options o = nj_audio_decode_default_options();
  if (options) {
    o.rate = options->rate;
    o.from = options->from;
    o.to = options->to;
    o.channel = options->channel;
    o.max_seconds = options->max_seconds;
  }
  nj_audio_source source = {.path = path};
  return nj_audio_decode(ctx, &source, &o, NULL, out);
}

nj_status nj_mel_from_preset(nj_ctx *ctx, const char *preset, nj_mel **out) {
  nj_mel_options options;
  if (!nj_mel_preset(preset, &options))
    return nj_fail(ctx, NJ_EARG, "mel: no preset is called '%.100s'", preset);
  return nj_mel_new(ctx, &options, out);
}

int64_t nj_mel_rate(const nj_mel *front_end) { return nj_mel_get_options(front_end)->rate; }

/* ---- words ---- */

nj_status nj_wordpiece_open(nj_ctx *ctx, const char *path, nj_tokenizer **out) {
  nj_vocab vocab = {.ctx = ctx};
  nj_tokenizer_options options = nj_tokenizer_default_options();
  nj_status st = nj_vocab_read(&vocab, "wordpiece", path);
  if (!st)
    return nj_wordpiece_new(ctx, &vocab, &options, out); /* takes the vocabulary, come what may */
  nj_vocab_free(&vocab);
  return st;
}

nj_status nj_tokenize(nj_tokenizer *tokenizer, size_t n, const char *const *texts, int64_t max,
                      nj_tensor **ids, nj_tensor **mask) {
  nj_ctx *ctx = tokenizer->ctx;
  nj_encode_options options = nj_encode_default_options();
  nj_tensor *special = NULL;
  options.max = max;
  nj_text *list = n > SIZE_MAX / sizeof *list ? NULL : nj_alloc(ctx, n * sizeof *list);
  if (!list)
    return nj_fail(ctx, NJ_ENOMEM, "tokenize: out of memory for %zu texts", n);
  for (size_t i = 0; i < n; i++)
    list[i] = (nj_text){texts[i], strlen(texts[i])};
  nj_status st = nj_encode_batch(tokenizer, n, list, &options, 0, ids, mask, &special);
  nj_free(ctx, list);
  nj_release(special);
  return st;
}

/* ---- weights ---- */

size_t nj_archive_count(const nj_archive *archive) { return archive->n_entries; }

const char *nj_archive_name(const nj_archive *archive, size_t i) {
  return i < archive->n_entries ? archive->entries[i].name : NULL;
}

nj_status nj_archive_tensor(nj_archive *archive, const char *name, nj_tensor **out) {
  for (size_t i = 0; i < archive->n_entries; i++)
    if (!strcmp(archive->entries[i].name, name))
      return nj_archive_read(archive, i, out);
  return nj_fail(archive->ctx, NJ_ENOTFOUND, "%s: no tensor '%.200s'", archive->path, name);
}
