#include "njl_network.h"

njl_network *njl_check_network(lua_State *L, int index) {
  njl_network *network = luaL_checkudata(L, index, NJL_NETWORK);
  if (!network->net)
    luaL_argerror(L, index, "this encoder was freed");
  return network;
}

njl_network *njl_check_network_of(lua_State *L, int index, const njl_network_kind *kind) {
  njl_network *network = njl_check_network(L, index);
  if (network->kind != kind)
    luaL_argerror(L, index,
                  lua_pushfstring(L, "expected a %s, got a %s", kind->name, network->kind->name));
  return network;
}

njl_network *njl_new_network(lua_State *L, const njl_network_kind *kind) {
  njl_network *network = lua_newuserdatauv(L, sizeof *network, 1);
  *network = (njl_network){.kind = kind, .training = 0};
  luaL_setmetatable(L, NJL_NETWORK);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return network;
}

nj_dtype njl_opt_parameter_dtype(lua_State *L, int index, const char *function) {
  nj_dtype dtype = njl_opt_dtype(L, index, function, NJ_F32);
  if (!nj_dtype_is_float(dtype))
    luaL_error(L, "%s: option 'dtype' must be 'float32' or 'float64', got '%s'", function,
               nj_dtype_name(dtype));
  return dtype;
}

/* ---- descriptors ---- */

void njl_describe_integer(lua_State *L, const char *key, lua_Integer value) {
  lua_getiuservalue(L, -1, 1);
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

void njl_describe_number(lua_State *L, const char *key, lua_Number value) {
  lua_getiuservalue(L, -1, 1);
  lua_pushnumber(L, value);
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

void njl_describe_string(lua_State *L, const char *key, const char *value) {
  lua_getiuservalue(L, -1, 1);
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

void njl_describe_list(lua_State *L, const char *key, int n, const int64_t *values) {
  lua_getiuservalue(L, -1, 1);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, values[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

void njl_describe_boolean(lua_State *L, const char *key, int value) {
  lua_getiuservalue(L, -1, 1);
  lua_pushboolean(L, value);
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

/* ---- what every network does ---- */

static int l_call(lua_State *L) {
  njl_network *network = njl_check_network(L, 1);
  return network->kind->call(L, network);
}

static int l_gc(lua_State *L) {
  njl_network *network = luaL_checkudata(L, 1, NJL_NETWORK);
  void *net = network->net;
  network->net = NULL;
  if (net)
    network->kind->free(net);
  return 0;
}

static void push_param(lua_State *L, const nj_param *param) {
  *njl_new_tensor(L) = nj_retain(param->tensor);
}

/* A list of {name = …, tensor = …} of the parameters, or of the buffers. */
static int push_named(lua_State *L, int trainable) {
  njl_network *network = njl_check_network(L, 1);
  int n = 0;
  lua_newtable(L);
  for (size_t i = 0; i < network->params->n; i++) {
    const nj_param *param = &network->params->items[i];
    if (param->trainable != trainable)
      continue;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, param->name);
    lua_setfield(L, -2, "name");
    push_param(L, param);
    lua_setfield(L, -2, "tensor");
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static int l_parameters(lua_State *L) { return push_named(L, 1); }
static int l_buffers(lua_State *L) { return push_named(L, 0); }

/* network:state(): { name = tensor } of parameters and buffers; the tensors are the network's own. */
static int l_state(lua_State *L) {
  njl_network *network = njl_check_network(L, 1);
  lua_newtable(L);
  for (size_t i = 0; i < network->params->n; i++) {
    push_param(L, &network->params->items[i]);
    lua_setfield(L, -2, network->params->items[i].name);
  }
  return 1;
}

static void append_text(lua_State *L, int list, const char *text) {
  lua_pushstring(L, text);
  lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

static void append_mismatch(lua_State *L, int list, const nj_param *param, const nj_tensor *got) {
  lua_pushfstring(L, "%s: expected %s, got %s", param->name, NJ_SHAPE_OF(param->tensor),
                  NJ_SHAPE_OF(got));
  lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* network:load(state, prefix): copies tensors called prefix .. name into the network; gives
 * { loaded = {names}, missing = {names}, mismatched = {"name: expected (…), got (…)"} }. Nothing is
 * changed when a tensor's shape differs. */
static int l_load(lua_State *L) {
  njl_network *network = njl_check_network(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *prefix = luaL_optstring(L, 3, "");
  nj_params *params = network->params;
  lua_settop(L, 3);
  lua_newtable(L); /* 4 loaded, 5 missing, 6 mismatched */
  lua_newtable(L);
  lua_newtable(L);
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < params->n; i++) {
      nj_param *param = &params->items[i];
      lua_getfield(L, 2, lua_pushfstring(L, "%s%s", prefix, param->name));
      nj_tensor *x = njl_test_tensor(L, -1);
      if (pass == 0 && !x)
        append_text(L, 5, param->name);
      else if (pass == 0 && !nj_same_shape(x, param->tensor))
        append_mismatch(L, 6, param, x);
      else if (pass == 1 && x && lua_rawlen(L, 6) == 0) {
        njl_check(L, nj_copy_values(param->tensor, x));
        nj_mark_written(param->tensor);
        append_text(L, 4, param->name);
      }
      lua_pop(L, 2);
    }
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, 4);
  lua_setfield(L, -2, "loaded");
  lua_pushvalue(L, 5);
  lua_setfield(L, -2, "missing");
  lua_pushvalue(L, 6);
  lua_setfield(L, -2, "mismatched");
  return 1;
}

static int set_training(lua_State *L, int training) {
  njl_check_network(L, 1)->training = training;
  lua_settop(L, 1);
  return 1;
}

/* network:train() turns dropout, SpecAugment and batch statistics on, network:eval() off (as a new
 * encoder has them). */
static int l_train(lua_State *L) { return set_training(L, 1); }
static int l_eval(lua_State *L) { return set_training(L, 0); }

static int l_is_training(lua_State *L) {
  lua_pushboolean(L, njl_check_network(L, 1)->training);
  return 1;
}

static int freeze(lua_State *L, int frozen) {
  njl_network *network = njl_check_network(L, 1);
  size_t n;
  njl_check(L, nj_params_freeze(network->params, luaL_optstring(L, 2, ""), frozen, &n));
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* network:freeze(prefix): parameters whose names begin so need no gradients any more (all without
 * prefix); gives how many. network:unfreeze(prefix) undoes it. */
static int l_freeze(lua_State *L) { return freeze(L, 1); }
static int l_unfreeze(lua_State *L) { return freeze(L, 0); }

/* A copy, one level deep and for lists two. */
static int l_descriptor(lua_State *L) {
  njl_check_network(L, 1);
  lua_newtable(L);
  lua_getiuservalue(L, 1, 1);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pushvalue(L, -2);
    if (lua_istable(L, -2)) {
      lua_Integer n = luaL_len(L, -2);
      lua_createtable(L, (int)n, 0);
      for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, -3, i);
        lua_rawseti(L, -2, i);
      }
    } else {
      lua_pushvalue(L, -2);
    }
    lua_settable(L, -6);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return 1;
}

static int64_t parameter_count(const nj_params *params) {
  int64_t n = 0;
  for (size_t i = 0; i < params->n; i++)
    if (params->items[i].trainable)
      n += nj_numel(params->items[i].tensor);
  return n;
}

static int l_size(lua_State *L) {
  lua_pushinteger(L, parameter_count(njl_check_network(L, 1)->params));
  return 1;
}

static int l_tostring(lua_State *L) {
  njl_network *network = luaL_checkudata(L, 1, NJL_NETWORK);
  if (network->net)
    lua_pushfstring(L, "%s %s (%I parameters)", network->kind->name, network->kind->noun,
                    (LUAI_UACINT)parameter_count(network->params));
  else
    lua_pushfstring(L, "%s %s (freed)", network->kind->name, network->kind->noun);
  return 1;
}

nj_rng *njl_weights_rng(lua_State *L, const char *function) {
  int none =
      lua_istable(L, 1) && lua_getfield(L, 1, "rng") == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  if (lua_istable(L, 1))
    lua_pop(L, 1);
  return none ? NULL : njl_opt_rng(L, 1, function, "rng");
}

void njl_namespace(lua_State *L, const char *name) { luaL_getsubtable(L, -1, name); }

void njl_open_network(lua_State *L);

void njl_open_network(lua_State *L) {
  static const luaL_Reg methods[] = {{"parameters", l_parameters},
                                     {"buffers", l_buffers},
                                     {"state", l_state},
                                     {"load", l_load},
                                     {"train", l_train},
                                     {"eval", l_eval},
                                     {"freeze", l_freeze},
                                     {"unfreeze", l_unfreeze},
                                     {"descriptor", l_descriptor},
                                     {"size", l_size},
                                     {"is_training", l_is_training},
                                     {"free", l_gc},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__call", l_call},
                                  {"__gc", l_gc},
                                  {"__close", l_gc},
                                  {"__tostring", l_tostring},
                                  {NULL, NULL}};
  njl_class(L, NJL_NETWORK, methods, meta);
}
