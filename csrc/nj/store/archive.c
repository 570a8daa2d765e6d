#include "store/archive.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/parallel.h"
#include "store/half.h"
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
