/* Indexing: t[i], t(i, j), t[{ {1, 3}, {} }], t[mask], t[indices], and assignment through them. */
#include <string.h>

#include "njl_tensor.h"
#include "ops/index_rows.h"

/* What an index expression says of each dimension. Dimensions that are picked by an index tensor
 * (0-based, int64, anchored on the stack) are whole in `ranges`. */
typedef struct {
  nj_range ranges[NJ_MAX_DIMS];
  nj_tensor *pick[NJ_MAX_DIMS];
  int n_picks;
  int single; /* every dimension has one index */
} selection;

static int out_of_range(lua_State *L, lua_Integer i, int dim, int64_t size) {
  return luaL_error(L, "index %I is out of range for dimension %d of size %I", (LUAI_UACINT)i,
                    dim + 1, (LUAI_UACINT)size);
}

/* 1-based or from the end, into 0-based. */
static int64_t place_of(lua_State *L, lua_Integer i, int dim, int64_t size) {
  if (i == 0 || i > size || i < -size)
    out_of_range(L, i, dim, size);
  return i > 0 ? i - 1 : i + size;
}

static lua_Integer integer_at(lua_State *L, int index, int dim) {
  int whole;
  lua_Integer i = lua_tointegerx(L, index, &whole);
  if (lua_type(L, index) != LUA_TNUMBER || !whole)
    luaL_error(L, "index of dimension %d must be an integer, got %s", dim + 1,
               luaL_tolstring(L, index, NULL));
  return i;
}

/* {} whole, {a} one entry (the dimension stays), {first, last}, {first, last, step}. */
static nj_range range_at(lua_State *L, int index, int dim, int64_t size) {
  size_t n = lua_rawlen(L, index);
  lua_Integer part[3] = {1, -1, 1};
  if (n > 3)
    luaL_error(L, "range of dimension %d must be {first, last, step}, got %d entries", dim + 1,
               (int)n);
  for (int i = 0; i < (int)n; i++) {
    lua_rawgeti(L, index, i + 1);
    part[i] = integer_at(L, -1, dim);
    lua_pop(L, 1);
  }
  if (n == 0)
    return (nj_range){0, size, 1};
  if (n == 1)
    part[1] = part[0];
  if (part[2] < 1)
    luaL_error(L, "step of dimension %d must be positive, got %I (use flip)", dim + 1,
               (LUAI_UACINT)part[2]);
  /* Counted from the end where negative; last may be one before first: an empty range. */
  int64_t first = part[0] < 0 ? part[0] + size : part[0] - 1;
  int64_t last = part[1] < 0 ? part[1] + size : part[1] - 1;
  if (part[0] == 0 || first < 0 || first > size || (first == size && last >= first))
    out_of_range(L, part[0], dim, size);
  if (last < -1 || last >= size)
    out_of_range(L, part[1], dim, size);
  if (last < first - 1)
    luaL_error(L, "range {%I, %I} of dimension %d of size %I ends before it begins",
               (LUAI_UACINT)part[0], (LUAI_UACINT)part[1], dim + 1, (LUAI_UACINT)size);
  return (nj_range){first, last < first ? 0 : (last - first) / part[2] + 1, part[2]};
}

/* An index tensor for one dimension as 0-based int64, pushed. Masks (uint8) become positions. */
static nj_tensor *push_pick(lua_State *L, nj_tensor *index, int dim, int64_t size) {
  nj_ctx *ctx = njl_ctx(L);
  if (index->dtype != NJ_U8) {
    nj_tensor **slot = njl_new_tensor(L);
    NJL_CALL(L, nj_index_from_one(ctx, "index", index, dim, size, slot));
    return *slot;
  }
  if (index->ndim != 1 || index->shape[0] != size)
    luaL_error(L, "index: a mask of shape %s does not fit dimension %d of size %I",
               NJ_SHAPE_OF(index), dim + 1, (LUAI_UACINT)size);
  nj_tensor **places = njl_new_tensor(L);
  NJL_CALL(L, nj_nonzero(ctx, index, places));
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_select(ctx, *places, 1, 0, slot));
  return *slot;
}

/* Reads the n entries at stack places base …; what it pushes stays there as an anchor. */
static void read_selection(lua_State *L, const nj_tensor *x, int base, int n, selection *s) {
  if (n > x->ndim)
    luaL_error(L, "%d indices for a tensor of %d dimensions", n, x->ndim);
  luaL_checkstack(L, 3 * n + 8, "index");
  *s = (selection){.single = n == x->ndim};
  for (int d = 0; d < x->ndim; d++) {
    int64_t size = x->shape[d];
    s->ranges[d] = (nj_range){0, size, 1};
    if (d >= n)
      continue;
    nj_tensor *index = njl_test_tensor(L, base + d);
    if (lua_type(L, base + d) == LUA_TNUMBER) {
      s->ranges[d] = (nj_range){place_of(L, integer_at(L, base + d, d), d, size), 1, 0};
      continue;
    }
    s->single = 0;
    if (index) {
      s->pick[d] = push_pick(L, index, d, size);
      s->n_picks++;
    } else if (lua_istable(L, base + d)) {
      s->ranges[d] = range_at(L, base + d, d, size);
    } else {
      luaL_error(L,
                 "index of dimension %d must be an integer, a range {first, last, step} or an "
                 "index tensor, got %s",
                 d + 1, luaL_typename(L, base + d));
    }
  }
}

/* Where the element named by a selection of single indices lies. */
static int64_t element_place(const nj_tensor *x, const selection *s) {
  int64_t at = x->offset;
  for (int d = 0; d < x->ndim; d++)
    at += s->ranges[d].start * x->stride[d];
  return at;
}

/* The dimension that x's dimension d became after slicing. */
static int dim_after(const selection *s, int d) {
  int at = 0;
  for (int i = 0; i < d; i++)
    at += s->ranges[i].step != 0;
  return at;
}

/* Numbers are for reading; where a gradient would be lost, a 0-dimensional tensor is left. */
static int result(lua_State *L, const nj_tensor *y) {
  if (y->ndim == 0 && !nj_requires_grad(y))
    njl_push_element(L, y, y->offset);
  return 1;
}

static int push_selected(lua_State *L, nj_tensor *x, const selection *s) {
  nj_ctx *ctx = njl_ctx(L);
  if (s->single && !nj_requires_grad(x)) {
    njl_push_element(L, x, element_place(x, s));
    return 1;
  }
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_slice(ctx, x, s->ranges, slot));
  for (int d = x->ndim - 1; d >= 0; d--) { /* from the last, so that places stay */
    if (!s->pick[d])
      continue;
    nj_tensor *y = *slot;
    slot = njl_new_tensor(L);
    NJL_CALL(L, nj_index_select(ctx, y, dim_after(s, d), s->pick[d], slot));
  }
  return result(L, *slot);
}

/* Pushes a table's entries; returns how many. */
static int spread(lua_State *L, int index, const nj_tensor *x) {
  size_t n = lua_rawlen(L, index);
  if (n > NJ_MAX_DIMS)
    luaL_error(L, "%d indices for a tensor of %d dimensions", n > 99 ? 99 : (int)n, x->ndim);
  for (size_t i = 1; i <= n; i++)
    lua_rawgeti(L, index, (lua_Integer)i);
  return (int)n;
}

static int refuse_key(lua_State *L) {
  return luaL_error(L,
                    "a tensor is indexed by an integer, a table of indices and ranges, an index "
                    "tensor, a mask or a name; got %s",
                    luaL_typename(L, 2));
}

static int index_by_tensor(lua_State *L, nj_tensor *x, nj_tensor *index) {
  nj_ctx *ctx = njl_ctx(L);
  if (index->dtype == NJ_U8) {
    nj_tensor **slot = njl_new_tensor(L);
    NJL_CALL(L, nj_mask_rows(ctx, x, index, slot));
    return 1;
  }
  if (x->ndim == 0)
    return luaL_error(L, "a tensor of 0 dimensions cannot be indexed");
  nj_tensor *places = push_pick(L, index, 0, x->shape[0]);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_index_select(ctx, x, 0, places, slot));
  return result(L, *slot);
}

void njl_push_row(lua_State *L, nj_tensor *x, int64_t i) {
  if (x->ndim == 1 && !nj_requires_grad(x)) {
    njl_push_element(L, x, x->offset + i * x->stride[0]);
    return;
  }
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_select(njl_ctx(L), x, 0, i, slot));
}

int njl_index_tensor(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  selection s;
  if (lua_type(L, 2) == LUA_TNUMBER) {
    if (x->ndim == 0)
      return luaL_error(L, "a tensor of 0 dimensions cannot be indexed");
    njl_push_row(L, x, place_of(L, integer_at(L, 2, 0), 0, x->shape[0]));
    return 1;
  }
  if (lua_istable(L, 2)) {
    lua_settop(L, 2);
    int n = spread(L, 2, x);
    read_selection(L, x, 3, n, &s);
    return push_selected(L, x, &s);
  }
  nj_tensor *index = njl_test_tensor(L, 2);
  return index ? index_by_tensor(L, x, index) : refuse_key(L);
}

/* t(i, j) is the element as a number, without making a table; ranges give views as in t[{…}]. */
int njl_call_tensor(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  selection s;
  read_selection(L, x, 2, lua_gettop(L) - 1, &s);
  if (!s.single)
    return push_selected(L, x, &s);
  njl_push_element(L, x, element_place(x, &s));
  return 1;
}

/* ---- assignment ---- */

/* The value at `index` as a tensor: a number or nested table in x's dtype. */
static nj_tensor *check_value(lua_State *L, int index, const nj_tensor *x) {
  nj_tensor *value = njl_test_tensor(L, index);
  if (value)
    return value;
  if (lua_istable(L, index))
    return njl_build_tensor(L, index, "assignment", x->dtype);
  const char *fault = njl_element_fault(L, index, x->dtype);
  if (fault && lua_type(L, index) != LUA_TNUMBER)
    luaL_error(L, "assignment to a tensor: the value must be a number, a tensor or a table, got %s",
               luaL_typename(L, index));
  if (fault)
    luaL_error(L, "assignment to a tensor: the value %s", fault);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_scalar(njl_ctx(L), x->dtype, 0, slot));
  njl_set_element(L, index, *slot, (*slot)->offset);
  return *slot;
}

/* Writes value, broadcast, over a view of the tensor. */
static void assign_view(lua_State *L, nj_tensor *view, nj_tensor *value) {
  int lead = value->ndim - view->ndim, fits = 1;
  for (int i = 0; i < value->ndim; i++)
    fits =
        fits && (value->shape[i] == 1 || (i >= lead && value->shape[i] == view->shape[i - lead]));
  if (!fits)
    luaL_error(L, "assignment to a tensor: a value of shape %s does not fit a place of shape %s",
               NJ_SHAPE_OF(value), NJ_SHAPE_OF(view));
  NJL_CALL(L, nj_copy_(njl_ctx(L), view, value));
}

static int assign_selected(lua_State *L, nj_tensor *x, const selection *s) {
  nj_ctx *ctx = njl_ctx(L);
  int number = lua_type(L, 3) == LUA_TNUMBER || lua_isboolean(L, 3);
  if (s->single && number && !njl_element_fault(L, 3, x->dtype)) {
    njl_check(L, nj_check_inplace(ctx, "index assignment", x, NULL));
    njl_set_element(L, 3, x, element_place(x, s));
    nj_mark_written(x);
    return 0;
  }
  nj_tensor *value = check_value(L, 3, x);
  njl_check(L, nj_check_inplace(ctx, "index assignment", x, value));
  nj_tensor **bare = njl_new_tensor(L); /* outside the graph */
  NJL_CALL(L, nj_detach(x, bare));
  nj_tensor **view = njl_new_tensor(L);
  NJL_CALL(L, nj_slice(ctx, *bare, s->ranges, view));
  if (s->n_picks > 1)
    return luaL_error(L, "assignment to a tensor: at most one index tensor at a time");
  for (int d = 0; d < x->ndim; d++) {
    if (s->pick[d]) {
      NJL_CALL(L, nj_index_put_(ctx, *view, dim_after(s, d), s->pick[d], value));
      return 0;
    }
  }
  assign_view(L, *view, value);
  return 0;
}

static int assign_by_tensor(lua_State *L, nj_tensor *x, nj_tensor *index) {
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *value = check_value(L, 3, x);
  if (index->dtype == NJ_U8) {
    NJL_CALL(L, nj_mask_put_(ctx, x, index, value));
    return 0;
  }
  if (x->ndim == 0)
    return luaL_error(L, "a tensor of 0 dimensions cannot be indexed");
  nj_tensor *places = push_pick(L, index, 0, x->shape[0]);
  NJL_CALL(L, nj_index_put_(ctx, x, 0, places, value));
  return 0;
}

int njl_assign_tensor(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  selection s;
  lua_settop(L, 3);
  nj_tensor *index = njl_test_tensor(L, 2);
  if (index)
    return assign_by_tensor(L, x, index);
  if (lua_istable(L, 2)) {
    int n = spread(L, 2, x);
    read_selection(L, x, 4, n, &s);
  } else if (lua_type(L, 2) == LUA_TNUMBER) {
    if (x->ndim == 0)
      return luaL_error(L, "a tensor of 0 dimensions cannot be indexed");
    read_selection(L, x, 2, 1, &s);
  } else {
    return refuse_key(L);
  }
  return assign_selected(L, x, &s);
}
