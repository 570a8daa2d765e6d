/* nj.nn: network operations, and the tensor methods among them (matmul, softmax, …). */
#include "njl.h"

/* Pushes the result of an operation: END(nj_matmul(ctx, a, b, slot)). */
#define END(expr)                         \
  do {                                    \
    nj_tensor **slot = njl_new_tensor(L); \
    NJL_CALL(L, expr);                    \
    njl_account(L);                       \
    return 1;                             \
  } while (0)

/* ---- arguments ---- */

static nj_tensor *opt_tensor_arg(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : njl_check_tensor(L, index);
}

/* A tensor among the options, or NULL; the options table keeps it alive. */
static nj_tensor *opt_tensor(lua_State *L, int index, const char *function, const char *key) {
  if (!lua_istable(L, index) || lua_getfield(L, index, key) == LUA_TNIL) {
    if (lua_istable(L, index))
      lua_pop(L, 1);
    return NULL;
  }
  nj_tensor *x = njl_test_tensor(L, -1);
  if (!x)
    luaL_error(L, "%s: option '%s' must be a tensor, got %s", function, key, luaL_typename(L, -1));
  lua_pop(L, 1);
  return x;
}

/* An integer of the pair at the top of the stack, or an error naming the option. */
static int64_t pair_part(lua_State *L, const char *function, const char *key, int64_t low, int i) {
  lua_rawgeti(L, -1, i);
  int whole;
  lua_Integer v = lua_tointegerx(L, -1, &whole);
  if (lua_type(L, -1) != LUA_TNUMBER || !whole || v < low || v > 1 << 20)
    luaL_error(L, "%s: '%s' must hold integers of at least %d, got %s", function, key, (int)low,
               luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return v;
}

/* The value at the top of the stack, one integer for both directions or {vertical, horizontal}. */
static void read_pair(lua_State *L, const char *function, const char *key, int64_t low,
                      int64_t out[2]) {
  if (lua_istable(L, -1)) {
    if (lua_rawlen(L, -1) != 2)
      luaL_error(L, "%s: '%s' must be an integer or {vertical, horizontal}", function, key);
    out[0] = pair_part(L, function, key, low, 1);
    out[1] = pair_part(L, function, key, low, 2);
    return;
  }
  int whole;
  lua_Integer v = lua_tointegerx(L, -1, &whole);
  if (lua_type(L, -1) != LUA_TNUMBER || !whole || v < low || v > 1 << 20)
    luaL_error(L, "%s: '%s' must be an integer of at least %d or {vertical, horizontal}, got %s",
               function, key, (int)low, luaL_tolstring(L, -1, NULL));
  out[0] = out[1] = v;
}

static void opt_pair(lua_State *L, int index, const char *function, const char *key, int64_t low,
                     int64_t out[2]) {
  if (!lua_istable(L, index))
    return;
  if (lua_getfield(L, index, key) != LUA_TNIL)
    read_pair(L, function, key, low, out);
  lua_pop(L, 1);
}

/* A dimension argument, the last when absent. */
static int opt_dim(lua_State *L, int index, const nj_tensor *x) {
  return lua_isnoneornil(L, index) ? -1 : njl_check_dim(L, index, x->ndim);
}

/* f(x, w, {…}) is f(x, w, nil, {…}). */
static void skip_bias(lua_State *L) {
  if (lua_istable(L, 3)) {
    lua_pushnil(L);
    lua_insert(L, 3);
  }
}

/* ---- products and rows ---- */

/* a:matmul(b) */
static int l_matmul(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *a = njl_check_tensor(L, 1), *b = njl_check_tensor(L, 2);
  END(nj_matmul(ctx, a, b, slot));
}

/* nj.nn.linear(x, w, b) */
static int l_linear(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1), *w = njl_check_tensor(L, 2), *b = opt_tensor_arg(L, 3);
  END(nj_linear(ctx, x, w, b, slot));
}

/* x:softmax(dim), x:log_softmax(dim); the last dimension unless named */
static int l_softmax(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  int dim = opt_dim(L, 2, x);
  END(nj_softmax(ctx, x, dim, slot));
}

static int l_log_softmax(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  int dim = opt_dim(L, 2, x);
  END(nj_log_softmax(ctx, x, dim, slot));
}

/* nj.nn.masked_softmax(x, mask, dim), nj.nn.masked_log_softmax(x, mask, dim) */
static int l_masked_softmax(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1), *mask = njl_check_tensor(L, 2);
  int dim = opt_dim(L, 3, x);
  END(nj_masked_softmax(ctx, x, mask, dim, slot));
}

static int l_masked_log_softmax(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1), *mask = njl_check_tensor(L, 2);
  int dim = opt_dim(L, 3, x);
  END(nj_masked_log_softmax(ctx, x, mask, dim, slot));
}

/* x:sparsemax(dim), nj.nn.masked_sparsemax(x, mask, dim) */
static int l_sparsemax(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  int dim = opt_dim(L, 2, x);
  END(nj_sparsemax(ctx, x, dim, slot));
}

static int l_masked_sparsemax(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1), *mask = njl_check_tensor(L, 2);
  int dim = opt_dim(L, 3, x);
  END(nj_masked_sparsemax(ctx, x, mask, dim, slot));
}

/* x:normalize(dim, {eps=}) */
static int l_normalize(lua_State *L) {
  static const char *const keys[] = {"eps", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  int dim = opt_dim(L, 2, x);
  njl_options(L, 3, "normalize", keys);
  double eps = njl_opt_number(L, 3, "normalize", "eps", 0, 1e30, 1e-12);
  END(nj_normalize(ctx, x, dim, eps, slot));
}

/* ---- normalisation ---- */

/* nj.nn.layer_norm(x, w, b, {eps=}) */
static int l_layer_norm(lua_State *L) {
  static const char *const keys[] = {"eps", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1), *w = opt_tensor_arg(L, 2), *b = opt_tensor_arg(L, 3);
  njl_options(L, 4, "layer_norm", keys);
  double eps = njl_opt_number(L, 4, "layer_norm", "eps", 0, 1e30, 1e-5);
  END(nj_layer_norm(ctx, x, w, b, eps, slot));
}

/* nj.nn.batch_norm(x, w, b, {mean=, var=, training=, momentum=, eps=, dim=, relu=}) */
static int l_batch_norm(lua_State *L) {
  static const char *const extra[] = {"mean", "var", "dim", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1), *w = opt_tensor_arg(L, 2), *b = opt_tensor_arg(L, 3);
  nj_batch_norm_options o;
  njl_read_options(L, 4, NULL, &nj_batch_norm_option_table, extra, &o);
  nj_tensor *mean = opt_tensor(L, 4, "batch_norm", "mean");
  nj_tensor *var = opt_tensor(L, 4, "batch_norm", "var");
  lua_Integer dim = njl_opt_integer(L, 4, "batch_norm", "dim", -NJ_MAX_DIMS, NJ_MAX_DIMS, 2);
  o.channel_dim = (int)(dim > 0 ? dim - 1 : dim < 0 ? dim : NJ_MAX_DIMS);
  END(nj_batch_norm(ctx, x, w, b, mean, var, &o, slot));
}

/* ---- images ---- */

/* nj.nn.conv2d(x, w, b, {stride=, padding=, dilation=, groups=, relu=}) */
static int l_conv2d(lua_State *L) {
  static const char *const extra[] = {"stride", "padding", "dilation", NULL};
  nj_ctx *ctx = njl_ctx(L);
  skip_bias(L);
  nj_tensor *x = njl_check_tensor(L, 1), *w = njl_check_tensor(L, 2), *b = opt_tensor_arg(L, 3);
  nj_conv_options o;
  njl_read_options(L, 4, NULL, &nj_conv_option_table, extra, &o);
  opt_pair(L, 4, "conv2d", "stride", 1, o.stride);
  opt_pair(L, 4, "conv2d", "padding", 0, o.padding);
  opt_pair(L, 4, "conv2d", "dilation", 1, o.dilation);
  END(nj_conv2d(ctx, x, w, b, &o, slot));
}

/* kernel at 2, options at 3; stride is the kernel unless given. */
static nj_pool_options pool_options(lua_State *L, const char *function) {
  nj_pool_options o = {.padding = {0, 0}};
  if (lua_isnoneornil(L, 2))
    luaL_error(L, "%s: expected the kernel, an integer or {vertical, horizontal}", function);
  lua_pushvalue(L, 2);
  read_pair(L, function, "kernel", 1, o.kernel);
  lua_pop(L, 1);
  o.stride[0] = o.kernel[0];
  o.stride[1] = o.kernel[1];
  opt_pair(L, 3, function, "stride", 1, o.stride);
  opt_pair(L, 3, function, "padding", 0, o.padding);
  return o;
}

/* nj.nn.avg_pool2d(x, kernel, {stride=, padding=, count_padding=}) */
static int l_avg_pool2d(lua_State *L) {
  static const char *const keys[] = {"stride", "padding", "count_padding", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  njl_options(L, 3, "avg_pool2d", keys);
  nj_pool_options o = pool_options(L, "avg_pool2d");
  o.skip_padding = !njl_opt_boolean(L, 3, "avg_pool2d", "count_padding", 1);
  END(nj_avg_pool2d(ctx, x, &o, slot));
}

/* nj.nn.max_pool2d(x, kernel, {stride=, padding=}) */
static int l_max_pool2d(lua_State *L) {
  static const char *const keys[] = {"stride", "padding", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  njl_options(L, 3, "max_pool2d", keys);
  nj_pool_options o = pool_options(L, "max_pool2d");
  END(nj_max_pool2d(ctx, x, &o, slot));
}

/* nj.nn.adaptive_avg_pool2d(x, h, w) */
static int l_adaptive_avg_pool2d(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Integer h = luaL_checkinteger(L, 2), w = luaL_checkinteger(L, 3);
  END(nj_adaptive_avg_pool2d(ctx, x, h, w, slot));
}

/* nj.nn.resize(x, h, w, {mode=, align_corners=}) */
static int l_resize(lua_State *L) {
  static const char *const keys[] = {"mode", "align_corners", NULL};
  static const char *const modes[] = {"nearest", "bilinear", "bicubic", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Integer h = luaL_checkinteger(L, 2), w = luaL_checkinteger(L, 3);
  njl_options(L, 4, "resize", keys);
  int mode = njl_opt_enum(L, 4, "resize", "mode", modes, NJ_RESIZE_BILINEAR);
  int align = njl_opt_boolean(L, 4, "resize", "align_corners", 0);
  END(nj_resize(ctx, x, h, w, (nj_resize_mode)mode, align, slot));
}

/* ---- attention and loss ---- */

/* nj.nn.attention(q, k, v, {mask=, scale=, dropout=, rng=}) */
static int l_attention(lua_State *L) {
  static const char *const extra[] = {"mask", "rng", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *q = njl_check_tensor(L, 1), *k = njl_check_tensor(L, 2), *v = njl_check_tensor(L, 3);
  nj_attention_options o;
  njl_read_options(L, 4, NULL, &nj_attention_option_table, extra, &o);
  nj_tensor *mask = opt_tensor(L, 4, "attention", "mask");
  o.rng = njl_opt_rng(L, 4, "attention", "rng");
  END(nj_attention(ctx, q, k, v, mask, &o, slot));
}

/* nj.nn.cross_entropy(logits, targets, {smoothing=, ignore=, reduction=, base=}) */
static int l_cross_entropy(lua_State *L) {
  static const char *const extra[] = {"ignore", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *logits = njl_check_tensor(L, 1), *targets = njl_check_tensor(L, 2);
  nj_cross_entropy_options o;
  njl_check_keys(L, 3, "cross_entropy", &nj_cross_entropy_option_table, extra);
  o = nj_cross_entropy_default_options();
  o.base = 1; /* as Lua counts */
  njl_read_given(L, 3, "cross_entropy", &nj_cross_entropy_option_table, &o);
  o.ignore = njl_opt_integer(L, 3, "cross_entropy", "ignore", LUA_MININTEGER, LUA_MAXINTEGER, 0);
  if (lua_istable(L, 3)) {
    o.has_ignore = lua_getfield(L, 3, "ignore") != LUA_TNIL;
    lua_pop(L, 1);
  }
  END(nj_cross_entropy(ctx, logits, targets, &o, slot));
}

void njl_open_nn(lua_State *L) {
  static const luaL_Reg methods[] = {{"matmul", l_matmul},
                                     {"mm", l_matmul},
                                     {"softmax", l_softmax},
                                     {"log_softmax", l_log_softmax},
                                     {"sparsemax", l_sparsemax},
                                     {"normalize", l_normalize},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"linear", l_linear},
                                       {"layer_norm", l_layer_norm},
                                       {"masked_softmax", l_masked_softmax},
                                       {"masked_log_softmax", l_masked_log_softmax},
                                       {"masked_sparsemax", l_masked_sparsemax},
                                       {"batch_norm", l_batch_norm},
                                       {"conv2d", l_conv2d},
                                       {"avg_pool2d", l_avg_pool2d},
                                       {"max_pool2d", l_max_pool2d},
                                       {"adaptive_avg_pool2d", l_adaptive_avg_pool2d},
                                       {"resize", l_resize},
                                       {"attention", l_attention},
                                       {"cross_entropy", l_cross_entropy},
                                       {NULL, NULL}};
  njl_methods(L, NJL_TENSOR, methods);
  luaL_getsubtable(L, -1, "nn");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
  njl_list_options(L, "nn.batch_norm", &nj_batch_norm_option_table);
  njl_list_options(L, "nn.conv2d", &nj_conv_option_table);
  njl_list_options(L, "nn.attention", &nj_attention_option_table);
  njl_list_options(L, "nn.cross_entropy", &nj_cross_entropy_option_table);
}
