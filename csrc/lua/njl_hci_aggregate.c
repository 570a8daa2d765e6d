/* nj.hci: aggregation of tokens, and their weights. */
#include "njl_network.h"

/* The mask argument, a tensor or nil. */
static nj_tensor *opt_mask(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : njl_check_tensor(L, index);
}

/* ---- aggregator ---- */

static const char *const kinds[] = {"cluster", "dpc", "window", "attention", NULL};

static nj_aggregator_options read_aggregator(lua_State *L) {
  static const char *const keys[] = {"kind",   "width", "tokens",  "ratio",   "heads",
                                     "hidden", "plain", "overlap", "dropout", "neighbours",
                                     "seed",   "dtype", "rng",     NULL};
  static const char name[] = "aggregator";
  nj_aggregator_options o = nj_aggregator_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.kind = (nj_aggregator_kind)njl_opt_enum(L, 1, name, "kind", kinds, NJ_AGGREGATE_CLUSTER);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 65536, 0);
  if (!o.width)
    luaL_error(L, "aggregator: option 'width' is required");
  o.tokens = njl_opt_integer(L, 1, name, "tokens", 1, 1 << 20, 0);
  o.ratio = njl_opt_number(L, 1, name, "ratio", 0, 1, 0);
  o.heads = njl_opt_integer(L, 1, name, "heads", 1, 65536, o.heads);
  o.hidden = njl_opt_integer(L, 1, name, "hidden", 1, 1 << 20, 4 * o.width);
  o.plain = njl_opt_boolean(L, 1, name, "plain", 0);
  o.overlap = njl_opt_number(L, 1, name, "overlap", 0, 1, 0);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, 0);
  o.neighbours = njl_opt_integer(L, 1, name, "neighbours", 1, 65536, o.neighbours);
  o.seed = (uint64_t)njl_opt_integer(L, 1, name, "seed", 0, INT64_MAX, 0);
  o.dtype = njl_opt_parameter_dtype(L, 1, name);
  return o;
}

/* net(x, mask | nil, {rng}) gives tokens (B, M, D), mask (B, M), assignment (B, N, M). */
static int call_aggregator(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 2), *mask = opt_mask(L, 3);
  njl_options(L, 4, "aggregator", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "aggregator", "rng");
  nj_tensor **tokens = njl_new_tensor(L), **present = njl_new_tensor(L);
  nj_tensor **assignment = njl_new_tensor(L);
  nj_aggregated out = {0};
  NJL_CALL(L, nj_aggregator_forward(network->net, x, mask, network->training, rng, &out));
  *tokens = out.tokens;
  *present = out.mask;
  *assignment = out.assignment;
  njl_account(L);
  return 3;
}

static void free_aggregator(void *net) { nj_aggregator_free(net); }
static const njl_network_kind aggregator_kind = {"aggregator", call_aggregator, free_aggregator,
                                                 "network"};

static int l_aggregator(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_aggregator_options o = read_aggregator(L);
  nj_rng *rng = njl_weights_rng(L, "aggregator");
  njl_network *network = njl_new_network(L, &aggregator_kind);
  nj_aggregator *net = NULL;
  NJL_CALL(L, nj_aggregator_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", kinds[o.kind]);
  njl_describe_integer(L, "width", o.width);
  if (o.tokens)
    njl_describe_integer(L, "tokens", o.tokens);
  njl_describe_number(L, "ratio", o.ratio);
  njl_describe_integer(L, "heads", o.heads);
  njl_describe_integer(L, "hidden", o.hidden);
  njl_describe_boolean(L, "plain", o.plain);
  njl_describe_number(L, "overlap", o.overlap);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_integer(L, "neighbours", o.neighbours);
  njl_describe_integer(L, "seed", (lua_Integer)o.seed);
  njl_account(L);
  return 1;
}

/* ---- token weights ---- */

/* net(x, mask | nil) gives weights (B, N). */
static int call_token_weights(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 2), *mask = opt_mask(L, 3);
  njl_options(L, 4, "token_weights", keys);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_token_weights_forward(network->net, x, mask, slot));
  njl_account(L);
  return 1;
}

static void free_token_weights(void *net) { nj_token_weights_free(net); }
static const njl_network_kind token_weights_kind = {"token_weights", call_token_weights,
                                                    free_token_weights, "network"};

static int l_token_weights(lua_State *L) {
  static const char *const keys[] = {"width", "hidden", "dtype", "rng", "kind", NULL};
  static const char name[] = "token_weights";
  nj_ctx *ctx = njl_ctx(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  nj_token_weights_options o = {.width = njl_opt_integer(L, 1, name, "width", 1, 65536, 0)};
  if (!o.width)
    return luaL_error(L, "token_weights: option 'width' is required");
  o.hidden = njl_opt_integer(L, 1, name, "hidden", 1, 1 << 20, o.width);
  o.dtype = njl_opt_parameter_dtype(L, 1, name);
  nj_rng *rng = njl_weights_rng(L, name);
  njl_network *network = njl_new_network(L, &token_weights_kind);
  nj_token_weights *net = NULL;
  NJL_CALL(L, nj_token_weights_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "token_weights");
  njl_describe_integer(L, "width", o.width);
  njl_describe_integer(L, "hidden", o.hidden);
  njl_account(L);
  return 1;
}

void njl_open_hci_aggregate(lua_State *L);

void njl_open_hci_aggregate(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"aggregator", l_aggregator}, {"token_weights", l_token_weights}, {NULL, NULL}};
  njl_namespace(L, "hci");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
