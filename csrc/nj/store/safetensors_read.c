#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "store/safetensors.h"

#define HEADER_MOST ((uint64_t)100 << 20) /* the reference implementation's limit */

static nj_status copy_text(nj_json *json, char **out) {
  if (memchr(json->text, 0, json->length))
    return nj_json_fail(json, "a NUL character in a name or note");
  char *copy = nj_alloc(json->ctx, json->length + 1);
  if (!copy)
    return NJ_ENOMEM;
  memcpy(copy, json->text, json->length);
  copy[json->length] = '\0';
  *out = copy;
  return NJ_OK;
}

static nj_status read_metadata(nj_archive *archive, nj_json *json) {
  NJ_TRY(nj_json_expect(json, NJ_JSON_OBJECT));
  for (;;) {
    NJ_TRY(nj_json_next(json));
    if (json->event == NJ_JSON_OBJECT_END)
      return NJ_OK;
    NJ_RESERVE(archive->ctx, archive->notes, archive->note_room, archive->n_notes + 1);
    nj_archive_note *note = &archive->notes[archive->n_notes];
    *note = (nj_archive_note){.kind = NJ_NOTE_TEXT};
    NJ_TRY(copy_text(json, &note->key));
    archive->n_notes++;
    NJ_TRY(nj_json_expect(json, NJ_JSON_STRING));
    NJ_TRY(copy_text(json, &note->value));
  }
}

static nj_status read_type(nj_json *json, nj_archive_entry *entry) {
  NJ_TRY(nj_json_expect(json, NJ_JSON_STRING));
  for (int i = 0; i < NJ_STORED_COUNT; i++)
    if (nj_json_is(json, nj_stored_name((nj_stored)i))) {
      entry->type = (nj_stored)i;
      return NJ_OK;
    }
  return nj_json_fail(json, "unknown dtype");
}

/* A list of at most `most` non-negative integers. */
static nj_status read_integers(nj_json *json, int64_t *values, int most, int *n) {
  NJ_TRY(nj_json_expect(json, NJ_JSON_ARRAY));
  for (*n = 0;; ++*n) {
    NJ_TRY(nj_json_next(json));
    if (json->event == NJ_JSON_ARRAY_END)
      return NJ_OK;
    if (json->event != NJ_JSON_NUMBER || !json->is_integer || json->integer < 0)
      return nj_json_fail(json, "expected a non-negative integer");
    if (*n == most)
      return nj_json_fail(json, "too many dimensions or offsets");
    values[*n] = json->integer;
  }
}

static nj_status check_size(nj_json *json, const nj_archive_entry *entry, uint64_t begin,
                            uint64_t end) {
  uint64_t bytes = nj_stored_size(entry->type);
  for (int i = 0; i < entry->ndim; i++)
    if (__builtin_mul_overflow(bytes, (uint64_t)entry->shape[i], &bytes))
      return nj_json_fail(json, "the shape's size overflows");
  if (begin > end || end - begin != bytes)
    return nj_json_fail(json, "the data's size is not what dtype and shape say");
  return NJ_OK;
}

/* The block's place is relative to the data until check_layout moves it. */
static nj_status read_entry(nj_json *json, nj_archive_entry *entry, nj_archive_block *block) {
  enum { TYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
  int seen = 0, n = 0;
  int64_t offsets[2];
  NJ_TRY(nj_json_expect(json, NJ_JSON_OBJECT));
  for (;;) {
    NJ_TRY(nj_json_next(json));
    if (json->event == NJ_JSON_OBJECT_END)
      break;
    int field = nj_json_is(json, "dtype")          ? TYPE
                : nj_json_is(json, "shape")        ? SHAPE
                : nj_json_is(json, "data_offsets") ? OFFSETS
                                                   : 0;
    if (!field || seen & field)
      return nj_json_fail(json, "an unknown or repeated field of a tensor");
    seen |= field;
    if (field == TYPE)
      NJ_TRY(read_type(json, entry));
    else if (field == SHAPE)
      NJ_TRY(read_integers(json, entry->shape, NJ_MAX_DIMS, &entry->ndim));
    else
      NJ_TRY(read_integers(json, offsets, 2, &n));
  }
  if (seen != ALL || n != 2)
    return nj_json_fail(json, "a tensor needs dtype, shape and two data_offsets");
  block->type = entry->type;
  block->begin = (uint64_t)offsets[0];
  NJ_TRY(check_size(json, entry, block->begin, (uint64_t)offsets[1]));
  block->bytes = (uint64_t)offsets[1] - block->begin;
  nj_archive_make_contiguous(entry);
  return NJ_OK;
}

static nj_status read_header(nj_archive *archive, nj_json *json) {
  int metadata = 0;
  NJ_TRY(nj_json_expect(json, NJ_JSON_OBJECT));
  for (;;) {
    NJ_TRY(nj_json_next(json));
    if (json->event == NJ_JSON_OBJECT_END)
      return nj_json_expect(json, NJ_JSON_END);
    if (nj_json_is(json, "__metadata__")) {
      if (metadata++)
        return nj_json_fail(json, "__metadata__ occurs twice");
      NJ_TRY(read_metadata(archive, json));
      continue;
    }
    NJ_RESERVE(archive->ctx, archive->entries, archive->entry_room, archive->n_entries + 1);
    nj_archive_entry *entry = &archive->entries[archive->n_entries];
    *entry = (nj_archive_entry){.block = archive->n_entries};
    NJ_TRY(copy_text(json, &entry->name));
    archive->n_entries++;
    nj_archive_block *block;
    NJ_TRY(nj_archive_add_block(archive, &block));
    NJ_TRY(read_entry(json, entry, block));
  }
}

static int by_place(const void *a, const void *b) {
  const nj_archive_block *p = a, *q = b;
  if (p->begin != q->begin)
    return p->begin < q->begin ? -1 : 1;
  return p->bytes < q->bytes ? -1 : p->bytes > q->bytes;
}

/* Every byte of data belongs to exactly one block; `order` is a copy of the archive's. */
static nj_status check_cover(nj_archive *archive, nj_archive_block *order, uint64_t data_size) {
  uint64_t covered = 0;
  qsort(order, archive->n_blocks, sizeof *order, by_place);
  for (size_t i = 0; i < archive->n_blocks; i++) {
    if (order[i].begin != covered)
      return nj_fail(archive->ctx, NJ_EFORMAT,
                     "%s: a tensor begins at byte %llu of the data, expected %llu: data overlap or "
                     "leave a hole",
                     archive->path, (unsigned long long)order[i].begin,
                     (unsigned long long)covered);
    covered += order[i].bytes;
  }
  if (covered != data_size)
    return nj_fail(archive->ctx, NJ_EFORMAT,
                   "%s: the header describes %llu bytes of data, the file has %llu (%s)",
                   archive->path, (unsigned long long)covered, (unsigned long long)data_size,
                   covered > data_size ? "it was cut off" : "something follows");
  return NJ_OK;
}

/* Also moves blocks from offsets in the data to offsets in the file. */
static nj_status check_layout(nj_archive *archive, uint64_t data_at, uint64_t data_size) {
  NJ_TRY(nj_archive_check_names(archive));
  nj_archive_block *order = nj_calloc(archive->ctx, archive->n_blocks, sizeof *order);
  if (!order)
    return NJ_ENOMEM;
  if (archive->n_blocks)
    memcpy(order, archive->blocks, archive->n_blocks * sizeof *order);
  nj_status st = check_cover(archive, order, data_size);
  nj_free(archive->ctx, order);
  for (size_t i = 0; i < archive->n_blocks; i++)
    archive->blocks[i].begin += data_at;
  return st;
}

nj_status nj_safetensors_index(nj_archive *archive) {
  const unsigned char *data = nj_mapping_data(archive->mapping);
  uint64_t size = nj_mapping_size(archive->mapping), length = 0;
  if (size < 8)
    return nj_fail(archive->ctx, NJ_EFORMAT, "%s: %llu bytes are too few for any model file",
                   archive->path, (unsigned long long)size);
  for (int i = 7; i >= 0; i--)
    length = length << 8 | data[i];
  if (length > HEADER_MOST || length > size - 8 || length < 2 || data[8] != '{')
    return nj_fail(archive->ctx, NJ_EFORMAT,
                   "%s: neither a safetensors file nor a torch checkpoint, or cut off inside its "
                   "header",
                   archive->path);
  archive->container = "safetensors";
  nj_json json;
  nj_json_open(&json, archive->ctx, archive->path, (const char *)data + 8, (size_t)length);
  nj_status st = read_header(archive, &json);
  nj_json_close(&json);
  return st ? st : check_layout(archive, 8 + length, size - 8 - length);
}
