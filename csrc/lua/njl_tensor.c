/* nightjar.Tensor: the userdata, what every room checks its arguments with, fields and metamethods. */
#include <math.h>
#include <stdio.h>
#include <string.h>

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

nj_dtype njl_check_dtype(lua_State *L, int index, nj_dtype preset) {
  nj_dtype dtype;
  if (lua_isnoneornil(L, index))
    return preset;
  const char *name = luaL_checkstring(L, index);
  if (!nj_dtype_from_name(name, &dtype))
    luaL_argerror(L, index,
                  lua_pushfstring(L, "unknown dtype '%s' (uint8, int32, int64, float32, float64)",
                                  name));
  return dtype;
}

nj_dtype njl_opt_dtype(lua_State *L, int index, const char *function, nj_dtype preset) {
  const char *name = njl_opt_string(L, index, function, "dtype", NULL);
  nj_dtype dtype = preset;
  if (name && !nj_dtype_from_name(name, &dtype))
    luaL_error(L, "%s: unknown dtype '%s' (uint8, int32, int64, float32, float64)", function, name);
  return dtype;
}

/* A size on top of the stack, popped. -1 is let through for shapes with an open size. */
static int64_t pop_size(lua_State *L, int index, int place) {
  int whole;
  lua_Integer size = lua_tointegerx(L, -1, &whole);
  if (lua_type(L, -1) != LUA_TNUMBER || !whole || size < -1)
    luaL_argerror(L, index, lua_pushfstring(L, "size %d must be a non-negative integer, got %s",
                                            place, luaL_tolstring(L, -1, NULL)));
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
    luaL_argerror(L, index, lua_pushfstring(L, "at most %d dimensions are possible, got %d",
                                            NJ_MAX_DIMS, last));
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

/* ---- fields ---- */

static void push_sizes(lua_State *L, int n, const int64_t *sizes) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, (lua_Integer)sizes[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static void field_shape(lua_State *L, nj_tensor *x) { push_sizes(L, x->ndim, x->shape); }
static void field_strides(lua_State *L, nj_tensor *x) { push_sizes(L, x->ndim, x->stride); }
static void field_ndim(lua_State *L, nj_tensor *x) { lua_pushinteger(L, x->ndim); }
static void field_dtype(lua_State *L, nj_tensor *x) { lua_pushstring(L, nj_dtype_name(x->dtype)); }
static void field_contiguous(lua_State *L, nj_tensor *x) {
  lua_pushboolean(L, nj_is_contiguous(x));
}
static void field_requires_grad(lua_State *L, nj_tensor *x) {
  lua_pushboolean(L, nj_requires_grad(x));
}
static void field_is_leaf(lua_State *L, nj_tensor *x) { lua_pushboolean(L, x->node == NULL); }
static void field_grad(lua_State *L, nj_tensor *x) {
  if (x->leaf && x->leaf->grad)
    *njl_new_tensor(L) = nj_retain(x->leaf->grad);
  else
    lua_pushnil(L);
}
static void field_grad_op(lua_State *L, nj_tensor *x) {
  if (x->node)
    lua_pushstring(L, x->node->op);
  else
    lua_pushnil(L);
}

static const struct {
  const char *name;
  void (*push)(lua_State *L, nj_tensor *x);
} fields[] = {
    {"shape", field_shape},
    {"dtype", field_dtype},
    {"ndim", field_ndim},
    {"grad", field_grad},
    {"requires_grad", field_requires_grad},
    {"is_contiguous", field_contiguous},
    {"is_leaf", field_is_leaf},
    {"grad_op", field_grad_op},
    {"strides", field_strides},
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

static int push_field(lua_State *L, nj_tensor *x, const char *name) {
  for (size_t i = 0; i < N_FIELDS; i++) {
    if (strcmp(name, fields[i].name) == 0) {
      fields[i].push(L, x);
      return 1;
    }
  }
  return 0;
}

/* Keeps the nearer name; ties go to the first in the alphabet, whatever order the table has. */
static void nearer(const char *name, const char *candidate, const char **best, int *least) {
  int d = njl_name_distance(name, candidate);
  if (d < *least || (d == *least && *best && strcmp(candidate, *best) < 0)) {
    *least = d;
    *best = candidate;
  }
}

/* "tensor has no method or field 'softmx' (did you mean 'softmax'?)". Methods at upvalue 1. */
static int unknown_name(lua_State *L, const char *name) {
  const char *best = NULL;
  int least = (int)strlen(name) / 3 + 2;
  for (size_t i = 0; i < N_FIELDS; i++)
    nearer(name, fields[i].name, &best, &least);
  lua_pushnil(L);
  while (lua_next(L, lua_upvalueindex(1))) {
    if (lua_type(L, -2) == LUA_TSTRING)
      nearer(name, lua_tostring(L, -2), &best, &least);
    lua_pop(L, 1);
  }
  if (best)
    return luaL_error(L, "tensor has no method or field '%s' (did you mean '%s'?)", name, best);
  return luaL_error(L, "tensor has no method or field '%s'", name);
}

/* Upvalue 1: the methods. */
static int l_index(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING)
    return njl_index_tensor(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  nj_tensor *x = njl_check_tensor(L, 1);
  const char *name = lua_tostring(L, 2);
  return push_field(L, x, name) ? 1 : unknown_name(L, name);
}

static int l_newindex(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING)
    return njl_assign_tensor(L);
  njl_check_tensor(L, 1);
  const char *name = lua_tostring(L, 2);
  for (size_t i = 0; i < N_FIELDS; i++) {
    if (strcmp(name, fields[i].name) == 0)
      return luaL_error(L, "field '%s' of a tensor cannot be assigned%s", name,
                        strcmp(name, "requires_grad") == 0 ? " (use x:requires_grad_(true))"
                        : strcmp(name, "grad") == 0        ? " (use x:zero_grad())"
                                                           : "");
  }
  return luaL_error(L, "tensor has no field '%s'", name);
}

static int l_size(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  if (lua_isnoneornil(L, 2))
    push_sizes(L, x->ndim, x->shape);
  else
    lua_pushinteger(L, (lua_Integer)x->shape[njl_check_dim(L, 2, x->ndim)]);
  return 1;
}

static int l_numel(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)nj_numel(njl_check_tensor(L, 1)));
  return 1;
}

static int l_len(lua_State *L) {
  const nj_tensor *x = njl_check_tensor(L, 1);
  if (x->ndim == 0)
    return luaL_error(L, "a tensor of 0 dimensions has no length");
  lua_pushinteger(L, (lua_Integer)x->shape[0]);
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

/* ---- text ---- */

/* Pushes the text of the tensor at `index`. The text lives in a block of the context, so a failing
 * push must not lose it: the string is made under protection. */
static int push_bytes(lua_State *L) {
  const nj_text_buffer *text = lua_touserdata(L, 1);
  lua_pushlstring(L, text->data ? text->data : "", text->length);
  return 1;
}

void njl_push_text_buffer(lua_State *L, nj_text_buffer *text) {
  lua_pushcfunction(L, push_bytes);
  lua_pushlightuserdata(L, text);
  int status = text->status ? LUA_ERRRUN : lua_pcall(L, 1, 1, 0);
  nj_status failed = text->status;
  nj_text_free(text);
  njl_check(L, failed);
  if (status != LUA_OK)
    lua_error(L);
}

static int l_tostring(lua_State *L) {
  const box *b = luaL_checkudata(L, 1, NJL_TENSOR);
  if (!b->x || b->closed) { /* printing must not fail in the middle of looking for a bug */
    lua_pushliteral(L, "[freed tensor]");
    return 1;
  }
  nj_print_options options = nj_print_default_options();
  nj_text_buffer text = {.ctx = njl_ctx(L)};
  nj_print(b->x, &options, &text);
  njl_push_text_buffer(L, &text);
  return 1;
}

/* x:format{width=, threshold=, edge=, digits=}: the text of tostring, to measure. */
static int l_format(lua_State *L) {
  static const char *const keys[] = {"width", "threshold", "edge", "digits", NULL};
  nj_print_options options = nj_print_default_options();
  njl_options(L, 2, "format", keys);
  options.width = (int)njl_opt_integer(L, 2, "format", "width", 8, 100000, options.width);
  options.threshold =
      njl_opt_integer(L, 2, "format", "threshold", 0, LUA_MAXINTEGER, options.threshold);
  options.edge = (int)njl_opt_integer(L, 2, "format", "edge", 1, 1000, options.edge);
  options.digits = (int)njl_opt_integer(L, 2, "format", "digits", 1, 17, options.digits);
  nj_tensor *x = njl_check_tensor(L, 1);
  nj_text_buffer text = {.ctx = njl_ctx(L)};
  nj_print(x, &options, &text);
  njl_push_text_buffer(L, &text);
  return 1;
}

/* "loss " .. loss: a tensor of one element joins as a short number. */
static void push_concat_part(lua_State *L, int index) {
  const nj_tensor *x = njl_test_tensor(L, index);
  if (!x && (lua_type(L, index) == LUA_TSTRING || lua_type(L, index) == LUA_TNUMBER)) {
    lua_pushvalue(L, index);
  } else if (!x) {
    luaL_error(L, "attempt to concatenate a tensor with a %s value", luaL_typename(L, index));
  } else if (nj_numel(x) == 1 && nj_dtype_is_float(x->dtype)) {
    char number[40];
    njl_push_element(L, x, x->offset);
    double v = lua_tonumber(L, -1);
    lua_pop(L, 1);
    snprintf(number, sizeof number, "%.5g", v);
    lua_pushstring(L, isnan(v) ? "nan" : number);
  } else if (nj_numel(x) == 1) {
    njl_push_element(L, x, x->offset);
  } else {
    luaL_tolstring(L, index, NULL);
  }
}

static int l_concat(lua_State *L) {
  push_concat_part(L, 1);
  push_concat_part(L, 2);
  lua_concat(L, 2);
  return 1;
}

/* ---- rows ---- */

static int next_row(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Integer i = luaL_checkinteger(L, 2);
  if (x->ndim == 0 || i < 0 || i >= x->shape[0])
    return 0;
  lua_pushinteger(L, i + 1);
  njl_push_row(L, x, i);
  return 2;
}

/* for i, row in x:rows() do: entries of dimension 1, numbers for a vector. Also pairs(x). */
static int l_rows(lua_State *L) {
  const nj_tensor *x = njl_check_tensor(L, 1);
  if (x->ndim == 0)
    return luaL_error(L, "rows: a tensor of 0 dimensions has no rows");
  lua_pushcfunction(L, next_row);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

void njl_open_tensor(lua_State *L);

void njl_open_tensor(lua_State *L) {
  static const luaL_Reg methods[] = {{"totable", l_totable}, {"item", l_item},
                                     {"tonumber", l_item},   {"bytes", l_bytes},
                                     {"size", l_size},       {"numel", l_numel},
                                     {"free", l_free},       {"format", l_format},
                                     {"rows", l_rows},       {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__newindex", l_newindex}, {"__len", l_len},
                                  {"__gc", l_gc},             {"__close", l_free},
                                  {"__tostring", l_tostring}, {"__concat", l_concat},
                                  {"__pairs", l_rows},        {"__call", njl_call_tensor},
                                  {NULL, NULL}};
  njl_class(L, NJL_TENSOR, methods, meta);
  luaL_getmetatable(L, NJL_TENSOR);
  lua_getfield(L, -1, "__methods");
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
