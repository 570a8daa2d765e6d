/* The module's entry point: opens every room of the binding. */
#include "njl.h"

/* Order matters only where a room adds methods to a class of an earlier one. */
#define NJL_ROOMS(X) \
  X(context)         \
  X(rng)             \
  X(text)

#define NJL_X(room) void njl_open_##room(lua_State *L);
NJL_ROOMS(NJL_X)
#undef NJL_X

__attribute__((visibility("default"))) int luaopen_nightjar_core(lua_State *L);

int luaopen_nightjar_core(lua_State *L) {
  luaL_checkversion(L);
  lua_newtable(L);
#define NJL_X(room) njl_open_##room(L);
  NJL_ROOMS(NJL_X)
#undef NJL_X
  lua_pushstring(L, NJ_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
