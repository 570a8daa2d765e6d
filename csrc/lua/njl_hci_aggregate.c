/* nj.hci: aggregation of tokens, their weights, codebooks. */
#include "hci/codebook.h"
#include "njl_network.h"

/* net(x, mask | nil, {rng}) gives tokens (B, M, D), mask (B, M), assignment (B, N, M). */
static int call_aggregator(lua_State *L, nj_network *base) {
  nj_tensor *x = njl_check_tensor(L, 2), *mask = njl_opt_tensor(L, 3);
  nj_rng *rng = njl_call_rng(L, 4, "aggregator");
  nj_tensor **tokens = njl_new_tensor(L), **present = njl_new_tensor(L);
  nj_tensor **assignment = njl_new_tensor(L);
  nj_aggregated out = {0};
  NJL_CALL(L, nj_aggregator_forward((nj_aggregator *)base, x, mask, base->training, rng, &out));
  *tokens = out.tokens;
  *present = out.mask;
  *assignment = out.assignment;
  njl_account(L);
  return 3;
}

/* net(x, mask | nil) gives weights (B, N). */
static int call_token_weights(lua_State *L, nj_network *base) {
  nj_tensor *x = njl_check_tensor(L, 2), *mask = njl_opt_tensor(L, 3);
  njl_call_rng(L, 4, "token_weights");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_token_weights_forward((nj_token_weights *)base, x, mask, slot));
  njl_account(L);
  return 1;
}

/* net(x, mask | nil, {floor, rng}) gives vectors (B, D) and the codes' shares (B, K). */
static int call_codebook(lua_State *L, nj_network *base) {
  static const char *const keys[] = {"floor", "rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 2), *mask = njl_opt_tensor(L, 3);
  njl_options(L, 4, "codebook", keys);
  int floor = njl_opt_boolean(L, 4, "codebook", "floor", 0);
  nj_tensor **vectors = njl_new_tensor(L), **shares = njl_new_tensor(L);
  NJL_CALL(L, nj_codebook_forward((nj_codebook *)base, x, mask, floor, shares, vectors));
  njl_account(L);
  return 2;
}

void njl_open_hci_aggregate(lua_State *L) {
  static const njl_network_class classes[] = {
      {&nj_aggregator_network, call_aggregator, "network"},
      {&nj_token_weights_network, call_token_weights, "network"},
      {&nj_codebook_network, call_codebook, "network"},
      {0}};
  njl_networks(L, "hci", classes);
}
