/* nj.encoders: networks as userdata. Every kind shares one class; what differs is how it is made from
 * options and how it is called. */
#include <string.h>

#include "encoders/bert.h"
#include "encoders/convnet.h"
#include "encoders/pooling.h"
#include "encoders/projection.h"
#include "njl.h"

#define NJL_ENCODER "nightjar.Encoder"

typedef struct njl_encoder njl_encoder;

typedef struct {
  const char *name;
  int (*call)(lua_State *L, njl_encoder *encoder); /* arguments from 2 */
  void (*free)(void *net);
} encoder_kind;

struct njl_encoder {
  const encoder_kind *kind;
  void *net; /* NULL until made, and after it was freed */
  nj_params *params;
  int training;
};

static njl_encoder *check_encoder(lua_State *L) {
  njl_encoder *encoder = luaL_checkudata(L, 1, NJL_ENCODER);
  if (!encoder->net)
    luaL_argerror(L, 1, "this encoder was freed");
  return encoder;
}

/* Pushes an encoder without a net; the options table at 1 becomes its descriptor. */
static njl_encoder *new_encoder(lua_State *L, const encoder_kind *kind) {
  njl_encoder *encoder = lua_newuserdatauv(L, sizeof *encoder, 1);
  *encoder = (njl_encoder){.kind = kind, .training = 0};
  luaL_setmetatable(L, NJL_ENCODER);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return encoder;
}

/* ---- descriptors: the options in full, so that a file can rebuild the network ---- */

static void describe_integer(lua_State *L, const char *key, lua_Integer value) {
  lua_getiuservalue(L, -1, 1);
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

static void describe_number(lua_State *L, const char *key, lua_Number value) {
  lua_getiuservalue(L, -1, 1);
  lua_pushnumber(L, value);
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

static void describe_string(lua_State *L, const char *key, const char *value) {
  lua_getiuservalue(L, -1, 1);
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

static void describe_list(lua_State *L, const char *key, int n, const int64_t *values) {
  lua_getiuservalue(L, -1, 1);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, values[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, key);
  lua_pop(L, 1);
}

/* ---- convnet ---- */

#define LARGEST 1000000000

/* Reads option `key` of the table at 1, a list of up to NJ_CONVNET_BLOCKS positive integers; gives its
 * length, 0 when absent. */
static int read_list(lua_State *L, const char *key, int64_t *values) {
  if (lua_getfield(L, 1, key) == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  if (!lua_istable(L, -1))
    luaL_error(L, "convnet: option '%s' must be a list of integers, got %s", key,
               luaL_typename(L, -1));
  lua_Integer n = luaL_len(L, -1);
  if (n < 1 || n > NJ_CONVNET_BLOCKS)
    luaL_error(L, "convnet: option '%s' must have 1 to %d entries, got %I", key, NJ_CONVNET_BLOCKS,
               (LUAI_UACINT)n);
  for (int i = 0; i < (int)n; i++) {
    int whole;
    lua_geti(L, -1, i + 1);
    values[i] = lua_tointegerx(L, -1, &whole);
    if (!whole || values[i] < 1 || values[i] > LARGEST)
      luaL_error(L, "convnet: entry %d of option '%s' must be a positive integer", i + 1, key);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return (int)n;
}

static void read_pools(lua_State *L, const char *key, int n_blocks, int64_t *values) {
  int n = read_list(L, key, values);
  if (n && n != n_blocks)
    luaL_error(L, "convnet: option '%s' has %d entries, 'channels' has %d", key, n, n_blocks);
  for (int i = 0; i < n_blocks && !n; i++)
    values[i] = 2;
}

static nj_convnet_options read_convnet(lua_State *L) {
  static const char *const keys[] = {"channels",   "pool_time",    "pool_mel",   "mels",
                                     "dropout",    "time_stripes", "time_width", "freq_stripes",
                                     "freq_width", "rng",          "kind",       NULL};
  static const char name[] = "convnet";
  nj_convnet_options o = {0};
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.n_blocks = read_list(L, "channels", o.channels);
  if (!o.n_blocks)
    luaL_error(L, "convnet: option 'channels' is required, for example {64, 128, 256, 512}");
  read_pools(L, "pool_time", o.n_blocks, o.pool_time);
  read_pools(L, "pool_mel", o.n_blocks, o.pool_mel);
  o.mels = njl_opt_integer(L, 1, name, "mels", 1, 4096, 64);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, 0.2);
  nj_spec_augment_options stripes = nj_spec_augment_default_options();
  o.stripes.time_stripes =
      (int)njl_opt_integer(L, 1, name, "time_stripes", 0, 64, stripes.time_stripes);
  o.stripes.time_width =
      (int)njl_opt_integer(L, 1, name, "time_width", 1, 4096, stripes.time_width);
  o.stripes.freq_stripes =
      (int)njl_opt_integer(L, 1, name, "freq_stripes", 0, 64, stripes.freq_stripes);
  o.stripes.freq_width =
      (int)njl_opt_integer(L, 1, name, "freq_width", 1, 4096, stripes.freq_width);
  return o;
}

/* net(mel, lengths | nil, {rng}) gives frames (B, N, C), clip (B, C), frame_lengths (B). */
static int call_convnet(lua_State *L, njl_encoder *encoder) {
  static const char *const keys[] = {"rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 2);
  nj_tensor *lengths = lua_isnoneornil(L, 3) ? NULL : njl_check_tensor(L, 3);
  njl_options(L, 4, "convnet", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "convnet", "rng");
  nj_tensor **frames = njl_new_tensor(L), **clip = njl_new_tensor(L), **left = njl_new_tensor(L);
  NJL_CALL(
      L, nj_convnet_forward(encoder->net, x, lengths, encoder->training, rng, frames, clip, left));
  njl_account(L);
  return 3;
}

static void free_convnet(void *net) { nj_convnet_free(net); }
static const encoder_kind convnet_kind = {"convnet", call_convnet, free_convnet};

static int l_convnet(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_convnet_options o = read_convnet(L);
  nj_rng *rng = njl_opt_rng(L, 1, "convnet", "rng");
  njl_encoder *encoder = new_encoder(L, &convnet_kind);
  nj_convnet *net = NULL;
  NJL_CALL(L, nj_convnet_new(ctx, &o, rng, &net));
  encoder->net = net;
  encoder->params = &net->params;
  describe_string(L, "kind", "convnet");
  describe_list(L, "channels", o.n_blocks, o.channels);
  describe_list(L, "pool_time", o.n_blocks, o.pool_time);
  describe_list(L, "pool_mel", o.n_blocks, o.pool_mel);
  describe_integer(L, "mels", o.mels);
  describe_number(L, "dropout", o.dropout);
  describe_integer(L, "time_stripes", o.stripes.time_stripes);
  describe_integer(L, "time_width", o.stripes.time_width);
  describe_integer(L, "freq_stripes", o.stripes.freq_stripes);
  describe_integer(L, "freq_width", o.stripes.freq_width);
  njl_account(L);
  return 1;
}

/* ---- bert ---- */

static nj_bert_options read_bert(lua_State *L) {
  static const char *const keys[] = {"vocabulary", "width", "layers",  "heads", "feed_forward",
                                     "positions",  "types", "dropout", "eps",   "padding_id",
                                     "roberta",    "rng",   "kind",    NULL};
  static const char name[] = "bert";
  nj_bert_options o = nj_bert_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.vocabulary = njl_opt_integer(L, 1, name, "vocabulary", 1, LARGEST, o.vocabulary);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 65536, o.width);
  o.layers = njl_opt_integer(L, 1, name, "layers", 0, 1000, o.layers);
  o.heads = njl_opt_integer(L, 1, name, "heads", 1, 65536, o.heads);
  o.feed_forward = njl_opt_integer(L, 1, name, "feed_forward", 1, 1 << 20, 4 * o.width);
  o.roberta = njl_opt_boolean(L, 1, name, "roberta", 0);
  o.positions = njl_opt_integer(L, 1, name, "positions", 1, 1 << 20, o.roberta ? 514 : 512);
  o.types = njl_opt_integer(L, 1, name, "types", 1, 65536, o.roberta ? 1 : 2);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, o.dropout);
  o.eps = njl_opt_number(L, 1, name, "eps", 0, 1, o.roberta ? 1e-5 : 1e-12);
  o.padding_id = njl_opt_integer(L, 1, name, "padding_id", 0, LARGEST, o.roberta ? 1 : 0);
  return o;
}

/* Gathers the n tensors on top of the stack into a list. */
static void push_list(lua_State *L, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushvalue(L, -n - 1 + i);
    lua_rawseti(L, -2, i + 1);
  }
}

/* Option 'types', a tensor that the options table keeps alive, or NULL. */
static nj_tensor *types_option(lua_State *L, int index) {
  if (!lua_istable(L, index))
    return NULL;
  nj_tensor *types = lua_getfield(L, index, "types") == LUA_TNIL ? NULL : njl_check_tensor(L, -1);
  lua_pop(L, 1);
  return types;
}

/* net(ids, mask | nil, {rng, hidden, types}) gives words (B, N, D) and, with hidden = true, the list of
 * layers + 1 hidden states. */
static int call_bert(lua_State *L, njl_encoder *encoder) {
  static const char *const keys[] = {"rng", "hidden", "types", NULL};
  enum { MOST = 64 };
  nj_bert *net = encoder->net;
  nj_tensor *ids = njl_check_tensor(L, 2);
  nj_tensor *mask = lua_isnoneornil(L, 3) ? NULL : njl_check_tensor(L, 3);
  njl_options(L, 4, "bert", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "bert", "rng");
  nj_tensor *types = types_option(L, 4);
  int n = njl_opt_boolean(L, 4, "bert", "hidden", 0) ? (int)net->options.layers + 1 : 0;
  if (n > MOST)
    return luaL_error(L, "bert: hidden states of at most %d layers can be given", MOST - 1);
  luaL_checkstack(L, n + 4, "too many layers");
  nj_tensor **words = njl_new_tensor(L);
  int at = lua_gettop(L);
  nj_tensor **slots[MOST], *hidden[MOST] = {0};
  for (int i = 0; i < n; i++)
    slots[i] = njl_new_tensor(L);
  nj_status status =
      nj_bert_forward(net, ids, mask, types, encoder->training, rng, n ? hidden : NULL, words);
  for (int i = 0; i < n; i++)
    *slots[i] = hidden[i]; /* owned before anything can throw */
  njl_check(L, status);
  if (n)
    push_list(L, n);
  njl_account(L);
  lua_pushvalue(L, at);
  if (!n)
    return 1;
  lua_insert(L, -2);
  return 2;
}

static void free_bert(void *net) { nj_bert_free(net); }
static const encoder_kind bert_kind = {"bert", call_bert, free_bert};

static int l_bert(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_bert_options o = read_bert(L);
  nj_rng *rng = njl_opt_rng(L, 1, "bert", "rng");
  njl_encoder *encoder = new_encoder(L, &bert_kind);
  nj_bert *net = NULL;
  NJL_CALL(L, nj_bert_new(ctx, &o, rng, &net));
  encoder->net = net;
  encoder->params = &net->params;
  describe_string(L, "kind", "bert");
  describe_integer(L, "vocabulary", o.vocabulary);
  describe_integer(L, "width", o.width);
  describe_integer(L, "layers", o.layers);
  describe_integer(L, "heads", o.heads);
  describe_integer(L, "feed_forward", o.feed_forward);
  describe_integer(L, "positions", o.positions);
  describe_integer(L, "types", o.types);
  describe_number(L, "dropout", o.dropout);
  describe_number(L, "eps", o.eps);
  describe_integer(L, "padding_id", o.padding_id);
  lua_getiuservalue(L, -1, 1);
  lua_pushboolean(L, o.roberta);
  lua_setfield(L, -2, "roberta");
  lua_pop(L, 1);
  njl_account(L);
  return 1;
}

/* ---- projection ---- */

static const char *const projection_names[] = {"linear", "mlp", "gated", NULL};

static int call_projection(lua_State *L, njl_encoder *encoder) {
  static const char *const keys[] = {"rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 2);
  njl_options(L, 3, "projection", keys);
  nj_rng *rng = njl_opt_rng(L, 3, "projection", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_projection_forward(encoder->net, x, encoder->training, rng, slot));
  njl_account(L);
  return 1;
}

static void free_projection(void *net) { nj_projection_free(net); }
static const encoder_kind projection_kind = {"projection", call_projection, free_projection};

static int l_projection(lua_State *L) {
  static const char *const keys[] = {"form",    "input", "hidden", "output",
                                     "dropout", "rng",   "kind",   NULL};
  static const char name[] = "projection";
  nj_ctx *ctx = njl_ctx(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  nj_projection_options o = {0};
  int form = njl_opt_enum(L, 1, name, "form", projection_names, NJ_PROJECTION_MLP);
  o.kind = (nj_projection_kind)form;
  o.in = njl_opt_integer(L, 1, name, "input", 1, LARGEST, 0);
  o.out = njl_opt_integer(L, 1, name, "output", 1, LARGEST, 0);
  if (!o.in || !o.out)
    return luaL_error(L, "projection: options 'input' and 'output' are required");
  o.hidden = njl_opt_integer(L, 1, name, "hidden", 1, LARGEST, o.out);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, 0);
  nj_rng *rng = njl_opt_rng(L, 1, name, "rng");
  njl_encoder *encoder = new_encoder(L, &projection_kind);
  nj_projection *net = NULL;
  NJL_CALL(L, nj_projection_new(ctx, &o, rng, &net));
  encoder->net = net;
  encoder->params = &net->params;
  describe_string(L, "kind", "projection");
  describe_string(L, "form", projection_names[form]);
  describe_integer(L, "input", o.in);
  describe_integer(L, "hidden", o.hidden);
  describe_integer(L, "output", o.out);
  describe_number(L, "dropout", o.dropout);
  njl_account(L);
  return 1;
}

/* ---- what every encoder does ---- */

static int l_call(lua_State *L) {
  njl_encoder *encoder = check_encoder(L);
  return encoder->kind->call(L, encoder);
}

static int l_gc(lua_State *L) {
  njl_encoder *encoder = luaL_checkudata(L, 1, NJL_ENCODER);
  void *net = encoder->net;
  encoder->net = NULL;
  if (net)
    encoder->kind->free(net);
  return 0;
}

static void push_param(lua_State *L, const nj_param *param) {
  *njl_new_tensor(L) = nj_retain(param->tensor);
}

/* A list of {name = …, tensor = …} of the parameters, or of the buffers. */
static int push_named(lua_State *L, int trainable) {
  njl_encoder *encoder = check_encoder(L);
  int n = 0;
  lua_newtable(L);
  for (size_t i = 0; i < encoder->params->n; i++) {
    const nj_param *param = &encoder->params->items[i];
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

/* encoder:state(): { name = tensor } of parameters and buffers; the tensors are the network's own. */
static int l_state(lua_State *L) {
  njl_encoder *encoder = check_encoder(L);
  lua_newtable(L);
  for (size_t i = 0; i < encoder->params->n; i++) {
    push_param(L, &encoder->params->items[i]);
    lua_setfield(L, -2, encoder->params->items[i].name);
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

/* encoder:load(state, prefix): copies tensors called prefix .. name into the network; gives
 * { loaded = {names}, missing = {names}, mismatched = {"name: expected (…), got (…)"} }. Nothing is
 * changed when a tensor's shape differs. */
static int l_load(lua_State *L) {
  njl_encoder *encoder = check_encoder(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *prefix = luaL_optstring(L, 3, "");
  nj_params *params = encoder->params;
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
  check_encoder(L)->training = training;
  lua_settop(L, 1);
  return 1;
}

/* encoder:train() turns dropout, SpecAugment and batch statistics on, encoder:eval() off (as a new
 * encoder has them). */
static int l_train(lua_State *L) { return set_training(L, 1); }
static int l_eval(lua_State *L) { return set_training(L, 0); }

static int l_is_training(lua_State *L) {
  lua_pushboolean(L, check_encoder(L)->training);
  return 1;
}

static int freeze(lua_State *L, int frozen) {
  njl_encoder *encoder = check_encoder(L);
  size_t n;
  njl_check(L, nj_params_freeze(encoder->params, luaL_optstring(L, 2, ""), frozen, &n));
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* encoder:freeze(prefix): parameters whose names begin so need no gradients any more (all without
 * prefix); gives how many. encoder:unfreeze(prefix) undoes it. */
static int l_freeze(lua_State *L) { return freeze(L, 1); }
static int l_unfreeze(lua_State *L) { return freeze(L, 0); }

/* A copy, one level deep and for lists two. */
static int l_descriptor(lua_State *L) {
  check_encoder(L);
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
  lua_pushinteger(L, parameter_count(check_encoder(L)->params));
  return 1;
}

static int l_tostring(lua_State *L) {
  njl_encoder *encoder = luaL_checkudata(L, 1, NJL_ENCODER);
  if (encoder->net)
    lua_pushfstring(L, "%s encoder (%I parameters)", encoder->kind->name,
                    (LUAI_UACINT)parameter_count(encoder->params));
  else
    lua_pushfstring(L, "%s encoder (freed)", encoder->kind->name);
  return 1;
}

/* ---- pooling ---- */

/* nj.encoders.mean_pool(x (B, N, C), lengths | nil) gives (B, C). */
static int l_mean_pool(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  nj_tensor *lengths = lua_isnoneornil(L, 2) ? NULL : njl_check_tensor(L, 2);
  luaL_argcheck(L, x->ndim >= 2, 1, "expected at least two dimensions");
  luaL_argcheck(L, !lengths || (lengths->ndim == 1 && lengths->shape[0] == x->shape[0]), 2,
                "expected one length for each sequence");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_mean_time(njl_ctx(L), x, lengths, slot));
  njl_account(L);
  return 1;
}

void njl_open_encoders(lua_State *L);

void njl_open_encoders(lua_State *L) {
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
  static const luaL_Reg functions[] = {{"convnet", l_convnet},
                                       {"bert", l_bert},
                                       {"projection", l_projection},
                                       {"mean_pool", l_mean_pool},
                                       {NULL, NULL}};
  njl_class(L, NJL_ENCODER, methods, meta);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "encoders");
}
