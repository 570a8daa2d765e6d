/* nj.system: what Lua's own library does not tell about the process: time that does not jump, whether a
 * stream is a terminal, resident memory; and a write that survives a power cut. POSIX only. */
#include "njl.h"

#include "base/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* system.clock() -> seconds since some fixed moment, monotonic */
static int system_clock(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec * 1e-9);
  return 1;
}

/* system.is_terminal(file) -> boolean */
static int system_is_terminal(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  lua_pushboolean(L, stream->closef && isatty(fileno(stream->f)));
  return 1;
}

/* system.columns(file) -> width of the terminal in characters, or nil */
static int system_columns(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  struct winsize size;
  if (!stream->closef || ioctl(fileno(stream->f), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

/* system.resident() -> bytes of the process in memory, or nil where /proc does not tell */
static int system_resident(lua_State *L) {
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file)
    return 0;
  long long total, resident;
  int read = fscanf(file, "%lld %lld", &total, &resident);
  fclose(file);
  if (read != 2)
    return 0;
  lua_pushinteger(L, (lua_Integer)resident * sysconf(_SC_PAGESIZE));
  return 1;
}

/* system.sleep(seconds) -> nothing; an interrupt raises within a tenth of a second */
static int system_sleep(lua_State *L) {
  lua_Number left = luaL_checknumber(L, 1);
  luaL_argcheck(L, left >= 0 && left <= 1, 1, "sleep: seconds must be in [0, 1]");
  for (; left > 0; left -= 0.1) {
    lua_Number now = left < 0.1 ? left : 0.1;
    nanosleep(&(struct timespec){.tv_nsec = (long)(now * 1e9)}, NULL);
    njl_check(L, nj_poll(njl_ctx(L)));
  }
  return 0;
}

/* Failed calls on a path: nil, message, code. */
static int failed(lua_State *L, const char *path, int error) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(error));
  lua_pushstring(L, error == ENOENT ? "ENOTFOUND" : "EIO");
  return 3;
}

/* system.sync(path) -> true | nil, message, code. A file's bytes, or a folder's names, are on the
 * disk when it returns. */
static int system_sync(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return failed(L, path, errno);
  int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  /* Some file systems cannot sync folders and say so with EINVAL. */
  if (error && error != EINVAL)
    return failed(L, path, error);
  lua_pushboolean(L, 1);
  return 1;
}

/* system.format(format, ...) -> string.format's text as it is in the C locale: numbers with a point,
 * whatever os.setlocale says. What is written to files or hashed goes through it. */
static int system_format(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  nj_plain state = nj_plain_begin();
  int failed = lua_pcall(L, lua_gettop(L) - 1, 1, 0);
  nj_plain_end(state);
  return failed ? lua_error(L) : 1;
}

void njl_open_system(lua_State *L) {
  static const luaL_Reg functions[] = {{"clock", system_clock},
                                       {"is_terminal", system_is_terminal},
                                       {"columns", system_columns},
                                       {"resident", system_resident},
                                       {"sync", system_sync},
                                       {"sleep", system_sleep},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 0);
  lua_getfield(L, -1, "format");
  lua_remove(L, -2);
  lua_pushcclosure(L, system_format, 1);
  lua_setfield(L, -2, "format");
  lua_setfield(L, -2, "system");
}
