/* What differs between Lua versions, in one place. Lua 5.4 is the target; 5.5 builds. */
#ifndef NJL_COMPAT_H
#define NJL_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 504
#error "nightjar needs Lua 5.4 or later"
#endif

/* Tells the collector that `kib` KiB came to live outside its heap. The unit of LUA_GCSTEP is KiB
 * in 5.4 and bytes (size_t) in 5.5. */
#if LUA_VERSION_NUM >= 505
#define njl_gc_step(L, kib) lua_gc((L), LUA_GCSTEP, (size_t)(kib)*1024u)
#else
#define njl_gc_step(L, kib) lua_gc((L), LUA_GCSTEP, (int)(kib))
#endif

#endif
