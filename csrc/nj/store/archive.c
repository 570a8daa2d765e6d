#include "store/archive.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/parallel.h"
#include "store/half.h"
#include "store/safetensors.h"
#include "store/torch.h"
#include "store/zip.h"

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
    {"\x89HDF\r\n\x1a\n", 8,
     "an HDF5 file (Keras, or another program's): read it where it was made and write its weights "
     "as safetensors"},
    {"\x1f\x8b", 2, "gzip data; unpack it first"},
    {"\x93NUMPY", 6, "a numpy array (.npy); write it as safetensors"},
    {"GGUF", 4, "a GGUF model; use the checkpoint that it was converted from"},
    {"<!DOCTYPE", 9, "an HTML page: the download did not give the file"},
    {"<!doctype", 9, "an HTML page: the download did not give the file"},
    {"<html", 5, "an HTML page: the download did not give the file"},
    {"version https://git-lfs", 23, "a Git LFS pointer: fetch the real file with git lfs pull"},
};

static int begins(nj_mapping *mapping, size_t at, const char *magic, size_t length) {
  return nj_mapping_size(mapping) >= at + length &&
         memcmp(nj_mapping_data(mapping) + at, magic, length) == 0;
}

static nj_status refuse_foreign(nj_ctx *ctx, const char *path, nj_mapping *mapping) {
  if (nj_mapping_size(mapping) == 0)
    return nj_fail(ctx, NJ_EFORMAT, "%s: the file is empty", path);
  for (size_t i = 0; i < sizeof foreigns / sizeof *foreigns; i++)
    if (begins(mapping, 0, foreigns[i].magic, foreigns[i].length))
      return nj_fail(ctx, NJ_EUNSUPPORTED, "%s: this is %s", path, foreigns[i].what);
  if (begins(mapping, 4, "TFL3", 4))
    return nj_fail(ctx, NJ_EUNSUPPORTED,
                   "%s: this is a TFLite model; use the checkpoint that it was converted from",
                   path);
  if (begins(mapping, 257, "ustar", 5))
    return nj_fail(
        ctx, NJ_EUNSUPPORTED,
        "%s: this is a tar archive; unpack it first (if it is a torch checkpoint, it is of "
        "2017 or before: load it with a torch of that time and save it again)",
        path);
  return NJ_OK;
}

/* A pickle begins with 0x80 and its protocol; so may the header length of a safetensors file. */
static int is_pickle(nj_mapping *mapping) {
  const unsigned char *data = nj_mapping_data(mapping);
  return begins(mapping, 0, "\x80", 1) && nj_mapping_size(mapping) > 1 && data[1] <= 5 &&
         !begins(mapping, 4, "\0\0\0\0{", 5);
}

static nj_status index_archive(nj_archive *archive) {
  nj_mapping *mapping = archive->mapping;
  NJ_TRY(refuse_foreign(archive->ctx, archive->path, mapping));
  if (begins(mapping, 0, "PK\003\004", 4) || begins(mapping, 0, "PK\005\006", 4))
    return nj_torch_zip_index(archive);
  if (is_pickle(mapping))
    return nj_torch_legacy_index(archive);
  return nj_safetensors_index(archive);
}

nj_status nj_archive_open_mapping(nj_ctx *ctx, const char *name, nj_mapping *mapping,
                                  nj_archive **out) {
  nj_archive *archive = nj_calloc(ctx, 1, sizeof *archive);
  if (!archive)
    return NJ_ENOMEM;
  archive->ctx = nj_ctx_retain(ctx);
  archive->mapping = nj_mapping_retain(mapping);
  archive->path = nj_strdup(ctx, name);
  nj_status st = archive->path ? index_archive(archive) : NJ_ENOMEM;
  if (st) {
    nj_archive_close(archive);
    return st;
  }
  *out = archive;
  return NJ_OK;
}

nj_status nj_archive_open(nj_ctx *ctx, const char *path, nj_archive **out) {
  nj_mapping *mapping;
  NJ_TRY(nj_mapping_open(ctx, path, &mapping));
  nj_status st = nj_archive_open_mapping(ctx, path, mapping, out);
  nj_mapping_release(mapping);
  return st;
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
  for (size_t i = 0; i < archive->n_blocks; i++) {
    nj_release(archive->blocks[i].base);
    nj_release(archive->blocks[i].held);
  }
  nj_free(ctx, archive->entries);
  nj_free(ctx, archive->blocks);
  nj_free(ctx, archive->notes);
  nj_free(ctx, archive->path);
  nj_mapping_release(archive->mapping);
  nj_free(ctx, archive);
  nj_ctx_release(ctx);
}

const char *nj_archive_metadata(const nj_archive *archive, const char *key) {
  for (size_t i = 0; i < archive->n_notes; i++)
    if (archive->notes[i].kind == NJ_NOTE_TEXT && strcmp(archive->notes[i].key, key) == 0)
      return archive->notes[i].value;
  return NULL;
}

nj_status nj_archive_add_block(nj_archive *archive, nj_archive_block **out) {
  NJ_RESERVE(archive->ctx, archive->blocks, archive->block_room, archive->n_blocks + 1);
  *out = &archive->blocks[archive->n_blocks++];
  **out = (nj_archive_block){0};
  return NJ_OK;
}

void nj_archive_make_contiguous(nj_archive_entry *entry) {
  int64_t stride = 1;
  for (int i = entry->ndim - 1; i >= 0; i--) {
    entry->stride[i] = stride;
    stride *= entry->shape[i] ? entry->shape[i] : 1;
  }
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

nj_status nj_archive_check_names(nj_archive *archive) {
  char **names = nj_calloc(archive->ctx, archive->n_entries, sizeof *names);
  if (!names)
    return NJ_ENOMEM;
  for (size_t i = 0; i < archive->n_entries; i++)
    names[i] = archive->entries[i].name;
  qsort(names, archive->n_entries, sizeof *names, by_name);
  nj_status st = NJ_OK;
  for (size_t i = 1; i < archive->n_entries && !st; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      st = nj_fail(archive->ctx, NJ_EFORMAT, "%s: two tensors are called '%s'", archive->path,
                   names[i]);
  nj_free(archive->ctx, names);
  return st;
}

/* ---- reading ---- */

#define COPY_GRAIN ((int64_t)1 << 16) /* elements */

static unsigned char *block_data(nj_archive *archive, const nj_archive_block *block) {
  return block->held ? nj_data(block->held) : nj_mapping_data(archive->mapping) + block->begin;
}

/* Elements begin … end of a row whose file has them narrower, or at an odd address. */
typedef struct {
  nj_stored type;
  const unsigned char *from;
  void *to;
} copy_work;

static nj_status copy_range(void *arg, int64_t begin, int64_t end, int worker) {
  const copy_work *work = arg;
  size_t size = nj_stored_size(work->type);
  const unsigned char *from = work->from + (size_t)begin * size;
  float *floats = (float *)work->to + begin;
  int32_t *integers = (int32_t *)work->to + begin;
  (void)worker;
  if (size == nj_dtype_size(nj_stored_dtype(work->type))) {
    memcpy((unsigned char *)work->to + (size_t)begin * size, from, (size_t)(end - begin) * size);
    return NJ_OK;
  }
  for (int64_t i = 0; i < end - begin; i++) {
    uint16_t word = 0;
    if (work->type != NJ_STORED_I8)
      memcpy(&word, from + 2 * i, 2);
    if (work->type == NJ_STORED_F16)
      floats[i] = nj_half_to_float(word);
    else if (work->type == NJ_STORED_BF16)
      floats[i] = nj_bfloat16_to_float(word);
    else
      integers[i] = work->type == NJ_STORED_I16 ? (int16_t)word : (int8_t)from[i];
  }
  return NJ_OK;
}

static void release_held(void *held) { nj_release(held); }

/* The block's elements as one row: a view of the mapping where type and alignment allow. */
static nj_status read_row(nj_archive *archive, const nj_archive_block *block, nj_tensor **out) {
  nj_dtype dtype = nj_stored_dtype(block->type);
  size_t size = nj_stored_size(block->type);
  int64_t n = (int64_t)(block->bytes / size);
  unsigned char *data = block_data(archive, block);
  int same = size == nj_dtype_size(dtype);
  if (same && n > 0 && (uintptr_t)data % size == 0) {
    if (block->held)
      return nj_from_memory(archive->ctx, dtype, 1, &n, data, release_held, nj_retain(block->held),
                            out);
    return nj_from_memory(archive->ctx, dtype, 1, &n, data, nj_mapping_release,
                          nj_mapping_retain(archive->mapping), out);
  }
  nj_tensor *row = NULL;
  NJ_TRY(nj_empty(archive->ctx, dtype, 1, &n, &row));
  copy_work work = {block->type, data, nj_data(row)};
  nj_status st = nj_parallel_range(archive->ctx, n, COPY_GRAIN, copy_range, &work);
  if (st)
    nj_release(row);
  else
    *out = row;
  return st;
}

static nj_status check_crc(nj_archive *archive, nj_archive_block *block, const char *name) {
  uint32_t crc;
  NJ_TRY(nj_zip_crc(archive->ctx, block_data(archive, block), block->bytes, &crc));
  if (crc != block->crc)
    return nj_fail(archive->ctx, NJ_EFORMAT,
                   "%s: the data of '%s' are damaged: their checksum is %08x, the file says %08x",
                   archive->path, name, (unsigned)crc, (unsigned)block->crc);
  block->check_crc = 0;
  return NJ_OK;
}

nj_status nj_archive_read(nj_archive *archive, size_t index, nj_tensor **out) {
  const nj_archive_entry *entry = &archive->entries[index];
  nj_archive_block *block = &archive->blocks[entry->block];
  if (block->check_crc)
    NJ_TRY(check_crc(archive, block, entry->name));
  if (!block->base)
    NJ_TRY(read_row(archive, block, &block->base));
  return nj_alias(block->base, entry->ndim, entry->shape, entry->stride, entry->offset, out);
}
