#include "base/hash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"

#define PIECE (1 << 18)

static nj_status fail(nj_ctx *ctx, const char *path, int error) {
  return nj_fail(ctx, error == ENOENT || error == ENOTDIR ? NJ_ENOTFOUND : NJ_EIO, "%s: %s", path,
                 strerror(error));
}

static nj_status add_all(nj_ctx *ctx, const char *path, int fd, nj_hash *hash) {
  char *piece = nj_alloc(ctx, PIECE);
  if (!piece)
    return NJ_ENOMEM;
  nj_status st = NJ_OK;
  for (ssize_t n = 1; !st && n > 0;) {
    n = read(fd, piece, PIECE);
    if (n < 0 && errno == EINTR)
      n = 1;
    else if (n < 0)
      st = fail(ctx, path, errno);
    else
      nj_hash_add(hash, piece, (size_t)n);
    if (!st)
      st = nj_poll(ctx);
  }
  nj_free(ctx, piece);
  return st;
}

nj_status nj_hash_file(nj_ctx *ctx, const char *path, char out[33]) {
  struct stat info;
  nj_hash hash;
  uint8_t bytes[16];
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not be waited for */
  if (fd < 0)
    return fail(ctx, path, errno);
  nj_status st = fstat(fd, &info) ? fail(ctx, path, errno) : NJ_OK;
  if (!st && !S_ISREG(info.st_mode))
    st = nj_fail(ctx, NJ_EIO, "%s: not a regular file", path);
  nj_hash_begin(&hash, 0, 0);
  if (!st)
    st = add_all(ctx, path, fd, &hash);
  close(fd);
  if (st)
    return st;
  nj_hash_end(&hash, bytes);
  for (int i = 0; i < 32; i++)
    out[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
  out[32] = '\0';
  return NJ_OK;
}
