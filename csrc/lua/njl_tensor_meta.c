/* The metatable of tensors: fields, unknown names, text, rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "njl_tensor.h"

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

/* t:id(): equal for handles of one tensor, whatever userdata hold it. */
static int l_id(lua_State *L) {
  lua_pushlightuserdata(L, njl_check_tensor(L, 1));
  return 1;
}

static int l_len(lua_State *L) {
  const nj_tensor *x = njl_check_tensor(L, 1);
  if (x->ndim == 0)
    return luaL_error(L, "a tensor of 0 dimensions has no length");
  lua_pushinteger(L, (lua_Integer)x->shape[0]);
  return 1;
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
  nj_tensor *x = njl_peek_tensor(L, 1);
  if (!x) { /* printing must not fail in the middle of looking for a bug */
    lua_pushliteral(L, "[freed tensor]");
    return 1;
  }
  nj_print_options options = nj_print_default_options();
  nj_text_buffer text = {.ctx = njl_ctx(L)};
  nj_print(x, &options, &text);
  njl_push_text_buffer(L, &text);
  return 1;
}

/* x:format{width=, threshold=, edge=, digits=}: the text of tostring, to measure. */
static int l_format(lua_State *L) {
  nj_print_options options;
  njl_read_options(L, 2, NULL, &nj_print_option_table, NULL, &options);
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
    nj_plain_format(number, sizeof number, "%.5g", v);
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

void njl_open_tensor_meta(lua_State *L) {
  static const luaL_Reg methods[] = {{"size", l_size}, {"numel", l_numel},   {"id", l_id},
                                     {"rows", l_rows}, {"format", l_format}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__newindex", l_newindex},
                                  {"__len", l_len},
                                  {"__tostring", l_tostring},
                                  {"__concat", l_concat},
                                  {"__pairs", l_rows},
                                  {"__call", njl_call_tensor},
                                  {NULL, NULL}};
  njl_methods(L, NJL_TENSOR, methods);
  luaL_getmetatable(L, NJL_TENSOR);
  luaL_setfuncs(L, meta, 0);
  lua_getfield(L, -1, "__methods");
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  njl_list_options(L, "Tensor:format", &nj_print_option_table);
}
