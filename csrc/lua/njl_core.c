/* The module's entry point: opens every room of the binding (njl_rooms.h). */
#include "njl.h"

__attribute__((visibility("default"))) int luaopen_nightjar_core(lua_State *L);

int luaopen_nightjar_core(lua_State *L) {
  luaL_checkversion(L);
  lua_newtable(L);
#define NJL_ROOM(room) njl_open_##room(L);
#include "njl_rooms.h"
#undef NJL_ROOM
  lua_pushstring(L, NJ_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
