/* What the metrics of lua/nightjar/metrics/ count with: ranks, bootstrap resamples. Indices are
 * 0-based here, as offsets and items are prepared by Lua code that knows; users meet
 * nj.metrics.ranks. */
#include "njl.h"

#include "stats/rank.h"
#include "stats/bootstrap.h"

static const char *const ties_names[] = {"stable", "optimistic", "pessimistic", "mean", NULL};

/* _rank.ranks(scores, offsets, items, ties) -> tensor (P) */
static int rank_ranks(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *scores = njl_check_tensor(L, 1);
  nj_tensor *offsets = njl_check_tensor(L, 2);
  nj_tensor *items = njl_check_tensor(L, 3);
  nj_ties ties = (nj_ties)luaL_checkoption(L, 4, "stable", ties_names);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_ranks(ctx, scores, offsets, items, ties, slot));
  njl_account(L);
  return 1;
}

/* _rank.resample_counts(rng, clusters, resamples) -> tensor (resamples, clusters) int32 */
static int rank_resample_counts(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_rng *rng = njl_check_rng(L, 1);
  lua_Integer clusters = luaL_checkinteger(L, 2);
  lua_Integer resamples = luaL_checkinteger(L, 3);
  nj_rng before = *rng; /* a retry after ENOMEM draws the same numbers */
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, (*rng = before, nj_bootstrap_counts(ctx, rng, clusters, resamples, slot)));
  njl_account(L);
  return 1;
}

/* _rank.resampled_mean(sums, sizes, counts) -> tensor (resamples, m) */
static int rank_resampled_mean(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *sums = njl_check_tensor(L, 1);
  nj_tensor *sizes = njl_check_tensor(L, 2);
  nj_tensor *counts = njl_check_tensor(L, 3);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_bootstrap_mean(ctx, sums, sizes, counts, slot));
  njl_account(L);
  return 1;
}

/* _rank.resampled_median(values, clusters, counts) -> tensor (resamples) */
static int rank_resampled_median(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *values = njl_check_tensor(L, 1);
  nj_tensor *clusters = njl_check_tensor(L, 2);
  nj_tensor *counts = njl_check_tensor(L, 3);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_bootstrap_median(ctx, values, clusters, counts, slot));
  njl_account(L);
  return 1;
}

/* _rank.resampled_ap(order, relevant, clusters, counts) -> tensor (resamples, queries) */
static int rank_resampled_ap(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *order = njl_check_tensor(L, 1);
  nj_tensor *relevant = njl_check_tensor(L, 2);
  nj_tensor *clusters = njl_check_tensor(L, 3);
  nj_tensor *counts = njl_check_tensor(L, 4);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_bootstrap_ap(ctx, order, relevant, clusters, counts, slot));
  njl_account(L);
  return 1;
}

static const luaL_Reg functions[] = {
    {"ranks", rank_ranks},
    {"resample_counts", rank_resample_counts},
    {"resampled_mean", rank_resampled_mean},
    {"resampled_median", rank_resampled_median},
    {"resampled_ap", rank_resampled_ap},
    {NULL, NULL},
};

void njl_open_rank(lua_State *L) {
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "_rank"); /* the metrics' own, not for users */
}
