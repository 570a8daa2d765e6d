/* Tensor methods and operators that work element by element, comparisons, choice. */
#include <math.h>

#include "njl.h"
#include "ops/compare.h"
#include "ops/elementwise.h"

typedef nj_status (*unary_fn)(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);
typedef nj_status (*binary_fn)(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);

static int call_unary(lua_State *L, unary_fn fn) {
  nj_tensor *x = njl_check_tensor(L, 1);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, fn(njl_ctx(L), x, slot));
  return 1;
}

/* Either operand may be a number, but not both. */
static int call_binary(lua_State *L, binary_fn fn) {
  nj_tensor *b = njl_test_tensor(L, 2);
  nj_tensor *a = b ? njl_check_operand(L, 1, b) : njl_check_tensor(L, 1);
  if (!b)
    b = njl_check_operand(L, 2, a);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, fn(njl_ctx(L), a, b, slot));
  return 1;
}

#define NJ_X(name, NAME) \
  static int do_##name(lua_State *L) { return call_unary(L, nj_##name); }
NJ_ELEMENTWISE_UNARY(NJ_X)
#undef NJ_X
#define NJ_X(name, NAME) \
  static int do_##name(lua_State *L) { return call_binary(L, nj_##name); }
NJ_ELEMENTWISE_BINARY(NJ_X)
NJ_COMPARE_OPS(NJ_X)
#undef NJ_X

static int do_logical_and(lua_State *L) { return call_binary(L, nj_logical_and); }
static int do_logical_or(lua_State *L) { return call_binary(L, nj_logical_or); }
static int do_logical_xor(lua_State *L) { return call_binary(L, nj_logical_xor); }
static int do_logical_not(lua_State *L) { return call_unary(L, nj_logical_not); }
static int do_isnan(lua_State *L) { return call_unary(L, nj_isnan); }
static int do_isinf(lua_State *L) { return call_unary(L, nj_isinf); }
static int do_isfinite(lua_State *L) { return call_unary(L, nj_isfinite); }

/* ---- with numbers ---- */

static int call_affine(lua_State *L, nj_tensor *x, double scale, double shift) {
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_affine(njl_ctx(L), x, scale, shift, slot));
  return 1;
}

/* x:affine(scale, shift) is x * scale + shift in one pass. */
static int do_affine(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  return call_affine(L, x, luaL_checknumber(L, 2), luaL_optnumber(L, 3, 0));
}

static double bound(lua_State *L, int index, double fallback) {
  return lua_isnoneornil(L, index) ? fallback : luaL_checknumber(L, index);
}

/* x:clamp(low, high): either may be nil. */
static int do_clamp(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  double low = bound(L, 2, -INFINITY), high = bound(L, 3, INFINITY);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_clamp(njl_ctx(L), x, low, high, slot));
  return 1;
}

static int do_leaky_relu(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  double slope = luaL_optnumber(L, 2, 0.01);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_leaky_relu(njl_ctx(L), x, slope, slot));
  return 1;
}

/* nj.where(cond, a, b): a and b may be numbers. */
static int do_where(lua_State *L) {
  nj_tensor *cond = njl_check_tensor(L, 1), *b = njl_test_tensor(L, 3);
  nj_tensor *a = njl_check_operand(L, 2, b);
  if (!b)
    b = njl_check_operand(L, 3, a);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_where(njl_ctx(L), cond, a, b, slot));
  return 1;
}

static int do_masked_fill(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1), *mask = njl_check_tensor(L, 2);
  double value = luaL_checknumber(L, 3);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_masked_fill(njl_ctx(L), x, mask, value, slot));
  return 1;
}

/* x:equal(y): a boolean; same shape and every element equal. */
static int do_equal(lua_State *L) {
  nj_tensor *a = njl_check_tensor(L, 1), *b = njl_check_tensor(L, 2);
  int same = 0;
  NJL_CALL(L, nj_equal(njl_ctx(L), a, b, &same));
  lua_pushboolean(L, same);
  return 1;
}

/* x:allclose(y, {rtol = 1e-5, atol = 1e-8, equal_nan = false}): a boolean. */
static int do_allclose(lua_State *L) {
  static const char *const keys[] = {"rtol", "atol", "equal_nan", NULL};
  nj_tensor *a = njl_check_tensor(L, 1), *b = njl_check_operand(L, 2, a);
  njl_options(L, 3, "allclose", keys);
  double rtol = njl_opt_number(L, 3, "allclose", "rtol", 0, INFINITY, 1e-5);
  double atol = njl_opt_number(L, 3, "allclose", "atol", 0, INFINITY, 1e-8);
  int equal_nan = njl_opt_boolean(L, 3, "allclose", "equal_nan", 0), close = 0;
  NJL_CALL(L, nj_allclose(njl_ctx(L), a, b, rtol, atol, equal_nan, &close));
  lua_pushboolean(L, close);
  return 1;
}

/* ---- operators ---- */

/* The floating-point tensor at `index` when the other operand is a number, else NULL: such sums and
 * products take one pass and no tensor for the number. */
static nj_tensor *float_beside_number(lua_State *L, int index) {
  nj_tensor *x = lua_type(L, 3 - index) == LUA_TNUMBER ? njl_test_tensor(L, index) : NULL;
  return x && nj_dtype_is_float(x->dtype) ? x : NULL;
}

static int do_op_add(lua_State *L) {
  for (int i = 1; i <= 2; i++) {
    nj_tensor *x = float_beside_number(L, i);
    if (x)
      return call_affine(L, x, 1, lua_tonumber(L, 3 - i));
  }
  return call_binary(L, nj_add);
}

static int do_op_sub(lua_State *L) {
  nj_tensor *x = float_beside_number(L, 1);
  if (x)
    return call_affine(L, x, 1, -lua_tonumber(L, 2));
  x = float_beside_number(L, 2);
  if (x)
    return call_affine(L, x, -1, lua_tonumber(L, 1));
  return call_binary(L, nj_sub);
}

/* Adding -0 keeps every product as it is, zeros and their signs included. */
static int do_op_mul(lua_State *L) {
  for (int i = 1; i <= 2; i++) {
    nj_tensor *x = float_beside_number(L, i);
    if (x)
      return call_affine(L, x, lua_tonumber(L, 3 - i), -0.0);
  }
  return call_binary(L, nj_mul);
}

static void set_operators(lua_State *L) {
  static const luaL_Reg operators[] = {
      {"__add", do_op_add},     {"__sub", do_op_sub}, {"__mul", do_op_mul},
      {"__div", do_div},        {"__pow", do_pow},    {"__mod", do_mod},
      {"__idiv", do_floor_div}, {"__unm", do_neg},    {NULL, NULL}};
  luaL_getmetatable(L, NJL_TENSOR);
  luaL_setfuncs(L, operators, 0);
  lua_pop(L, 1);
}

void njl_open_elementwise(lua_State *L) {
#define NJ_X(name, NAME) {#name, do_##name},
  static const luaL_Reg methods[] = {NJ_ELEMENTWISE_UNARY(NJ_X) NJ_ELEMENTWISE_BINARY(NJ_X)
                                         NJ_COMPARE_OPS(NJ_X){"logical_and", do_logical_and},
                                     {"logical_or", do_logical_or},
                                     {"logical_xor", do_logical_xor},
                                     {"logical_not", do_logical_not},
                                     {"isnan", do_isnan},
                                     {"isinf", do_isinf},
                                     {"isfinite", do_isfinite},
                                     {"affine", do_affine},
                                     {"clamp", do_clamp},
                                     {"leaky_relu", do_leaky_relu},
                                     {"masked_fill", do_masked_fill},
                                     {"equal", do_equal},
                                     {"allclose", do_allclose},
                                     {NULL, NULL}};
#undef NJ_X
  static const luaL_Reg functions[] = {
      {"where", do_where}, {"maximum", do_maximum}, {"minimum", do_minimum},
      {"atan2", do_atan2}, {"equal", do_equal},     {"allclose", do_allclose},
      {NULL, NULL}};
  njl_methods(L, NJL_TENSOR, methods);
  set_operators(L);
  luaL_setfuncs(L, functions, 0);
}
