/* nj.catalogue: the SQLite file of a sound library, as lua/nightjar/library.lua uses it. */
#include "njl.h"
#include "search/catalogue.h"

#define NJL_CATALOGUE "nightjar.Catalogue"
#define MOST_LEVELS 8

static nj_catalogue *check_catalogue(lua_State *L) { return njl_check_handle(L, 1, NJL_CATALOGUE); }

/* nj.catalogue(path, {create = false, read_only = false}) */
static int l_open(lua_State *L) {
  static const char *const keys[] = {"create", "read_only", NULL};
  const char *path = luaL_checkstring(L, 1);
  njl_options(L, 2, "catalogue", keys);
  int create = njl_opt_boolean(L, 2, "catalogue", "create", 0);
  int read_only = njl_opt_boolean(L, 2, "catalogue", "read_only", 0);
  if (create && read_only)
    return luaL_error(L, "catalogue: options 'create' and 'read_only' exclude each other");
  nj_catalogue_mode mode = create      ? NJ_CATALOGUE_CREATE
                           : read_only ? NJ_CATALOGUE_READ
                                       : NJ_CATALOGUE_WRITE;
  void **slot = njl_new_handle(L, NJL_CATALOGUE);
  nj_catalogue *catalogue = NULL;
  nj_status status = nj_catalogue_open(njl_ctx(L), path, mode, &catalogue);
  *slot = catalogue;
  return status ? njl_result(L, status) : 1;
}

static int l_close(lua_State *L) {
  void **slot = luaL_checkudata(L, 1, NJL_CATALOGUE);
  nj_catalogue_close(*slot);
  *slot = NULL;
  return 0;
}

static int done(lua_State *L, nj_status status) {
  if (status)
    return njl_result(L, status);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_begin(lua_State *L) { return done(L, nj_catalogue_begin(check_catalogue(L))); }
static int l_commit(lua_State *L) { return done(L, nj_catalogue_commit(check_catalogue(L))); }
static int l_rollback(lua_State *L) { return done(L, nj_catalogue_rollback(check_catalogue(L))); }
static int l_clear(lua_State *L) { return done(L, nj_catalogue_clear(check_catalogue(L))); }

/* catalogue:meta(key) gives its value or nil; catalogue:meta(key, value) sets it. */
static int l_meta(lua_State *L) {
  nj_catalogue *catalogue = check_catalogue(L);
  const char *key = luaL_checkstring(L, 2);
  if (!lua_isnoneornil(L, 3))
    return done(L, nj_catalogue_set_meta(catalogue, key, luaL_checkstring(L, 3)));
  char *value;
  nj_status status = nj_catalogue_meta(catalogue, key, &value);
  if (status)
    return njl_result(L, status);
  lua_pushstring(L, value); /* nil for NULL */
  nj_free(njl_ctx(L), value);
  return 1;
}

/* Field `name` of the table at 2, a tensor or nil; it stays on the stack. */
static nj_tensor *tensor_field(lua_State *L, const char *name) {
  if (lua_getfield(L, 2, name) == LUA_TNIL)
    return NULL;
  nj_tensor *x = njl_test_tensor(L, -1);
  if (!x)
    luaL_error(L, "put: field '%s' must be a tensor, got %s", name, luaL_typename(L, -1));
  return x;
}

static const char *text_field(lua_State *L, const char *name) {
  int type = lua_getfield(L, 2, name);
  if (type != LUA_TNIL && type != LUA_TSTRING)
    luaL_error(L, "put: field '%s' must be a string, got %s", name, luaL_typename(L, -1));
  return lua_tostring(L, -1);
}

static lua_Number number_field(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  lua_Number value = luaL_optnumber(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

static lua_Integer integer_field(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  lua_Integer value = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

/* The library's strings are char *; nj_catalogue_put does not write to them. */
static char *borrow(const char *text) {
  union {
    const char *in;
    char *out;
  } same = {text};
  return same.out;
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

/* catalogue:put{ path, size, mtime, seconds, error | vector, segments, times, levels } */
static int l_put(lua_State *L) {
  nj_catalogue *catalogue = check_catalogue(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  nj_sound sound = {.size = integer_field(L, "size"),
                    .mtime = integer_field(L, "mtime"),
                    .seconds = number_field(L, "seconds")};
  sound.path = borrow(text_field(L, "path"));
  sound.error = borrow(text_field(L, "error"));
  if (!sound.path)
    return luaL_error(L, "put: field 'path' is required");
  sound.vector = tensor_field(L, "vector");
  sound.segments = tensor_field(L, "segments");
  sound.times = tensor_field(L, "times");
  nj_sound_level levels[MOST_LEVELS];
  sound.n_levels = read_levels(L, levels);
  sound.levels = levels;
  if (!sound.vector && !sound.error)
    return luaL_error(L, "put: a sound needs a vector or an error");
  return done(L, nj_catalogue_put(catalogue, &sound));
}

static int l_remove(lua_State *L) {
  int removed;
  nj_status status = nj_catalogue_remove(check_catalogue(L), luaL_checkstring(L, 2), &removed);
  if (status)
    return njl_result(L, status);
  lua_pushboolean(L, removed);
  return 1;
}

static void push_fields(lua_State *L, const nj_sound *sound) {
  lua_createtable(L, 0, 9);
  lua_pushinteger(L, sound->id);
  lua_setfield(L, -2, "id");
  lua_pushstring(L, sound->path);
  lua_setfield(L, -2, "path");
  lua_pushinteger(L, sound->size);
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, sound->mtime);
  lua_setfield(L, -2, "mtime");
  lua_pushnumber(L, sound->seconds);
  lua_setfield(L, -2, "seconds");
  lua_pushstring(L, sound->error);
  lua_setfield(L, -2, "error");
}

typedef struct {
  nj_ctx *ctx;
  nj_sound *items;
  size_t n, room;
} sound_list;

#define NJL_SOUND_LIST "nightjar.SoundList" /* owns what was read while Lua may throw */

static int l_free_list(lua_State *L) {
  sound_list *list = luaL_checkudata(L, 1, NJL_SOUND_LIST);
  for (size_t i = 0; i < list->n; i++)
    nj_sound_clear(list->ctx, &list->items[i]);
  nj_free(list->ctx, list->items);
  *list = (sound_list){.ctx = list->ctx};
  return 0;
}

static sound_list *new_list(lua_State *L) {
  sound_list *list = lua_newuserdatauv(L, sizeof *list, 0);
  *list = (sound_list){.ctx = njl_ctx(L)};
  luaL_setmetatable(L, NJL_SOUND_LIST);
  return list;
}

static nj_status append_sound(void *arg, const nj_sound *sound) {
  sound_list *list = arg;
  if (list->n == list->room) {
    size_t room = list->room ? list->room * 2 : 64;
    nj_sound *grown = nj_realloc(list->ctx, list->items, room * sizeof *grown);
    if (!grown)
      return NJ_ENOMEM;
    list->items = grown;
    list->room = room;
  }
  nj_sound copy = *sound;
  copy.path = nj_strdup(list->ctx, sound->path ? sound->path : "");
  copy.error = sound->error ? nj_strdup(list->ctx, sound->error) : NULL;
  list->items[list->n++] = copy;
  return copy.path && (!sound->error || copy.error) ? NJ_OK : NJ_ENOMEM;
}

/* catalogue:list(): { {id, path, size, mtime, seconds, error}, … } by path. */
static int l_list(lua_State *L) {
  nj_catalogue *catalogue = check_catalogue(L);
  sound_list *list = new_list(L);
  nj_status status = nj_catalogue_each(catalogue, append_sound, list);
  if (status)
    return njl_result(L, status);
  lua_createtable(L, (int)list->n, 0);
  for (size_t i = 0; i < list->n; i++) {
    push_fields(L, &list->items[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static void push_part(lua_State *L, nj_tensor *x, const char *name) {
  if (!x)
    return;
  *njl_new_tensor(L) = nj_retain(x);
  lua_setfield(L, -2, name);
}

/* catalogue:get(id): one sound with vector, segments and times. */
static int l_get(lua_State *L) {
  nj_catalogue *catalogue = check_catalogue(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  sound_list *owner = new_list(L);
  owner->items = nj_calloc(owner->ctx, 1, sizeof *owner->items);
  if (!owner->items)
    return njl_result(L, NJ_ENOMEM);
  owner->n = owner->room = 1;
  nj_status status = nj_catalogue_get(catalogue, id, owner->items);
  if (status)
    return njl_result(L, status);
  push_fields(L, owner->items);
  push_part(L, owner->items->vector, "vector");
  push_part(L, owner->items->segments, "segments");
  push_part(L, owner->items->times, "times");
  njl_account(L);
  return 1;
}

/* catalogue:level(id, name): vectors (N, D), weights (N) or nil, step; nothing where none is. */
static int l_level(lua_State *L) {
  nj_catalogue *catalogue = check_catalogue(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  const char *name = luaL_checkstring(L, 3);
  nj_tensor **vectors = njl_new_tensor(L), **weights = njl_new_tensor(L);
  nj_sound_level level;
  nj_status status = nj_catalogue_level(catalogue, id, name, &level);
  if (status)
    return njl_result(L, status);
  *vectors = level.vectors;
  *weights = level.weights;
  if (!level.vectors)
    return 0;
  njl_account(L);
  if (!level.weights) {
    lua_pushnil(L);
    lua_replace(L, -2);
  }
  lua_pushnumber(L, level.step);
  return 3;
}

/* catalogue:vectors(): float32 (n, D), int64 ids (n). */
static int l_vectors(lua_State *L) {
  nj_catalogue *catalogue = check_catalogue(L);
  nj_tensor **vectors = njl_new_tensor(L), **ids = njl_new_tensor(L);
  nj_status status = nj_catalogue_vectors(catalogue, vectors, ids);
  if (status)
    return njl_result(L, status);
  njl_account(L);
  return 2;
}

void njl_open_catalogue(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"begin", l_begin}, {"commit", l_commit},   {"rollback", l_rollback}, {"clear", l_clear},
      {"meta", l_meta},   {"put", l_put},         {"remove", l_remove},     {"list", l_list},
      {"get", l_get},     {"vectors", l_vectors}, {"level", l_level},       {"close", l_close},
      {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg list_meta[] = {{"__gc", l_free_list}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"catalogue", l_open}, {NULL, NULL}};
  njl_class(L, NJL_CATALOGUE, methods, meta);
  njl_class(L, NJL_SOUND_LIST, NULL, list_meta);
  luaL_setfuncs(L, functions, 0);
}
