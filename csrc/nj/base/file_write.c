#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

#define BUFFER ((size_t)64 * 1024)
#define WRITERS 64       /* temporary names of one target */
#define STEM 200         /* bytes of the target's name in them: names have at most 255 */
#define SUFFIX_ROOM 32   /* ".nightjar-63.part" and a NUL */
#define LINKS 40         /* as many as the system follows */
#define CANNOT_LOCK (-1) /* a file system without locks */

struct nj_new_file {
  nj_ctx *ctx;
  const char *what;
  char *path;      /* as the caller said it */
  char *target;    /* what is replaced: the end of the links */
  char *temporary; /* beside it */
  char *buffer;    /* BUFFER bytes, once needed */
  size_t used;     /* of them */
  uint64_t length; /* bytes appended, those in the buffer included */
  mode_t mode;     /* permissions of what is replaced; 0: nothing is */
  int fd;
  int failed; /* errno of the first failure */
  pid_t owner;
};

static nj_status refuse(nj_new_file *f, const char *reason) {
  return nj_fail(f->ctx, NJ_EIO, "%s%scannot write '%s': %s", f->what ? f->what : "",
                 f->what ? ": " : "", f->path, reason);
}

static nj_status complain(nj_new_file *f, int code) {
  char text[128];
  f->failed = code;
  return refuse(f, strerror_r(code, text, sizeof text));
}

/* ---- where to write ---- */

/* Bytes of the path up to its last slash, that included: of the folder. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The folder that `path` lies in; `folder` has PATH_MAX bytes. */
static void folder_of(const char *path, char *folder) {
  size_t n = folder_length(path);
  if (n == 0) {
    memcpy(folder, ".", 2);
    return;
  }
  memcpy(folder, path, n);
  folder[n] = '\0';
}

/* Whether a link may be followed, by the rule that Linux has for opening (protected_symlinks):
 * in a sticky folder that everybody may write to, anyone may have put it there. */
static int is_trusted(const char *path, const struct stat *link) {
  char folder[PATH_MAX];
  struct stat about;
  folder_of(path, folder);
  if (stat(folder, &about) != 0)
    return 0;
  int shared = (about.st_mode & S_ISVTX) && (about.st_mode & S_IWOTH);
  return !shared || link->st_uid == geteuid() || link->st_uid == about.st_uid;
}

/* Puts in the place of `path` (PATH_MAX bytes) what the link there names. 0, or errno. */
static int step(char *path) {
  char next[PATH_MAX];
  ssize_t n = readlink(path, next, sizeof next - 1);
  if (n < 0)
    return errno;
  next[n] = '\0';
  size_t at = next[0] == '/' ? 0 : folder_length(path);
  if (at + (size_t)n + 1 > PATH_MAX)
    return ENAMETOOLONG;
  memcpy(path + at, next, (size_t)n + 1);
  return 0;
}

/* Follows links from f->path; sets the target and its permissions. */
static nj_status find_target(nj_new_file *f) {
  char path[PATH_MAX];
  struct stat about;
  size_t length = strlen(f->path);
  if (length == 0 || length >= PATH_MAX)
    return complain(f, length ? ENAMETOOLONG : ENOENT);
  memcpy(path, f->path, length + 1);
  for (int i = 0;; i++) {
    if (lstat(path, &about) != 0) {
      if (errno != ENOENT)
        return complain(f, errno);
      break;
    }
    if (!S_ISLNK(about.st_mode)) {
      if (!S_ISREG(about.st_mode))
        return refuse(f, "not a regular file");
      f->mode = about.st_mode & 0777;
      break;
    }
    if (!is_trusted(path, &about))
      return refuse(f, "a link that another user put into a folder that all may write to");
    int code = i < LINKS ? step(path) : ELOOP;
    if (code)
      return complain(f, code);
  }
  length = strlen(path);
  f->target = nj_alloc(f->ctx, length + 1);
  f->temporary = nj_alloc(f->ctx, length + SUFFIX_ROOM);
  if (!f->target || !f->temporary)
    return NJ_ENOMEM;
  memcpy(f->target, path, length + 1);
  return NJ_OK;
}

/* ---- the temporary file ---- */

/* Writes the i-th temporary name. A long name is cut, before a character and not in one. */
static void name_temporary(nj_new_file *f, int i) {
  size_t folder = folder_length(f->target), stem = strlen(f->target + folder);
  if (stem > STEM) {
    stem = STEM;
    while (stem > 1 && ((unsigned char)f->target[folder + stem] & 0xc0) == 0x80)
      stem--;
  }
  memcpy(f->temporary, f->target, folder + stem);
  snprintf(f->temporary + folder + stem, SUFFIX_ROOM, ".nightjar-%d.part", i);
}

/* 1: the lock is ours; 0: another has it; CANNOT_LOCK. It goes with the last descriptor, so also
 * when its holder is killed; process numbers would not tell the processes of two containers apart. */
static int lock(int fd) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0)
    return 1;
  return errno == EWOULDBLOCK ? 0 : CANNOT_LOCK;
}

/* Whether the file open as fd still has this name. */
static int has_name(int fd, const char *path) {
  struct stat opened, named;
  return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

/* Removes the file of a temporary name if nobody holds it. A link is not ours and stays. */
static void remove_stale(const char *path) {
  struct stat about;
  if (lstat(path, &about) != 0 || !S_ISREG(about.st_mode))
    return;
  int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return;
  if (lock(fd) == 1 && has_name(fd, path))
    unlink(path);
  close(fd);
}

/* Opens the temporary file under the first free name. Between its making and its locking another writer
 * may take it for a stale one: then the next name is tried. */
static nj_status open_temporary(nj_new_file *f) {
  for (int i = 0; i < WRITERS; i++) {
    name_temporary(f, i);
    remove_stale(f->temporary);
  }
  for (int i = 0; i < WRITERS; i++) {
    name_temporary(f, i);
    f->fd = open(f->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (f->fd < 0 && errno == EEXIST)
      continue;
    if (f->fd < 0)
      return complain(f, errno);
    if (lock(f->fd) != 0 && has_name(f->fd, f->temporary))
      return NJ_OK;
    close(f->fd);
    f->fd = -1;
  }
  return refuse(f, "all temporary names beside it are taken");
}

static void free_file(nj_new_file *f) {
  nj_ctx *ctx = f->ctx;
  if (f->fd >= 0)
    close(f->fd);
  nj_free(ctx, f->path);
  nj_free(ctx, f->target);
  nj_free(ctx, f->temporary);
  nj_free(ctx, f->buffer);
  nj_free(ctx, f);
  nj_ctx_release(ctx);
}

nj_status nj_file_create(nj_ctx *ctx, const char *what, const char *path, nj_new_file **out) {
  nj_new_file *f = nj_calloc(ctx, 1, sizeof *f);
  if (!f)
    return NJ_ENOMEM;
  f->ctx = nj_ctx_retain(ctx);
  f->what = what;
  f->fd = -1;
  f->owner = getpid();
  size_t length = strlen(path);
  f->path = nj_alloc(ctx, length + 1);
  nj_status st = f->path ? NJ_OK : NJ_ENOMEM;
  if (!st) {
    memcpy(f->path, path, length + 1);
    st = find_target(f);
  }
  if (!st)
    st = open_temporary(f);
  if (st)
    free_file(f); /* no temporary file was made */
  else
    *out = f;
  return st;
}

/* ---- writing ---- */

static nj_status write_through(nj_new_file *f, const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    ssize_t n = write(f->fd, at, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return complain(f, errno);
    at += n;
    length -= (size_t)n;
  }
  return NJ_OK;
}

static nj_status flush(nj_new_file *f) {
  size_t used = f->used;
  f->used = 0;
  if (f->failed)
    return complain(f, f->failed);
  return write_through(f, f->buffer, used);
}

nj_status nj_file_append(nj_new_file *f, const void *data, size_t length) {
  if (!f->buffer && !(f->buffer = nj_alloc(f->ctx, BUFFER))) {
    f->failed = ENOMEM;
    return NJ_ENOMEM;
  }
  f->length += length;
  if (length > BUFFER - f->used)
    NJ_TRY(flush(f));
  if (length > BUFFER)
    return write_through(f, data, length);
  if (length)
    memcpy(f->buffer + f->used, data, length);
  f->used += length;
  return NJ_OK;
}

nj_status nj_file_patch(nj_new_file *f, uint64_t at, const void *data, size_t length) {
  if (at > f->length || length > f->length - at)
    return nj_fail(f->ctx, NJ_EARG,
                   "patch: expected a place within the %llu bytes written, got %zu bytes at %llu",
                   (unsigned long long)f->length, length, (unsigned long long)at);
  NJ_TRY(flush(f));
  const char *from = data;
  while (length > 0) {
    ssize_t n = pwrite(f->fd, from, length, (off_t)at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return complain(f, errno);
    from += n;
    at += (uint64_t)n;
    length -= (size_t)n;
  }
  return NJ_OK;
}

int nj_file_descriptor(const nj_new_file *f) { return f->fd; }

/* ---- the end ---- */

/* 0, or errno. Where a file system knows no syncing (EINVAL), there is none to be had. */
static int sync_to_disk(int fd) {
  int rc;
  do
    rc = fsync(fd);
  while (rc != 0 && errno == EINTR);
  return rc == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
}

/* A folder that one may write to and not read cannot be opened, and so not be synced. */
static int sync_folder(const char *path) {
  char folder[PATH_MAX];
  folder_of(path, folder);
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return errno == EACCES ? 0 : errno;
  int code = sync_to_disk(fd);
  close(fd);
  return code;
}

nj_status nj_file_commit(nj_new_file *f) {
  nj_status st = flush(f);
  if (!st && f->mode)
    (void)fchmod(f->fd, f->mode); /* a file system without permissions does as it does */
  int code = st ? 0 : sync_to_disk(f->fd);
  if (!st && !code && rename(f->temporary, f->target) != 0)
    code = errno;
  if (st || code) {
    st = st ? st : complain(f, code);
    nj_file_abandon(f);
    return st;
  }
  code = sync_folder(f->target);
  if (code)
    st = complain(f, code);
  free_file(f);
  return st;
}

void nj_file_abandon(nj_new_file *f) {
  if (!f)
    return;
  if (f->owner == getpid())
    unlink(f->temporary);
  free_file(f);
}
