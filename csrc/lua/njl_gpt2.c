/* nj.encoders.gpt2. */
#include "encoders/gpt2.h"
#include "njl_network.h"

static nj_gpt2_options read_gpt2(lua_State *L) {
  static const char *const keys[] = {"vocabulary",   "width",     "layers",  "heads",
                                     "feed_forward", "positions", "dropout", "eps",
                                     "rng",          "kind",      "dtype",   NULL};
  static const char name[] = "gpt2";
  nj_gpt2_options o = nj_gpt2_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.vocabulary = njl_opt_integer(L, 1, name, "vocabulary", 1, 1 << 30, o.vocabulary);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 65536, o.width);
  o.layers = njl_opt_integer(L, 1, name, "layers", 0, 1000, o.layers);
  o.heads = njl_opt_integer(L, 1, name, "heads", 1, 65536, o.heads);
  o.feed_forward = njl_opt_integer(L, 1, name, "feed_forward", 1, 1 << 20, 4 * o.width);
  o.positions = njl_opt_integer(L, 1, name, "positions", 1, 1 << 20, o.positions);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, o.dropout);
  o.eps = njl_opt_number(L, 1, name, "eps", 0, 1, o.eps);
  o.dtype = njl_opt_parameter_dtype(L, 1, name);
  return o;
}

/* net(ids, mask | nil, {rng, hidden}) gives words (B, N, D) and, with hidden = true, the list of
 * layers + 1 hidden states. */
static int call_gpt2(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", "hidden", NULL};
  enum { MOST = 64 };
  nj_gpt2 *net = network->net;
  nj_tensor *ids = njl_check_tensor(L, 2);
  nj_tensor *mask = lua_isnoneornil(L, 3) ? NULL : njl_check_tensor(L, 3);
  njl_options(L, 4, "gpt2", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "gpt2", "rng");
  int n = njl_opt_boolean(L, 4, "gpt2", "hidden", 0) ? (int)net->options.layers + 1 : 0;
  if (n > MOST)
    return luaL_error(L, "gpt2: hidden states of at most %d layers can be given", MOST - 1);
  nj_tensor **words = njl_new_tensor(L);
  nj_tensor **slots[MOST], *hidden[MOST] = {0};
  if (n)
    lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    slots[i] = njl_new_tensor(L);
    lua_rawseti(L, -2, i + 1);
  }
  nj_status status =
      nj_gpt2_forward(net, ids, mask, network->training, rng, n ? hidden : NULL, words);
  for (int i = 0; i < n; i++)
    *slots[i] = hidden[i]; /* owned before anything can throw */
  njl_check(L, status);
  njl_account(L);
  return n ? 2 : 1;
}

static void free_gpt2(void *net) { nj_gpt2_free(net); }
static const njl_network_kind gpt2_kind = {"gpt2", call_gpt2, free_gpt2, "encoder"};

static int l_gpt2(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_gpt2_options o = read_gpt2(L);
  nj_rng *rng = njl_weights_rng(L, "gpt2");
  njl_network *network = njl_new_network(L, &gpt2_kind);
  nj_gpt2 *net = NULL;
  NJL_CALL(L, nj_gpt2_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "gpt2");
  njl_describe_integer(L, "vocabulary", o.vocabulary);
  njl_describe_integer(L, "width", o.width);
  njl_describe_integer(L, "layers", o.layers);
  njl_describe_integer(L, "heads", o.heads);
  njl_describe_integer(L, "feed_forward", o.feed_forward);
  njl_describe_integer(L, "positions", o.positions);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_number(L, "eps", o.eps);
  njl_account(L);
  return 1;
}

void njl_open_gpt2(lua_State *L);

void njl_open_gpt2(lua_State *L) {
  njl_namespace(L, "encoders");
  lua_pushcfunction(L, l_gpt2);
  lua_setfield(L, -2, "gpt2");
  lua_pop(L, 1);
}
