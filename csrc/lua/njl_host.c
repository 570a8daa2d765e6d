/* What a host that links statically calls before Lua requires the module; see nightjar_lua.h. */
#include "nightjar_lua.h"

#include "njl_context.h"

static const char host_key = 0; /* its address is the registry key */

void nightjar_preload(lua_State *L, const nj_ctx_options *options) {
  if (options) {
    nj_ctx_options *kept = lua_newuserdatauv(L, sizeof *kept, 0);
    *kept = *options;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &host_key);
  }
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_nightjar_core);
  lua_setfield(L, -2, "nightjar.core");
  lua_pop(L, 1);
}

nj_ctx_options njl_host_options(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &host_key);
  const nj_ctx_options *kept = lua_touserdata(L, -1);
  nj_ctx_options options = kept ? *kept : nj_ctx_default_options();
  lua_pop(L, 1);
  return options;
}
