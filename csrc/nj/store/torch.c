#include "store/torch.h"

#include <stdlib.h>
#include <string.h>

int nj_torch_compare_keys(const nj_pickle_storage *a, const nj_pickle_storage *b) {
  size_t n = a->key_length < b->key_length ? a->key_length : b->key_length;
  int order = memcmp(a->key, b->key, n);
  if (order)
    return order;
  return a->key_length < b->key_length ? -1 : a->key_length > b->key_length;
}

/* A tensor and what decides its block. */
typedef struct {
  const nj_pickle_storage *storage;
  nj_stored type;
  uint64_t bytes; /* that the storage has to have */
  size_t tensor;
} wish;

static int same_key_and_type(const void *a, const void *b) {
  const wish *p = a, *q = b;
  int order = nj_torch_compare_keys(p->storage, q->storage);
  return order ? order : (int)p->type - (int)q->type;
}

static nj_status make_wishes(nj_archive *archive, const nj_pickle *pickle, wish *wishes) {
  for (size_t i = 0; i < pickle->n_tensors; i++) {
    const nj_pickle_storage *s = &pickle->storages[pickle->tensors[i].storage];
    uint64_t size = s->typed ? nj_stored_size(s->type) : 1, bytes;
    if (__builtin_mul_overflow(s->numel, size, &bytes) || bytes > INT64_MAX)
      return nj_fail(archive->ctx, NJ_EFORMAT, "%s: a storage's size overflows", archive->path);
    wishes[i] = (wish){s, pickle->tensors[i].type, bytes, i};
  }
  qsort(wishes, pickle->n_tensors, sizeof *wishes, same_key_and_type);
  return NJ_OK;
}

static nj_status add_block(nj_archive *archive, const wish *w, nj_torch_find find, void *arg,
                           int check_crc) {
  nj_archive_block *block;
  nj_zip_bytes bytes;
  NJ_TRY(find(arg, w->storage, w->bytes, &bytes));
  nj_status st = nj_archive_add_block(archive, &block);
  if (st) {
    nj_release(bytes.held);
    return st;
  }
  *block = (nj_archive_block){.type = w->type,
                              .begin = bytes.begin,
                              .bytes = bytes.bytes,
                              .crc = bytes.crc,
                              .check_crc = check_crc && !bytes.held,
                              .held = bytes.held};
  return NJ_OK;
}

/* block_of[t] becomes the block of tensor t. */
static nj_status make_blocks(nj_archive *archive, const wish *wishes, size_t n, size_t *block_of,
                             nj_torch_find find, void *arg, int check_crc) {
  for (size_t i = 0; i < n; i++) {
    if (i == 0 || same_key_and_type(&wishes[i - 1], &wishes[i]) != 0)
      NJ_TRY(add_block(archive, &wishes[i], find, arg, check_crc));
    else if (wishes[i].bytes != wishes[i - 1].bytes)
      return nj_fail(archive->ctx, NJ_EFORMAT, "%s: storage '%.*s' is given two sizes",
                     archive->path, (int)wishes[i].storage->key_length, wishes[i].storage->key);
    block_of[wishes[i].tensor] = archive->n_blocks - 1;
  }
  return NJ_OK;
}

nj_status nj_torch_fill(nj_archive *archive, const nj_pickle *pickle, nj_torch_find find, void *arg,
                        int check_crc) {
  NJ_TRY(nj_pickle_list(pickle, archive));
  nj_ctx *ctx = archive->ctx;
  wish *wishes = nj_calloc(ctx, pickle->n_tensors, sizeof *wishes);
  size_t *block_of = nj_calloc(ctx, pickle->n_tensors, sizeof *block_of);
  nj_status st = wishes && block_of ? make_wishes(archive, pickle, wishes) : NJ_ENOMEM;
  if (!st)
    st = make_blocks(archive, wishes, pickle->n_tensors, block_of, find, arg, check_crc);
  for (size_t i = 0; i < archive->n_entries && !st; i++)
    archive->entries[i].block = block_of[archive->entries[i].block];
  nj_free(ctx, wishes);
  nj_free(ctx, block_of);
  return st;
}
