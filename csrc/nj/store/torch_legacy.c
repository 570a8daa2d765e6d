#include <stdlib.h>
#include <string.h>

#include "store/torch.h"

static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
#define PROTOCOL 1001

/* A storage's raw data. */
typedef struct {
  const nj_pickle_storage *storage;
  uint64_t begin, bytes;
  int found;
} record;

typedef struct {
  nj_archive *archive;
  const unsigned char *at, *end;
  record *records; /* one per key, ordered by it */
  size_t n_records;
} reader;

static nj_status fail(const reader *r, const char *complaint) {
  return nj_fail(r->archive->ctx, NJ_EFORMAT, "%s: %s", r->archive->path, complaint);
}

/* Reads the next pickle of the file; the caller closes it in any case. */
static nj_status next_pickle(reader *r, nj_pickle *pickle) {
  nj_status st =
      nj_pickle_open(pickle, r->archive->ctx, r->archive->path, r->at, (size_t)(r->end - r->at));
  if (!st)
    r->at = pickle->at;
  return st;
}

/* The magic number may be followed by a zero sign byte. */
static int is_magic(const nj_pickle_value *value) {
  size_t n = value->is.text.length;
  return value->kind == NJ_PICKLE_LONG && (n == 10 || (n == 11 && value->is.text.at[10] == 0)) &&
         memcmp(value->is.text.at, magic, sizeof magic) == 0;
}

static nj_status check_machine(const reader *r, const nj_pickle *pickle) {
  const nj_pickle_value *machine = &pickle->values[pickle->root];
  if (machine->kind != NJ_PICKLE_DICT)
    return fail(r, "a legacy torch file that does not describe its machine");
  for (size_t i = 0; i + 1 < machine->is.list.n; i += 2) {
    const nj_pickle_value *key = &pickle->values[machine->is.list.items[i]];
    const nj_pickle_value *value = &pickle->values[machine->is.list.items[i + 1]];
    if (nj_pickle_is(key, "little_endian") && (value->kind != NJ_PICKLE_BOOL || !value->is.integer))
      return nj_fail(r->archive->ctx, NJ_EUNSUPPORTED,
                     "%s: its bytes are not in little-endian order", r->archive->path);
  }
  return NJ_OK;
}

/* The three pickles before the object. */
static nj_status read_head(reader *r) {
  for (int part = 0; part < 3; part++) {
    nj_pickle pickle;
    nj_status st = next_pickle(r, &pickle);
    const nj_pickle_value *value = st ? NULL : &pickle.values[pickle.root];
    if (!st && part == 0 && !is_magic(value))
      st = fail(r, "a pickle, but no torch checkpoint (its magic number is missing)");
    if (!st && part == 1 && (value->kind != NJ_PICKLE_INT || value->is.integer != PROTOCOL))
      st = fail(r, "a legacy torch file of another version than 1001");
    if (!st && part == 2)
      st = check_machine(r, &pickle);
    nj_pickle_close(&pickle);
    NJ_TRY(st);
  }
  return NJ_OK;
}

static int by_key(const void *a, const void *b) {
  return nj_torch_compare_keys(((const record *)a)->storage, ((const record *)b)->storage);
}

/* One record per key that the object's pickle mentions. */
static nj_status make_records(reader *r, const nj_pickle *pickle) {
  r->records = nj_calloc(r->archive->ctx, pickle->n_storages, sizeof *r->records);
  if (!r->records)
    return NJ_ENOMEM;
  for (size_t i = 0; i < pickle->n_storages; i++)
    r->records[i].storage = &pickle->storages[i];
  qsort(r->records, pickle->n_storages, sizeof *r->records, by_key);
  for (size_t i = 0; i < pickle->n_storages; i++) {
    const nj_pickle_storage *s = r->records[i].storage;
    if (!s->typed)
      return fail(r, "a legacy torch file with an untyped storage");
    if (i == 0 || by_key(&r->records[r->n_records - 1], &r->records[i]) != 0)
      r->records[r->n_records++].storage = s;
    else if (r->records[r->n_records - 1].storage->type != s->type ||
             r->records[r->n_records - 1].storage->numel != s->numel)
      return fail(r, "a storage is given two sizes or types");
  }
  return NJ_OK;
}

static record *find_record(reader *r, const nj_pickle_storage *storage) {
  record wanted = {.storage = storage};
  return r->n_records ? bsearch(&wanted, r->records, r->n_records, sizeof wanted, by_key) : NULL;
}

/* int64 count, then the elements. */
static nj_status read_record(reader *r, const nj_pickle_value *key) {
  nj_pickle_storage named = {.key = key->is.text.at, .key_length = key->is.text.length};
  record *rec = key->kind == NJ_PICKLE_TEXT ? find_record(r, &named) : NULL;
  uint64_t count = 0, bytes;
  if (!rec || rec->found)
    return fail(r, "a storage that no tensor has, or that is there twice");
  if (r->end - r->at < 8)
    return fail(r, "cut off before the data of a storage");
  for (int i = 7; i >= 0; i--)
    count = count << 8 | r->at[i];
  r->at += 8;
  if (count != rec->storage->numel)
    return fail(r, "a storage has another size than its tensors say");
  if (__builtin_mul_overflow(count, (uint64_t)nj_stored_size(rec->storage->type), &bytes) ||
      bytes > (uint64_t)(r->end - r->at))
    return fail(r, "cut off inside the data of a storage");
  rec->begin = (uint64_t)(r->at - nj_mapping_data(r->archive->mapping));
  rec->bytes = bytes;
  rec->found = 1;
  r->at += bytes;
  return NJ_OK;
}

static nj_status read_records(reader *r) {
  nj_pickle keys;
  nj_status st = next_pickle(r, &keys);
  const nj_pickle_value *list = st ? NULL : &keys.values[keys.root];
  if (!st && list->kind != NJ_PICKLE_LIST)
    st = fail(r, "a legacy torch file without a list of storages");
  for (size_t i = 0; !st && i < list->is.list.n; i++)
    st = read_record(r, &keys.values[list->is.list.items[i]]);
  nj_pickle_close(&keys);
  return st;
}

static nj_status find_storage(void *arg, const nj_pickle_storage *storage, uint64_t need,
                              nj_zip_bytes *out) {
  reader *r = arg;
  const record *rec = find_record(r, storage);
  if (!rec || !rec->found || rec->bytes != need)
    return fail(r, "a tensor's storage is not in the file");
  *out = (nj_zip_bytes){.begin = rec->begin, .bytes = rec->bytes};
  return NJ_OK;
}

nj_status nj_torch_legacy_index(nj_archive *archive) {
  reader r = {.archive = archive, .at = nj_mapping_data(archive->mapping)};
  r.end = r.at + nj_mapping_size(archive->mapping);
  archive->container = "torch (legacy)";
  NJ_TRY(read_head(&r));
  nj_pickle object;
  nj_status st = next_pickle(&r, &object);
  if (!st)
    st = make_records(&r, &object);
  if (!st)
    st = read_records(&r);
  if (!st)
    st = nj_torch_fill(archive, &object, find_storage, &r, 0);
  nj_pickle_close(&object);
  nj_free(archive->ctx, r.records);
  return st;
}
