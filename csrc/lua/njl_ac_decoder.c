/* nj.ac.decoder: the network that writes captions, and what it generates. */
#include "njl_network.h"

#define NJL_CAPTIONS "nightjar.Captions"
#define LARGEST 1000000000

static const char *const norm_names[] = {"pre", "post", NULL};
static const char *const position_names[] = {"sines", "learned", NULL};
static const char *const activation_names[] = {"none", "relu", NULL};
static const char *const dtype_names[] = {"float32", "float64", NULL};

/* ---- making one ---- */

static nj_decoder_options read_decoder(lua_State *L) {
  static const char *const keys[] = {"vocabulary",
                                     "width",
                                     "layers",
                                     "heads",
                                     "feed_forward",
                                     "memory_width",
                                     "positions",
                                     "position",
                                     "frame_positions",
                                     "norm",
                                     "dropout",
                                     "eps",
                                     "dtype",
                                     "rng",
                                     "kind",
                                     "memory_activation",
                                     "memory_dropout",
                                     NULL};
  static const char name[] = "decoder";
  nj_decoder_options o = nj_decoder_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.vocabulary = njl_opt_integer(L, 1, name, "vocabulary", 1, LARGEST, 0);
  if (!o.vocabulary)
    luaL_error(L, "decoder: option 'vocabulary' is required, the number of tokens");
  o.width = njl_opt_integer(L, 1, name, "width", 1, 65536, o.width);
  o.layers = njl_opt_integer(L, 1, name, "layers", 0, 1000, o.layers);
  o.heads = njl_opt_integer(L, 1, name, "heads", 1, 65536, o.heads);
  o.feed_forward = njl_opt_integer(L, 1, name, "feed_forward", 1, 1 << 20, 4 * o.width);
  o.memory_width = njl_opt_integer(L, 1, name, "memory_width", 1, 1 << 20, o.width);
  o.positions = njl_opt_integer(L, 1, name, "positions", 1, 1 << 20, o.positions);
  o.learned = njl_opt_enum(L, 1, name, "position", position_names, 0);
  o.frame_positions = njl_opt_boolean(L, 1, name, "frame_positions", 0);
  o.post_norm = njl_opt_enum(L, 1, name, "norm", norm_names, 0);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, o.dropout);
  o.memory_relu = njl_opt_enum(L, 1, name, "memory_activation", activation_names, 0);
  o.memory_dropout = njl_opt_number(L, 1, name, "memory_dropout", 0, 0.999, o.memory_dropout);
  o.eps = njl_opt_number(L, 1, name, "eps", 0, 1, o.eps);
  o.dtype = njl_opt_enum(L, 1, name, "dtype", dtype_names, 0) ? NJ_F64 : NJ_F32;
  return o;
}

/* decoder(ids (B, T), memory (B, N, C), mask | nil, {rng, dropout}) gives logits (B, T, V). */
static int call_decoder(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", "dropout", NULL};
  nj_decoder *net = network->net;
  nj_tensor *ids = njl_check_tensor(L, 2), *memory = njl_check_tensor(L, 3);
  nj_tensor *mask = lua_isnoneornil(L, 4) ? NULL : njl_check_tensor(L, 4);
  njl_options(L, 5, "decoder", keys);
  nj_drop drop = {0};
  double dropout = njl_opt_number(L, 5, "decoder", "dropout", 0, 0.999, net->options.dropout);
  nj_rng *rng = njl_opt_rng(L, 5, "decoder", "rng");
  if (network->training)
    drop = (nj_drop){dropout, rng};
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_decoder_forward(net, ids, memory, mask, drop, slot));
  njl_account(L);
  return 1;
}

static void free_decoder(void *net) { nj_decoder_free(net); }
static const njl_network_kind decoder_kind = {"decoder", call_decoder, free_decoder, "network"};

static int l_decoder(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_decoder_options o = read_decoder(L);
  nj_rng *rng = njl_weights_rng(L, "decoder");
  njl_network *network = njl_new_network(L, &decoder_kind);
  nj_decoder *net = NULL;
  NJL_CALL(L, nj_decoder_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "decoder");
  njl_describe_integer(L, "vocabulary", o.vocabulary);
  njl_describe_integer(L, "width", o.width);
  njl_describe_integer(L, "layers", o.layers);
  njl_describe_integer(L, "heads", o.heads);
  njl_describe_integer(L, "feed_forward", o.feed_forward);
  njl_describe_integer(L, "memory_width", o.memory_width);
  njl_describe_integer(L, "positions", o.positions);
  njl_describe_string(L, "position", position_names[o.learned]);
  njl_describe_boolean(L, "frame_positions", o.frame_positions);
  njl_describe_string(L, "norm", norm_names[o.post_norm]);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_string(L, "memory_activation", activation_names[o.memory_relu]);
  njl_describe_number(L, "memory_dropout", o.memory_dropout);
  njl_describe_number(L, "eps", o.eps);
  njl_describe_string(L, "dtype", dtype_names[o.dtype == NJ_F64]);
  njl_account(L);
  return 1;
}

/* ---- generating ---- */

/* Option `key`, a list of token ids, as integers in a buffer left on the stack. */
static const int64_t *token_list(lua_State *L, const char *key, size_t *n) {
  *n = 0;
  if (!lua_istable(L, 4) || lua_getfield(L, 4, key) == LUA_TNIL) {
    lua_pushnil(L);
    return NULL;
  }
  if (!lua_istable(L, -1))
    luaL_error(L, "generate: option '%s' must be a list of token ids, got %s", key,
               luaL_typename(L, -1));
  lua_Integer count = luaL_len(L, -1);
  if (count < 0 || count > LARGEST)
    luaL_error(L, "generate: option '%s' has too many entries", key);
  int64_t *ids = lua_newuserdatauv(L, (size_t)(count > 0 ? count : 1) * sizeof *ids, 0);
  for (lua_Integer i = 0; i < count; i++) {
    int whole;
    lua_geti(L, -2, i + 1);
    ids[i] = lua_tointegerx(L, -1, &whole);
    if (!whole)
      luaL_error(L, "generate: entry %I of option '%s' must be a token id, got %s",
                 (LUAI_UACINT)(i + 1), key, luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  *n = (size_t)count;
  return ids;
}

static lua_Integer required_token(lua_State *L, const char *key) {
  lua_Integer id = njl_opt_integer(L, 4, "generate", key, 0, LARGEST, -1);
  if (id < 0)
    luaL_error(L, "generate: option '%s' is required, a token id", key);
  return id;
}

static nj_generate_options read_generate(lua_State *L) {
  static const char *const methods[] = {"greedy", "beam", "nucleus", "top_k", NULL};
  static const char *const keys[] = {"method", "n",   "beam",           "groups",      "diversity",
                                     "k",      "p",   "length_penalty", "temperature", "min",
                                     "max",    "bos", "no_repeat",      "eos",         "forbid",
                                     "once",   "rng", "renormalize",    "narrowing",   NULL};
  static const char name[] = "generate";
  nj_generate_options o = nj_generate_default_options();
  njl_options(L, 4, name, keys);
  o.method = (nj_generate_method)njl_opt_enum(L, 4, name, "method", methods, NJ_GENERATE_GREEDY);
  o.n = njl_opt_integer(L, 4, name, "n", 1, LARGEST, o.n);
  o.beam = njl_opt_integer(L, 4, name, "beam", 1, LARGEST, o.n > o.beam ? o.n : o.beam);
  o.groups = njl_opt_integer(L, 4, name, "groups", 1, LARGEST, o.groups);
  o.diversity = njl_opt_number(L, 4, name, "diversity", 0, 1e6, o.diversity);
  o.k = njl_opt_integer(L, 4, name, "k", 1, LARGEST, o.method == NJ_GENERATE_TOP_K ? 50 : 0);
  o.p = njl_opt_number(L, 4, name, "p", 0, 1, o.p);
  o.length_penalty = njl_opt_number(L, 4, name, "length_penalty", 0, 100, o.length_penalty);
  o.temperature = njl_opt_number(L, 4, name, "temperature", 0, 1e6, o.temperature);
  o.min = njl_opt_integer(L, 4, name, "min", 0, LARGEST, 0);
  o.max = njl_opt_integer(L, 4, name, "max", 1, LARGEST, 0);
  o.no_repeat = njl_opt_integer(L, 4, name, "no_repeat", 0, LARGEST, 0);
  o.renormalize = njl_opt_boolean(L, 4, name, "renormalize", 0);
  o.narrowing = njl_opt_boolean(L, 4, name, "narrowing", 0);
  o.bos = required_token(L, "bos");
  o.eos = required_token(L, "eos");
  return o;
}

static void push_caption(lua_State *L, const nj_caption *caption) {
  lua_createtable(L, 0, 5);
  lua_createtable(L, (int)caption->length, 0);
  for (int64_t i = 0; i < caption->length; i++) {
    lua_pushinteger(L, caption->ids[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "ids");
  lua_pushnumber(L, caption->logprob);
  lua_setfield(L, -2, "logprob");
  lua_pushnumber(L, caption->length ? caption->logprob / (double)caption->length : 0);
  lua_setfield(L, -2, "mean");
  lua_pushnumber(L, caption->score);
  lua_setfield(L, -2, "score");
  lua_pushboolean(L, caption->finished);
  lua_setfield(L, -2, "finished");
}

/* decoder:generate(memory, mask | nil, {…}): for each clip its captions, the best first. */
static int l_generate(lua_State *L) {
  nj_decoder *net = njl_check_network_of(L, 1, &decoder_kind)->net;
  nj_tensor *memory = njl_check_tensor(L, 2);
  nj_tensor *mask = lua_isnoneornil(L, 3) ? NULL : njl_check_tensor(L, 3);
  lua_settop(L, 4);
  nj_generate_options o = read_generate(L);
  nj_rng *rng = njl_opt_rng(L, 4, "generate", "rng");
  o.forbid = token_list(L, "forbid", &o.n_forbid);
  o.once = token_list(L, "once", &o.n_once);
  nj_captions **slot = (nj_captions **)njl_new_handle(L, NJL_CAPTIONS);
  NJL_CALL(L, nj_decoder_generate(net, memory, mask, &o, rng, slot));
  const nj_captions *captions = *slot;
  lua_createtable(L, (int)captions->clips, 0);
  for (int64_t b = 0; b < captions->clips; b++) {
    lua_createtable(L, (int)captions->counts[b], 0);
    for (int64_t i = 0; i < captions->counts[b]; i++) {
      push_caption(L, &captions->captions[b * captions->n + i]);
      lua_rawseti(L, -2, i + 1);
    }
    lua_rawseti(L, -2, b + 1);
  }
  nj_captions_free(*slot);
  *slot = NULL;
  njl_account(L);
  return 1;
}

static int l_captions_gc(lua_State *L) {
  nj_captions **slot = luaL_checkudata(L, 1, NJL_CAPTIONS);
  nj_captions_free(*slot);
  *slot = NULL;
  return 0;
}

void njl_open_ac_decoder(lua_State *L);

void njl_open_ac_decoder(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_captions_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"generate", l_generate}, {NULL, NULL}};
  njl_class(L, NJL_CAPTIONS, none, meta);
  njl_methods(L, NJL_NETWORK, methods);
  njl_namespace(L, "ac");
  lua_pushcfunction(L, l_decoder);
  lua_setfield(L, -2, "decoder");
  lua_pop(L, 1);
}
