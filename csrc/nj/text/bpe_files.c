#include "text/bpe_files.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/file.h"
#include "base/json.h"

/* Tokens as they come in the file, before they can be put in the order of their ids. */
typedef struct {
  nj_ctx *ctx;
  char *bytes;
  size_t n_bytes, bytes_room;
  struct entry {
    size_t start, length;
    int64_t id;
  } * entries;
  size_t count, entries_room;
} listing;

static nj_status list_entry(listing *list, nj_json *json) {
  size_t length = json->length;
  if (list->count == NJ_VOCAB_MAX)
    return nj_json_fail(json, "more than 1048576 tokens");
  if (length == 0 || length > NJ_VOCAB_TOKEN_MAX)
    return nj_json_fail(json, "a token must have 1 to 4096 bytes");
  NJ_RESERVE(list->ctx, list->bytes, list->bytes_room, list->n_bytes + length);
  NJ_RESERVE(list->ctx, list->entries, list->entries_room, list->count + 1);
  struct entry *entry = &list->entries[list->count];
  *entry = (struct entry){list->n_bytes, length, 0};
  memcpy(list->bytes + list->n_bytes, json->text, length);
  list->n_bytes += length;
  NJ_TRY(nj_json_expect(json, NJ_JSON_NUMBER));
  if (!json->is_integer || json->integer < 0 || json->integer >= NJ_VOCAB_MAX)
    return nj_json_fail(json, "an id must be an integer from 0 to 1048575");
  entry->id = json->integer;
  list->count++;
  return NJ_OK;
}

static nj_status list_object(listing *list, nj_json *json) {
  NJ_TRY(nj_json_expect(json, NJ_JSON_OBJECT));
  for (;;) {
    NJ_TRY(nj_json_next(json));
    if (json->event == NJ_JSON_OBJECT_END)
      return nj_json_expect(json, NJ_JSON_END);
    NJ_TRY(list_entry(list, json));
  }
}

static nj_status add_in_order(nj_vocab *vocab, const char *what, const listing *list) {
  size_t n = list->count;
  if (n == 0)
    return nj_fail(vocab->ctx, NJ_EFORMAT, "%s: no tokens", what);
  size_t *entry_of = nj_calloc(vocab->ctx, n, sizeof *entry_of); /* by id; index + 1 */
  if (!entry_of)
    return NJ_ENOMEM;
  nj_status st = NJ_OK;
  for (size_t i = 0; i < n && !st; i++) {
    int64_t id = list->entries[i].id;
    if ((uint64_t)id >= n)
      st = nj_fail(vocab->ctx, NJ_EFORMAT, "%s: id %lld, but there are %zu tokens: ids have holes",
                   what, (long long)id, n);
    else if (entry_of[id])
      st = nj_fail(vocab->ctx, NJ_EFORMAT, "%s: id %lld occurs twice", what, (long long)id);
    else
      entry_of[id] = i + 1;
  }
  char place[512];
  snprintf(place, sizeof place, "%.400s: id", what);
  for (size_t id = 0; id < n && !st; id++) {
    const struct entry *entry = &list->entries[entry_of[id] - 1];
    st = nj_vocab_add(vocab, place, (int64_t)id, list->bytes + entry->start, entry->length);
  }
  nj_free(vocab->ctx, entry_of);
  return st;
}

nj_status nj_bpe_read_vocab(nj_vocab *vocab, const char *what, const char *path) {
  char *data = NULL, name[512];
  size_t length = 0;
  NJ_TRY(nj_file_read(vocab->ctx, what, path, NJ_VOCAB_FILE_MAX, &data, &length));
  snprintf(name, sizeof name, "%s: %.400s", what, path);
  listing list = {.ctx = vocab->ctx};
  nj_json json;
  nj_json_open(&json, vocab->ctx, name, data, length);
  nj_status st = list_object(&list, &json);
  if (!st)
    st = add_in_order(vocab, name, &list);
  nj_json_close(&json);
  nj_free(vocab->ctx, list.bytes);
  nj_free(vocab->ctx, list.entries);
  nj_free(vocab->ctx, data);
  return st;
}

nj_status nj_bpe_read_merges(nj_bpe *bpe, const nj_vocab *vocab, const char *what,
                             const char *path) {
  static const char version[] = "#version";
  char *data = NULL, line[512];
  size_t length = 0;
  NJ_TRY(nj_file_read(bpe->ctx, what, path, NJ_VOCAB_FILE_MAX, &data, &length));
  snprintf(line, sizeof line, "%s: %.400s: line", what, path);
  nj_status st = NJ_OK;
  int64_t number = 1;
  for (size_t at = 0; at < length && !st; number++) {
    const char *first = data + at;
    const char *newline = memchr(first, '\n', length - at);
    size_t n = newline ? (size_t)(newline - first) : length - at;
    at += n + 1;
    if (n > 0 && first[n - 1] == '\r')
      n--;
    int header =
        number == 1 && n >= sizeof version - 1 && memcmp(first, version, sizeof version - 1) == 0;
    if (!header)
      st = nj_bpe_add_merge(bpe, vocab, line, number, first, n);
  }
  nj_free(bpe->ctx, data);
  return st;
}
