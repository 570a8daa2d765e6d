/* Whole files into memory, and what new files may take the place of. */
#ifndef NJ_BASE_FILE_H
#define NJ_BASE_FILE_H

#include "base/context.h"

/* Reads the regular file at `path` into *data (freed by nj_free), followed by a NUL that *length
 * does not count. `what` begins the messages. Errors: ENOTFOUND (no such file), EIO (unreadable,
 * or no regular file: a directory, a pipe, a device), EFORMAT (more than `most` bytes), ENOMEM. */
nj_status nj_file_read(nj_ctx *ctx, const char *what, const char *path, size_t most, char **data,
                       size_t *length);

/* Whether a file that was written under another name may be renamed to `path`: nothing is there, or
 * a regular file. A rename would put a file in the place of a device: of /dev/null, for everybody.
 * `what` begins the message. Errors: EIO. */
nj_status nj_file_may_replace(nj_ctx *ctx, const char *what, const char *path);

#endif
