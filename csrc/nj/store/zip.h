/* Zip archives over a mapping. libzip reads the directory and inflates; where an entry is stored
 * as it is, its bytes are handed out inside the mapping, without a copy. */
#ifndef NJ_STORE_ZIP_H
#define NJ_STORE_ZIP_H

#include "store/mapping.h"
#include "tensor/tensor.h"

typedef struct nj_zip nj_zip;

/* Errors: EFORMAT (what libzip found wrong: cut off, inconsistent, two entries of one name), ENOMEM.
 * Messages begin with `what`. */
nj_status nj_zip_open(nj_ctx *ctx, const char *what, nj_mapping *mapping, nj_zip **out);
void nj_zip_close(nj_zip *zip); /* NULL is fine */

size_t nj_zip_count(const nj_zip *zip);
/* Raw bytes as the directory has them, NUL-ended; valid while the zip is open. */
const char *nj_zip_name(const nj_zip *zip, size_t index);
/* 1 and *index when there is an entry of that name, else 0. */
int nj_zip_find(const nj_zip *zip, const char *name, size_t *index);

typedef struct {
  uint64_t begin, bytes; /* where in the mapping, when not `held` */
  uint32_t crc;          /* as the directory says; compared already when `held` */
  nj_tensor *held;       /* NULL, or the uint8 tensor that an inflated entry lies in: release it */
} nj_zip_bytes;

/* The bytes of an entry. `need`: how many there have to be (UINT64_MAX: any number), so that nothing
 * is inflated in vain. Errors: EFORMAT, EUNSUPPORTED (encrypted, or a compression that libzip does
 * not read), ENOMEM. */
nj_status nj_zip_read(nj_zip *zip, size_t index, uint64_t need, nj_zip_bytes *out);
/* CRC-32 of bytes, as zip has it, on all threads. Errors: ENOMEM, EINTR. */
nj_status nj_zip_crc(nj_ctx *ctx, const unsigned char *data, uint64_t bytes, uint32_t *out);

#endif
