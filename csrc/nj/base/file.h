/* Whole files into memory. */
#ifndef NJ_BASE_FILE_H
#define NJ_BASE_FILE_H

#include "base/context.h"

/* Reads the regular file at `path` into *data (freed by nj_free), followed by a NUL that *length
 * does not count. `what` begins the messages. Errors: ENOTFOUND (no such file), EIO (unreadable,
 * or no regular file: a directory, a pipe, a device), EFORMAT (more than `most` bytes), ENOMEM. */
nj_status nj_file_read(nj_ctx *ctx, const char *what, const char *path, size_t most, char **data,
                       size_t *length);

#endif
