#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static nj_status complain(nj_ctx *ctx, const char *what, const char *path, int code) {
  char text[128];
  int gone = code == ENOENT || code == ENOTDIR;
  /* The XSI form writes into `text`; the GNU form may return text of its own. */
  const char *reason = strerror_r(code, text, sizeof text);
  return nj_fail(ctx, gone ? NJ_ENOTFOUND : NJ_EIO, "%s: %s: %s", what, path, reason);
}

/* Reads until the end, whatever the size said, so that a file that changes meanwhile does no harm.
 */
static nj_status read_all(nj_ctx *ctx, const char *what, const char *path, int fd, size_t most,
                          size_t guess, char **data, size_t *length) {
  size_t room = guess + 1, used = 0;
  char *buffer = nj_alloc(ctx, room + 1);
  nj_status st = buffer ? NJ_OK : NJ_ENOMEM;
  while (!st) {
    if (used == room) {
      char *grown = nj_realloc(ctx, buffer, room * 2 + 1);
      if (!grown) {
        st = NJ_ENOMEM;
        break;
      }
      buffer = grown;
      room *= 2;
    }
    ssize_t got = read(fd, buffer + used, room - used);
    if (got == 0)
      break;
    if (got < 0 && errno != EINTR)
      st = complain(ctx, what, path, errno);
    if (got > 0)
      used += (size_t)got;
    if (used > most)
      st = nj_fail(ctx, NJ_EFORMAT, "%s: %s: larger than the %zu bytes allowed", what, path, most);
  }
  if (st) {
    nj_free(ctx, buffer);
    return st;
  }
  buffer[used] = '\0';
  *data = buffer;
  *length = used;
  return NJ_OK;
}

nj_status nj_file_read(nj_ctx *ctx, const char *what, const char *path, size_t most, char **data,
                       size_t *length) {
  /* O_NONBLOCK: opening a pipe must not wait for a writer. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return complain(ctx, what, path, errno);
  struct stat about;
  nj_status st;
  if (fstat(fd, &about) != 0)
    st = complain(ctx, what, path, errno);
  else if (!S_ISREG(about.st_mode))
    st = nj_fail(ctx, NJ_EIO, "%s: %s: not a regular file", what, path);
  else if ((uintmax_t)about.st_size > most)
    st = nj_fail(ctx, NJ_EFORMAT, "%s: %s: larger than the %zu bytes allowed", what, path, most);
  else
    st = read_all(ctx, what, path, fd, most, (size_t)about.st_size, data, length);
  close(fd);
  return st;
}
