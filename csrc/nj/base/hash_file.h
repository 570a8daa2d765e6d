/* A short name for what a file holds. */
#ifndef NJ_BASE_HASH_FILE_H
#define NJ_BASE_HASH_FILE_H

#include "base/context.h"

/* 32 hexadecimal digits and a NUL: the 128-bit hash (hash.h) of the file's bytes, read in pieces.
 * Messages begin with the path. Errors: ENOTFOUND, EIO (unreadable, or no regular file), EINTR. */
nj_status nj_hash_file(nj_ctx *ctx, const char *path, char out[33]);

#endif
