/* For targets that fuzz from Lua: one state with nightjar in it, in a folder of its own, and the
 * function that tools/fuzz/NAME.lua returns. It is called with each input; what it raises is a find. */
#ifndef NJ_FUZZ_LUA_HOST_H
#define NJ_FUZZ_LUA_HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

#include "fuzz.h"
#include "nightjar_lua.h"

static lua_State *host;

static inline void host_fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, lua_tostring(host, -1));
  abort();
}

/* The context gets a limit, so that a number of a file that is taken for a size is not one of memory. */
static inline void host_start(const char *name) {
  nj_ctx_options options = nj_ctx_default_options();
  options.threads = 1;
  options.memory_limit = FUZZ_MEMORY;
  host = luaL_newstate();
  luaL_openlibs(host);
  nightjar_preload(host, &options);
  char script[256];
  snprintf(script, sizeof script, "tools/fuzz/%s.lua", name);
  if (luaL_loadfile(host, script) || lua_pcall(host, 0, 1, 0))
    host_fail(script);
}

static inline int host_run(const char *name, const uint8_t *data, size_t size) {
  static unsigned long runs;
  if (!host)
    host_start(name);
  lua_pushvalue(host, -1);
  lua_pushlstring(host, (const char *)data, size);
  if (lua_pcall(host, 1, 0, 0))
    host_fail(name);
  if (++runs % 200 == 0)
    lua_gc(host, LUA_GCCOLLECT);
  return 0;
}

#endif
