#include "text/vocab.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/file.h"
#include "base/utf8.h"

void nj_vocab_free(nj_vocab *vocab) {
  nj_free(vocab->ctx, vocab->bytes);
  nj_free(vocab->ctx, vocab->start);
  nj_free(vocab->ctx, vocab->hash);
  nj_free(vocab->ctx, vocab->slots);
  *vocab = (nj_vocab){.ctx = vocab->ctx};
}

/* FNV-1a: it takes one byte after the other, which is what nj_vocab_find_hashed needs. */
uint64_t nj_vocab_hash(uint64_t hash, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return hash;
}

/* FNV's low bits know little of the last bytes. */
static size_t slot_of(const nj_vocab *vocab, uint64_t hash) {
  return (size_t)((hash ^ hash >> 29) * 0x9e3779b97f4a7c15u >> 32) & (vocab->n_slots - 1);
}

const char *nj_vocab_token(const nj_vocab *vocab, int32_t id, size_t *length) {
  *length = vocab->start[id + 1] - vocab->start[id];
  return vocab->bytes + vocab->start[id];
}

int32_t nj_vocab_find_hashed(const nj_vocab *vocab, uint64_t hash, const char *prefix,
                             size_t prefix_length, const char *bytes, size_t length) {
  if (vocab->n_slots == 0 || prefix_length + length > vocab->longest)
    return -1;
  for (size_t slot = slot_of(vocab, hash);; slot = (slot + 1) & (vocab->n_slots - 1)) {
    int32_t id = vocab->slots[slot] - 1;
    if (id < 0)
      return -1;
    if (vocab->hash[id] != hash)
      continue;
    size_t token_length;
    const char *token = nj_vocab_token(vocab, id, &token_length);
    if (token_length == prefix_length + length && memcmp(token, prefix, prefix_length) == 0 &&
        memcmp(token + prefix_length, bytes, length) == 0)
      return id;
  }
}

int32_t nj_vocab_find(const nj_vocab *vocab, const char *token, size_t length) {
  return nj_vocab_find_hashed(vocab, nj_vocab_hash(NJ_VOCAB_HASH_START, token, length), "", 0,
                              token, length);
}

static void insert(nj_vocab *vocab, int32_t id) {
  size_t slot = slot_of(vocab, vocab->hash[id]);
  while (vocab->slots[slot])
    slot = (slot + 1) & (vocab->n_slots - 1);
  vocab->slots[slot] = id + 1;
}

/* At most half full. */
static nj_status make_slots(nj_vocab *vocab) {
  if ((size_t)vocab->count * 2 < vocab->n_slots)
    return NJ_OK;
  size_t n = vocab->n_slots ? vocab->n_slots * 2 : 64;
  int32_t *slots = nj_calloc(vocab->ctx, n, sizeof *slots);
  if (!slots)
    return NJ_ENOMEM;
  nj_free(vocab->ctx, vocab->slots);
  vocab->slots = slots;
  vocab->n_slots = n;
  for (int32_t id = 0; id < vocab->count; id++)
    insert(vocab, id);
  return NJ_OK;
}

static nj_status check(nj_vocab *vocab, const char *what, int64_t place, const char *token,
                       size_t length) {
  long long at = (long long)place;
  if (length == 0)
    return nj_fail(vocab->ctx, NJ_EFORMAT, "%s %lld: empty token", what, at);
  if (length > NJ_VOCAB_TOKEN_MAX)
    return nj_fail(vocab->ctx, NJ_EFORMAT, "%s %lld: token of %zu bytes, at most %d are allowed",
                   what, at, length, NJ_VOCAB_TOKEN_MAX);
  if (nj_utf8_valid(token, length) < length)
    return nj_fail(vocab->ctx, NJ_EFORMAT, "%s %lld: not UTF-8", what, at);
  if (vocab->count == NJ_VOCAB_MAX)
    return nj_fail(vocab->ctx, NJ_EFORMAT, "%s %lld: more than %d tokens", what, at, NJ_VOCAB_MAX);
  return NJ_OK;
}

static nj_status append(nj_vocab *vocab, const char *token, size_t length, uint64_t hash) {
  size_t n = (size_t)vocab->count;
  NJ_TRY(make_slots(vocab));
  NJ_RESERVE(vocab->ctx, vocab->bytes, vocab->bytes_room, vocab->n_bytes + length);
  NJ_RESERVE(vocab->ctx, vocab->start, vocab->start_room, n + 2);
  NJ_RESERVE(vocab->ctx, vocab->hash, vocab->hash_room, n + 1);
  memcpy(vocab->bytes + vocab->n_bytes, token, length);
  vocab->start[n] = vocab->n_bytes;
  vocab->n_bytes += length;
  vocab->start[n + 1] = vocab->n_bytes;
  vocab->hash[n] = hash;
  vocab->count++;
  if (length > vocab->longest)
    vocab->longest = length;
  insert(vocab, (int32_t)n);
  return NJ_OK;
}

nj_status nj_vocab_add(nj_vocab *vocab, const char *what, int64_t place, const char *token,
                       size_t length) {
  NJ_TRY(check(vocab, what, place, token, length));
  uint64_t hash = nj_vocab_hash(NJ_VOCAB_HASH_START, token, length);
  int32_t twin = nj_vocab_find_hashed(vocab, hash, "", 0, token, length);
  if (twin >= 0)
    return nj_fail(vocab->ctx, NJ_EFORMAT, "%s %lld: token '%.*s' has id %d already", what,
                   (long long)place, length > 64 ? 64 : (int)length, token, (int)twin);
  return append(vocab, token, length, hash);
}

nj_status nj_vocab_intern(nj_vocab *vocab, const char *token, size_t length, int32_t *id) {
  uint64_t hash = nj_vocab_hash(NJ_VOCAB_HASH_START, token, length);
  *id = nj_vocab_find_hashed(vocab, hash, "", 0, token, length);
  if (*id >= 0)
    return NJ_OK;
  if (vocab->count == INT32_MAX - 1)
    return nj_fail(vocab->ctx, NJ_ENOMEM, "out of memory: more than 2147483646 tokens");
  *id = vocab->count;
  return append(vocab, token, length, hash);
}

nj_status nj_vocab_read(nj_vocab *vocab, const char *what, const char *path) {
  char *data = NULL;
  size_t length = 0;
  NJ_TRY(nj_file_read(vocab->ctx, what, path, NJ_VOCAB_FILE_MAX, &data, &length));
  nj_status st = NJ_OK;
  if (length == 0)
    st = nj_fail(vocab->ctx, NJ_EFORMAT, "%s: %s: empty file", what, path);
  char line[512];
  snprintf(line, sizeof line, "%s: %.400s: line", what, path);
  int64_t number = 1;
  for (size_t at = 0; at < length && !st; number++) {
    const char *first = data + at;
    const char *newline = memchr(first, '\n', length - at);
    size_t n = newline ? (size_t)(newline - first) : length - at;
    at += n + 1;
    if (n > 0 && first[n - 1] == '\r')
      n--;
    st = nj_vocab_add(vocab, line, number, first, n);
  }
  nj_free(vocab->ctx, data);
  return st;
}
