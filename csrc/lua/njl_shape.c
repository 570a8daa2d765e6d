/* Methods that view a tensor differently or rearrange it. */
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
      luaL_argerror(
          L, table ? index : index + n,
          lua_pushfstring(L, "'%s' is no dimension of %d", luaL_tolstring(L, -1, NULL), ndim));
    lua_pop(L, 1);
    dims[n] = (int)(given[n] > 0 ? given[n] - 1 : given[n] + ndim);
  }
  return n;
}

int njl_opt_dim(lua_State *L, int index, int ndim, int fallback) {
  return lua_isnoneornil(L, index) ? fallback : njl_check_dim(L, index, ndim);
}

/* ---- views ---- */

static int l_reshape(lua_State *L) {
  int64_t shape[NJ_MAX_DIMS];
  NJL_BEGIN;
  int n = njl_check_shape(L, 2, shape);
  NJL_END(nj_reshape(ctx, x, n, shape, slot));
}

static int l_view(lua_State *L) {
  int64_t shape[NJ_MAX_DIMS];
  NJL_BEGIN;
  int n = njl_check_shape(L, 2, shape);
  NJL_END(nj_view(ctx, x, n, shape, slot));
}

static int l_expand(lua_State *L) {
  int64_t shape[NJ_MAX_DIMS];
  NJL_BEGIN;
  int n = njl_check_shape(L, 2, shape);
  NJL_END(nj_expand(ctx, x, n, shape, slot));
}

static int l_expand_as(lua_State *L) {
  NJL_BEGIN;
  const nj_tensor *like = njl_check_tensor(L, 2);
  NJL_END(nj_expand(ctx, x, like->ndim, like->shape, slot));
}

static int l_permute(lua_State *L) {
  int dims[NJ_MAX_DIMS];
  NJL_BEGIN;
  int n = check_dims(L, 2, x->ndim, dims);
  if (n != x->ndim)
    return luaL_error(L, "permute: %d dimensions named, the tensor has %d", n, x->ndim);
  NJL_END(nj_permute(ctx, x, dims, slot));
}

static int l_transpose(lua_State *L) {
  NJL_BEGIN;
  int first = njl_check_dim(L, 2, x->ndim), second = njl_check_dim(L, 3, x->ndim);
  NJL_END(nj_transpose(ctx, x, first, second, slot));
}

/* x:t() swaps the last two dimensions. */
static int l_t(lua_State *L) {
  NJL_BEGIN;
  if (x->ndim < 2)
    return luaL_error(L, "t: needs two dimensions, got shape %s", NJ_SHAPE_OF(x));
  NJL_END(nj_transpose(ctx, x, -2, -1, slot));
}

static int l_movedim(lua_State *L) {
  NJL_BEGIN;
  int from = njl_check_dim(L, 2, x->ndim), to = njl_check_dim(L, 3, x->ndim);
  NJL_END(nj_movedim(ctx, x, from, to, slot));
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
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  int64_t start = check_place(L, 3, x->shape[dim]), length = luaL_checkinteger(L, 4);
  NJL_END(nj_narrow(ctx, x, dim, start, length, slot));
}

/* x:select(dim, index) */
static int l_select(lua_State *L) {
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  lua_Integer i = luaL_checkinteger(L, 3);
  luaL_argcheck(L, i != 0, 3, "positions count from 1 (or from -1 at the end), got 0");
  NJL_END(nj_select(ctx, x, dim, i > 0 ? i - 1 : i, slot));
}

/* x:slice(dim, first, last[, step]): last is included. */
static int l_slice(lua_State *L) {
  nj_range ranges[NJ_MAX_DIMS];
  NJL_BEGIN;
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
  NJL_END(nj_slice(ctx, x, ranges, slot));
}

static int l_squeeze(lua_State *L) {
  NJL_BEGIN;
  if (lua_isnoneornil(L, 2)) {
    NJL_END(nj_squeeze_all(ctx, x, slot));
  }
  int dim = njl_check_dim(L, 2, x->ndim);
  NJL_END(nj_squeeze(ctx, x, dim, slot));
}

static int l_unsqueeze(lua_State *L) {
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim + 1);
  NJL_END(nj_unsqueeze(ctx, x, dim, slot));
}

static int l_flatten(lua_State *L) {
  NJL_BEGIN;
  int first = njl_opt_dim(L, 2, x->ndim, 0), last = njl_opt_dim(L, 3, x->ndim, -1);
  NJL_END(nj_flatten(ctx, x, first, last, slot));
}

/* x:unflatten(dim, {sizes}) */
static int l_unflatten(lua_State *L) {
  int64_t sizes[NJ_MAX_DIMS];
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim), n = njl_check_shape(L, 3, sizes);
  NJL_END(nj_unflatten(ctx, x, dim, n, sizes, slot));
}

/* x:diagonal([offset[, dim, dim]]) */
static int l_diagonal(lua_State *L) {
  NJL_BEGIN;
  int64_t offset = luaL_optinteger(L, 2, 0);
  int first = njl_opt_dim(L, 3, x->ndim, -2), second = njl_opt_dim(L, 4, x->ndim, -1);
  NJL_END(nj_diagonal(ctx, x, offset, first, second, slot));
}

/* x:unfold(dim, size[, step]) */
static int l_unfold(lua_State *L) {
  NJL_BEGIN;
  int dim = njl_check_dim(L, 2, x->ndim);
  int64_t size = luaL_checkinteger(L, 3), step = luaL_optinteger(L, 4, 1);
  NJL_END(nj_unfold(ctx, x, dim, size, step, slot));
}

/* ---- copies ---- */

static int l_contiguous(lua_State *L) {
  NJL_BEGIN;
  NJL_END(nj_contiguous(ctx, x, slot));
}

static int l_clone(lua_State *L) {
  NJL_BEGIN;
  NJL_END(nj_clone(ctx, x, slot));
}

static int convert(lua_State *L, nj_dtype dtype) {
  NJL_BEGIN;
  NJL_END(nj_to(ctx, x, dtype, slot));
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
  NJL_BEGIN;
  int n = check_dims(L, 2, x->ndim, dims);
  if (n == 0)
    return luaL_error(L, "flip: which dimensions?");
  NJL_END(nj_flip(ctx, x, n, dims, slot));
}

/* x:roll(shift[, dim]): the last dimension unless named. */
static int l_roll(lua_State *L) {
  NJL_BEGIN;
  int64_t shift = luaL_checkinteger(L, 2);
  int dim = njl_opt_dim(L, 3, x->ndim, -1);
  NJL_END(nj_roll(ctx, x, shift, dim, slot));
}

static int l_tril(lua_State *L) {
  NJL_BEGIN;
  int64_t diagonal = luaL_optinteger(L, 2, 0);
  NJL_END(nj_tril(ctx, x, diagonal, slot));
}

static int l_triu(lua_State *L) {
  NJL_BEGIN;
  int64_t diagonal = luaL_optinteger(L, 2, 0);
  NJL_END(nj_triu(ctx, x, diagonal, slot));
}

/* x:tile(2, 3) or x:tile{2, 3}; "repeat" is a word of Lua's. */
static int l_tile(lua_State *L) {
  int64_t counts[NJ_MAX_DIMS];
  NJL_BEGIN;
  int n = njl_check_shape(L, 2, counts);
  NJL_END(nj_repeat(ctx, x, n, counts, slot));
}

/* x:repeat_interleave(count[, dim]): the first dimension unless named. */
static int l_repeat_interleave(lua_State *L) {
  NJL_BEGIN;
  int64_t count = luaL_checkinteger(L, 2);
  int dim = njl_opt_dim(L, 3, x->ndim, 0);
  NJL_END(nj_repeat_interleave(ctx, x, count, dim, slot));
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
  NJL_BEGIN;
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
  NJL_END(nj_pad(ctx, x, x->ndim, before, after, (nj_pad_mode)mode, value, slot));
}

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
                                     {NULL, NULL}};
  njl_methods(L, NJL_TENSOR, methods);
}
