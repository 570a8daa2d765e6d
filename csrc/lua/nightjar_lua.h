/* For hosts that embed Lua and link libnightjar.a: how a state gets nightjar.
 *
 *   lua_State *L = luaL_newstate();
 *   luaL_openlibs(L);
 *   luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
 *   lua_pushcfunction(L, luaopen_nightjar_core);
 *   lua_setfield(L, -2, "nightjar.core");
 *
 * After that `require "nightjar.core"` gives the C side, and `require "nightjar"` the whole, when
 * nightjar's Lua files are on package.path. Each state has a context of its own (memory, threads,
 * random numbers), so states in different OS threads work at once. */
#ifndef NIGHTJAR_LUA_H
#define NIGHTJAR_LUA_H

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

int luaopen_nightjar_core(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
