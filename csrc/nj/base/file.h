/* Whole files into memory, and new files that take the place of old ones whole or not at all. */
#ifndef NJ_BASE_FILE_H
#define NJ_BASE_FILE_H

#include "base/context.h"

/* Reads the regular file at `path` into *data (freed by nj_free), followed by a NUL that *length
 * does not count. `what` begins the messages. Errors: ENOTFOUND (no such file), EIO (unreadable,
 * or no regular file: a directory, a pipe, a device), EFORMAT (more than `most` bytes), ENOMEM. */
nj_status nj_file_read(nj_ctx *ctx, const char *what, const char *path, size_t most, char **data,
                       size_t *length);

/* A file being written under a temporary name beside `path`, "NAME.nightjar-0.part", with a number
 * for each of the writers of one target. Readers see the old bytes or the new ones, also after a
 * loss of power. The temporary file is made anew and never opened through a link; it is locked
 * (flock) while its writer lives, and what a killed writer left, which nobody holds, is removed by
 * the next one to write to `path`. All functions: from one thread at a time. */
typedef struct nj_new_file nj_new_file;

/* Begins one. A symbolic link at `path` stays, and what it names is replaced, or made; a link of
 * another user in a folder that everybody may write to (sticky, like /tmp) is refused. So is what is
 * no regular file: a rename would put a file in the place of a device, of /dev/null for everybody.
 * `what` begins the messages (NULL: nothing) and must outlive the file. Errors: EIO, ENOMEM. */
nj_status nj_file_create(nj_ctx *ctx, const char *what, const char *path, nj_new_file **out);

/* Appends bytes, through a buffer. Errors: EIO, ENOMEM; after one the file cannot be committed. */
nj_status nj_file_append(nj_new_file *file, const void *data, size_t length);
/* Replaces `length` bytes from `at` on by others. Errors: EARG (not all of them were written yet),
 * EIO. */
nj_status nj_file_patch(nj_new_file *file, uint64_t at, const void *data, size_t length);
/* The descriptor, open for writing, for a library that writes by itself instead of the above. */
int nj_file_descriptor(const nj_new_file *file);

/* Writes all to the disk, gives the file its name and writes the name to the disk, with the
 * permissions of what it replaces. Frees the file; on errors (EIO) also the temporary one is gone, and the
 * old one there, unless it was the folder that could not be written to the disk in the end. */
nj_status nj_file_commit(nj_new_file *file);
/* Removes the temporary file and frees; NULL is ignored. In a forked child, for which the parent's
 * file is not its own, it only frees. */
void nj_file_abandon(nj_new_file *file);

#endif
