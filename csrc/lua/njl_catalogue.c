/* nj.catalogue: the SQLite file of a sound library, as lua/nightjar/library/ uses it. */
#include <string.h>

#include "njl_catalogue.h"

#define MOST_NOTES 8
#define WAIT 30.0 /* seconds for the locks of others */

nj_catalogue *njl_check_catalogue(lua_State *L) { return njl_check_handle(L, 1, NJL_CATALOGUE); }

/* The table of notes at the top of the stack, which stays there. */
static int read_notes(lua_State *L, nj_catalogue_note notes[MOST_NOTES]) {
  int n = 0, table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "catalogue: option 'notes' must hold strings by name");
    if (n == MOST_NOTES)
      luaL_error(L, "catalogue: more than %d notes", MOST_NOTES);
    notes[n].key = lua_tostring(L, -2); /* the table keeps both */
    notes[n++].value = lua_tostring(L, -1);
  }
  return n;
}

static const char *check_path(lua_State *L, int index) {
  size_t length;
  const char *path = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, length > 0, index, "catalogue: a path must not be empty");
  luaL_argcheck(L, strlen(path) == length, index, "catalogue: a path must not hold a NUL");
  return path;
}

/* nj.catalogue(path, {create = false, read_only = false, wait = 30, notes = {}}) */
static int l_open(lua_State *L) {
  static const char *const keys[] = {"create", "read_only", "wait", "notes", NULL};
  const char *path = check_path(L, 1);
  nj_catalogue_note notes[MOST_NOTES];
  njl_options(L, 2, "catalogue", keys);
  int create = njl_opt_boolean(L, 2, "catalogue", "create", 0);
  int read_only = njl_opt_boolean(L, 2, "catalogue", "read_only", 0);
  nj_catalogue_options options = {
      .mode = read_only ? NJ_CATALOGUE_READ
              : create  ? NJ_CATALOGUE_CREATE
                        : NJ_CATALOGUE_WRITE,
      .wait_ms = (int)(1000 * njl_opt_number(L, 2, "catalogue", "wait", 0, 1e6, WAIT)),
      .notes = notes};
  if (create && read_only)
    return luaL_error(L, "catalogue: options 'create' and 'read_only' exclude each other");
  if (lua_istable(L, 2) && lua_getfield(L, 2, "notes") == LUA_TTABLE)
    options.n_notes = read_notes(L, notes);
  void **slot = njl_new_handle(L, NJL_CATALOGUE);
  nj_catalogue *catalogue = NULL;
  nj_status status = nj_catalogue_open(njl_ctx(L), path, &options, &catalogue);
  *slot = catalogue;
  return status ? njl_result(L, status) : 1;
}

static int l_close(lua_State *L) {
  void **slot = luaL_checkudata(L, 1, NJL_CATALOGUE);
  nj_catalogue_close(*slot);
  *slot = NULL;
  return 0;
}

int njl_catalogue_done(lua_State *L, nj_status status) {
  if (status)
    return njl_result(L, status);
  lua_pushboolean(L, 1);
  return 1;
}

/* catalogue:begin(seconds): how long to wait for others; as it was opened when left out */
static int l_begin(lua_State *L) {
  lua_Number wait = luaL_optnumber(L, 2, -1);
  luaL_argcheck(L, wait <= 1e6, 2, "begin: waits at most 1e6 seconds");
  return njl_catalogue_done(
      L, nj_catalogue_begin(njl_check_catalogue(L), wait < 0 ? -1 : (int)(1000 * wait)));
}

static int l_snapshot(lua_State *L) {
  return njl_catalogue_done(L, nj_catalogue_snapshot(njl_check_catalogue(L)));
}

/* catalogue:version(): a number that changes when another process has written */
static int l_version(lua_State *L) {
  int64_t version;
  nj_status status = nj_catalogue_version(njl_check_catalogue(L), &version);
  if (status)
    return njl_result(L, status);
  lua_pushinteger(L, version);
  return 1;
}

static int l_commit(lua_State *L) {
  return njl_catalogue_done(L, nj_catalogue_commit(njl_check_catalogue(L)));
}
static int l_rollback(lua_State *L) {
  return njl_catalogue_done(L, nj_catalogue_rollback(njl_check_catalogue(L)));
}

/* catalogue:stale(id): the sound waits to be indexed again; without id, all do */
static int l_stale(lua_State *L) {
  return njl_catalogue_done(L,
                            nj_catalogue_stale(njl_check_catalogue(L), luaL_optinteger(L, 2, 0)));
}

/* catalogue:meta(key) gives its value or nil; catalogue:meta(key, value) sets it. */
static int l_meta(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
  const char *key = luaL_checkstring(L, 2);
  if (!lua_isnoneornil(L, 3))
    return njl_catalogue_done(L, nj_catalogue_set_meta(catalogue, key, luaL_checkstring(L, 3)));
  char *value;
  nj_status status = nj_catalogue_meta(catalogue, key, &value);
  if (status)
    return njl_result(L, status);
  lua_pushstring(L, value); /* nil for NULL */
  nj_free(njl_ctx(L), value);
  return 1;
}

static int l_remove(lua_State *L) {
  int removed;
  nj_status status = nj_catalogue_remove(njl_check_catalogue(L), luaL_checkstring(L, 2), &removed);
  if (status)
    return njl_result(L, status);
  lua_pushboolean(L, removed);
  return 1;
}

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text); /* nil for NULL */
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, int on) {
  if (!on)
    return; /* nil */
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, name);
}

static void push_fields(lua_State *L, const nj_sound *sound) {
  lua_createtable(L, 0, 12);
  set_integer(L, "id", sound->id);
  set_text(L, "path", sound->file.path);
  set_text(L, "content", sound->file.content);
  set_integer(L, "size", sound->file.size);
  set_integer(L, "mtime", sound->file.mtime);
  set_integer(L, "changed", sound->file.changed);
  set_integer(L, "inode", sound->file.inode);
  set_flag(L, "missing", sound->file.missing);
  lua_pushnumber(L, sound->seconds);
  lua_setfield(L, -2, "seconds");
  set_flag(L, "stale", sound->state == NJ_SOUND_STALE);
  set_flag(L, "damaged", sound->damaged);
  set_text(L, "error", sound->error);
  set_text(L, "code", sound->code);
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
  nj_sound *copy = &list->items[list->n++];
  char *const in[] = {sound->file.path, sound->file.content, sound->error, sound->code};
  char **const out[] = {&copy->file.path, &copy->file.content, &copy->error, &copy->code};
  *copy = *sound;
  for (int i = 0; i < 4; i++)
    *out[i] = NULL;
  for (int i = 0; i < 4; i++)
    if (in[i] && !(*out[i] = nj_strdup(list->ctx, in[i])))
      return NJ_ENOMEM;
  return NJ_OK;
}

/* catalogue:list(): { {id, path, size, mtime, changed, inode, content, missing, seconds, stale, damaged,
 * error, code}, … } by path. */
static int l_list(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
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

/* catalogue:find(path): a sound as in catalogue:list, or nil */
static int l_find(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
  const char *path = luaL_checkstring(L, 2);
  sound_list *list = new_list(L);
  nj_status status = nj_catalogue_find(catalogue, path, append_sound, list);
  if (status)
    return njl_result(L, status);
  if (list->n)
    push_fields(L, list->items);
  else
    lua_pushnil(L);
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
  nj_catalogue *catalogue = njl_check_catalogue(L);
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
  nj_catalogue *catalogue = njl_check_catalogue(L);
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

/* catalogue:vectors(missing): float32 (n, D), int64 ids (n); with `missing` of missing files, too */
static int l_vectors(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
  int missing = lua_toboolean(L, 2);
  nj_tensor **vectors = njl_new_tensor(L), **ids = njl_new_tensor(L);
  nj_status status = nj_catalogue_vectors(catalogue, missing, vectors, ids);
  if (status)
    return njl_result(L, status);
  njl_account(L);
  return 2;
}

/* ---- claims and damage: lists of sounds that have a path, an error and an id ---- */

static nj_status append_claim(void *arg, const char *path, const char *owner, int64_t until) {
  return append_sound(
      arg, &(nj_sound){.id = until, .file.path = njl_borrow(path), .error = njl_borrow(owner)});
}

static nj_status append_damage(void *arg, int64_t id, const char *path, const char *problem) {
  return append_sound(
      arg, &(nj_sound){.id = id, .file.path = njl_borrow(path), .error = njl_borrow(problem)});
}

/* catalogue:claims(): { path = { owner, until }, … } */
static int l_claims(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
  sound_list *list = new_list(L);
  nj_status status = nj_catalogue_claims(catalogue, append_claim, list);
  if (status)
    return njl_result(L, status);
  lua_newtable(L);
  for (size_t i = 0; i < list->n; i++) {
    lua_createtable(L, 0, 2);
    set_text(L, "owner", list->items[i].error);
    set_integer(L, "until", list->items[i].id);
    lua_setfield(L, -2, list->items[i].file.path);
  }
  return 1;
}

/* catalogue:claim(path, owner, until) */
static int l_claim(lua_State *L) {
  return njl_catalogue_done(L, nj_catalogue_claim(njl_check_catalogue(L), luaL_checkstring(L, 2),
                                                  luaL_checkstring(L, 3), luaL_checkinteger(L, 4)));
}

/* catalogue:release(owner, path): without path all claims of the owner */
static int l_release(lua_State *L) {
  return njl_catalogue_done(L,
                            nj_catalogue_release(njl_check_catalogue(L), luaL_optstring(L, 3, NULL),
                                                 luaL_checkstring(L, 2)));
}

/* catalogue:verify(): { { id, path, problem }, … }; id and path are nil for what is not one sound's */
static int l_verify(lua_State *L) {
  nj_catalogue *catalogue = njl_check_catalogue(L);
  sound_list *list = new_list(L);
  nj_status status = nj_catalogue_verify(catalogue, append_damage, list);
  if (status)
    return njl_result(L, status);
  lua_createtable(L, (int)list->n, 0);
  for (size_t i = 0; i < list->n; i++) {
    lua_createtable(L, 0, 3);
    if (list->items[i].id)
      set_integer(L, "id", list->items[i].id);
    set_text(L, "path", list->items[i].file.path);
    set_text(L, "problem", list->items[i].error);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* catalogue:repair(): how many sounds have to be indexed again */
static int l_repair(lua_State *L) {
  int64_t mended;
  nj_status status = nj_catalogue_repair(njl_check_catalogue(L), &mended);
  if (status)
    return njl_result(L, status);
  lua_pushinteger(L, mended);
  return 1;
}

void njl_open_catalogue(lua_State *L) {
  static const luaL_Reg methods[] = {{"begin", l_begin},
                                     {"snapshot", l_snapshot},
                                     {"commit", l_commit},
                                     {"rollback", l_rollback},
                                     {"version", l_version},
                                     {"meta", l_meta},
                                     {"put", njl_catalogue_put},
                                     {"refile", njl_catalogue_refile},
                                     {"stale", l_stale},
                                     {"remove", l_remove},
                                     {"list", l_list},
                                     {"find", l_find},
                                     {"get", l_get},
                                     {"vectors", l_vectors},
                                     {"level", l_level},
                                     {"claims", l_claims},
                                     {"claim", l_claim},
                                     {"release", l_release},
                                     {"verify", l_verify},
                                     {"repair", l_repair},
                                     {"close", l_close},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg list_meta[] = {{"__gc", l_free_list}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"catalogue", l_open}, {NULL, NULL}};
  njl_class(L, NJL_CATALOGUE, methods, meta);
  njl_class(L, NJL_SOUND_LIST, NULL, list_meta);
  luaL_setfuncs(L, functions, 0);
}
