#include "store/archive.h"

#include <string.h>

#include "store/safetensors.h"

typedef struct {
  const char *name;
  size_t size;
  nj_dtype dtype;
} stored_kind;

static const stored_kind kinds[NJ_STORED_COUNT] = {
#define NJ_X(NAME, bytes, reads_as) {#NAME, bytes, reads_as},
    NJ_STORED_MAP(NJ_X)
#undef NJ_X
};

const char *nj_stored_name(nj_stored type) { return kinds[type].name; }
size_t nj_stored_size(nj_stored type) { return kinds[type].size; }
nj_dtype nj_stored_dtype(nj_stored type) { return kinds[type].dtype; }

/* What people pass by mistake, told apart by its first bytes. */
typedef struct {
  const char *magic;
  size_t length;
  const char *what;
} foreign;

static const foreign foreigns[] = {
    {"PK\003\004", 4, "a zip archive (a torch checkpoint?); convert it to safetensors first"},
    {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file (Keras?); convert its weights to safetensors first"},
    {"\x80\x02\x8a\x0a", 4, "a legacy torch checkpoint; convert it to safetensors first"},
    {"\x1f\x8b", 2, "gzip data; unpack it first"},
    {"<!DOCTYPE", 9, "an HTML page: the download did not give the file"},
    {"<html", 5, "an HTML page: the download did not give the file"},
    {"version https://git-lfs", 23, "a Git LFS pointer: fetch the real file with git lfs pull"},
};

static nj_status recognise(nj_ctx *ctx, const char *path, nj_mapping *mapping) {
  const unsigned char *data = nj_mapping_data(mapping);
  uint64_t size = nj_mapping_size(mapping);
  if (size == 0)
    return nj_fail(ctx, NJ_EFORMAT, "%s: the file is empty", path);
  for (size_t i = 0; i < sizeof foreigns / sizeof *foreigns; i++)
    if (size >= foreigns[i].length && memcmp(data, foreigns[i].magic, foreigns[i].length) == 0)
      return nj_fail(ctx, NJ_EUNSUPPORTED, "%s: this is %s", path, foreigns[i].what);
  if (size >= 8 && memcmp(data + 4, "TFL3", 4) == 0)
    return nj_fail(ctx, NJ_EUNSUPPORTED,
                   "%s: this is a TFLite model; use the checkpoint it was "
                   "converted from",
                   path);
  return NJ_OK;
}

nj_status nj_archive_open(nj_ctx *ctx, const char *path, nj_archive **out) {
  nj_archive *archive = nj_calloc(ctx, 1, sizeof *archive);
  if (!archive)
    return NJ_ENOMEM;
  archive->ctx = nj_ctx_retain(ctx);
  archive->path = nj_strdup(ctx, path);
  nj_status st = archive->path ? nj_mapping_open(ctx, path, &archive->mapping) : NJ_ENOMEM;
  if (!st)
    st = recognise(ctx, path, archive->mapping);
  if (!st)
    st = nj_safetensors_index(archive);
  if (st) {
    nj_archive_close(archive);
    return st;
  }
  *out = archive;
  return NJ_OK;
}

void nj_archive_close(nj_archive *archive) {
  if (!archive)
    return;
  nj_ctx *ctx = archive->ctx;
  for (size_t i = 0; i < archive->n_entries; i++)
    nj_free(ctx, archive->entries[i].name);
  for (size_t i = 0; i < archive->n_notes; i++) {
    nj_free(ctx, archive->notes[i].key);
    nj_free(ctx, archive->notes[i].value);
  }
  nj_free(ctx, archive->entries);
  nj_free(ctx, archive->notes);
  nj_free(ctx, archive->path);
  nj_mapping_release(archive->mapping);
  nj_free(ctx, archive);
  nj_ctx_release(ctx);
}

const char *nj_archive_metadata(const nj_archive *archive, const char *key) {
  for (size_t i = 0; i < archive->n_notes; i++)
    if (strcmp(archive->notes[i].key, key) == 0)
      return archive->notes[i].value;
  return NULL;
}

static float half_to_float(uint16_t half) {
  uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff, bits;
  if (exponent == 31) {
    bits = 0x7f800000u | fraction << 13;
  } else if (exponent) {
    bits = (exponent + 112) << 23 | fraction << 13;
  } else { /* subnormal: fraction * 2^-24 is exact in float32 */
    float value = (float)fraction * 0x1p-24f;
    memcpy(&bits, &value, 4);
  }
  bits |= (uint32_t)(half & 0x8000) << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static void widen(nj_stored type, const unsigned char *from, int64_t n, void *to) {
  float *floats = to;
  int32_t *integers = to;
  for (int64_t i = 0; i < n; i++) {
    uint16_t word = 0;
    if (type != NJ_STORED_I8)
      memcpy(&word, from + 2 * i, 2);
    uint32_t bits = (uint32_t)word << 16;
    if (type == NJ_STORED_F16)
      floats[i] = half_to_float(word);
    else if (type == NJ_STORED_BF16)
      memcpy(&floats[i], &bits, 4);
    else
      integers[i] = type == NJ_STORED_I16 ? (int16_t)word : (int8_t)from[i];
  }
}

nj_status nj_archive_read(nj_archive *archive, size_t index, nj_tensor **out) {
  const nj_archive_entry *entry = &archive->entries[index];
  nj_dtype dtype = nj_stored_dtype(entry->type);
  size_t size = nj_stored_size(entry->type);
  uint64_t bytes = entry->end - entry->begin;
  unsigned char *data = nj_mapping_data(archive->mapping) + entry->begin;
  int same = size == nj_dtype_size(dtype);
  if (same && bytes > 0 && (uintptr_t)data % size == 0)
    return nj_from_memory(archive->ctx, dtype, entry->ndim, entry->shape, data, nj_mapping_release,
                          nj_mapping_retain(archive->mapping), out);
  nj_tensor *x = NULL;
  NJ_TRY(nj_empty(archive->ctx, dtype, entry->ndim, entry->shape, &x));
  if (same)
    memcpy(nj_data(x), data, (size_t)bytes);
  else
    widen(entry->type, data, nj_numel(x), nj_data(x));
  *out = x;
  return NJ_OK;
}
