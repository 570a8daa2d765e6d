/* Tensor methods that reduce, scan and sort. Dimensions and indices are 1-based here. */
#include <math.h>

#include "njl.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/scan.h"
#include "ops/sort.h"

/* The arguments (dim | {dims} | nothing, options | nothing) of a reduction. */
typedef struct {
  nj_tensor *x;
  int n_dims; /* 0: all */
  int dims[NJ_MAX_DIMS];
  int single;  /* dim was one number */
  int options; /* the options' index in the stack */
  int keepdim;
} reduction;

static int is_list(lua_State *L, int index) {
  return lua_istable(L, index) && lua_rawlen(L, index) > 0;
}

static reduction check_reduction(lua_State *L, const char *name, const char *const *keys) {
  reduction r = {.x = njl_check_tensor(L, 1), .options = 3};
  if (is_list(L, 2)) {
    lua_Unsigned n = lua_rawlen(L, 2);
    if (n > (lua_Unsigned)r.x->ndim)
      luaL_argerror(
          L, 2, lua_pushfstring(L, "%d dimensions named, the tensor has %d", (int)n, r.x->ndim));
    for (; r.n_dims < (int)n; r.n_dims++) {
      lua_rawgeti(L, 2, r.n_dims + 1);
      r.dims[r.n_dims] = njl_check_dim(L, -1, r.x->ndim);
      lua_pop(L, 1);
    }
  } else if (lua_istable(L, 2)) {
    r.options = 2; /* all dimensions, with options */
  } else if (!lua_isnoneornil(L, 2)) {
    r.dims[0] = njl_check_dim(L, 2, r.x->ndim);
    r.n_dims = r.single = 1;
  }
  njl_options(L, r.options, name, keys);
  r.keepdim = njl_opt_boolean(L, r.options, name, "keepdim", 0);
  return r;
}

static const char *const keepdim_only[] = {"keepdim", NULL};

typedef nj_status (*reduce_fn)(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                               nj_tensor **out);

static int call_reduce(lua_State *L, const char *name, reduce_fn fn) {
  reduction r = check_reduction(L, name, keepdim_only);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, fn(njl_ctx(L), r.x, r.n_dims, r.dims, r.keepdim, slot));
  return 1;
}

static int l_sum(lua_State *L) { return call_reduce(L, "sum", nj_sum); }
static int l_mean(lua_State *L) { return call_reduce(L, "mean", nj_mean); }
static int l_prod(lua_State *L) { return call_reduce(L, "prod", nj_prod); }
static int l_logsumexp(lua_State *L) { return call_reduce(L, "logsumexp", nj_logsumexp); }

/* x:all() and x:any() over everything give a boolean; along dimensions, a uint8 tensor. */
static int call_truth(lua_State *L, const char *name, reduce_fn fn) {
  reduction r = check_reduction(L, name, keepdim_only);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, fn(njl_ctx(L), r.x, r.n_dims, r.dims, r.keepdim, slot));
  if (r.n_dims == 0 && !r.keepdim)
    lua_pushboolean(L, *(const uint8_t *)nj_data(*slot));
  return 1;
}

static int l_all(lua_State *L) { return call_truth(L, "all", nj_all); }
static int l_any(lua_State *L) { return call_truth(L, "any", nj_any); }

typedef nj_status (*spread_fn)(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims,
                               double correction, int keepdim, nj_tensor **out);

static int call_spread(lua_State *L, const char *name, spread_fn fn) {
  static const char *const keys[] = {"keepdim", "unbiased", NULL};
  reduction r = check_reduction(L, name, keys);
  double correction = njl_opt_boolean(L, r.options, name, "unbiased", 1);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, fn(njl_ctx(L), r.x, r.n_dims, r.dims, correction, r.keepdim, slot));
  return 1;
}

static int l_var(lua_State *L) { return call_spread(L, "var", nj_var); }
static int l_std(lua_State *L) { return call_spread(L, "std", nj_std); }

/* x:norm(dim, {p = 2, keepdim = false}); p may be math.huge. */
static int l_norm(lua_State *L) {
  static const char *const keys[] = {"keepdim", "p", NULL};
  reduction r = check_reduction(L, "norm", keys);
  double p = njl_opt_number(L, r.options, "norm", "p", 0, INFINITY, 2);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_norm(njl_ctx(L), r.x, p, r.n_dims, r.dims, r.keepdim, slot));
  return 1;
}

/* ---- results with indices ---- */

/* Replaces the 0-based indices in the tensor on top of the stack by 1-based ones. */
static void make_one_based(lua_State *L) {
  nj_tensor *zero_based = njl_check_tensor(L, -1);
  nj_tensor **one = njl_new_tensor(L), **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_scalar(njl_ctx(L), NJ_I64, 1, one));
  NJL_CALL(L, nj_add(njl_ctx(L), zero_based, *one, slot));
  lua_replace(L, -3);
  lua_pop(L, 1);
}

typedef nj_status (*extreme_fn)(nj_ctx *ctx, nj_tensor *x, int dim, int keepdim, nj_tensor **values,
                                nj_tensor **indices);

/* Along one dimension also gives the indices. */
static int call_extreme(lua_State *L, const char *name, reduce_fn fn, extreme_fn along) {
  reduction r = check_reduction(L, name, keepdim_only);
  nj_tensor **values = njl_new_tensor(L);
  if (!r.single) {
    NJL_CALL(L, fn(njl_ctx(L), r.x, r.n_dims, r.dims, r.keepdim, values));
    return 1;
  }
  nj_tensor **indices = njl_new_tensor(L);
  NJL_CALL(L, along(njl_ctx(L), r.x, r.dims[0], r.keepdim, values, indices));
  make_one_based(L);
  return 2;
}

static int l_max(lua_State *L) { return call_extreme(L, "max", nj_max, nj_max_dim); }
static int l_min(lua_State *L) { return call_extreme(L, "min", nj_min, nj_min_dim); }

static int call_place(lua_State *L, const char *name, reduce_fn fn) {
  call_reduce(L, name, fn);
  make_one_based(L);
  return 1;
}

static int l_argmax(lua_State *L) { return call_place(L, "argmax", nj_argmax); }
static int l_argmin(lua_State *L) { return call_place(L, "argmin", nj_argmin); }

/* ---- along one dimension ---- */

static int opt_dim(lua_State *L, int index, const nj_tensor *x) {
  return lua_isnoneornil(L, index) ? -1 : njl_check_dim(L, index, x->ndim ? x->ndim : 1);
}

static int call_scan(lua_State *L,
                     nj_status (*fn)(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out)) {
  nj_tensor *x = njl_check_tensor(L, 1);
  int dim = njl_check_dim(L, 2, x->ndim ? x->ndim : 1);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, fn(njl_ctx(L), x, dim, slot));
  return 1;
}

static int l_cumsum(lua_State *L) { return call_scan(L, nj_cumsum); }
static int l_cumprod(lua_State *L) { return call_scan(L, nj_cumprod); }

/* The options table may stand in the dimension's place. */
static int options_at(lua_State *L, int dim) { return lua_istable(L, dim) ? dim : dim + 1; }

/* x:sort(dim = -1, {descending = false}) gives the values and their indices. */
static int l_sort(lua_State *L) {
  static const char *const keys[] = {"descending", NULL};
  nj_tensor *x = njl_check_tensor(L, 1);
  int options = options_at(L, 2), dim = options == 2 ? -1 : opt_dim(L, 2, x);
  njl_options(L, options, "sort", keys);
  int descending = njl_opt_boolean(L, options, "sort", "descending", 0);
  nj_tensor **values = njl_new_tensor(L), **indices = njl_new_tensor(L);
  NJL_CALL(L, nj_sort(njl_ctx(L), x, dim, descending, values, indices));
  make_one_based(L);
  return 2;
}

static int l_argsort(lua_State *L) {
  static const char *const keys[] = {"descending", NULL};
  nj_tensor *x = njl_check_tensor(L, 1);
  int options = options_at(L, 2), dim = options == 2 ? -1 : opt_dim(L, 2, x);
  njl_options(L, options, "argsort", keys);
  int descending = njl_opt_boolean(L, options, "argsort", "descending", 0);
  nj_tensor **indices = njl_new_tensor(L);
  NJL_CALL(L, nj_argsort(njl_ctx(L), x, dim, descending, indices));
  make_one_based(L);
  return 1;
}

/* x:topk(k, dim = -1, {largest = true}) gives the values and their indices. */
static int l_topk(lua_State *L) {
  static const char *const keys[] = {"largest", NULL};
  nj_tensor *x = njl_check_tensor(L, 1);
  int64_t k = luaL_checkinteger(L, 2);
  int options = options_at(L, 3), dim = options == 3 ? -1 : opt_dim(L, 3, x);
  njl_options(L, options, "topk", keys);
  int largest = njl_opt_boolean(L, options, "topk", "largest", 1);
  nj_tensor **values = njl_new_tensor(L), **indices = njl_new_tensor(L);
  NJL_CALL(L, nj_topk(njl_ctx(L), x, k, dim, largest, values, indices));
  make_one_based(L);
  return 2;
}

void njl_open_reduce(lua_State *L) {
  static const luaL_Reg methods[] = {{"sum", l_sum},
                                     {"mean", l_mean},
                                     {"prod", l_prod},
                                     {"var", l_var},
                                     {"std", l_std},
                                     {"norm", l_norm},
                                     {"logsumexp", l_logsumexp},
                                     {"all", l_all},
                                     {"any", l_any},
                                     {"max", l_max},
                                     {"min", l_min},
                                     {"argmax", l_argmax},
                                     {"argmin", l_argmin},
                                     {"cumsum", l_cumsum},
                                     {"cumprod", l_cumprod},
                                     {"sort", l_sort},
                                     {"argsort", l_argsort},
                                     {"topk", l_topk},
                                     {NULL, NULL}};
  njl_methods(L, NJL_TENSOR, methods);
}
