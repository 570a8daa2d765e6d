/* nj.encoders: the networks that read sound and text, and projection heads. */
#include "encoders/bert.h"
#include "encoders/convnet.h"
#include "nn/pooling.h"
#include "nn/projection.h"
#include "njl_audio_encoders.h"

/* ---- convnet ---- */

static int read_list(lua_State *L, const char *key, int64_t *values) {
  return njl_read_sizes(L, "convnet", key, NJ_CONVNET_BLOCKS, values);
}

static void read_pools(lua_State *L, const char *key, int n_blocks, int64_t *values) {
  int n = read_list(L, key, values);
  if (n && n != n_blocks)
    luaL_error(L, "convnet: option '%s' has %d entries, 'channels' has %d", key, n, n_blocks);
  for (int i = 0; i < n_blocks && !n; i++)
    values[i] = 2;
}

static const char *const frame_names[] = {"plain", "neighbours", NULL};

static nj_convnet_options read_convnet(lua_State *L) {
  static const char *const keys[] = {"channels",   "pool_time",    "pool_mel",   "mels",
                                     "dropout",    "time_stripes", "time_width", "freq_stripes",
                                     "freq_width", "rng",          "kind",       "convolutions",
                                     "kernel",     "classes",      "frames",     NULL};
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
  o.convolutions = (int)njl_opt_integer(L, 1, name, "convolutions", 1, 2, 2);
  o.kernel = njl_opt_integer(L, 1, name, "kernel", 1, 63, 3);
  o.classes = njl_opt_integer(L, 1, name, "classes", 0, NJL_LARGEST_SIZE, 0);
  o.neighbours = njl_opt_enum(L, 1, name, "frames", frame_names, 0);
  o.stripes = njl_read_stripes(L, name);
  return o;
}

static nj_status forward_convnet(void *net, nj_tensor *x, nj_tensor *lengths, int training,
                                 nj_rng *rng, nj_tensor **stages, nj_tensor **frames,
                                 nj_tensor **clip, nj_tensor **frame_lengths) {
  (void)stages;
  return nj_convnet_forward(net, x, lengths, training, rng, frames, clip, frame_lengths);
}

static void free_convnet(void *net) { nj_convnet_free(net); }
static int64_t convnet_frames(const void *net, int64_t n) { return nj_convnet_frames(net, n); }
static int64_t convnet_stride(const void *net) { return nj_convnet_stride(net); }

static int64_t convnet_width(const void *net) {
  const nj_convnet_options *o = &((const nj_convnet *)net)->options;
  return o->channels[o->n_blocks - 1];
}

static nj_status pool_convnet(void *net, nj_tensor *frames, nj_tensor *lengths, nj_tensor **clip) {
  return nj_max_plus_mean(((nj_convnet *)net)->ctx, frames, lengths, clip);
}

static nj_status convnet_logits(void *net, nj_tensor *clip, int training, nj_rng *rng,
                                nj_tensor **inner, nj_tensor **out) {
  return nj_convnet_logits(net, clip, training, rng, inner, out);
}

static const njl_audio_kind convnet_kind = {
    .network = {"convnet", njl_call_audio, free_convnet, "encoder"},
    .forward = forward_convnet,
    .frames = convnet_frames,
    .stride = convnet_stride,
    .width = convnet_width,
    .pool = pool_convnet,
    .logits = convnet_logits};

static int l_convnet(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_convnet_options o = read_convnet(L);
  nj_rng *rng = njl_weights_rng(L, "convnet");
  njl_network *network = njl_new_network(L, &convnet_kind.network);
  nj_convnet *net = NULL;
  NJL_CALL(L, nj_convnet_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "convnet");
  njl_describe_list(L, "channels", o.n_blocks, o.channels);
  njl_describe_list(L, "pool_time", o.n_blocks, o.pool_time);
  njl_describe_list(L, "pool_mel", o.n_blocks, o.pool_mel);
  njl_describe_integer(L, "mels", o.mels);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_integer(L, "convolutions", o.convolutions);
  njl_describe_integer(L, "kernel", o.kernel);
  njl_describe_integer(L, "classes", o.classes);
  if (o.neighbours)
    njl_describe_string(L, "frames", frame_names[o.neighbours]);
  njl_describe_stripes(L, &o.stripes);
  njl_account(L);
  return 1;
}

/* ---- bert ---- */

static nj_bert_options read_bert(lua_State *L) {
  static const char *const keys[] = {"vocabulary", "width",  "layers",  "heads", "feed_forward",
                                     "positions",  "types",  "dropout", "eps",   "padding_id",
                                     "roberta",    "pooler", "rng",     "kind",  NULL};
  static const char name[] = "bert";
  nj_bert_options o = nj_bert_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.vocabulary = njl_opt_integer(L, 1, name, "vocabulary", 1, NJL_LARGEST_SIZE, o.vocabulary);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 65536, o.width);
  o.layers = njl_opt_integer(L, 1, name, "layers", 0, 1000, o.layers);
  o.heads = njl_opt_integer(L, 1, name, "heads", 1, 65536, o.heads);
  o.feed_forward = njl_opt_integer(L, 1, name, "feed_forward", 1, 1 << 20, 4 * o.width);
  o.roberta = njl_opt_boolean(L, 1, name, "roberta", 0);
  o.positions = njl_opt_integer(L, 1, name, "positions", 1, 1 << 20, o.roberta ? 514 : 512);
  o.types = njl_opt_integer(L, 1, name, "types", 1, 65536, o.roberta ? 1 : 2);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, o.dropout);
  o.eps = njl_opt_number(L, 1, name, "eps", 0, 1, o.roberta ? 1e-5 : 1e-12);
  o.padding_id = njl_opt_integer(L, 1, name, "padding_id", 0, NJL_LARGEST_SIZE, o.roberta ? 1 : 0);
  o.pooler = njl_opt_boolean(L, 1, name, "pooler", 0);
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

/* net(ids, mask | nil, {rng, hidden, types, pooled}) gives words (B, N, D), with hidden = true the list
 * of layers + 1 hidden states, and with pooled = true what the pooler makes of the first word. */
static int call_bert(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", "hidden", "types", "pooled", NULL};
  enum { MOST = 64 };
  nj_bert *net = network->net;
  nj_tensor *ids = njl_check_tensor(L, 2);
  nj_tensor *mask = lua_isnoneornil(L, 3) ? NULL : njl_check_tensor(L, 3);
  njl_options(L, 4, "bert", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "bert", "rng");
  nj_tensor *types = types_option(L, 4);
  int n = njl_opt_boolean(L, 4, "bert", "hidden", 0) ? (int)net->options.layers + 1 : 0;
  if (n > MOST)
    return luaL_error(L, "bert: hidden states of at most %d layers can be given", MOST - 1);
  luaL_checkstack(L, n + 4, "too many layers");
  int pooled = njl_opt_boolean(L, 4, "bert", "pooled", 0);
  nj_tensor **words = njl_new_tensor(L), **sentence = njl_new_tensor(L);
  int at = lua_gettop(L) - 1;
  nj_tensor **slots[MOST], *hidden[MOST] = {0};
  for (int i = 0; i < n; i++)
    slots[i] = njl_new_tensor(L);
  nj_status status =
      nj_bert_forward(net, ids, mask, types, network->training, rng, n ? hidden : NULL, words);
  for (int i = 0; i < n; i++)
    *slots[i] = hidden[i]; /* owned before anything can throw */
  njl_check(L, status);
  if (n)
    push_list(L, n);
  if (pooled)
    NJL_CALL(L, nj_bert_pool(net, *words, sentence));
  njl_account(L);
  lua_pushvalue(L, at);
  if (n)
    lua_insert(L, -2);
  if (pooled)
    lua_pushvalue(L, at + 1);
  return 1 + (n > 0) + pooled;
}

static void free_bert(void *net) { nj_bert_free(net); }
static const njl_network_kind bert_kind = {"bert", call_bert, free_bert, "encoder"};

static int l_bert(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_bert_options o = read_bert(L);
  nj_rng *rng = njl_weights_rng(L, "bert");
  njl_network *network = njl_new_network(L, &bert_kind);
  nj_bert *net = NULL;
  NJL_CALL(L, nj_bert_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "bert");
  njl_describe_integer(L, "vocabulary", o.vocabulary);
  njl_describe_integer(L, "width", o.width);
  njl_describe_integer(L, "layers", o.layers);
  njl_describe_integer(L, "heads", o.heads);
  njl_describe_integer(L, "feed_forward", o.feed_forward);
  njl_describe_integer(L, "positions", o.positions);
  njl_describe_integer(L, "types", o.types);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_number(L, "eps", o.eps);
  njl_describe_integer(L, "padding_id", o.padding_id);
  njl_describe_boolean(L, "roberta", o.roberta);
  if (o.pooler)
    njl_describe_boolean(L, "pooler", 1);
  njl_account(L);
  return 1;
}

/* ---- projection ---- */

static const char *const projection_names[] = {"linear", "mlp", "gated", "norm_mlp", NULL};

static int call_projection(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 2);
  njl_options(L, 3, "projection", keys);
  nj_rng *rng = njl_opt_rng(L, 3, "projection", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_projection_forward(network->net, x, network->training, rng, slot));
  njl_account(L);
  return 1;
}

static void free_projection(void *net) { nj_projection_free(net); }
static const njl_network_kind projection_kind = {"projection", call_projection, free_projection,
                                                 "encoder"};

static int l_projection(lua_State *L) {
  static const char *const keys[] = {"form", "input", "hidden", "output", "dropout",
                                     "rng",  "kind",  "dtype",  NULL};
  static const char name[] = "projection";
  nj_ctx *ctx = njl_ctx(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  nj_projection_options o = {0};
  int form = njl_opt_enum(L, 1, name, "form", projection_names, NJ_PROJECTION_MLP);
  o.kind = (nj_projection_kind)form;
  o.in = njl_opt_integer(L, 1, name, "input", 1, NJL_LARGEST_SIZE, 0);
  o.out = njl_opt_integer(L, 1, name, "output", 1, NJL_LARGEST_SIZE, 0);
  if (!o.in || !o.out)
    return luaL_error(L, "projection: options 'input' and 'output' are required");
  o.hidden = njl_opt_integer(L, 1, name, "hidden", 1, NJL_LARGEST_SIZE, o.out);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, 0);
  o.dtype = njl_opt_parameter_dtype(L, 1, name);
  nj_rng *rng = njl_weights_rng(L, name);
  njl_network *network = njl_new_network(L, &projection_kind);
  nj_projection *net = NULL;
  NJL_CALL(L, nj_projection_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "projection");
  njl_describe_string(L, "form", projection_names[form]);
  njl_describe_integer(L, "input", o.in);
  njl_describe_integer(L, "hidden", o.hidden);
  njl_describe_integer(L, "output", o.out);
  njl_describe_number(L, "dropout", o.dropout);
  njl_account(L);
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
  static const luaL_Reg functions[] = {{"convnet", l_convnet},
                                       {"bert", l_bert},
                                       {"projection", l_projection},
                                       {"mean_pool", l_mean_pool},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "encoders");
}
