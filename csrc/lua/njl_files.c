/* nj.files: what tells files apart, the names that the system resolves, and new files that take the
 * place of old ones. POSIX only. */
#include "njl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NJL_NEW_FILE "nightjar.NewFile"

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

/* ---- new files ---- */

/* files.create(path) -> file | nil, message, code */
static int files_create(lua_State *L) {
  const char *path = check_path(L);
  nj_ctx *ctx = njl_ctx(L);
  void **slot = njl_new_handle(L, NJL_NEW_FILE);
  nj_new_file *file = NULL;
  nj_status status = nj_file_create(ctx, NULL, path, &file);
  if (status == NJ_ENOMEM && njl_reclaim(L))
    status = nj_file_create(ctx, NULL, path, &file);
  if (status)
    return njl_result(L, status);
  *slot = file;
  return 1;
}

static nj_new_file *check_new_file(lua_State *L) { return njl_check_handle(L, 1, NJL_NEW_FILE); }

/* file:write(...) -> true | nil, message, code */
static int new_file_write(lua_State *L) {
  nj_new_file *file = check_new_file(L);
  int n = lua_gettop(L);
  for (int i = 2; i <= n; i++)
    luaL_checkstring(L, i);
  for (int i = 2; i <= n; i++) {
    size_t length;
    const char *bytes = lua_tolstring(L, i, &length);
    nj_status status = nj_file_append(file, bytes, length);
    if (status)
      return njl_result(L, status);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* file:patch(at, bytes) -> true | nil, message, code */
static int new_file_patch(lua_State *L) {
  nj_new_file *file = check_new_file(L);
  lua_Integer at = luaL_checkinteger(L, 2);
  size_t length;
  const char *bytes = luaL_checklstring(L, 3, &length);
  luaL_argcheck(L, at >= 0, 2, "expected a place from 0 on");
  nj_status status = nj_file_patch(file, (uint64_t)at, bytes, length);
  if (status)
    return njl_result(L, status);
  lua_pushboolean(L, 1);
  return 1;
}

/* file:commit() -> true | nil, message, code; the file is closed either way */
static int new_file_commit(lua_State *L) {
  nj_new_file *file = check_new_file(L);
  *(void **)lua_touserdata(L, 1) = NULL;
  nj_status status = nj_file_commit(file);
  if (status)
    return njl_result(L, status);
  lua_pushboolean(L, 1);
  return 1;
}

static int new_file_discard(lua_State *L) {
  void **slot = luaL_checkudata(L, 1, NJL_NEW_FILE);
  nj_new_file *file = *slot;
  *slot = NULL;
  nj_file_abandon(file);
  return 0;
}

void njl_open_files(lua_State *L) {
  static const luaL_Reg methods[] = {{"write", new_file_write},
                                     {"patch", new_file_patch},
                                     {"commit", new_file_commit},
                                     {"discard", new_file_discard},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__gc", new_file_discard}, {"__close", new_file_discard}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"stat", files_stat},     {"real", files_real},
                                       {"digest", files_digest}, {"now", files_now},
                                       {"create", files_create}, {NULL, NULL}};
  njl_class(L, NJL_NEW_FILE, methods, meta);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "files");
}
