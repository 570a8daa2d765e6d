/* Random tensors, and dropout. Every function takes the generator as option `rng`. */
#include <math.h>

#include "njl.h"
#include "ops/random.h"

static int check_sizes(lua_State *L, int index, int64_t *shape) {
  int n = njl_check_shape(L, index, shape);
  for (int i = 0; i < n; i++)
    if (shape[i] < 0)
      luaL_argerror(L, index, "sizes must not be negative");
  return n;
}

static void want_grad(lua_State *L, nj_tensor *x, int options, const char *function) {
  if (njl_opt_boolean(L, options, function, "grad", 0))
    njl_check(L, nj_set_requires_grad(x, 1));
}

/* nj.rand(shape, {low = 0, high = 1, dtype, grad, rng}) */
static int l_rand(lua_State *L) {
  static const char *const keys[] = {"low", "high", "dtype", "grad", "rng", NULL};
  int64_t shape[NJ_MAX_DIMS];
  int options = njl_shape_end(L, 1), n = check_sizes(L, 1, shape);
  njl_options(L, options, "rand", keys);
  double low = njl_opt_number(L, options, "rand", "low", -INFINITY, INFINITY, 0);
  double high = njl_opt_number(L, options, "rand", "high", -INFINITY, INFINITY, 1);
  nj_dtype dtype = njl_opt_dtype(L, options, "rand", NJ_F32);
  nj_rng *rng = njl_opt_rng(L, options, "rand", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_rand(njl_ctx(L), rng, dtype, n, shape, low, high, slot));
  want_grad(L, *slot, options, "rand");
  return 1;
}

/* nj.randn(shape, {mean = 0, std = 1, dtype, grad, rng}) */
static int l_randn(lua_State *L) {
  static const char *const keys[] = {"mean", "std", "dtype", "grad", "rng", NULL};
  int64_t shape[NJ_MAX_DIMS];
  int options = njl_shape_end(L, 1), n = check_sizes(L, 1, shape);
  njl_options(L, options, "randn", keys);
  double mean = njl_opt_number(L, options, "randn", "mean", -INFINITY, INFINITY, 0);
  double deviation = njl_opt_number(L, options, "randn", "std", 0, INFINITY, 1);
  nj_dtype dtype = njl_opt_dtype(L, options, "randn", NJ_F32);
  nj_rng *rng = njl_opt_rng(L, options, "randn", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_randn(njl_ctx(L), rng, dtype, n, shape, mean, deviation, slot));
  want_grad(L, *slot, options, "randn");
  return 1;
}

/* nj.randint(low, high, shape, {dtype = "int64", rng}): both bounds included. */
static int l_randint(lua_State *L) {
  static const char *const keys[] = {"dtype", "rng", NULL};
  int64_t shape[NJ_MAX_DIMS], low = luaL_checkinteger(L, 1), high = luaL_checkinteger(L, 2);
  int options = njl_shape_end(L, 3), n = check_sizes(L, 3, shape);
  njl_options(L, options, "randint", keys);
  nj_dtype dtype = njl_opt_dtype(L, options, "randint", NJ_I64);
  nj_rng *rng = njl_opt_rng(L, options, "randint", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_randint(njl_ctx(L), rng, dtype, n, shape, low, high, slot));
  return 1;
}

static const char *const rng_only[] = {"rng", NULL};

/* Turns the 0-based indices of a fresh tensor into 1-based ones. */
static void make_one_based(nj_tensor *fresh) {
  int64_t n = nj_numel(fresh), *at = nj_data(fresh);
  for (int64_t i = 0; i < n; i++)
    at[i]++;
}

/* nj.randperm(n, {rng}): 1 … n in random order. */
static int l_randperm(lua_State *L) {
  int64_t n = luaL_checkinteger(L, 1);
  njl_options(L, 2, "randperm", rng_only);
  nj_rng *rng = njl_opt_rng(L, 2, "randperm", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_randperm(njl_ctx(L), rng, n, slot));
  make_one_based(*slot);
  return 1;
}

/* p:bernoulli({rng}): 1 with the probability each element tells. */
static int l_bernoulli(lua_State *L) {
  nj_tensor *p = njl_check_tensor(L, 1);
  njl_options(L, 2, "bernoulli", rng_only);
  nj_rng *rng = njl_opt_rng(L, 2, "bernoulli", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_bernoulli(njl_ctx(L), rng, p, slot));
  return 1;
}

/* weights:multinomial(k, {replacement = false, rng}): indices, 1-based. */
static int l_multinomial(lua_State *L) {
  static const char *const keys[] = {"replacement", "rng", NULL};
  nj_tensor *weights = njl_check_tensor(L, 1);
  int64_t k = luaL_checkinteger(L, 2);
  njl_options(L, 3, "multinomial", keys);
  int replacement = njl_opt_boolean(L, 3, "multinomial", "replacement", 0);
  nj_rng *rng = njl_opt_rng(L, 3, "multinomial", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_multinomial(njl_ctx(L), rng, weights, k, replacement, slot));
  make_one_based(*slot);
  return 1;
}

/* x:dropout(p, {training = true, rng}), also nj.nn.dropout. */
static int l_dropout(lua_State *L) {
  static const char *const keys[] = {"training", "rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 1);
  double p = luaL_checknumber(L, 2);
  njl_options(L, 3, "dropout", keys);
  int training = njl_opt_boolean(L, 3, "dropout", "training", 1);
  nj_rng *rng = njl_opt_rng(L, 3, "dropout", "rng");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_dropout(njl_ctx(L), x, p, training, rng, slot));
  return 1;
}

static int finish_in_place(lua_State *L) {
  lua_settop(L, 1);
  return 1;
}

/* x:uniform_(low = 0, high = 1, {rng}) */
static int l_uniform(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  int options = njl_shape_end(L, 2);
  double low = options > 2 ? luaL_checknumber(L, 2) : 0;
  double high = options > 3 ? luaL_checknumber(L, 3) : 1;
  njl_options(L, options, "uniform_", rng_only);
  nj_rng *rng = njl_opt_rng(L, options, "uniform_", "rng");
  NJL_CALL(L, nj_uniform_(njl_ctx(L), x, rng, low, high));
  return finish_in_place(L);
}

/* x:normal_(mean = 0, std = 1, {rng}) */
static int l_normal(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  int options = njl_shape_end(L, 2);
  double mean = options > 2 ? luaL_checknumber(L, 2) : 0;
  double deviation = options > 3 ? luaL_checknumber(L, 3) : 1;
  njl_options(L, options, "normal_", rng_only);
  nj_rng *rng = njl_opt_rng(L, options, "normal_", "rng");
  NJL_CALL(L, nj_normal_(njl_ctx(L), x, rng, mean, deviation));
  return finish_in_place(L);
}

void njl_open_random(lua_State *L) {
  static const luaL_Reg functions[] = {{"rand", l_rand},
                                       {"randn", l_randn},
                                       {"randint", l_randint},
                                       {"randperm", l_randperm},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"bernoulli", l_bernoulli}, {"multinomial", l_multinomial},
                                     {"dropout", l_dropout},     {"uniform_", l_uniform},
                                     {"normal_", l_normal},      {NULL, NULL}};
  static const luaL_Reg nn[] = {{"dropout", l_dropout}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  njl_methods(L, NJL_TENSOR, methods);
  luaL_getsubtable(L, -1, "nn");
  luaL_setfuncs(L, nn, 0);
  lua_pop(L, 1);
}
