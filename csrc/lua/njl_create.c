/* Making tensors: from Lua tables and bytes, filled, counted, and alike. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "njl_tensor.h"
#include "ops/index_rows.h"

/* ---- from nested tables ---- */

/* "[2][3]" into a buffer; "" for a bare number. */
static const char *place_text(int depth, const int64_t *place, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < depth && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "[%lld]", (long long)place[i] + 1);
  return text;
}

#define PLACE_OF(depth, place) place_text(depth, place, (char[256]){0}, 256)

/* The shape that the first entry at each depth says. */
static int measure_table(lua_State *L, int index, const char *function, int64_t *shape) {
  int n = 0;
  lua_pushvalue(L, index);
  while (lua_istable(L, -1)) {
    if (n == NJ_MAX_DIMS)
      luaL_error(L, "%s: the table is nested more than %d deep", function, NJ_MAX_DIMS);
    shape[n] = (int64_t)lua_rawlen(L, -1);
    if (shape[n++] == 0)
      break;
    lua_rawgeti(L, -1, 1);
    lua_replace(L, -2);
  }
  lua_pop(L, 1);
  return n;
}

typedef struct {
  nj_tensor *x;
  const char *function;
  int64_t place[NJ_MAX_DIMS];
  int64_t next; /* element of the storage to be filled next */
} filler;

/* Fills x from the value on top of the stack; `depth` dimensions are fixed. */
static void fill(lua_State *L, filler *f, int depth) {
  const nj_tensor *x = f->x;
  if (depth == x->ndim) {
    const char *fault = njl_element_fault(L, -1, x->dtype);
    if (fault)
      luaL_error(L, "%s: element %s %s", f->function, PLACE_OF(depth, f->place), fault);
    njl_set_element(L, -1, f->x, f->next++);
    return;
  }
  if (!lua_istable(L, -1))
    luaL_error(L, "%s: element %s must be a table of %I, got %s", f->function,
               PLACE_OF(depth, f->place), (LUAI_UACINT)x->shape[depth], luaL_typename(L, -1));
  int64_t size = (int64_t)lua_rawlen(L, -1);
  if (size != x->shape[depth])
    luaL_error(L, "%s: ragged table: element %s has %I entries, those before it have %I",
               f->function, PLACE_OF(depth, f->place), (LUAI_UACINT)size,
               (LUAI_UACINT)x->shape[depth]);
  luaL_checkstack(L, 4, f->function);
  for (int64_t i = 0; i < size; i++) {
    lua_rawgeti(L, -1, i + 1);
    f->place[depth] = i;
    fill(L, f, depth + 1);
    lua_pop(L, 1);
  }
}

nj_tensor *njl_build_tensor(lua_State *L, int index, const char *function, nj_dtype dtype) {
  filler f = {.function = function};
  int64_t shape[NJ_MAX_DIMS];
  index = lua_absindex(L, index);
  int ndim = measure_table(L, index, function, shape);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_empty(njl_ctx(L), dtype, ndim, shape, slot));
  f.x = *slot;
  lua_pushvalue(L, index);
  fill(L, &f, 0);
  lua_pop(L, 1);
  return *slot;
}

/* ---- options ---- */

static const char *const keys[] = {"dtype", "grad", NULL};

static void want_grad(lua_State *L, nj_tensor *x, int options, const char *function) {
  if (njl_opt_boolean(L, options, function, "grad", 0))
    njl_check(L, nj_set_requires_grad(x, 1));
}

/* The first leaf of a nested table decides between a mask and numbers. */
static int leaf_is_boolean(lua_State *L, int index) {
  lua_pushvalue(L, index);
  for (int depth = 0; lua_istable(L, -1) && depth < NJ_MAX_DIMS; depth++) {
    lua_rawgeti(L, -1, 1);
    lua_replace(L, -2);
  }
  int boolean = lua_isboolean(L, -1);
  lua_pop(L, 1);
  return boolean;
}

/* nj.tensor(value, {dtype=, grad=}): value is a number, a boolean, a nested table of them, or a tensor
 * (which is copied). float32 unless said otherwise; booleans make a uint8 mask. */
static int l_tensor(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *from = njl_test_tensor(L, 1);
  lua_settop(L, 2);
  njl_options(L, 2, "tensor", keys);
  nj_dtype fallback = from ? from->dtype : leaf_is_boolean(L, 1) ? NJ_U8 : NJ_F32;
  nj_dtype dtype = njl_opt_dtype(L, 2, "tensor", fallback);
  if (!from && !lua_istable(L, 1) && lua_type(L, 1) != LUA_TNUMBER && !lua_isboolean(L, 1))
    return luaL_error(L, "tensor: expected a table, number or tensor, got %s", luaL_typename(L, 1));
  nj_tensor *x;
  if (from) {
    nj_tensor **slot = njl_new_tensor(L);
    NJL_CALL(L, nj_empty(ctx, dtype, from->ndim, from->shape, slot));
    NJL_CALL(L, nj_copy_values(*slot, from));
    x = *slot;
  } else {
    x = njl_build_tensor(L, 1, "tensor", dtype);
  }
  want_grad(L, x, 2, "tensor");
  return 1;
}

/* nj.frombytes(string, {dtype=, shape=}): the machine's own representation, as x:bytes() gives it. */
static int l_frombytes(lua_State *L) {
  static const char *const byte_keys[] = {"dtype", "shape", "grad", NULL};
  size_t length;
  int64_t shape[NJ_MAX_DIMS], total = 1;
  int ndim = 1;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *bytes = lua_tolstring(L, 1, &length);
  njl_options(L, 2, "frombytes", byte_keys);
  nj_dtype dtype = njl_opt_dtype(L, 2, "frombytes", NJ_F32);
  size_t size = nj_dtype_size(dtype);
  shape[0] = (int64_t)(length / size);
  lua_settop(L, 2);
  if (lua_istable(L, 2) && lua_getfield(L, 2, "shape") != LUA_TNIL) {
    if (!lua_istable(L, -1))
      return luaL_error(L, "frombytes: option 'shape' must be a table");
    ndim = njl_check_shape(L, 3, shape);
  }
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0 || __builtin_mul_overflow(total, shape[i], &total))
      return luaL_error(L, "frombytes: bad size in shape");
  }
  if (length % size != 0 || (uint64_t)total != length / size)
    return luaL_error(L, "frombytes: %I bytes do not make a %s tensor of shape %s",
                      (LUAI_UACINT)length, nj_dtype_name(dtype),
                      nj_shape_text(ndim, shape, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT));
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_empty(njl_ctx(L), dtype, ndim, shape, slot));
  memcpy(nj_data(*slot), bytes, length);
  want_grad(L, *slot, 2, "frombytes");
  return 1;
}

/* ---- filled ---- */

/* nj.zeros({2, 3}, options) or nj.zeros(2, 3, options), and the like; without a value the memory is
 * left as it was. */
static int filled(lua_State *L, const char *function, const double *value) {
  int64_t shape[NJ_MAX_DIMS];
  nj_ctx *ctx = njl_ctx(L);
  if (lua_isnoneornil(L, 1))
    return luaL_error(L, "%s: expected a shape (integers, or a table of them)", function);
  int ndim = njl_check_shape(L, 1, shape), options = njl_shape_end(L, 1);
  if (!lua_isnoneornil(L, options) && !lua_istable(L, options))
    return luaL_error(L, "%s: sizes must be integers, got %s", function, luaL_typename(L, options));
  njl_options(L, options, function, keys);
  nj_dtype dtype = njl_opt_dtype(L, options, function, NJ_F32);
  nj_tensor **slot = njl_new_tensor(L);
  if (value)
    NJL_CALL(L, nj_full(ctx, dtype, ndim, shape, *value, slot));
  else
    NJL_CALL(L, nj_empty(ctx, dtype, ndim, shape, slot));
  want_grad(L, *slot, options, function);
  return 1;
}

static int l_zeros(lua_State *L) { return filled(L, "zeros", &(double){0}); }
static int l_ones(lua_State *L) { return filled(L, "ones", &(double){1}); }
static int l_empty(lua_State *L) { return filled(L, "empty", NULL); }

/* nj.full(shape, value, options): the shape is a table (or one integer). */
static int l_full(lua_State *L) {
  int64_t shape[NJ_MAX_DIMS];
  int ndim = 1;
  if (lua_type(L, 1) == LUA_TNUMBER) {
    shape[0] = luaL_checkinteger(L, 1);
  } else {
    luaL_checktype(L, 1, LUA_TTABLE);
    ndim = njl_check_shape(L, 1, shape);
  }
  njl_options(L, 3, "full", keys);
  nj_dtype dtype = njl_opt_dtype(L, 3, "full", lua_isboolean(L, 2) ? NJ_U8 : NJ_F32);
  const char *fault = njl_element_fault(L, 2, dtype);
  if (fault)
    return luaL_error(L, "full: the value %s", fault);
  nj_tensor **one = njl_new_tensor(L);
  NJL_CALL(L, nj_scalar(njl_ctx(L), dtype, 0, one));
  njl_set_element(L, 2, *one, 0);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_empty(njl_ctx(L), dtype, ndim, shape, slot));
  NJL_CALL(L, nj_copy_values(*slot, *one));
  want_grad(L, *slot, 3, "full");
  return 1;
}

/* zeros_like(x, options) and the like: x's shape, and its dtype unless options say otherwise. */
static int filled_like(lua_State *L, const char *function, int options, const double *value) {
  nj_ctx *ctx = njl_ctx(L);
  const nj_tensor *x = njl_check_tensor(L, 1);
  njl_options(L, options, function, keys);
  nj_dtype dtype = njl_opt_dtype(L, options, function, x->dtype);
  nj_tensor **slot = njl_new_tensor(L);
  if (value)
    NJL_CALL(L, nj_full(ctx, dtype, x->ndim, x->shape, *value, slot));
  else
    NJL_CALL(L, nj_empty(ctx, dtype, x->ndim, x->shape, slot));
  want_grad(L, *slot, options, function);
  return 1;
}

static int l_zeros_like(lua_State *L) { return filled_like(L, "zeros_like", 2, &(double){0}); }
static int l_ones_like(lua_State *L) { return filled_like(L, "ones_like", 2, &(double){1}); }
static int l_empty_like(lua_State *L) { return filled_like(L, "empty_like", 2, NULL); }
static int l_full_like(lua_State *L) {
  njl_check_tensor(L, 1);
  double value = luaL_checknumber(L, 2);
  return filled_like(L, "full_like", 3, &value);
}

/* ---- counted ---- */

/* How many terms first, first + step, … do not pass last. */
static int64_t count_terms(lua_State *L, lua_Number first, lua_Number last, lua_Number step) {
  if (step == 0 || step != step)
    luaL_error(L, "arange: step must not be 0");
  lua_Number n = floor((last - first) / step + 1e-9) + 1;
  if (n != n || n > 1e15)
    luaL_error(L, "arange: from %f to %f by %f is no countable range", first, last, step);
  return n < 0 ? 0 : (int64_t)n;
}

/* nj.arange(last), nj.arange(first, last[, step], options): as Lua's for loop counts, last
 * included. int64 when all are integers, else float32. */
static int l_arange(lua_State *L) {
  int given = 0;
  while (given < 3 && lua_type(L, given + 1) == LUA_TNUMBER)
    given++;
  luaL_argcheck(L, given > 0, 1, "number expected");
  int options = given + 1;
  if (!lua_isnoneornil(L, options) && !lua_istable(L, options))
    return luaL_argerror(L, options, "number or options expected");
  njl_options(L, options, "arange", keys);
  int whole = 1;
  for (int i = 1; i <= given; i++)
    whole = whole && lua_isinteger(L, i);
  nj_dtype dtype = njl_opt_dtype(L, options, "arange", whole ? NJ_I64 : NJ_F32);
  lua_Number first = given > 1 ? lua_tonumber(L, 1) : 1, step = given > 2 ? lua_tonumber(L, 3) : 1;
  int64_t n = count_terms(L, first, lua_tonumber(L, given > 1 ? 2 : 1), step);
  nj_tensor **slot = njl_new_tensor(L), **work = njl_new_tensor(L);
  NJL_CALL(L, nj_empty(njl_ctx(L), dtype, 1, &n, slot));
  NJL_CALL(L, nj_empty(njl_ctx(L), whole ? NJ_I64 : NJ_F64, 1, &n, work));
  lua_Integer start = given > 1 ? lua_tointeger(L, 1) : 1, by = given > 2 ? lua_tointeger(L, 3) : 1;
  for (int64_t i = 0; i < n; i++) {
    if (whole)
      NJ_I64_DATA(*work)[i] = (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)by);
    else
      NJ_F64_DATA(*work)[i] = first + (lua_Number)i * step;
  }
  NJL_CALL(L, nj_copy_values(*slot, *work));
  want_grad(L, *slot, options, "arange");
  lua_pop(L, 1);
  return 1;
}

/* nj.linspace(first, last, n, options): n numbers at even steps, both ends included. */
static int l_linspace(lua_State *L) {
  lua_Number first = luaL_checknumber(L, 1), last = luaL_checknumber(L, 2);
  int64_t n = luaL_checkinteger(L, 3);
  luaL_argcheck(L, n >= 0, 3, "the count must not be negative");
  njl_options(L, 4, "linspace", keys);
  nj_dtype dtype = njl_opt_dtype(L, 4, "linspace", NJ_F32);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_empty(njl_ctx(L), dtype, 1, &n, slot));
  for (int64_t i = 0; i < n; i++) {
    lua_Number part = n > 1 ? (lua_Number)i / (lua_Number)(n - 1) : 0;
    nj_set(*slot, &i, i == n - 1 && n > 1 ? last : first + (last - first) * part);
  }
  want_grad(L, *slot, 4, "linspace");
  return 1;
}

/* nj.eye(rows[, columns], options): ones on the diagonal. */
static int l_eye(lua_State *L) {
  int64_t shape[2];
  int options = lua_type(L, 2) == LUA_TNUMBER ? 3 : 2;
  shape[0] = luaL_checkinteger(L, 1);
  shape[1] = options == 3 ? luaL_checkinteger(L, 2) : shape[0];
  njl_options(L, options, "eye", keys);
  nj_dtype dtype = njl_opt_dtype(L, options, "eye", NJ_F32);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_zeros(njl_ctx(L), dtype, 2, shape, slot));
  for (int64_t i = 0; i < shape[0] && i < shape[1]; i++)
    nj_set(*slot, (int64_t[]){i, i}, 1);
  want_grad(L, *slot, options, "eye");
  return 1;
}

/* nj.one_hot(indices, classes, options): indices (an int tensor, table or number) are 1-based. */
static int l_one_hot(lua_State *L) {
  nj_tensor *index = njl_test_tensor(L, 1);
  int64_t classes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, classes > 0, 2, "the number of classes must be positive");
  njl_options(L, 3, "one_hot", keys);
  nj_dtype dtype = njl_opt_dtype(L, 3, "one_hot", NJ_F32);
  if (!index)
    index = njl_build_tensor(L, 1, "one_hot", NJ_I64);
  nj_tensor **places = njl_new_tensor(L), **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_index_from_one(njl_ctx(L), "one_hot", index, index->ndim, classes, places));
  NJL_CALL(L, nj_one_hot(njl_ctx(L), *places, classes, dtype, slot));
  want_grad(L, *slot, 3, "one_hot");
  return 1;
}

void njl_open_create(lua_State *L) {
  static const luaL_Reg functions[] = {{"tensor", l_tensor},
                                       {"frombytes", l_frombytes},
                                       {"zeros", l_zeros},
                                       {"ones", l_ones},
                                       {"empty", l_empty},
                                       {"full", l_full},
                                       {"zeros_like", l_zeros_like},
                                       {"ones_like", l_ones_like},
                                       {"empty_like", l_empty_like},
                                       {"full_like", l_full_like},
                                       {"arange", l_arange},
                                       {"linspace", l_linspace},
                                       {"eye", l_eye},
                                       {"one_hot", l_one_hot},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"zeros_like", l_zeros_like},
                                     {"ones_like", l_ones_like},
                                     {"empty_like", l_empty_like},
                                     {"full_like", l_full_like},
                                     {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  njl_methods(L, NJL_TENSOR, methods);
}
