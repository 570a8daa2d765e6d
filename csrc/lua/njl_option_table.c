/* Options by the tables of the C library (base/option.h): read from Lua tables, written into descriptors, and
 * listed for editors' stubs and their spec. */
#include <math.h>
#include <string.h>

#include "njl.h"

#define MOST 64  /* options of a table */
#define EXTRA 16 /* keys beside it */
#define LISTED "nightjar.options"

static void *field(const nj_option *o, const void *options) {
  return (char *)(uintptr_t)options + o->at;
}

/* ---- reading ---- */

/* Bounds may be infinite, which no integer is. */
static lua_Integer as_integer(double bound) {
  if (bound >= 0x1p63)
    return INT64_MAX;
  return bound < -0x1p63 ? INT64_MIN : (lua_Integer)bound;
}

static int how_many(const nj_option *o, const void *options) {
  int n = o->count;
  if (o->count_at)
    memcpy(&n, (const char *)options + o->count_at, sizeof n);
  return n;
}

/* The option that says how long those are that follow it. */
static const char *leader(const nj_option_table *table, const nj_option *o) {
  for (size_t i = 0; i < table->n; i++)
    if (table->items[i].kind == NJ_OPTION_SIZES && table->items[i].count_at == o->count_at &&
        !(table->items[i].flags & NJ_OPTION_FOLLOWS))
      return table->items[i].key;
  return "";
}

static void check_count(lua_State *L, const char *name, const nj_option_table *table,
                        const nj_option *o, const void *options, lua_Integer n) {
  if (o->flags & NJ_OPTION_FOLLOWS && n != how_many(o, options))
    luaL_error(L, "%s: option '%s' has %I entries, '%s' has %d", name, o->key, (LUAI_UACINT)n,
               leader(table, o), how_many(o, options));
  if (!o->count_at && n != o->count)
    luaL_error(L, "%s: option '%s' must have %d entries, got %I", name, o->key, o->count,
               (LUAI_UACINT)n);
  if (n < 1 || n > o->count)
    luaL_error(L, "%s: option '%s' must have 1 to %d entries, got %I", name, o->key, o->count,
               (LUAI_UACINT)n);
}

/* The list on top of the stack, which goes. */
static void take_sizes(lua_State *L, const char *name, const nj_option_table *table,
                       const nj_option *o, void *options) {
  int64_t *values = field(o, options);
  if (!lua_istable(L, -1))
    luaL_error(L, "%s: option '%s' must be a list of integers, got %s", name, o->key,
               luaL_typename(L, -1));
  lua_Integer n = luaL_len(L, -1);
  check_count(L, name, table, o, options, n);
  for (int i = 0; i < (int)n; i++) {
    int whole;
    lua_geti(L, -1, i + 1);
    values[i] = lua_tointegerx(L, -1, &whole);
    if (!whole || (double)values[i] < o->low || (double)values[i] > o->high)
      luaL_error(L, "%s: entry %d of option '%s' must be a positive integer", name, i + 1, o->key);
    lua_pop(L, 1);
  }
  if (o->count_at && !(o->flags & NJ_OPTION_FOLLOWS))
    memcpy((char *)options + o->count_at, &(int){(int)n}, sizeof(int));
  lua_pop(L, 1);
}

static nj_dtype take_dtype(lua_State *L, const char *function, const char *key) {
  const char *text = njl_take_string(L, function, key);
  nj_dtype dtype;
  if (!nj_dtype_from_name(text, &dtype) || !nj_dtype_is_float(dtype))
    luaL_error(L, "%s: option '%s' must be 'float32' or 'float64', got '%s'", function, key, text);
  return dtype;
}

/* The value on top of the stack, which goes. */
static void take_one(lua_State *L, const char *name, const nj_option_table *table,
                     const nj_option *o, void *options) {
  void *at = field(o, options);
  lua_Integer low = as_integer(o->low), high = as_integer(o->high);
  switch (o->kind) {
  case NJ_OPTION_INT:
    *(int *)at = (int)njl_take_integer(L, name, o->key, low, high);
    break;
  case NJ_OPTION_I64:
    *(int64_t *)at = njl_take_integer(L, name, o->key, low, high);
    break;
  case NJ_OPTION_NUMBER:
    *(double *)at = njl_take_number(L, name, o->key, o->low, o->high);
    break;
  case NJ_OPTION_BOOLEAN:
    *(int *)at = njl_take_boolean(L, name, o->key);
    break;
  case NJ_OPTION_NAME:
    memcpy(at, &(int){njl_take_enum(L, name, o->key, o->names)}, sizeof(int));
    break;
  case NJ_OPTION_DTYPE:
    memcpy(at, &(nj_dtype){take_dtype(L, name, o->key)}, sizeof(nj_dtype));
    break;
  case NJ_OPTION_TEXT:
    *(const char **)at = njl_take_string(L, name, o->key);
    break;
  case NJ_OPTION_SIZES:
    take_sizes(L, name, table, o, options);
    break;
  }
}

static const char *const kind_names[] = {
    [NJ_OPTION_INT] = "integer",     [NJ_OPTION_I64] = "integer",    [NJ_OPTION_NUMBER] = "number",
    [NJ_OPTION_BOOLEAN] = "boolean", [NJ_OPTION_NAME] = "string",    [NJ_OPTION_DTYPE] = "string",
    [NJ_OPTION_TEXT] = "string",     [NJ_OPTION_SIZES] = "integer[]"};

static int is_known(const nj_option_table *table, const char *const *extra, const char *key) {
  for (size_t i = 0; i < table->n; i++)
    if (strcmp(table->items[i].key, key) == 0)
      return 1;
  for (; extra && *extra; extra++)
    if (strcmp(*extra, key) == 0)
      return 1;
  return 0;
}

/* Raises what njl_options says of the table at `index`. */
static void refuse_keys(lua_State *L, int index, const char *function, const nj_option_table *table,
                        const char *const *extra) {
  const char *keys[MOST + EXTRA + 1] = {0};
  size_t n = 0;
  for (; n < table->n && n < MOST; n++)
    keys[n] = table->items[n].key;
  for (size_t i = 0; extra && extra[i] && i < EXTRA; i++)
    keys[n++] = extra[i];
  njl_options(L, index, function, keys);
}

void njl_check_keys(lua_State *L, int index, const char *function, const nj_option_table *table,
                    const char *const *extra) {
  if (!lua_istable(L, index)) {
    if (!lua_isnoneornil(L, index))
      refuse_keys(L, index, function, table, extra);
    return;
  }
  index = lua_absindex(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING || !is_known(table, extra, lua_tostring(L, -1)))
      refuse_keys(L, index, function, table, extra);
  }
}

void njl_read_given(lua_State *L, int index, const char *function, const nj_option_table *table,
                    void *options) {
  uint64_t given = 0;
  int some = lua_istable(L, index);
  for (size_t i = 0; i < table->n; i++) {
    const nj_option *o = &table->items[i];
    if (some && njl_push_field(L, index, o->key)) {
      take_one(L, function, table, o, options);
      given |= (uint64_t)1 << i;
    } else if (o->flags & NJ_OPTION_REQUIRED) {
      luaL_error(L, "%s: option '%s' is required (%s)", function, o->key,
                 o->kind == NJ_OPTION_SIZES    ? "a list of integers"
                 : o->kind == NJ_OPTION_NUMBER ? "a number"
                                               : "an integer");
    }
  }
  if (table->derive)
    table->derive(options, given);
}

void njl_read_options(lua_State *L, int index, const char *function, const nj_option_table *table,
                      const char *const *extra, void *options) {
  function = function ? function : table->name;
  njl_check_keys(L, index, function, table, extra);
  table->defaults(options);
  njl_read_given(L, index, function, table, options);
}

/* ---- writing ---- */

void njl_push_option(lua_State *L, const nj_option *o, const void *options) {
  const void *at = field(o, options);
  int number = 0;
  if (o->kind == NJ_OPTION_INT || o->kind == NJ_OPTION_BOOLEAN || o->kind == NJ_OPTION_NAME ||
      o->kind == NJ_OPTION_DTYPE)
    memcpy(&number, at, sizeof number);
  switch (o->kind) {
  case NJ_OPTION_INT:
    lua_pushinteger(L, number);
    break;
  case NJ_OPTION_I64:
    lua_pushinteger(L, *(const int64_t *)at);
    break;
  case NJ_OPTION_NUMBER:
    lua_pushnumber(L, *(const double *)at);
    break;
  case NJ_OPTION_BOOLEAN:
    lua_pushboolean(L, number);
    break;
  case NJ_OPTION_NAME:
    lua_pushstring(L, o->names[number]);
    break;
  case NJ_OPTION_DTYPE:
    lua_pushstring(L, nj_dtype_name((nj_dtype)number));
    break;
  case NJ_OPTION_TEXT:
    lua_pushstring(L, *(const char *const *)at);
    break;
  case NJ_OPTION_SIZES:
    lua_createtable(L, how_many(o, options), 0);
    for (int i = 0; i < how_many(o, options); i++) {
      lua_pushinteger(L, ((const int64_t *)at)[i]);
      lua_rawseti(L, -2, i + 1);
    }
    break;
  }
}

/* 1 where a description leaves the option out. */
static int is_left_out(const nj_option *o, const void *options) {
  const void *at = field(o, options);
  if (o->flags & NJ_OPTION_HIDDEN)
    return 1;
  if (!(o->flags & NJ_OPTION_SPARSE))
    return 0;
  if (o->kind == NJ_OPTION_I64)
    return *(const int64_t *)at == 0;
  return *(const int *)at == (o->kind == NJ_OPTION_DTYPE ? (int)NJ_F32 : 0);
}

void njl_push_options(lua_State *L, const nj_option_table *table, const void *options) {
  lua_createtable(L, 0, (int)table->n);
  for (size_t i = 0; i < table->n; i++)
    if (!is_left_out(&table->items[i], options)) {
      njl_push_option(L, &table->items[i], options);
      lua_setfield(L, -2, table->items[i].key);
    }
}

/* ---- listing ---- */

void njl_list_options(lua_State *L, const char *function, const nj_option_table *table) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LISTED);
  lua_pushlightuserdata(L, (void *)(uintptr_t)table);
  lua_setfield(L, -2, function);
  lua_pop(L, 1);
}

static void set_names(lua_State *L, const nj_option *o) {
  static const char *const floats[] = {"float32", "float64", NULL};
  const char *const *names = o->kind == NJ_OPTION_DTYPE ? floats : o->names;
  lua_newtable(L);
  for (int i = 0; names[i]; i++) {
    lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "names");
}

static void set_bound(lua_State *L, const nj_option *o, const char *key, double value) {
  if (isinf(value))
    return;
  if (o->kind == NJ_OPTION_NUMBER)
    lua_pushnumber(L, value);
  else
    lua_pushinteger(L, as_integer(value));
  lua_setfield(L, -2, key);
}

static void push_listed(lua_State *L, const nj_option *o, const void *defaults) {
  lua_createtable(L, 0, 8);
  lua_pushstring(L, o->key);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, kind_names[o->kind]);
  lua_setfield(L, -2, "type");
  lua_pushboolean(L, (o->flags & NJ_OPTION_REQUIRED) != 0);
  lua_setfield(L, -2, "required");
  if (o->kind == NJ_OPTION_NAME || o->kind == NJ_OPTION_DTYPE)
    set_names(L, o);
  else if (o->kind != NJ_OPTION_BOOLEAN && o->kind != NJ_OPTION_TEXT) {
    set_bound(L, o, "low", o->low);
    set_bound(L, o, "high", o->high);
  }
  if (o->flags & NJ_OPTION_DERIVED) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "derived");
  } else if (!(o->flags & (NJ_OPTION_REQUIRED | NJ_OPTION_FOLLOWS))) {
    njl_push_option(L, o, defaults);
    lua_setfield(L, -2, "default");
  }
}

static int push_names(lua_State *L) {
  lua_newtable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LISTED);
  lua_Integer n = 0;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, ++n);
  }
  lua_pop(L, 1);
  return 1;
}

/* nj.options(function | nil): the list of its options, or the names of all functions that are listed. */
static int l_options(lua_State *L) {
  if (lua_isnoneornil(L, 1))
    return push_names(L);
  const char *function = luaL_checkstring(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LISTED);
  lua_getfield(L, -1, function);
  const nj_option_table *table = lua_touserdata(L, -1);
  if (!table)
    return luaL_error(L, "options: no list of options for '%s'", function);
  void *defaults = lua_newuserdatauv(L, table->size, 0);
  table->defaults(defaults);
  lua_createtable(L, (int)table->n, 0);
  for (size_t i = 0; i < table->n; i++) {
    push_listed(L, &table->items[i], defaults);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

void njl_open_option_table(lua_State *L) {
  lua_pushcfunction(L, l_options);
  lua_setfield(L, -2, "options");
}
