/* For hosts that embed Lua and link libnightjar.a: how a state gets nightjar.
 *
 *   lua_State *L = luaL_newstate();
 *   luaL_openlibs(L);
 *   nj_ctx_options options = nj_ctx_default_options();
 *   options.memory_limit = 256 << 20;
 *   nightjar_preload(L, &options);
 *
 * After that `require "nightjar.core"` gives the C side, and `require "nightjar"` all of it when
 * nightjar's Lua files are on package.path. Each state has a context of its own (memory, threads,
 * random numbers), so states in different OS threads work at once; one state is used by one thread
 * at a time. examples/embed/ is a whole host. */
#ifndef NIGHTJAR_LUA_H
#define NIGHTJAR_LUA_H

#include <lua.h>

#include "nightjar.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The module's opener, for package.preload or luaL_requiref. */
int luaopen_nightjar_core(lua_State *L);

/* Puts the opener into package.preload["nightjar.core"], and keeps a copy of `options` (NULL: the
 * defaults) for the context that it will make. Fields at zero keep their default: threads from
 * NIGHTJAR_THREADS or one per core, isa from NIGHTJAR_ISA or the best of the CPU, should_stop a look
 * at the hook that lua.c sets on Ctrl-C, log Lua's warnings. What the pointers in `options` point to
 * must outlive the state. Call it after the package library is open; it can raise a Lua memory
 * error. */
void nightjar_preload(lua_State *L, const nj_ctx_options *options);

#ifdef __cplusplus
}
#endif

#endif
