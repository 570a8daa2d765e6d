/* Options in one last table: checked keys, checked values, errors that name both. */
#include <string.h>

#include "njl.h"

static int min3(int a, int b, int c) {
  int least = a < b ? a : b;
  return least < c ? least : c;
}

int njl_name_distance(const char *a, const char *b) {
  enum { LONGEST = 32 };
  size_t n = strlen(a), m = strlen(b);
  if (n > LONGEST || m > LONGEST)
    return LONGEST;
  int row[LONGEST + 1];
  for (size_t j = 0; j <= m; j++)
    row[j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      int above = row[j];
      row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
      diagonal = above;
    }
  }
  return row[m];
}

static const char *nearest(const char *key, const char *const *keys) {
  const char *best = NULL;
  int least = (int)strlen(key) / 2 + 1; /* further away it is not a typing error */
  for (; *keys; keys++) {
    int d = njl_name_distance(key, *keys);
    if (d < least) {
      least = d;
      best = *keys;
    }
  }
  return best;
}

static int listed(const char *key, const char *const *keys) {
  for (; *keys; keys++)
    if (strcmp(key, *keys) == 0)
      return 1;
  return 0;
}

void njl_options(lua_State *L, int index, const char *function, const char *const *keys) {
  if (lua_isnoneornil(L, index))
    return;
  if (!lua_istable(L, index))
    luaL_error(L, "%s: options must be a table, got %s", function, luaL_typename(L, index));
  index = lua_absindex(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "%s: option names are strings, got a key of type %s", function,
                 luaL_typename(L, -1));
    const char *key = lua_tostring(L, -1);
    if (listed(key, keys))
      continue;
    const char *guess = nearest(key, keys);
    if (guess)
      luaL_error(L, "%s: unknown option '%s' (did you mean '%s'?)", function, key, guess);
    luaL_error(L, "%s: unknown option '%s'", function, key);
  }
}

/* ---- the value on top of the stack, which goes ---- */

lua_Integer njl_take_integer(lua_State *L, const char *function, const char *key, lua_Integer low,
                             lua_Integer high) {
  int whole;
  lua_Integer value = lua_tointegerx(L, -1, &whole);
  if (lua_type(L, -1) != LUA_TNUMBER || !whole || value < low || value > high)
    luaL_error(L, "%s: option '%s' must be an integer in [%I, %I], got %s", function, key,
               (LUAI_UACINT)low, (LUAI_UACINT)high, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return value;
}

lua_Number njl_take_number(lua_State *L, const char *function, const char *key, lua_Number low,
                           lua_Number high) {
  lua_Number value = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || !(value >= low && value <= high))
    luaL_error(L, "%s: option '%s' must be a number in [%f, %f], got %s", function, key, low, high,
               luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return value;
}

int njl_take_boolean(lua_State *L, const char *function, const char *key) {
  if (!lua_isboolean(L, -1))
    luaL_error(L, "%s: option '%s' must be true or false, got %s", function, key,
               luaL_tolstring(L, -1, NULL));
  int value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

const char *njl_take_string(lua_State *L, const char *function, const char *key) {
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "%s: option '%s' must be a string, got %s", function, key, luaL_typename(L, -1));
  const char *value = lua_tostring(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Raises "mel: option 'scale' must be one of slaney, htk; got 'x'". */
static int refuse_enum(lua_State *L, const char *function, const char *key, const char *got,
                       const char *const *names) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int i = 0; names[i]; i++) {
    luaL_addstring(&text, i ? ", " : "");
    luaL_addstring(&text, names[i]);
  }
  luaL_pushresult(&text);
  return luaL_error(L, "%s: option '%s' must be one of %s; got '%s'", function, key,
                    lua_tostring(L, -1), got);
}

int njl_take_enum(lua_State *L, const char *function, const char *key, const char *const *names) {
  const char *name = njl_take_string(L, function, key);
  for (int i = 0; names[i]; i++)
    if (strcmp(name, names[i]) == 0)
      return i;
  return refuse_enum(L, function, key, name, names);
}

/* ---- the same by name, or what is there instead ---- */

int njl_push_field(lua_State *L, int index, const char *key) {
  if (!lua_istable(L, index))
    return 0;
  if (lua_getfield(L, index, key) != LUA_TNIL)
    return 1;
  lua_pop(L, 1);
  return 0;
}

lua_Integer njl_opt_integer(lua_State *L, int index, const char *function, const char *key,
                            lua_Integer low, lua_Integer high, lua_Integer fallback) {
  return njl_push_field(L, index, key) ? njl_take_integer(L, function, key, low, high) : fallback;
}

lua_Number njl_opt_number(lua_State *L, int index, const char *function, const char *key,
                          lua_Number low, lua_Number high, lua_Number fallback) {
  return njl_push_field(L, index, key) ? njl_take_number(L, function, key, low, high) : fallback;
}

int njl_opt_boolean(lua_State *L, int index, const char *function, const char *key, int fallback) {
  return njl_push_field(L, index, key) ? njl_take_boolean(L, function, key) : fallback;
}

const char *njl_opt_string(lua_State *L, int index, const char *function, const char *key,
                           const char *fallback) {
  return njl_push_field(L, index, key) ? njl_take_string(L, function, key) : fallback;
}

int njl_opt_enum(lua_State *L, int index, const char *function, const char *key,
                 const char *const *names, int fallback) {
  return njl_push_field(L, index, key) ? njl_take_enum(L, function, key, names) : fallback;
}
