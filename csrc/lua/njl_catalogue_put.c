/* Sounds from Lua's tables into the catalogue. */
#include "njl_catalogue.h"

#include <string.h>

#define MOST_LEVELS 8

/* Field `name` of the table at 2, a tensor or nil; it stays on the stack. */
static nj_tensor *tensor_field(lua_State *L, const char *name) {
  if (lua_getfield(L, 2, name) == LUA_TNIL)
    return NULL;
  nj_tensor *x = njl_test_tensor(L, -1);
  if (!x)
    luaL_error(L, "put: field '%s' must be a tensor, got %s", name, luaL_typename(L, -1));
  return x;
}

/* Field `name` of the table at `index`, which stays on the stack; NULL when there is none. */
static char *text_field(lua_State *L, int index, const char *name) {
  size_t length;
  int type = lua_getfield(L, index, name);
  if (type != LUA_TNIL && type != LUA_TSTRING)
    luaL_error(L, "put: field '%s' must be a string, got %s", name, luaL_typename(L, -1));
  const char *text = lua_tolstring(L, -1, &length);
  if (text && strlen(text) != length)
    luaL_error(L, "put: field '%s' must not hold a NUL", name);
  return njl_borrow(text);
}

static lua_Number number_field(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  lua_Number value = luaL_optnumber(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

static lua_Integer integer_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  lua_Integer value = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

/* A tensor of the level at the top of the stack; the levels table keeps it alive. */
static nj_tensor *level_tensor(lua_State *L, const char *level, const char *name, int required) {
  nj_tensor *x = NULL;
  if (lua_getfield(L, -1, name) != LUA_TNIL || required) {
    x = njl_test_tensor(L, -1);
    if (!x)
      luaL_error(L, "put: '%s' of level '%s' must be a tensor, got %s", name, level,
                 luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  return x;
}

/* Field `levels`, which stays on the stack: { name = { vectors = (N, D), weights = (N), step = } } */
static int read_levels(lua_State *L, nj_sound_level levels[MOST_LEVELS]) {
  int n = 0;
  if (lua_getfield(L, 2, "levels") == LUA_TNIL)
    return 0;
  if (!lua_istable(L, -1))
    luaL_error(L, "put: field 'levels' must be a table, got %s", luaL_typename(L, -1));
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1))
      luaL_error(L, "put: 'levels' must hold tables by name");
    if (n == MOST_LEVELS)
      luaL_error(L, "put: more than %d levels", MOST_LEVELS);
    const char *name = lua_tostring(L, -2);
    levels[n].name = name;
    levels[n].vectors = level_tensor(L, name, "vectors", 1);
    levels[n].weights = level_tensor(L, name, "weights", 0);
    lua_getfield(L, -1, "step");
    levels[n++].step = luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
  }
  return n;
}

/* { path, size, mtime, changed, inode, content, missing } */
static nj_sound_file read_file(lua_State *L, int index) {
  nj_sound_file file = {.size = integer_field(L, index, "size"),
                        .mtime = integer_field(L, index, "mtime"),
                        .changed = integer_field(L, index, "changed"),
                        .inode = integer_field(L, index, "inode")};
  lua_getfield(L, index, "missing");
  file.missing = lua_toboolean(L, -1);
  lua_pop(L, 1);
  file.content = text_field(L, index, "content");
  file.path = text_field(L, index, "path");
  if (!file.path)
    luaL_error(L, "put: field 'path' is required");
  return file;
}

/* catalogue:put{ path, size, mtime, changed, inode, content, seconds,
 *   error, code | vector, segments, times, levels } */
int njl_catalogue_put(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  nj_sound sound = {.file = read_file(L, 2), .seconds = number_field(L, "seconds")};
  sound.error = text_field(L, 2, "error");
  sound.code = text_field(L, 2, "code");
  sound.vector = tensor_field(L, "vector");
  sound.segments = tensor_field(L, "segments");
  sound.times = tensor_field(L, "times");
  nj_sound_level levels[MOST_LEVELS];
  sound.n_levels = read_levels(L, levels);
  sound.levels = levels;
  if (!sound.vector && !sound.error)
    return luaL_error(L, "put: a sound needs a vector or an error");
  return njl_catalogue_done(L, nj_catalogue_put(catalogue, &sound));
}

/* catalogue:refile(id, { path, size, mtime, changed, inode, content, missing }) */
int njl_catalogue_refile(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  nj_sound_file file = read_file(L, 3);
  return njl_catalogue_done(L, nj_catalogue_refile(catalogue, id, &file));
}
