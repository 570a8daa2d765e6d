/* Methods that rearrange a tensor, take parts of it, and join several. */
#include <math.h>

#include "njl_tensor.h"

/* Dimensions from {2, 1} or from the arguments at index …, as 0-based; returns how many. */
static int check_dims(lua_State *L, int index, int ndim, int *dims) {
  int64_t given[NJ_MAX_DIMS];
  int n = 0, table = lua_istable(L, index);
  int last = table ? (int)lua_rawlen(L, index) : lua_gettop(L) - index + 1;
  if (last > NJ_MAX_DIMS)
    luaL_argerror(L, index, "too many dimensions");
  for (; n < last; n++) {
    if (table)
      lua_rawgeti(L, index, n + 1);
    else
      lua_pushvalue(L, index + n);
    int whole;
    given[n] = lua_tointegerx(L, -1, &whole);
    if (!whole || given[n] == 0 || given[n] > ndim || given[n] < -ndim)
      luaL_argerror(L, table ? index : index + n,
                    lua_pushfstring(L, "'%s' is no dimension of %d",
                                    luaL_tolstring(L, -1, NULL), ndim));
    lua_pop(L, 1);
    dims[n] = (int)(given[n] > 0 ? given[n] - 1 : given[n] + ndim);
  }
  return n;
}

static int opt_dim(lua_State *L, int index, int ndim, int preset) {
  return lua_isnoneornil(L, index) ? preset : njl_check_dim(L, index, ndim);
}

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

/* Begins a method: x is checked, the result's slot lies on top. */
#define BEGIN                                \
  nj_ctx *ctx = njl_ctx(L);                  \
  nj_tensor *x = njl_check_tensor(L, 1)
#define END(call)                            \
  nj_tensor **slot = njl_new_tensor(L);      \
  NJL_CALL(L, call);                         \
  return 1

/* ---- views ---- */

static int l_reshape(lua_State *L) {
  int64_t shape[NJ_MAX_DIMS];
  BEGIN;
  int n = njl_check_shape(L, 2, shape);
  END(nj_reshape(ctx, x, n, shape, slot));
}

static int l_view(lua_State *L) {
  int64_t shape[NJ_MAX_DIMS];
  BEGIN;
  int n = njl_check_shape(L, 2, shape);
  END(nj_view(ctx, x, n, shape, slot));
}

static int l_expand(lua_State *L) {
  int64_t shape[NJ_MAX_DIMS];
  BEGIN;
  int n = njl_check_shape(L, 2, shape);
  END(nj_expand(ctx, x, n, shape, slot));
}

static int l_expand_as(lua_State *L) {
  BEGIN;
  const nj_tensor *like = njl_check_tensor(L, 2);
  END(nj_expand(ctx, x, like->ndim, like->shape, slot));
}

static int l_permute(lua_State *L) {
  int dims[NJ_MAX_DIMS];
  BEGIN;
  int n = check_dims(L, 2, x->ndim, dims);
  if (n != x->ndim)
    return luaL_error(L, "permute: %d dimensions named, the tensor has %d", n, x->ndim);
  END(nj_permute(ctx, x, dims, slot));
}

static int l_transpose(lua_State *L) {
  BEGIN;
  int first = njl_check_dim(L, 2, x->ndim), second = njl_check_dim(L, 3, x->ndim);
  END(nj_transpose(ctx, x, first, second, slot));
}

/* x:t() swaps the last two dimensions. */
static int l_t(lua_State *L) {
  BEGIN;
  if (x->ndim < 2)
    return luaL_error(L, "t: needs two dimensions, got shape %s", NJ_SHAPE_OF(x));
  END(nj_transpose(ctx, x, -2, -1, slot));
}

static int l_movedim(lua_State *L) {
  BEGIN;
  int from = njl_check_dim(L, 2, x->ndim), to = njl_check_dim(L, 3, x->ndim);
  END(nj_movedim(ctx, x, from, to, slot));
}

/* 1-based or from the end, into 0-based; left as it is when out of range, for the library to say. */
static int64_t check_place(lua_State *L, int index, int64_t size) {
  lua_Integer i = luaL_checkinteger(L, index);
  if (i == 0)
    luaL_argerror(L, index, "positions count from 1 (or from -1 at the end), got 0");
  return i > 0 ? i - 1 : i + size;
}

/* x:narrow(dim, start, length) */
static int l_narrow(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  int64_t start = check_place(L, 3, x->shape[dim]), length = luaL_checkinteger(L, 4);
  END(nj_narrow(ctx, x, dim, start, length, slot));
}

/* x:select(dim, index) */
static int l_select(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  lua_Integer i = luaL_checkinteger(L, 3);
  luaL_argcheck(L, i != 0, 3, "positions count from 1 (or from -1 at the end), got 0");
  END(nj_select(ctx, x, dim, i > 0 ? i - 1 : i, slot));
}

/* x:slice(dim, first, last[, step]): last is included. */
static int l_slice(lua_State *L) {
  nj_range ranges[NJ_MAX_DIMS];
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  int64_t first = check_place(L, 3, x->shape[dim]);
  int64_t last = lua_isnoneornil(L, 4) ? x->shape[dim] - 1 : check_place(L, 4, x->shape[dim]);
  int64_t step = luaL_optinteger(L, 5, 1);
  luaL_argcheck(L, step > 0, 5, "step must be positive (use flip)");
  for (int i = 0; i < x->ndim; i++)
    ranges[i] = (nj_range){0, x->shape[i], 1};
  if (first < 0 || last >= x->shape[dim])
    return luaL_error(L, "slice: %I to %I is out of range for dimension %d of size %I",
                      (LUAI_UACINT)first + 1, (LUAI_UACINT)last + 1, dim + 1,
                      (LUAI_UACINT)x->shape[dim]);
  ranges[dim] = (nj_range){first, last < first ? 0 : (last - first) / step + 1, step};
  END(nj_slice(ctx, x, ranges, slot));
}

static int l_squeeze(lua_State *L) {
  BEGIN;
  if (lua_isnoneornil(L, 2)) {
    END(nj_squeeze_all(ctx, x, slot));
  }
  int dim = njl_check_dim(L, 2, x->ndim);
  END(nj_squeeze(ctx, x, dim, slot));
}

static int l_unsqueeze(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim + 1);
  END(nj_unsqueeze(ctx, x, dim, slot));
}

static int l_flatten(lua_State *L) {
  BEGIN;
  int first = opt_dim(L, 2, x->ndim, 0), last = opt_dim(L, 3, x->ndim, -1);
  END(nj_flatten(ctx, x, first, last, slot));
}

/* x:unflatten(dim, {sizes}) */
static int l_unflatten(lua_State *L) {
  int64_t sizes[NJ_MAX_DIMS];
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim), n = njl_check_shape(L, 3, sizes);
  END(nj_unflatten(ctx, x, dim, n, sizes, slot));
}

/* x:diagonal([offset[, dim, dim]]) */
static int l_diagonal(lua_State *L) {
  BEGIN;
  int64_t offset = luaL_optinteger(L, 2, 0);
  int first = opt_dim(L, 3, x->ndim, -2), second = opt_dim(L, 4, x->ndim, -1);
  END(nj_diagonal(ctx, x, offset, first, second, slot));
}

/* x:unfold(dim, size[, step]) */
static int l_unfold(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  int64_t size = luaL_checkinteger(L, 3), step = luaL_optinteger(L, 4, 1);
  END(nj_unfold(ctx, x, dim, size, step, slot));
}

/* ---- copies ---- */

static int l_contiguous(lua_State *L) {
  BEGIN;
  END(nj_contiguous(ctx, x, slot));
}

static int l_clone(lua_State *L) {
  BEGIN;
  END(nj_clone(ctx, x, slot));
}

static int convert(lua_State *L, nj_dtype dtype) {
  BEGIN;
  END(nj_to(ctx, x, dtype, slot));
}

static int l_to(lua_State *L) {
  njl_check_tensor(L, 1);
  luaL_checkstring(L, 2);
  return convert(L, njl_check_dtype(L, 2, NJ_F32));
}

static int l_float(lua_State *L) { return convert(L, NJ_F32); }
static int l_double(lua_State *L) { return convert(L, NJ_F64); }
static int l_int(lua_State *L) { return convert(L, NJ_I32); }
static int l_long(lua_State *L) { return convert(L, NJ_I64); }
static int l_byte(lua_State *L) { return convert(L, NJ_U8); }

/* x:flip(dim, …) */
static int l_flip(lua_State *L) {
  int dims[NJ_MAX_DIMS];
  BEGIN;
  int n = check_dims(L, 2, x->ndim, dims);
  if (n == 0)
    return luaL_error(L, "flip: which dimensions?");
  END(nj_flip(ctx, x, n, dims, slot));
}

/* x:roll(shift[, dim]): the last dimension unless named. */
static int l_roll(lua_State *L) {
  BEGIN;
  int64_t shift = luaL_checkinteger(L, 2);
  int dim = opt_dim(L, 3, x->ndim, -1);
  END(nj_roll(ctx, x, shift, dim, slot));
}

static int l_tril(lua_State *L) {
  BEGIN;
  int64_t diagonal = luaL_optinteger(L, 2, 0);
  END(nj_tril(ctx, x, diagonal, slot));
}

static int l_triu(lua_State *L) {
  BEGIN;
  int64_t diagonal = luaL_optinteger(L, 2, 0);
  END(nj_triu(ctx, x, diagonal, slot));
}

/* x:tile(2, 3) or x:tile{2, 3}; "repeat" is a word of Lua's. */
static int l_tile(lua_State *L) {
  int64_t counts[NJ_MAX_DIMS];
  BEGIN;
  int n = njl_check_shape(L, 2, counts);
  END(nj_repeat(ctx, x, n, counts, slot));
}

/* x:repeat_interleave(count[, dim]): the first dimension unless named. */
static int l_repeat_interleave(lua_State *L) {
  BEGIN;
  int64_t count = luaL_checkinteger(L, 2);
  int dim = opt_dim(L, 3, x->ndim, 0);
  END(nj_repeat_interleave(ctx, x, count, dim, slot));
}

/* Reads one entry of pad's widths, on top of the stack: n, or {before, after}. */
static void read_width(lua_State *L, int i, int64_t *before, int64_t *after) {
  int whole = 0, whole_after = 0;
  if (lua_istable(L, -1) && lua_rawlen(L, -1) == 2) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    *before = lua_tointegerx(L, -2, &whole);
    *after = lua_tointegerx(L, -1, &whole_after);
    lua_pop(L, 2);
  } else if (lua_type(L, -1) == LUA_TNUMBER) {
    *before = *after = lua_tointegerx(L, -1, &whole);
    whole_after = whole;
  }
  if (!whole || !whole_after)
    luaL_error(L, "pad: width %d must be an integer or {before, after}", i);
}

/* x:pad({ {before, after}, … }, {mode=, value=}): widths for the last dimensions, in order. A
 * number stands for the same before and after. */
static int l_pad(lua_State *L) {
  static const char *const keys[] = {"mode", "value", NULL};
  static const char *const modes[] = {"constant", "reflect", "replicate", "circular", NULL};
  int64_t before[NJ_MAX_DIMS] = {0}, after[NJ_MAX_DIMS] = {0};
  BEGIN;
  luaL_checktype(L, 2, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 2), lead = x->ndim - n;
  if (lead < 0)
    return luaL_error(L, "pad: widths for %d dimensions, the tensor has %d", n, x->ndim);
  njl_options(L, 3, "pad", keys);
  int mode = njl_opt_enum(L, 3, "pad", "mode", modes, NJ_PAD_CONSTANT);
  double value = njl_opt_number(L, 3, "pad", "value", -HUGE_VAL, HUGE_VAL, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 2, i + 1);
    read_width(L, i + 1, &before[lead + i], &after[lead + i]);
    lua_pop(L, 1);
  }
  END(nj_pad(ctx, x, x->ndim, before, after, (nj_pad_mode)mode, value, slot));
}

/* ---- by index ---- */

/* x:index_select(dim, index) */
static int l_index_select(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *places = check_places(L, 3, "index_select", x, dim);
  END(nj_index_select(ctx, x, dim, places, slot));
}

/* x:index_add(dim, index, src) */
static int l_index_add(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *src = njl_check_operand(L, 4, x);
  nj_tensor *places = check_places(L, 3, "index_add", x, dim);
  END(nj_index_add(ctx, x, dim, places, src, slot));
}

/* x:gather(dim, index) */
static int l_gather(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *places = check_places(L, 3, "gather", x, dim);
  END(nj_gather(ctx, x, dim, places, slot));
}

/* x:scatter_add(dim, index, src) */
static int l_scatter_add(lua_State *L) {
  BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  nj_tensor *src = njl_check_operand(L, 4, x);
  nj_tensor *places = check_places(L, 3, "scatter_add", x, dim);
  END(nj_scatter_add(ctx, x, dim, places, src, slot));
}

static int l_masked_select(lua_State *L) {
  BEGIN;
  nj_tensor *mask = njl_check_tensor(L, 2);
  END(nj_masked_select(ctx, x, mask, slot));
}

/* x:nonzero(): 1-based positions, one row each; a vector of them for a vector. */
static int l_nonzero(lua_State *L) {
  BEGIN;
  nj_tensor **rows = njl_new_tensor(L);
  NJL_CALL(L, nj_nonzero(ctx, x, rows));
  int64_t n = nj_numel(*rows), *at = NJ_I64_DATA(*rows);
  for (int64_t i = 0; i < n; i++)
    at[i]++;
  if (x->ndim != 1)
    return 1;
  END(nj_select(ctx, *rows, 1, 0, slot));
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
  nj_tensor *ids = base ? check_places(L, 2, "embedding", weight, 0)
                        : check_index(L, 2, "embedding");
  END(nj_embedding(ctx, weight, ids, padding < 0 ? -1 : padding - base, slot));
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
  int dim = opt_dim(L, 3, x->ndim, 0);
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
  int dim = opt_dim(L, 3, x->ndim, 0);
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
  int dim = list[0]->ndim ? opt_dim(L, 2, list[0]->ndim, 0) : 0;
  END(nj_cat(njl_ctx(L), n, list, dim, slot));
}

static int l_stack(lua_State *L) {
  int n;
  nj_tensor **list = check_list(L, "stack", &n);
  int dim = opt_dim(L, 2, list[0]->ndim + 1, 0);
  END(nj_stack(njl_ctx(L), n, list, dim, slot));
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

void njl_open_shape(lua_State *L);

void njl_open_shape(lua_State *L) {
  static const luaL_Reg methods[] = {{"reshape", l_reshape},
                                     {"view", l_view},
                                     {"expand", l_expand},
                                     {"expand_as", l_expand_as},
                                     {"permute", l_permute},
                                     {"transpose", l_transpose},
                                     {"t", l_t},
                                     {"movedim", l_movedim},
                                     {"narrow", l_narrow},
                                     {"select", l_select},
                                     {"slice", l_slice},
                                     {"squeeze", l_squeeze},
                                     {"unsqueeze", l_unsqueeze},
                                     {"flatten", l_flatten},
                                     {"unflatten", l_unflatten},
                                     {"diagonal", l_diagonal},
                                     {"unfold", l_unfold},
                                     {"contiguous", l_contiguous},
                                     {"clone", l_clone},
                                     {"to", l_to},
                                     {"float", l_float},
                                     {"double", l_double},
                                     {"int", l_int},
                                     {"long", l_long},
                                     {"byte", l_byte},
                                     {"flip", l_flip},
                                     {"roll", l_roll},
                                     {"tril", l_tril},
                                     {"triu", l_triu},
                                     {"tile", l_tile},
                                     {"repeat_interleave", l_repeat_interleave},
                                     {"pad", l_pad},
                                     {"index_select", l_index_select},
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
