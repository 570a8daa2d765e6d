/* nj.files: what tells files apart, and the names that the system resolves. POSIX only. */
#include "njl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static int failed(lua_State *L, const char *path, int error) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(error));
  lua_pushstring(L, error == ENOENT || error == ENOTDIR ? "ENOTFOUND" : "EIO");
  return 3;
}

/* A path as C takes it: a NUL would end it early. */
static const char *check_path(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(path) == length, 1, "a path must not hold a NUL");
  return path;
}

static lua_Integer nanoseconds(struct timespec t) {
  return (lua_Integer)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* files.stat(path) -> { kind = "file"|"directory"|"other", size, mtime, changed, inode, device } |
 * nil, message, code. Times in nanoseconds since 1970: of the data, and of the inode. */
static int files_stat(lua_State *L) {
  const char *path = check_path(L);
  struct stat s;
  if (stat(path, &s) != 0)
    return failed(L, path, errno);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, S_ISREG(s.st_mode) ? "file" : S_ISDIR(s.st_mode) ? "directory" : "other");
  lua_setfield(L, -2, "kind");
  lua_pushinteger(L, (lua_Integer)s.st_size);
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, nanoseconds(s.st_mtim));
  lua_setfield(L, -2, "mtime");
  lua_pushinteger(L, nanoseconds(s.st_ctim));
  lua_setfield(L, -2, "changed");
  lua_pushinteger(L, (lua_Integer)s.st_ino);
  lua_setfield(L, -2, "inode");
  lua_pushinteger(L, (lua_Integer)s.st_dev);
  lua_setfield(L, -2, "device");
  return 1;
}

/* files.real(path) -> the absolute path without links, "." and ".." | nil, message, code */
static int files_real(lua_State *L) {
  const char *path = check_path(L);
  char buffer[PATH_MAX];
  if (!realpath(path, buffer))
    return failed(L, path, errno);
  lua_pushstring(L, buffer);
  return 1;
}

/* files.digest(path) -> 32 hexadecimal digits of its bytes | nil, message, code */
static int files_digest(lua_State *L) {
  char digits[33];
  nj_status status = nj_hash_file(njl_ctx(L), check_path(L), digits);
  if (status)
    return njl_result(L, status);
  lua_pushstring(L, digits);
  return 1;
}

/* files.now() -> nanoseconds since 1970, by the clock that stamps files */
static int files_now(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  lua_pushinteger(L, nanoseconds(now));
  return 1;
}

void njl_open_files(lua_State *L) {
  static const luaL_Reg functions[] = {{"stat", files_stat},
                                       {"real", files_real},
                                       {"digest", files_digest},
                                       {"now", files_now},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "files");
}
