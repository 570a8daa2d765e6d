/* nj.rng: seeded generators. A generator lives inside its userdata: there is nothing to free. */
#include "njl.h"

static const char default_key = 0; /* its address is the registry key of the state's generator */

#define DEFAULT_SEED 20230601

static nj_rng *push_rng(lua_State *L, nj_rng value) {
  nj_rng *rng = lua_newuserdatauv(L, sizeof *rng, 0);
  *rng = value;
  luaL_setmetatable(L, NJL_RNG);
  return rng;
}

nj_rng *njl_check_rng(lua_State *L, int index) { return luaL_checkudata(L, index, NJL_RNG); }

static nj_rng *default_rng(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &default_key);
  nj_rng *rng = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return rng;
}

nj_rng *njl_opt_rng(lua_State *L, int index, const char *function, const char *key) {
  if (!lua_istable(L, index) || lua_getfield(L, index, key) == LUA_TNIL) {
    if (lua_istable(L, index))
      lua_pop(L, 1);
    return default_rng(L);
  }
  nj_rng *rng = luaL_testudata(L, -1, NJL_RNG);
  if (!rng)
    luaL_error(L, "%s: option '%s' must be a generator made by nj.rng, got %s", function, key,
               luaL_typename(L, -1));
  lua_pop(L, 1); /* the options table still holds it */
  return rng;
}

static int l_rng(lua_State *L) {
  lua_Integer seed = luaL_checkinteger(L, 1), stream = luaL_optinteger(L, 2, 0);
  push_rng(L, nj_rng_make((uint64_t)seed, (uint64_t)stream));
  return 1;
}

/* nj.seed(n): restarts the generator used where none is given. */
static int l_seed(lua_State *L) {
  *default_rng(L) = nj_rng_make((uint64_t)luaL_checkinteger(L, 1), 0);
  return 0;
}

/* nj.default_rng(): that generator itself, not a copy: what a checkpoint must keep. */
static int l_default_rng(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &default_key);
  return 1;
}

static int l_uniform(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  lua_Number low = luaL_optnumber(L, 2, 0), high = luaL_optnumber(L, 3, 1);
  lua_pushnumber(L, low + (high - low) * nj_rng_uniform(rng));
  return 1;
}

static int l_normal(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  lua_Number mean = luaL_optnumber(L, 2, 0), deviation = luaL_optnumber(L, 3, 1);
  lua_pushnumber(L, mean + deviation * nj_rng_normal(rng));
  return 1;
}

/* rng:integer(low, high), both included. */
static int l_integer(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  lua_Integer low = luaL_checkinteger(L, 2), high = luaL_checkinteger(L, 3);
  luaL_argcheck(L, low <= high, 3, "the interval is empty");
  luaL_argcheck(L, (lua_Unsigned)high - (lua_Unsigned)low < (lua_Unsigned)LUA_MAXINTEGER, 3,
                "the interval is too large");
  lua_pushinteger(L, low + (lua_Integer)nj_rng_below(rng, high - low + 1));
  return 1;
}

/* rng:choice(list) gives one of its items and its index. */
static int l_choice(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = luaL_len(L, 2);
  luaL_argcheck(L, n > 0, 2, "the list is empty");
  lua_Integer i = 1 + (lua_Integer)nj_rng_below(rng, n);
  lua_geti(L, 2, i);
  lua_pushinteger(L, i);
  return 2;
}

/* rng:shuffle(list) in place (Fisher-Yates); gives the list. */
static int l_shuffle(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  for (lua_Integer i = luaL_len(L, 2); i > 1; i--) {
    lua_Integer j = 1 + (lua_Integer)nj_rng_below(rng, i);
    lua_geti(L, 2, i);
    lua_geti(L, 2, j);
    lua_seti(L, 2, i);
    lua_seti(L, 2, j);
  }
  lua_settop(L, 2);
  return 1;
}

static int l_split(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  push_rng(L, nj_rng_split(rng));
  return 1;
}

static int l_clone(lua_State *L) {
  push_rng(L, *njl_check_rng(L, 1));
  return 1;
}

static int l_state(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)rng->seed);
  lua_setfield(L, -2, "seed");
  lua_pushinteger(L, (lua_Integer)rng->stream);
  lua_setfield(L, -2, "stream");
  lua_pushinteger(L, (lua_Integer)rng->counter);
  lua_setfield(L, -2, "counter");
  return 1;
}

static uint64_t state_field(lua_State *L, const char *name) {
  int whole;
  lua_getfield(L, 2, name);
  lua_Integer value = lua_tointegerx(L, -1, &whole);
  if (!whole)
    luaL_error(L, "rng: restore: field '%s' must be an integer", name);
  lua_pop(L, 1);
  return (uint64_t)value;
}

static int l_restore(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  nj_rng restored = {state_field(L, "seed"), state_field(L, "stream"), state_field(L, "counter")};
  *rng = restored;
  lua_settop(L, 1);
  return 1;
}

static int l_tostring(lua_State *L) {
  nj_rng *rng = njl_check_rng(L, 1);
  lua_pushfstring(L, "rng(seed %I, stream %I, at %I)", (LUAI_UACINT)rng->seed,
                  (LUAI_UACINT)rng->stream, (LUAI_UACINT)rng->counter);
  return 1;
}

void njl_open_rng(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"uniform", l_uniform}, {"normal", l_normal}, {"integer", l_integer}, {"choice", l_choice},
      {"shuffle", l_shuffle}, {"split", l_split},   {"clone", l_clone},     {"state", l_state},
      {"restore", l_restore}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__tostring", l_tostring}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"rng", l_rng}, {"seed", l_seed}, {"default_rng", l_default_rng}, {NULL, NULL}};
  njl_class(L, NJL_RNG, methods, meta);
  push_rng(L, nj_rng_make(DEFAULT_SEED, 0));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &default_key);
  luaL_setfuncs(L, functions, 0);
}
