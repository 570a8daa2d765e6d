/* Tells containers apart by their first bytes, and hands each to its reader. */
#include "store/open.h"

#include <string.h>

#include "base/alloc.h"
#include "store/safetensors.h"
#include "store/torch.h"

/* What people pass by mistake, distinguished by its first bytes. */
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
