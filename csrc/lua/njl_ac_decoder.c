/* nj.ac.decoder: the network that writes captions, and what it generates. */
#include "njl_network.h"

#define NJL_CAPTIONS "nightjar.Captions"
#define LARGEST 1000000000

/* decoder(ids (B, T), memory (B, N, C), mask | nil, {rng, dropout}) gives logits (B, T, V). */
static int call_decoder(lua_State *L, nj_network *base) {
  static const char *const keys[] = {"rng", "dropout", NULL};
  nj_decoder *net = (nj_decoder *)base;
  nj_tensor *ids = njl_check_tensor(L, 2), *memory = njl_check_tensor(L, 3);
  nj_tensor *mask = njl_opt_tensor(L, 4);
  njl_options(L, 5, "decoder", keys);
  nj_drop drop = {0};
  double dropout = njl_opt_number(L, 5, "decoder", "dropout", 0, 0.999, net->options.dropout);
  nj_rng *rng = njl_opt_rng(L, 5, "decoder", "rng");
  if (base->training)
    drop = (nj_drop){dropout, rng};
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_decoder_forward(net, ids, memory, mask, drop, slot));
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
  static const char *const extra[] = {"forbid", "once", "rng", NULL};
  nj_decoder *net = njl_check_network_of(L, 1, &nj_decoder_network);
  nj_tensor *memory = njl_check_tensor(L, 2), *mask = njl_opt_tensor(L, 3);
  nj_generate_options o;
  lua_settop(L, 4);
  njl_read_options(L, 4, NULL, &nj_generate_option_table, extra, &o);
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

void njl_open_ac_decoder(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_captions_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"generate", l_generate}, {NULL, NULL}};
  static const njl_network_class classes[] = {{&nj_decoder_network, call_decoder, "network"}, {0}};
  njl_class(L, NJL_CAPTIONS, none, meta);
  njl_methods(L, NJL_NETWORK, methods);
  njl_networks(L, "ac", classes);
  njl_list_options(L, "Encoder:generate", &nj_generate_option_table);
}
