/* The safetensors container: 8 bytes of header length (little-endian), a JSON header, raw data. The
 * reader accepts what the format's specification allows and nothing else: entries lie inside the
 * file, cover its data without holes or overlaps, have the size their shape says, and have distinct
 * names. https://github.com/huggingface/safetensors ("Format") */
#ifndef NJ_STORE_SAFETENSORS_H
#define NJ_STORE_SAFETENSORS_H

#include "store/archive.h"

/* Fills the archive's entries and notes from its mapping. */
nj_status nj_safetensors_index(nj_archive *archive);

/* `type`: how the values are stored: nj_stored_of(dtype), or for floats F16 or BF16, rounded to the
 * nearest by way of float32. */
typedef struct {
  const char *name;
  nj_tensor *tensor;
  nj_stored type;
} nj_named_tensor;

nj_stored nj_stored_of(nj_dtype dtype); /* exact */
/* *fits is 1 when no finite value of a float tensor becomes infinite as `type`. Errors: ENOMEM. */
nj_status nj_stored_fits(nj_tensor *x, nj_stored type, int *fits);

/* Writes tensors and metadata to a temporary file beside `path`, syncs and renames it: a reader sees
 * the old file or the new one, whole. Entries are laid out by element size, then by name.
 * Errors: EARG (two tensors of one name, a name or note that is not UTF-8, a type that is not the
 * tensor's), EIO, ENOMEM. */
nj_status nj_safetensors_write(nj_ctx *ctx, const char *path, const nj_named_tensor *tensors,
                               size_t n_tensors, const nj_archive_note *notes, size_t n_notes);

#endif
