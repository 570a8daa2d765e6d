/* Tensor methods that write in place and return the tensor, and the optimisers' kernels. */
#include <math.h>

#include "njl.h"
#include "ops/inplace.h"
#include "ops/optim.h"

/* Returns argument 1. */
static int itself(lua_State *L) {
  lua_settop(L, 1);
  return 1;
}

#define NJ_X(name, NAME)                      \
  static int do_##name(lua_State *L) {        \
    nj_tensor *x = njl_check_tensor(L, 1);    \
    NJL_CALL(L, nj_##name##_(njl_ctx(L), x)); \
    return itself(L);                         \
  }
NJ_ELEMENTWISE_UNARY(NJ_X)
#undef NJ_X

static int do_copy(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1), *y = njl_check_operand(L, 2, x);
  NJL_CALL(L, nj_copy_(njl_ctx(L), x, y));
  return itself(L);
}

static int do_fill(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  if (lua_isinteger(L, 2) && x->dtype == NJ_I64) { /* keeps every digit */
    nj_tensor *value = njl_check_operand(L, 2, x);
    NJL_CALL(L, nj_copy_(njl_ctx(L), x, value));
    return itself(L);
  }
  double value = luaL_checknumber(L, 2);
  NJL_CALL(L, nj_fill_(njl_ctx(L), x, value));
  return itself(L);
}

static int do_zero(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  NJL_CALL(L, nj_zero_(njl_ctx(L), x));
  return itself(L);
}

/* x:add_(y, alpha = 1) and x:sub_(y, alpha = 1). */
static int do_add(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1), *y = njl_check_operand(L, 2, x);
  double alpha = luaL_optnumber(L, 3, 1);
  NJL_CALL(L, nj_add_(njl_ctx(L), x, y, alpha));
  return itself(L);
}

static int do_sub(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1), *y = njl_check_operand(L, 2, x);
  double alpha = luaL_optnumber(L, 3, 1);
  NJL_CALL(L, nj_sub_(njl_ctx(L), x, y, alpha));
  return itself(L);
}

#define WITH_OPERAND(name)                                                  \
  static int do_##name(lua_State *L) {                                      \
    nj_tensor *x = njl_check_tensor(L, 1), *y = njl_check_operand(L, 2, x); \
    NJL_CALL(L, nj_##name##_(njl_ctx(L), x, y));                            \
    return itself(L);                                                       \
  }
WITH_OPERAND(mul)
WITH_OPERAND(div)
WITH_OPERAND(pow)
WITH_OPERAND(maximum)
WITH_OPERAND(minimum)

/* x:lerp_(y, weight) is x + weight * (y - x). */
static int do_lerp(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1), *y = njl_check_operand(L, 2, x);
  double weight = luaL_checknumber(L, 3);
  NJL_CALL(L, nj_lerp_(njl_ctx(L), x, y, weight));
  return itself(L);
}

static int do_affine(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  double scale = luaL_checknumber(L, 2), shift = luaL_optnumber(L, 3, 0);
  NJL_CALL(L, nj_affine_(njl_ctx(L), x, scale, shift));
  return itself(L);
}

static int do_clamp(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  double low = luaL_optnumber(L, 2, -INFINITY), high = luaL_optnumber(L, 3, INFINITY);
  NJL_CALL(L, nj_clamp_(njl_ctx(L), x, low, high));
  return itself(L);
}

static int do_masked_fill(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1), *mask = njl_check_tensor(L, 2);
  double value = luaL_checknumber(L, 3);
  NJL_CALL(L, nj_masked_fill_(njl_ctx(L), x, mask, value));
  return itself(L);
}

/* ---- nj.optim_kernels: what lua/nightjar/optim.lua steps with ---- */

static nj_tensor *optional_tensor(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : njl_check_tensor(L, index);
}

/* adam(param, grad, m, v, vmax | nil, options) */
static int do_adam(lua_State *L) {
  nj_tensor *param = njl_check_tensor(L, 1), *grad = njl_check_tensor(L, 2);
  nj_tensor *m = njl_check_tensor(L, 3), *v = njl_check_tensor(L, 4);
  nj_tensor *vmax = optional_tensor(L, 5);
  nj_adam_options o;
  njl_read_options(L, 6, NULL, &nj_adam_option_table, NULL, &o);
  NJL_CALL(L, nj_adam_step_(njl_ctx(L), param, grad, m, v, vmax, &o));
  return itself(L);
}

/* sgd(param, grad, buffer | nil, options) */
static int do_sgd(lua_State *L) {
  nj_tensor *param = njl_check_tensor(L, 1), *grad = njl_check_tensor(L, 2);
  nj_tensor *buffer = optional_tensor(L, 3);
  nj_sgd_options o;
  njl_read_options(L, 4, NULL, &nj_sgd_option_table, NULL, &o);
  NJL_CALL(L, nj_sgd_step_(njl_ctx(L), param, grad, buffer, &o));
  return itself(L);
}

/* grad_norm{g1, g2, …}: the L2 norm of all elements together, a number. The pointers lie in a
 * userdata, which the collector frees whatever happens. */
static int do_grad_norm(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer n = luaL_len(L, 1);
  luaL_argcheck(L, n <= 1 << 24, 1, "too many tensors");
  nj_tensor **grads = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *grads, 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    grads[i] = njl_test_tensor(L, -1);
    if (!grads[i])
      return luaL_error(L, "grad_norm: entry %d is not a tensor", (int)i + 1);
    lua_pop(L, 1);
  }
  double norm = 0;
  NJL_CALL(L, nj_grad_norm(njl_ctx(L), (int)n, grads, &norm));
  lua_pushnumber(L, norm);
  return 1;
}

void njl_open_inplace(lua_State *L) {
#define NJ_X(name, NAME) {#name "_", do_##name},
  static const luaL_Reg methods[] = {NJ_ELEMENTWISE_UNARY(NJ_X){"copy_", do_copy},
                                     {"fill_", do_fill},
                                     {"zero_", do_zero},
                                     {"add_", do_add},
                                     {"sub_", do_sub},
                                     {"mul_", do_mul},
                                     {"div_", do_div},
                                     {"pow_", do_pow},
                                     {"maximum_", do_maximum},
                                     {"minimum_", do_minimum},
                                     {"lerp_", do_lerp},
                                     {"affine_", do_affine},
                                     {"clamp_", do_clamp},
                                     {"masked_fill_", do_masked_fill},
                                     {NULL, NULL}};
#undef NJ_X
  static const luaL_Reg kernels[] = {
      {"adam", do_adam}, {"sgd", do_sgd}, {"grad_norm", do_grad_norm}, {NULL, NULL}};
  njl_methods(L, NJL_TENSOR, methods);
  luaL_newlib(L, kernels);
  lua_setfield(L, -2, "optim_kernels");
}
