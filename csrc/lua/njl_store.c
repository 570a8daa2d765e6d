/* nj.store: files of named tensors. */
#include <stdlib.h>
#include <string.h>

#include "njl.h"
#include "store/archive.h"
#include "store/safetensors.h"

#define NJL_ARCHIVE "nightjar.Archive" /* keeps an open archive while Lua may throw */

static int l_archive_gc(lua_State *L) {
  nj_archive **slot = luaL_checkudata(L, 1, NJL_ARCHIVE);
  nj_archive_close(*slot);
  *slot = NULL;
  return 0;
}

/* Opens the archive at argument 1 into a handle on top of the stack. */
static nj_status open_archive(lua_State *L, nj_archive **out) {
  const char *path = luaL_checkstring(L, 1);
  nj_ctx *ctx = njl_ctx(L);
  lua_settop(L, 1);
  nj_archive **slot = (nj_archive **)njl_new_handle(L, NJL_ARCHIVE);
  nj_status status = nj_archive_open(ctx, path, slot);
  *out = *slot;
  return status;
}

static void push_note(lua_State *L, const nj_archive_note *note) {
  switch (note->kind) {
  case NJ_NOTE_TEXT:
    lua_pushstring(L, note->value);
    break;
  case NJ_NOTE_INTEGER:
    lua_pushinteger(L, note->integer);
    break;
  case NJ_NOTE_NUMBER:
    lua_pushnumber(L, note->number);
    break;
  case NJ_NOTE_BOOLEAN:
    lua_pushboolean(L, note->integer != 0);
    break;
  }
}

static void push_metadata(lua_State *L, const nj_archive *archive) {
  lua_createtable(L, 0, (int)archive->n_notes);
  for (size_t i = 0; i < archive->n_notes; i++) {
    push_note(L, &archive->notes[i]);
    lua_setfield(L, -2, archive->notes[i].key);
  }
}

static void push_shape(lua_State *L, const nj_archive_entry *entry) {
  lua_createtable(L, entry->ndim, 0);
  for (int i = 0; i < entry->ndim; i++) {
    lua_pushinteger(L, entry->shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static uint64_t entry_bytes(const nj_archive_entry *entry) {
  uint64_t n = nj_stored_size(entry->type);
  for (int i = 0; i < entry->ndim; i++)
    n *= (uint64_t)entry->shape[i];
  return n;
}

/* nj.store.info(path): { container, metadata, entries = { {name, dtype, shape, bytes}, … } }. */
static int l_info(lua_State *L) {
  nj_archive *archive;
  nj_status status = open_archive(L, &archive);
  if (status)
    return njl_result(L, status);
  lua_createtable(L, 0, 3);
  lua_pushstring(L, archive->container);
  lua_setfield(L, -2, "container");
  push_metadata(L, archive);
  lua_setfield(L, -2, "metadata");
  lua_createtable(L, (int)archive->n_entries, 0);
  for (size_t i = 0; i < archive->n_entries; i++) {
    const nj_archive_entry *entry = &archive->entries[i];
    lua_createtable(L, 0, 4);
    lua_pushstring(L, entry->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, nj_stored_name(entry->type));
    lua_setfield(L, -2, "dtype");
    push_shape(L, entry);
    lua_setfield(L, -2, "shape");
    lua_pushinteger(L, (lua_Integer)entry_bytes(entry));
    lua_setfield(L, -2, "bytes");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "entries");
  return 1;
}

/* nj.store.load(path): { tensors = {name = tensor}, names = {in the file's order}, metadata = {} }. */
static int l_load(lua_State *L) {
  nj_archive *archive;
  nj_status status = open_archive(L, &archive);
  if (status)
    return njl_result(L, status);
  lua_createtable(L, 0, 3);
  push_metadata(L, archive);
  lua_setfield(L, -2, "metadata");
  lua_createtable(L, (int)archive->n_entries, 0); /* names, at 4 */
  lua_createtable(L, 0, (int)archive->n_entries); /* tensors, at 5 */
  for (size_t i = 0; i < archive->n_entries; i++) {
    nj_tensor **slot = njl_new_tensor(L);
    status = nj_archive_read(archive, i, slot);
    if (status)
      return njl_result(L, status);
    lua_setfield(L, 5, archive->entries[i].name);
    lua_pushstring(L, archive->entries[i].name);
    lua_rawseti(L, 4, (lua_Integer)i + 1);
  }
  lua_setfield(L, 3, "tensors");
  lua_setfield(L, 3, "names");
  njl_account(L);
  return 1;
}

/* The number of entries of the table at `index`, all of whose keys are strings. */
static size_t count_entries(lua_State *L, int index, const char *what) {
  size_t n = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "save: names of %s must be strings, got a %s", what, luaL_typename(L, -2));
    lua_pop(L, 1);
    n++;
  }
  return n;
}

static nj_named_tensor *collect_tensors(lua_State *L, int index, size_t n) {
  nj_named_tensor *named = lua_newuserdatauv(L, (n + 1) * sizeof *named, 0);
  size_t at = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    nj_tensor *x = njl_test_tensor(L, -1);
    if (!x)
      luaL_error(L, "save: '%s' must be a tensor, got %s", lua_tostring(L, -2),
                 luaL_typename(L, -1));
    named[at++] = (nj_named_tensor){lua_tostring(L, -2), x, nj_stored_of(x->dtype)};
    lua_pop(L, 1);
  }
  return named;
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const nj_archive_note *)a)->key, ((const nj_archive_note *)b)->key);
}

/* The library's notes are char *; it does not write to them. */
static char *borrow(const char *text) {
  union {
    const char *in;
    char *out;
  } same = {text};
  return same.out;
}

static nj_archive_note *collect_notes(lua_State *L, int index, size_t n) {
  nj_archive_note *notes = lua_newuserdatauv(L, (n + 1) * sizeof *notes, 0);
  size_t at = 0;
  lua_pushnil(L);
  while (n && lua_next(L, index)) {
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "save: metadata '%s' must be a string, got %s", lua_tostring(L, -2),
                 luaL_typename(L, -1));
    notes[at++] =
        (nj_archive_note){.key = borrow(lua_tostring(L, -2)), .value = borrow(lua_tostring(L, -1))};
    lua_pop(L, 1);
  }
  if (n)
    qsort(notes, n, sizeof *notes, by_key); /* the same content gives the same file */
  else
    lua_pop(L, 1);
  return notes;
}

/* Has floats stored as `type` where that holds their values; pushes the names of those where it does
 * not. */
static nj_status narrow(lua_State *L, nj_named_tensor *tensors, size_t n, nj_stored type) {
  lua_Integer kept = 0;
  lua_newtable(L);
  for (size_t i = 0; i < n; i++) {
    int fits;
    if (!nj_dtype_is_float(tensors[i].tensor->dtype) || type == NJ_STORED_F32)
      continue;
    nj_status status = nj_stored_fits(tensors[i].tensor, type, &fits);
    if (status)
      return status;
    if (fits) {
      tensors[i].type = type;
    } else {
      lua_pushstring(L, tensors[i].name);
      lua_rawseti(L, -2, ++kept);
    }
  }
  return NJ_OK;
}

/* The option dtype: how floats are stored. */
static nj_stored check_stored(lua_State *L, int index) {
  static const char *const names[] = {"float32", "float16", "bfloat16", NULL};
  static const nj_stored types[] = {NJ_STORED_F32, NJ_STORED_F16, NJ_STORED_BF16};
  static const char *const keys[] = {"dtype", NULL};
  njl_options(L, index, "save", keys);
  return types[njl_opt_enum(L, index, "save", "dtype", names, 0)];
}

/* nj.store.save(path, tensors [, metadata [, options]]): true, and the names of tensors that did not
 * fit options.dtype. The file appears whole or not at all. */
static int l_save(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  int has_notes = !lua_isnoneornil(L, 3);
  if (has_notes)
    luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 4);
  nj_stored type = check_stored(L, 4);
  size_t n_tensors = count_entries(L, 2, "tensors");
  size_t n_notes = has_notes ? count_entries(L, 3, "metadata") : 0;
  nj_named_tensor *tensors = collect_tensors(L, 2, n_tensors);
  nj_archive_note *notes = collect_notes(L, 3, n_notes);
  nj_status status = narrow(L, tensors, n_tensors, type);
  if (!status)
    status = nj_safetensors_write(njl_ctx(L), path, tensors, n_tensors, notes, n_notes);
  if (status)
    return njl_result(L, status);
  lua_pushboolean(L, 1);
  lua_insert(L, -2);
  return 2;
}

void njl_open_store(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", l_archive_gc}, {"__close", l_archive_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"info", l_info}, {"load", l_load}, {"save", l_save}, {NULL, NULL}};
  njl_class(L, NJL_ARCHIVE, NULL, meta);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "store");
}
