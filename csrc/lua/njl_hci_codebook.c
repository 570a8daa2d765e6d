/* nj.hci.codebook. */
#include "hci/codebook.h"

#include "njl_network.h"

/* net(x, mask | nil, {floor, rng}) gives vectors (B, D) and the codes' shares (B, K). */
static int call_codebook(lua_State *L, njl_network *network) {
  static const char *const keys[] = {"floor", "rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 2);
  nj_tensor *mask = lua_isnoneornil(L, 3) ? NULL : njl_check_tensor(L, 3);
  njl_options(L, 4, "codebook", keys);
  int floor = njl_opt_boolean(L, 4, "codebook", "floor", 0);
  nj_tensor **vectors = njl_new_tensor(L), **shares = njl_new_tensor(L);
  NJL_CALL(L, nj_codebook_forward(network->net, x, mask, floor, shares, vectors));
  njl_account(L);
  return 2;
}

static void free_codebook(void *net) { nj_codebook_free(net); }
static const njl_network_kind codebook_kind = {"codebook", call_codebook, free_codebook, "network"};

static int l_codebook(lua_State *L) {
  static const char *const keys[] = {"codes", "width", "temperature", "dtype", "rng", "kind", NULL};
  static const char name[] = "codebook";
  nj_ctx *ctx = njl_ctx(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  nj_codebook_options o = {.codes = njl_opt_integer(L, 1, name, "codes", 1, 1 << 20, 4096),
                           .width = njl_opt_integer(L, 1, name, "width", 1, 65536, 0)};
  if (!o.width)
    return luaL_error(L, "codebook: option 'width' is required");
  o.temperature = njl_opt_number(L, 1, name, "temperature", 1e-6, 1e12, 0);
  o.dtype = njl_opt_parameter_dtype(L, 1, name);
  nj_rng *rng = njl_weights_rng(L, name);
  njl_network *network = njl_new_network(L, &codebook_kind);
  nj_codebook *net = NULL;
  NJL_CALL(L, nj_codebook_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "codebook");
  njl_describe_integer(L, "codes", o.codes);
  njl_describe_integer(L, "width", o.width);
  njl_describe_number(L, "temperature", net->options.temperature);
  njl_account(L);
  return 1;
}

void njl_open_hci_codebook(lua_State *L);

void njl_open_hci_codebook(lua_State *L) {
  static const luaL_Reg functions[] = {{"codebook", l_codebook}, {NULL, NULL}};
  njl_namespace(L, "hci");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
