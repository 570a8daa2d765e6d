/* nj.encoders: the networks that read text, projection heads, pooling. */
#include "encoders/bert.h"
#include "encoders/gpt2.h"
#include "nn/pooling.h"
#include "nn/projection.h"
#include "njl_network.h"

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
static int call_bert(lua_State *L, nj_network *base) {
  static const char *const keys[] = {"rng", "hidden", "types", "pooled", NULL};
  nj_bert *net = (nj_bert *)base;
  nj_tensor *ids = njl_check_tensor(L, 2), *mask = njl_opt_tensor(L, 3);
  njl_options(L, 4, "bert", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "bert", "rng");
  nj_tensor *types = types_option(L, 4);
  int pooled = njl_opt_boolean(L, 4, "bert", "pooled", 0);
  njl_inner inner;
  nj_tensor **words = njl_new_tensor(L);
  nj_tensor **hidden = njl_inner_make(L, 4, "bert", (int)net->options.layers + 1, &inner);
  nj_status status = nj_bert_forward(net, ids, mask, types, base->training, rng, hidden, words);
  njl_inner_keep(&inner);
  njl_check(L, status);
  if (pooled) {
    nj_tensor **sentence = njl_new_tensor(L);
    NJL_CALL(L, nj_bert_pool(net, *words, sentence));
  }
  njl_account(L);
  return 1 + (inner.n > 0) + pooled;
}

/* net(ids, mask | nil, {rng, hidden}) gives words (B, N, D) and, with hidden = true, the list of
 * layers + 1 hidden states. */
static int call_gpt2(lua_State *L, nj_network *base) {
  static const char *const keys[] = {"rng", "hidden", NULL};
  nj_gpt2 *net = (nj_gpt2 *)base;
  nj_tensor *ids = njl_check_tensor(L, 2), *mask = njl_opt_tensor(L, 3);
  njl_options(L, 4, "gpt2", keys);
  nj_rng *rng = njl_opt_rng(L, 4, "gpt2", "rng");
  njl_inner inner;
  nj_tensor **words = njl_new_tensor(L);
  nj_tensor **hidden = njl_inner_make(L, 4, "gpt2", (int)net->options.layers + 1, &inner);
  nj_status status = nj_gpt2_forward(net, ids, mask, base->training, rng, hidden, words);
  njl_inner_keep(&inner);
  njl_check(L, status);
  njl_account(L);
  return 1 + (inner.n > 0);
}

/* net(x (…, in), {rng}) gives (…, out). */
static int call_projection(lua_State *L, nj_network *base) {
  nj_tensor *x = njl_check_tensor(L, 2);
  nj_rng *rng = njl_call_rng(L, 3, "projection");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_projection_forward((nj_projection *)base, x, base->training, rng, slot));
  njl_account(L);
  return 1;
}

/* nj.encoders.mean_pool(x (B, N, C), lengths | nil) gives (B, C). */
static int l_mean_pool(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1), *lengths = njl_opt_tensor(L, 2);
  luaL_argcheck(L, x->ndim >= 2, 1, "expected at least two dimensions");
  luaL_argcheck(L, !lengths || (lengths->ndim == 1 && lengths->shape[0] == x->shape[0]), 2,
                "expected one length for each sequence");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_mean_time(njl_ctx(L), x, lengths, slot));
  njl_account(L);
  return 1;
}

void njl_open_encoders(lua_State *L) {
  static const njl_network_class classes[] = {{&nj_bert_network, call_bert, "encoder"},
                                              {&nj_gpt2_network, call_gpt2, "encoder"},
                                              {&nj_projection_network, call_projection, "encoder"},
                                              {0}};
  njl_networks(L, "encoders", classes);
  lua_getfield(L, -1, "encoders");
  lua_pushcfunction(L, l_mean_pool);
  lua_setfield(L, -2, "mean_pool");
  lua_pop(L, 1);
}
