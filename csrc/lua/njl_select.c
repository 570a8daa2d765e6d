/* Methods that take parts of a tensor by index, and functions that join several. */
#include "njl_tensor.h"
#include "ops/index_rows.h"

/* An int tensor; or a number or table of them, made into one and left on the stack. */
static nj_tensor *check_index(lua_State *L, int index, const char *function) {
  nj_tensor *given = njl_test_tensor(L, index);
  if (given)
    return given;
  if (!lua_istable(L, index) && lua_type(L, index) != LUA_TNUMBER)
    luaL_typeerror(L, index, "index tensor, table or integer");
  return njl_build_tensor(L, index, function, NJ_I64);
}

/* The 1-based index at `index` as 0-based places along a dimension of x, left on the stack. */
static nj_tensor *check_places(lua_State *L, int index, const char *function, const nj_tensor *x,
                               int dim) {
  nj_tensor *given = check_index(L, index, function);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_index_from_one(njl_ctx(L), function, given, dim, x->shape[dim], slot));
  return *slot;
}

/* ---- by index ---- */

/* x:index_select(dim, index) */
static int l_index_select(lua_State *L) {
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *places = check_places(L, 3, "index_select", x, dim);
  NJL_END(nj_index_select(ctx, x, dim, places, slot));
}

/* x:index_add(dim, index, src) */
static int l_index_add(lua_State *L) {
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *src = njl_check_operand(L, 4, x);
  nj_tensor *places = check_places(L, 3, "index_add", x, dim);
  NJL_END(nj_index_add(ctx, x, dim, places, src, slot));
}

/* x:gather(dim, index) */
static int l_gather(lua_State *L) {
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *places = check_places(L, 3, "gather", x, dim);
  NJL_END(nj_gather(ctx, x, dim, places, slot));
}

/* x:scatter_add(dim, index, src) */
static int l_scatter_add(lua_State *L) {
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *src = njl_check_operand(L, 4, x);
  nj_tensor *places = check_places(L, 3, "scatter_add", x, dim);
  NJL_END(nj_scatter_add(ctx, x, dim, places, src, slot));
}

static int l_masked_select(lua_State *L) {
  NJL_BEGIN;
  nj_tensor *mask = njl_check_tensor(L, 2);
  NJL_END(nj_masked_select(ctx, x, mask, slot));
}

/* x:nonzero(): 1-based positions, one row each; a vector of them for a vector. */
static int l_nonzero(lua_State *L) {
  NJL_BEGIN;
  nj_tensor **rows = njl_new_tensor(L);
  NJL_CALL(L, nj_nonzero(ctx, x, rows));
  int64_t n = nj_numel(*rows), *at = NJ_I64_DATA(*rows);
  for (int64_t i = 0; i < n; i++)
    at[i]++;
  if (x->ndim != 1)
    return 1;
  NJL_END(nj_select(ctx, *rows, 1, 0, slot));
}

/* nj.nn.embedding(weight, ids, {padding=, base=}): rows of weight. ids are 1-based unless base is
 * 0; the row `padding` (counted as ids are) gets no gradient. */
static int l_embedding(lua_State *L) {
  static const char *const keys[] = {"padding", "base", NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *weight = njl_check_tensor(L, 1);
  if (weight->ndim < 1)
    return luaL_error(L, "embedding: the weight needs a dimension of rows");
  njl_options(L, 3, "embedding", keys);
  int64_t base = njl_opt_integer(L, 3, "embedding", "base", 0, 1, 1);
  int64_t rows = weight->shape[0];
  int64_t padding = njl_opt_integer(L, 3, "embedding", "padding", base, rows - 1 + base, -1);
  nj_tensor *ids =
      base ? check_places(L, 2, "embedding", weight, 0) : check_index(L, 2, "embedding");
  NJL_END(nj_embedding(ctx, weight, ids, padding < 0 ? -1 : padding - base, slot));
}

/* ---- several tensors ---- */

/* Pushes narrow(dim, start, length) and stores it as entry i of the table below. */
static void add_part(lua_State *L, nj_tensor *x, int dim, int64_t start, int64_t length, int i) {
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_narrow(njl_ctx(L), x, dim, start, length, slot));
  lua_rawseti(L, -2, i);
}

static int parts_of(lua_State *L, nj_tensor *x, int dim, int64_t size) {
  int i = 0;
  lua_newtable(L);
  for (int64_t start = 0; start < x->shape[dim]; start += size) {
    int64_t left = x->shape[dim] - start;
    add_part(L, x, dim, start, left < size ? left : size, ++i);
  }
  return 1;
}

/* x:split(size, dim) or x:split({sizes}, dim): a table of views; dimension 1 unless named. */
static int l_split(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  int dim = njl_opt_dim(L, 3, x->ndim, 0);
  if (x->ndim == 0)
    return luaL_error(L, "split: a tensor of 0 dimensions has nothing to split");
  if (!lua_istable(L, 2)) {
    lua_Integer size = luaL_checkinteger(L, 2);
    luaL_argcheck(L, size > 0, 2, "the size must be positive");
    return parts_of(L, x, dim, size);
  }
  int64_t start = 0;
  int n = (int)lua_rawlen(L, 2);
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    int whole;
    lua_rawgeti(L, 2, i);
    lua_Integer size = lua_tointegerx(L, -1, &whole);
    lua_pop(L, 1);
    if (!whole || size < 0 || size > x->shape[dim] - start)
      return luaL_error(L, "split: size %d does not fit what is left (%I of %I)", i,
                        (LUAI_UACINT)(x->shape[dim] - start), (LUAI_UACINT)x->shape[dim]);
    add_part(L, x, dim, start, size, i);
    start += size;
  }
  if (start != x->shape[dim])
    return luaL_error(L, "split: sizes sum to %I, dimension %d has %I", (LUAI_UACINT)start, dim + 1,
                      (LUAI_UACINT)x->shape[dim]);
  return 1;
}

/* x:chunk(n, dim): at most n parts of equal size, the last maybe smaller. */
static int l_chunk(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  int dim = njl_opt_dim(L, 3, x->ndim, 0);
  luaL_argcheck(L, n > 0, 2, "the number of chunks must be positive");
  if (x->ndim == 0)
    return luaL_error(L, "chunk: a tensor of 0 dimensions has nothing to split");
  int64_t size = x->shape[dim], part = size / n + (size % n != 0);
  return parts_of(L, x, dim, part > 0 ? part : 1);
}

/* The tensors of the table at index 1, as an array that lives in a userdata on the stack. */
static nj_tensor **check_list(lua_State *L, const char *function, int *n) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  size_t count = lua_rawlen(L, 1);
  if (count < 1 || count > INT32_MAX)
    luaL_error(L, "%s: needs a table of at least one tensor", function);
  nj_tensor **list = lua_newuserdatauv(L, count * sizeof *list, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    list[i] = njl_test_tensor(L, -1);
    if (!list[i])
      luaL_error(L, "%s: entry %d must be a tensor, got %s", function, (int)i + 1,
                 luaL_typename(L, -1));
    lua_pop(L, 1); /* the table keeps it */
  }
  *n = (int)count;
  return list;
}

/* nj.cat({a, b, …}, dim): dimension 1 unless named. */
static int l_cat(lua_State *L) {
  int n;
  nj_tensor **list = check_list(L, "cat", &n);
  int dim = list[0]->ndim ? njl_opt_dim(L, 2, list[0]->ndim, 0) : 0;
  NJL_END(nj_cat(njl_ctx(L), n, list, dim, slot));
}

static int l_stack(lua_State *L) {
  int n;
  nj_tensor **list = check_list(L, "stack", &n);
  int dim = njl_opt_dim(L, 2, list[0]->ndim + 1, 0);
  NJL_END(nj_stack(njl_ctx(L), n, list, dim, slot));
}

/* nj.meshgrid(a, b, …): each vector stretched over the grid of all, the i-th along dimension i. */
static int l_meshgrid(lua_State *L) {
  int64_t grid[NJ_MAX_DIMS], alone[NJ_MAX_DIMS];
  int n = lua_gettop(L);
  nj_ctx *ctx = njl_ctx(L);
  luaL_argcheck(L, n >= 1 && n <= NJ_MAX_DIMS, 1, "needs 1 to 8 vectors");
  for (int i = 0; i < n; i++) {
    const nj_tensor *x = njl_check_tensor(L, i + 1);
    luaL_argcheck(L, x->ndim == 1, i + 1, "needs a vector");
    grid[i] = x->shape[0];
  }
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++)
      alone[j] = j == i ? grid[i] : 1;
    nj_tensor *x = njl_check_tensor(L, i + 1);
    nj_tensor **slot = njl_new_tensor(L);
    NJL_CALL(L, nj_reshape(ctx, x, n, alone, slot));
    x = *slot;
    slot = njl_new_tensor(L);
    NJL_CALL(L, nj_expand(ctx, x, n, grid, slot));
    lua_remove(L, -2);
  }
  return n;
}

void njl_open_select(lua_State *L) {
  static const luaL_Reg methods[] = {{"index_select", l_index_select},
                                     {"index_add", l_index_add},
                                     {"gather", l_gather},
                                     {"scatter_add", l_scatter_add},
                                     {"masked_select", l_masked_select},
                                     {"nonzero", l_nonzero},
                                     {"split", l_split},
                                     {"chunk", l_chunk},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"cat", l_cat}, {"stack", l_stack}, {"meshgrid", l_meshgrid}, {NULL, NULL}};
  njl_methods(L, NJL_TENSOR, methods);
  luaL_setfuncs(L, functions, 0);
  luaL_getsubtable(L, -1, "nn");
  lua_pushcfunction(L, l_embedding);
  lua_setfield(L, -2, "embedding");
  lua_pop(L, 1);
}
