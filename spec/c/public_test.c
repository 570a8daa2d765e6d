/* include/nightjar.h by itself, as a host uses it. */
#include <nightjar.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctest.h"

static int write_file(char *path, const void *bytes, size_t size) {
  int fd = mkstemp(path);
  if (fd < 0)
    return 0;
  int ok = write(fd, bytes, size) == (ssize_t)size;
  return close(fd) == 0 && ok;
}

TEST(public_header_tensors) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  CHECK_TEXT(nj_version(), NJ_VERSION);
  int64_t shape[] = {2, 3}, wide[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  float values[] = {1, 2, 3, 4, 5, 6}, unit[] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  nj_tensor *x = NULL, *eye = NULL, *product = NULL;
  CHECK_OK(nj_tensor_new(ctx, NJ_F32, 2, shape, values, &x));
  CHECK_OK(nj_tensor_new(ctx, NJ_F32, 2, (int64_t[]){3, 3}, unit, &eye));
  CHECK_OK(nj_matmul(ctx, x, eye, &product));
  CHECK_INT(nj_tensor_ndim(product), 2);
  CHECK_INT(nj_tensor_size(product, 1), 3);
  CHECK_INT(nj_tensor_size(product, 2), -1);
  CHECK_INT(nj_tensor_dtype(product), NJ_F32);
  int64_t read[6] = {0};
  CHECK_OK(nj_tensor_read(product, NJ_I64, read, 6));
  CHECK_INT(read[5], 6);
  CHECK_INT(nj_tensor_read(product, NJ_I64, read, 5), NJ_ESHAPE);
  CHECK_TEXT(nj_ctx_error(ctx), "5 values for 6 elements");
  nj_tensor *none = NULL;
  CHECK_INT(nj_matmul(ctx, x, x, &none), NJ_ESHAPE);
  CHECK_INT(nj_tensor_new(ctx, NJ_F32, 9, wide, NULL, &none), NJ_EARG);
  CHECK(none == NULL);
  nj_ctx_release(ctx); /* what was made in it keeps it */
  nj_release(product);
  nj_release(eye);
  nj_release(x);
  nj_release(NULL);
}

/* 0.1 s of a square wave at 8 kHz, 16 bits. */
static size_t make_wav(unsigned char *bytes) {
  enum { SAMPLES = 800 };
  const unsigned char header[44] = {'R', 'I', 'F',  'F',  0x64, 6,   0,    0,    'W', 'A', 'V',
                                    'E', 'f', 'm',  't',  ' ',  16,  0,    0,    0,   1,   0,
                                    1,   0,   0x40, 0x1f, 0,    0,   0x80, 0x3e, 0,   0,   2,
                                    0,   16,  0,    'd',  'a',  't', 'a',  0x40, 6,   0,   0};
  memcpy(bytes, header, sizeof header);
  for (int i = 0; i < SAMPLES; i++) {
    int v = i / 8 % 2 ? 8000 : -8000;
    bytes[44 + 2 * i] = (unsigned char)(v & 255);
    bytes[45 + 2 * i] = (unsigned char)(v >> 8 & 255);
  }
  return 44 + 2 * SAMPLES;
}

TEST(public_header_sounds) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  unsigned char bytes[2048];
  char path[] = "/tmp/nightjar-public-XXXXXX";
  CHECK(write_file(path, bytes, make_wav(bytes)));
  nj_tensor *wave = NULL, *rows = NULL;
  CHECK_OK(nj_sound_read(ctx, path, NULL, &wave));
  CHECK_INT(nj_numel(wave), 800);
  nj_release(wave);
  nj_sound_options options = nj_sound_default_options();
  options.rate = 32000;
  options.to = 0.05;
  CHECK_OK(nj_sound_read(ctx, path, &options, &wave));
  CHECK_INT(nj_numel(wave), 1600);
  nj_mel *fe = NULL;
  CHECK_INT(nj_mel_from_preset(ctx, "pans", &fe), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "no preset is called 'pans'");
  CHECK_OK(nj_mel_from_preset(ctx, "panns", &fe));
  CHECK_INT(nj_mel_rate(fe), 32000);
  CHECK_OK(nj_mel_apply(ctx, fe, wave, &rows));
  CHECK_INT(nj_tensor_size(rows, 0), 6);
  CHECK_INT(nj_tensor_size(rows, 1), 64);
  nj_tensor *none = NULL;
  CHECK_INT(nj_sound_read(ctx, "/nowhere/x.wav", NULL, &none), NJ_ENOTFOUND);
  unlink(path);
  nj_release(rows);
  nj_release(wave);
  nj_mel_release(fe);
  nj_ctx_release(ctx);
}

TEST(public_header_words_and_weights) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  const char tokens[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\ndog\nbark\n##s\n";
  char path[] = "/tmp/nightjar-public-XXXXXX";
  CHECK(write_file(path, tokens, sizeof tokens - 1));
  nj_tokenizer *tokenizer = NULL;
  nj_tensor *ids = NULL, *mask = NULL;
  CHECK_OK(nj_wordpiece_open(ctx, path, &tokenizer));
  const char *texts[] = {"A dog barks", "dog"};
  CHECK_OK(nj_tokenize(tokenizer, 2, texts, 0, &ids, &mask));
  int64_t got[12], want[12] = {2, 4, 5, 6, 7, 3, 2, 5, 3, 0, 0, 0};
  CHECK_OK(nj_tensor_read(ids, NJ_I64, got, 12));
  CHECK(memcmp(got, want, sizeof want) == 0);
  nj_release(mask);
  nj_release(ids);
  nj_tokenizer_free(tokenizer);
  unlink(path);
  nj_archive *archive = NULL;
  CHECK_OK(nj_archive_open(ctx, "models/nightjar-base.safetensors", &archive));
  CHECK(nj_archive_count(archive) > 10);
  CHECK(nj_archive_name(archive, nj_archive_count(archive)) == NULL);
  nj_tensor *first = NULL;
  CHECK_OK(nj_archive_tensor(archive, nj_archive_name(archive, 0), &first));
  CHECK(nj_numel(first) > 0);
  nj_tensor *none = NULL;
  CHECK_INT(nj_archive_tensor(archive, "nothing", &none), NJ_ENOTFOUND);
  nj_archive_close(archive);
  nj_release(first);
  nj_ctx_release(ctx);
}
