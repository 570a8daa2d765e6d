#include "njl_network.h"

typedef struct {
  const njl_network_class *class;
  nj_network *net; /* NULL until made, and after it was freed */
} handle;

static handle *check_handle(lua_State *L, int index) {
  handle *h = luaL_checkudata(L, index, NJL_NETWORK);
  if (!h->net)
    luaL_argerror(L, index, "this encoder was freed");
  return h;
}

nj_network *njl_check_network(lua_State *L, int index) { return check_handle(L, index)->net; }

void *njl_check_network_of(lua_State *L, int index, const nj_network_kind *kind) {
  nj_network *net = njl_check_network(L, index);
  if (net->kind != kind)
    luaL_argerror(L, index,
                  lua_pushfstring(L, "expected a %s, got a %s", kind->name, net->kind->name));
  return net;
}

/* ---- making ---- */

/* Option 'rng' of the table at 1: what draws the weights, the state's default generator when absent;
 * NULL for false, which leaves drawn weights zero (they are about to be loaded). */
static nj_rng *weights_rng(lua_State *L, const char *function) {
  int none = lua_getfield(L, 1, "rng") == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  lua_pop(L, 1);
  return none ? NULL : njl_opt_rng(L, 1, function, "rng");
}

static int l_make(lua_State *L) {
  static const char *const extra[] = {"rng", "kind", NULL};
  const njl_network_class *class = lua_touserdata(L, lua_upvalueindex(1));
  const nj_option_table *table = class->kind->options;
  luaL_checktype(L, 1, LUA_TTABLE);
  void *options = lua_newuserdatauv(L, table->size, 0);
  njl_read_options(L, 1, NULL, table, extra, options);
  nj_rng *rng = weights_rng(L, table->name);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle){.class = class};
  luaL_setmetatable(L, NJL_NETWORK);
  NJL_CALL(L, nj_network_new(njl_ctx(L), class->kind, options, rng, &h->net));
  njl_account(L);
  return 1;
}

void njl_networks(lua_State *L, const char *space, const njl_network_class *classes) {
  luaL_getsubtable(L, -1, space);
  for (; classes->kind; classes++) {
    const char *name = classes->kind->name;
    lua_pushlightuserdata(L, (void *)(uintptr_t)classes);
    lua_pushcclosure(L, l_make, 1);
    lua_setfield(L, -2, name);
    njl_list_options(L, lua_pushfstring(L, "%s.%s", space, name), classes->kind->options);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* ---- calling ---- */

nj_tensor *njl_opt_tensor(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : njl_check_tensor(L, index);
}

nj_rng *njl_call_rng(lua_State *L, int index, const char *function) {
  static const char *const keys[] = {"rng", NULL};
  njl_options(L, index, function, keys);
  return njl_opt_rng(L, index, function, "rng");
}

nj_tensor **njl_inner_make(lua_State *L, int index, const char *function, int n, njl_inner *inner) {
  inner->n = njl_opt_boolean(L, index, function, "hidden", 0) ? n : 0;
  if (inner->n > NJL_MOST_INNER)
    luaL_error(L, "%s: at most %d hidden states can be given", function, NJL_MOST_INNER);
  if (inner->n == 0)
    return NULL;
  lua_createtable(L, inner->n, 0);
  for (int i = 0; i < inner->n; i++) {
    inner->tensors[i] = NULL;
    inner->slots[i] = njl_new_tensor(L);
    lua_rawseti(L, -2, i + 1);
  }
  return inner->tensors;
}

void njl_inner_keep(njl_inner *inner) {
  for (int i = 0; i < inner->n; i++)
    *inner->slots[i] = inner->tensors[i];
}

/* ---- what every network does ---- */

static int l_call(lua_State *L) {
  handle *h = check_handle(L, 1);
  return h->class->call(L, h->net);
}

static int l_gc(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, NJL_NETWORK);
  nj_network *net = h->net;
  h->net = NULL;
  nj_network_free(net);
  return 0;
}

static void push_param(lua_State *L, const nj_param *param) {
  *njl_new_tensor(L) = nj_retain(param->tensor);
}

/* A list of {name = …, tensor = …} of the parameters, or of the buffers. */
static int push_named(lua_State *L, int trainable) {
  nj_network *net = njl_check_network(L, 1);
  int n = 0;
  lua_newtable(L);
  for (size_t i = 0; i < net->params.n; i++) {
    const nj_param *param = &net->params.items[i];
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
  nj_network *net = njl_check_network(L, 1);
  lua_newtable(L);
  for (size_t i = 0; i < net->params.n; i++) {
    push_param(L, &net->params.items[i]);
    lua_setfield(L, -2, net->params.items[i].name);
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
  nj_network *net = njl_check_network(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *prefix = luaL_optstring(L, 3, "");
  nj_params *params = &net->params;
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
  nj_network *net = njl_check_network(L, 1);
  size_t n;
  njl_check(L, nj_params_freeze(&net->params, luaL_optstring(L, 2, ""), frozen, &n));
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* network:freeze(prefix): parameters whose names begin so need no gradients any more (all without
 * prefix); gives how many. network:unfreeze(prefix) undoes it. */
static int l_freeze(lua_State *L) { return freeze(L, 1); }
static int l_unfreeze(lua_State *L) { return freeze(L, 0); }

/* Its options in full, from which a file rebuilds it. */
static int l_descriptor(lua_State *L) {
  const nj_network *net = njl_check_network(L, 1);
  njl_push_options(L, net->kind->options, nj_network_options(net));
  if (lua_getfield(L, -1, "kind") == LUA_TNIL) { /* else it is an option */
    lua_pushstring(L, net->kind->name);
    lua_setfield(L, -3, "kind");
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
  lua_pushinteger(L, parameter_count(&njl_check_network(L, 1)->params));
  return 1;
}

static int l_tostring(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, NJL_NETWORK);
  const char *name = h->class->kind->name, *noun = h->class->noun;
  if (h->net)
    lua_pushfstring(L, "%s %s (%I parameters)", name, noun,
                    (LUAI_UACINT)parameter_count(&h->net->params));
  else
    lua_pushfstring(L, "%s %s (freed)", name, noun);
  return 1;
}

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
