/* nj.ac: interaction of frames and captions, and pooling of captions. */
#include "njl_network.h"

static nj_tensor *opt_tensor(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : njl_check_tensor(L, index);
}

/* ---- interaction ---- */

/* net(frames, frame_mask | nil, captions | nil, caption_mask | nil, {rng}) gives frames (B, N, D) and,
 * when the network enhances captions and there are some, captions (B, K, D). */
static int call_interaction(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", NULL};
  nj_interaction *net = network->net;
  nj_tensor *frames = njl_check_tensor(L, 2), *frame_mask = opt_tensor(L, 3);
  nj_tensor *captions = opt_tensor(L, 4), *caption_mask = opt_tensor(L, 5);
  njl_options(L, 6, "interaction", keys);
  nj_rng *rng = njl_opt_rng(L, 6, "interaction", "rng");
  int both = net->options.captions && captions;
  nj_tensor **out = njl_new_tensor(L), **enhanced = both ? njl_new_tensor(L) : NULL;
  NJL_CALL(L, nj_interaction_forward(net, frames, frame_mask, captions, caption_mask,
                                     network->training, rng, out, enhanced));
  njl_account(L);
  return both ? 2 : 1;
}

static void free_interaction(void *net) { nj_interaction_free(net); }
static const njl_network_kind interaction_kind = {"interaction", call_interaction, free_interaction,
                                                  "network"};

static nj_interaction_options read_interaction(lua_State *L) {
  static const char *const keys[] = {"width",     "heads",   "layers",   "hidden",
                                     "positions", "dropout", "captions", "dtype",
                                     "rng",       "kind",    NULL};
  static const char name[] = "interaction";
  nj_interaction_options o = {0};
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 65536, 0);
  if (!o.width)
    luaL_error(L, "interaction: option 'width' is required");
  o.heads = njl_opt_integer(L, 1, name, "heads", 1, 65536, 4);
  o.layers = njl_opt_integer(L, 1, name, "layers", 0, 1000, 4);
  o.hidden = njl_opt_integer(L, 1, name, "hidden", 1, 1 << 20, 4 * o.width);
  o.positions = njl_opt_integer(L, 1, name, "positions", 1, 1 << 20, 512);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, 0.1);
  o.captions = njl_opt_boolean(L, 1, name, "captions", 0);
  o.dtype = njl_opt_parameter_dtype(L, 1, name);
  return o;
}

static int l_interaction(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_interaction_options o = read_interaction(L);
  nj_rng *rng = njl_weights_rng(L, "interaction");
  njl_network *network = njl_new_network(L, &interaction_kind);
  nj_interaction *net = NULL;
  NJL_CALL(L, nj_interaction_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "interaction");
  njl_describe_integer(L, "width", o.width);
  njl_describe_integer(L, "heads", o.heads);
  njl_describe_integer(L, "layers", o.layers);
  njl_describe_integer(L, "hidden", o.hidden);
  njl_describe_integer(L, "positions", o.positions);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_boolean(L, "captions", o.captions);
  njl_account(L);
  return 1;
}

/* ---- caption pooling ---- */

static const char *const pool_kinds[] = {"mean", "transformer", NULL};
static const char *const norms[] = {"post", "pre", NULL};

/* net(captions, mask | nil, {rng}) gives (B, D). */
static int call_pool(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"rng", NULL};
  nj_tensor *captions = njl_check_tensor(L, 2), *mask = opt_tensor(L, 3);
  njl_options(L, 4, "caption_pool", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "caption_pool", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_caption_pool_forward(network->net, captions, mask, network->training, rng, slot));
  njl_account(L);
  return 1;
}

static void free_pool(void *net) { nj_caption_pool_free(net); }
static const njl_network_kind pool_kind = {"caption_pool", call_pool, free_pool, "network"};

static nj_caption_pool_options read_pool(lua_State *L) {
  static const char *const keys[] = {"kind", "width",   "layers", "heads", "hidden", "positions",
                                     "norm", "dropout", "dtype",  "rng",   NULL};
  static const char name[] = "caption_pool";
  nj_caption_pool_options o = {0};
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.kind = (nj_caption_pool_kind)njl_opt_enum(L, 1, name, "kind", pool_kinds, NJ_CAPTION_MEAN);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 65536, 0);
  if (!o.width)
    luaL_error(L, "caption_pool: option 'width' is required");
  o.layers = njl_opt_integer(L, 1, name, "layers", 0, 1000, 2);
  o.heads =
      njl_opt_integer(L, 1, name, "heads", 1, 65536, o.kind == NJ_CAPTION_TRANSFORMER ? 4 : 1);
  o.hidden = njl_opt_integer(L, 1, name, "hidden", 1, 1 << 20, o.width);
  o.positions = njl_opt_integer(L, 1, name, "positions", 1, 1 << 20, 64);
  o.pre_norm = njl_opt_enum(L, 1, name, "norm", norms, 0);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, 0);
  o.dtype = njl_opt_parameter_dtype(L, 1, name);
  return o;
}

static int l_caption_pool(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_caption_pool_options o = read_pool(L);
  nj_rng *rng = njl_weights_rng(L, "caption_pool");
  njl_network *network = njl_new_network(L, &pool_kind);
  nj_caption_pool *net = NULL;
  NJL_CALL(L, nj_caption_pool_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", pool_kinds[o.kind]);
  njl_describe_integer(L, "width", o.width);
  njl_describe_integer(L, "layers", o.layers);
  njl_describe_integer(L, "heads", o.heads);
  njl_describe_integer(L, "hidden", o.hidden);
  njl_describe_integer(L, "positions", o.positions);
  njl_describe_string(L, "norm", norms[o.pre_norm]);
  njl_describe_number(L, "dropout", o.dropout);
  njl_account(L);
  return 1;
}

void njl_open_ac_interaction(lua_State *L);

void njl_open_ac_interaction(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"interaction", l_interaction}, {"caption_pool", l_caption_pool}, {NULL, NULL}};
  njl_namespace(L, "ac");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
