/* nightjar.Tensor: the userdata, what every room checks its arguments with, and its elements. */
#include "njl_tensor.h"

/* What a userdata holds. `closed` is set by :free() inside a finalizer: a collection may start in the
 * middle of a call that has this tensor in hand, so the reference is given back by __gc only. */
typedef struct {
  nj_tensor *x;
  int closed;
} box;

nj_tensor **njl_new_tensor(lua_State *L) {
  njl_account(L);
  box *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (box){NULL, 0};
  luaL_setmetatable(L, NJL_TENSOR);
  return &b->x;
}

void njl_push_tensor(lua_State *L, nj_tensor *x) { *njl_new_tensor(L) = x; }

/* ---- checking arguments ---- */

static nj_tensor *open_box(lua_State *L, int index, const box *b) {
  if (!b->x || b->closed)
    luaL_argerror(L, index, "this tensor was freed");
  return b->x;
}

nj_tensor *njl_check_tensor(lua_State *L, int index) {
  box *b = luaL_testudata(L, index, NJL_TENSOR);
  if (!b)
    luaL_typeerror(L, index, "tensor");
  return open_box(L, index, b);
}

nj_tensor *njl_test_tensor(lua_State *L, int index) {
  box *b = luaL_testudata(L, index, NJL_TENSOR);
  return b ? open_box(L, index, b) : NULL;
}

nj_tensor *njl_peek_tensor(lua_State *L, int index) {
  const box *b = luaL_checkudata(L, index, NJL_TENSOR);
  return b->closed ? NULL : b->x;
}

static int fits_integer(nj_dtype dtype, lua_Integer v) {
  return dtype == NJ_U8 ? v >= 0 && v <= UINT8_MAX
                        : dtype != NJ_I32 || (v >= INT32_MIN && v <= INT32_MAX);
}

nj_tensor *njl_check_operand(lua_State *L, int index, const nj_tensor *like) {
  index = lua_absindex(L, index);
  if (lua_type(L, index) != LUA_TNUMBER) {
    nj_tensor *x = njl_test_tensor(L, index);
    if (!x)
      luaL_typeerror(L, index, "tensor or number");
    return x;
  }
  nj_dtype dtype = like ? like->dtype : NJ_F32;
  if (!nj_dtype_is_float(dtype)) {
    if (!lua_isinteger(L, index))
      dtype = NJ_F32;
    else if (!fits_integer(dtype, lua_tointeger(L, index)))
      dtype = NJ_I64;
  }
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_scalar(njl_ctx(L), dtype, 0, slot));
  njl_set_element(L, index, *slot, 0);
  nj_tensor *x = *slot;
  lua_replace(L, index);
  return x;
}

nj_dtype njl_check_dtype(lua_State *L, int index, nj_dtype fallback) {
  nj_dtype dtype;
  if (lua_isnoneornil(L, index))
    return fallback;
  const char *name = luaL_checkstring(L, index);
  if (!nj_dtype_from_name(name, &dtype))
    luaL_argerror(
        L, index,
        lua_pushfstring(L, "unknown dtype '%s' (uint8, int32, int64, float32, float64)", name));
  return dtype;
}

nj_dtype njl_opt_dtype(lua_State *L, int index, const char *function, nj_dtype fallback) {
  const char *name = njl_opt_string(L, index, function, "dtype", NULL);
  nj_dtype dtype = fallback;
  if (name && !nj_dtype_from_name(name, &dtype))
    luaL_error(L, "%s: unknown dtype '%s' (uint8, int32, int64, float32, float64)", function, name);
  return dtype;
}

/* A size on top of the stack, popped. -1 is let through for shapes with an open size. */
static int64_t pop_size(lua_State *L, int index, int place) {
  int whole;
  lua_Integer size = lua_tointegerx(L, -1, &whole);
  if (lua_type(L, -1) != LUA_TNUMBER || !whole || size < -1)
    luaL_argerror(L, index,
                  lua_pushfstring(L, "size %d must be a non-negative integer, got %s", place,
                                  luaL_tolstring(L, -1, NULL)));
  lua_pop(L, 1);
  return size;
}

int njl_check_shape(lua_State *L, int index, int64_t *shape) {
  int from_table = lua_istable(L, index), n = 0;
  int last = from_table ? (int)luaL_len(L, index) : 0;
  if (!from_table) {
    for (int i = index; lua_type(L, i) == LUA_TNUMBER; i++)
      last++;
    if (last == 0)
      luaL_typeerror(L, index, "shape (integers, or a table of them)");
  }
  if (last > NJ_MAX_DIMS)
    luaL_argerror(
        L, index,
        lua_pushfstring(L, "at most %d dimensions are possible, got %d", NJ_MAX_DIMS, last));
  for (; n < last; n++) {
    if (from_table)
      lua_rawgeti(L, index, n + 1);
    else
      lua_pushvalue(L, index + n);
    shape[n] = pop_size(L, from_table ? index : index + n, n + 1);
  }
  return n;
}

int njl_shape_end(lua_State *L, int index) {
  if (lua_istable(L, index))
    return index + 1;
  while (lua_type(L, index) == LUA_TNUMBER)
    index++;
  return index;
}

int njl_check_dim(lua_State *L, int index, int ndim) {
  lua_Integer dim = luaL_checkinteger(L, index);
  if (dim == 0 || dim > ndim || dim < -(lua_Integer)ndim)
    luaL_argerror(L, index,
                  lua_pushfstring(L, "dimension %I is out of range for %d dimensions",
                                  (LUAI_UACINT)dim, ndim));
  return (int)(dim > 0 ? dim - 1 : dim + ndim);
}

/* ---- elements ---- */

void njl_push_element(lua_State *L, const nj_tensor *x, int64_t at) {
  const void *data = x->storage->data;
  switch (x->dtype) {
  case NJ_U8:
    lua_pushinteger(L, ((const uint8_t *)data)[at]);
    break;
  case NJ_I32:
    lua_pushinteger(L, ((const int32_t *)data)[at]);
    break;
  case NJ_I64:
    lua_pushinteger(L, (lua_Integer)((const int64_t *)data)[at]);
    break;
  case NJ_F32:
    lua_pushnumber(L, (lua_Number)((const float *)data)[at]);
    break;
  case NJ_F64:
    lua_pushnumber(L, (lua_Number)((const double *)data)[at]);
    break;
  }
}

void njl_set_element(lua_State *L, int index, nj_tensor *x, int64_t at) {
  void *data = x->storage->data;
  int boolean = lua_isboolean(L, index);
  lua_Number v = boolean ? lua_toboolean(L, index) : lua_tonumber(L, index);
  lua_Integer whole = boolean ? lua_toboolean(L, index) : lua_tointeger(L, index);
  switch (x->dtype) {
  case NJ_U8:
    ((uint8_t *)data)[at] = (uint8_t)whole;
    break;
  case NJ_I32:
    ((int32_t *)data)[at] = (int32_t)whole;
    break;
  case NJ_I64:
    ((int64_t *)data)[at] = whole;
    break;
  case NJ_F32:
    ((float *)data)[at] = (float)v;
    break;
  case NJ_F64:
    ((double *)data)[at] = v;
    break;
  }
}

const char *njl_element_fault(lua_State *L, int index, nj_dtype dtype) {
  int whole;
  if (lua_type(L, index) == LUA_TBOOLEAN)
    return NULL;
  if (luaL_testudata(L, index, NJL_TENSOR))
    return "must be a number, got a tensor (nj.stack joins tensors)";
  if (lua_type(L, index) != LUA_TNUMBER)
    return lua_pushfstring(L, "must be a number, got %s", luaL_typename(L, index));
  if (nj_dtype_is_float(dtype))
    return NULL;
  lua_Integer v = lua_tointegerx(L, index, &whole);
  if (whole && fits_integer(dtype, v))
    return NULL;
  return lua_pushfstring(L, "= %s does not fit %s", luaL_tolstring(L, index, NULL),
                         nj_dtype_name(dtype));
}

/* Pushes x's values as nested tables. */
static void push_table(lua_State *L, const nj_tensor *x, int dim, int64_t at) {
  if (dim == x->ndim) {
    njl_push_element(L, x, at);
    return;
  }
  luaL_checkstack(L, 2, "tensor");
  int64_t size = x->shape[dim];
  lua_createtable(L, size < INT32_MAX ? (int)size : 0, 0);
  for (int64_t i = 0; i < size; i++) {
    push_table(L, x, dim + 1, at + i * x->stride[dim]);
    lua_rawseti(L, -2, i + 1);
  }
}

static int l_totable(lua_State *L) {
  const nj_tensor *x = njl_check_tensor(L, 1);
  push_table(L, x, 0, x->offset);
  return 1;
}

static int l_item(lua_State *L) {
  const nj_tensor *x = njl_check_tensor(L, 1);
  if (nj_numel(x) != 1)
    return luaL_error(L, "item: needs a tensor of one element, got shape %s", NJ_SHAPE_OF(x));
  njl_push_element(L, x, x->offset);
  return 1;
}

/* x:bytes(): the values in memory order (row-major), as the machine keeps them. */
static int l_bytes(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_as_contiguous(x, slot));
  lua_pushlstring(L, nj_data(*slot), (size_t)nj_numel(x) * nj_dtype_size(x->dtype));
  return 1;
}

/* ---- life ---- */

/* 1 while the collector runs finalizers: then it answers nothing. */
static int inside_finalizer(lua_State *L) { return lua_gc(L, LUA_GCCOUNT) < 0; }

static int l_gc(lua_State *L) {
  box *b = luaL_checkudata(L, 1, NJL_TENSOR);
  nj_tensor *x = b->x;
  *b = (box){NULL, 1};
  nj_release(x);
  return 0;
}

/* x:free() gives the memory back now instead of when the collector comes by. Also on __close. */
static int l_free(lua_State *L) {
  box *b = luaL_testudata(L, 1, NJL_TENSOR);
  if (!b)
    return luaL_typeerror(L, 1, "tensor");
  if (inside_finalizer(L))
    b->closed = 1;
  else
    l_gc(L);
  return 0;
}

void njl_open_tensor(lua_State *L) {
  static const luaL_Reg methods[] = {{"totable", l_totable}, {"item", l_item}, {"tonumber", l_item},
                                     {"bytes", l_bytes},     {"free", l_free}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_gc}, {"__close", l_free}, {NULL, NULL}};
  njl_class(L, NJL_TENSOR, methods, meta);
}
