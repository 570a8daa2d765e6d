/* The binding's own vocabulary: context, errors, options, userdata. One njl_<room>.c per room of
 * userdata or functions; it checks arguments, calls the C library and pushes. No arithmetic here.
 *
 * The rules that keep a host alive:
 *  - check every argument before acquiring anything;
 *  - make the owning userdata (holding NULL) first, then let the library fill it;
 *  - the library never calls Lua; a Lua error never crosses a library frame. */
#ifndef NJL_H
#define NJL_H

#include "njl_compat.h"
#include "nj.h"

/* Rooms: each has void njl_open_<room>(lua_State *L), called with the module table on top. Add a
 * line to njl_rooms.h, which declares it here. */
#define NJL_ROOM(room) void njl_open_##room(lua_State *L);
#include "njl_rooms.h"
#undef NJL_ROOM

/* ---- context (njl_context.c) ---- */
nj_ctx *njl_ctx(lua_State *L);
/* After off-heap memory was acquired: tells the collector of growth since it was last told. May
 * run finalizers, so call it with everything anchored on the stack. */
void njl_account(lua_State *L);
/* A full collection and a trim of the cache, after ENOMEM. Always 1. */
int njl_reclaim(lua_State *L);

/* ---- errors (njl_context.c) ---- */
/* Raises the context's error text, with the position of the Lua caller. Never returns. */
int njl_raise(lua_State *L, nj_status status);
/* Pushes nil, message, code ("ENOENT"-like status name); returns 3. */
int njl_fail(lua_State *L, nj_status status);
/* For operations on tensors: raises unless NJ_OK. */
#define njl_check(L, status) ((void)((status) == NJ_OK || njl_raise((L), (status))))
/* For what the world can break: misuse raises, the world returns nil, message, code. Use as
 *   if (status) return njl_result(L, status); */
int njl_result(lua_State *L, nj_status status);
/* The usual call of a tensor operation: retried once, raised on failure. */
#define NJL_CALL(L, expr)                           \
  do {                                              \
    nj_status njl_status_ = (expr);                 \
    if (njl_status_ == NJ_ENOMEM && njl_reclaim(L)) \
      njl_status_ = (expr);                         \
    njl_check((L), njl_status_);                    \
  } while (0)

/* ---- userdata (njl_context.c) ---- */
/* Registers a class: metatable `name` (luaL_newmetatable) with metamethods, and methods reached by
 * __index unless meta has its own. Leaves nothing on the stack. */
void njl_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta);
/* Adds methods to a class already registered. */
void njl_methods(lua_State *L, const char *name, const luaL_Reg *methods);
/* A userdata of the class holding one NULL pointer: fill *slot, then njl_account. */
void **njl_new_handle(lua_State *L, const char *name);
/* The pointer of a handle argument; raises when it is of another class, or was closed. */
void *njl_check_handle(lua_State *L, int index, const char *name);

/* ---- options in one last table (njl_options.c) ---- */
/* Checks that the value at `index` is nil or a table whose keys are all in `keys` (NULL-ended), else raises
 * "mel: unknown option 'hopp' (did you mean 'hop'?)". */
void njl_options(lua_State *L, int index, const char *function, const char *const *keys);
/* Levenshtein distance of two short names, for "did you mean"; long ones count as far apart. */
int njl_name_distance(const char *a, const char *b);
/* Each reads one option, or gives the default when it is absent; a wrong type or range raises
 * "mel: option 'hop' must be an integer in [1, 65536], got -3". */
lua_Integer njl_opt_integer(lua_State *L, int index, const char *function, const char *key,
                            lua_Integer low, lua_Integer high, lua_Integer fallback);
lua_Number njl_opt_number(lua_State *L, int index, const char *function, const char *key,
                          lua_Number low, lua_Number high, lua_Number fallback);
int njl_opt_boolean(lua_State *L, int index, const char *function, const char *key, int fallback);
/* The string stays valid while the options table holds it. */
const char *njl_opt_string(lua_State *L, int index, const char *function, const char *key,
                           const char *fallback);
/* Index into `names` (NULL-ended). */
int njl_opt_enum(lua_State *L, int index, const char *function, const char *key,
                 const char *const *names, int fallback);

/* The value of a field of the table at `index` (or of nothing) on the stack; 0, and nothing pushed, when
 * it is absent. Takers check and pop it; they serve the readers above and those of tables. */
int njl_push_field(lua_State *L, int index, const char *key);
lua_Integer njl_take_integer(lua_State *L, const char *function, const char *key, lua_Integer low,
                             lua_Integer high);
lua_Number njl_take_number(lua_State *L, const char *function, const char *key, lua_Number low,
                           lua_Number high);
int njl_take_boolean(lua_State *L, const char *function, const char *key);
const char *njl_take_string(lua_State *L, const char *function, const char *key);
int njl_take_enum(lua_State *L, const char *function, const char *key, const char *const *names);

/* ---- options by a table of the C library (njl_option_table.c) ---- */
/* Reads the options at `index` (a table, or nil for none) into the struct that `table` describes: checks
 * keys, those of `extra` (NULL-ended, or NULL) being allowed besides, sets defaults, reads what was given,
 * raises where something required is missing, derives the rest. function: NULL for the table's name. */
void njl_read_options(lua_State *L, int index, const char *function, const nj_option_table *table,
                      const char *const *extra, void *options);
/* The same in two steps, for a struct whose defaults depend on an option. */
void njl_check_keys(lua_State *L, int index, const char *function, const nj_option_table *table,
                    const char *const *extra);
void njl_read_given(lua_State *L, int index, const char *function, const nj_option_table *table,
                    void *options);
/* Pushes the value of one option; a table of all of them, from which an equal struct is read. */
void njl_push_option(lua_State *L, const nj_option *option, const void *options);
void njl_push_options(lua_State *L, const nj_option_table *table, const void *options);
/* Makes the table known to nj.options as that of a function, "encoders.bert". */
void njl_list_options(lua_State *L, const char *function, const nj_option_table *table);

/* ---- tensors (njl_tensor.c) ---- */
#define NJL_TENSOR "nightjar.Tensor"
/* Pushes a tensor userdata holding NULL and returns its slot: NJL_CALL(L, nj_add(ctx, a, b, slot)). */
nj_tensor **njl_new_tensor(lua_State *L);
/* Pushes a userdata that takes over the caller's reference to x. Only where Lua cannot throw
 * between acquiring x and this call; prefer njl_new_tensor. */
void njl_push_tensor(lua_State *L, nj_tensor *x);
nj_tensor *njl_check_tensor(lua_State *L, int index);
nj_tensor *njl_test_tensor(lua_State *L, int index); /* NULL when it is none */
/* A tensor, or a number made into a 0-dimensional tensor that suits `like` (a float with an integer
 * `like` becomes float32); a number replaces the stack slot by its tensor. */
nj_tensor *njl_check_operand(lua_State *L, int index, const nj_tensor *like);
nj_dtype njl_check_dtype(lua_State *L, int index, nj_dtype fallback); /* nil: fallback */
/* Option 'dtype'. */
nj_dtype njl_opt_dtype(lua_State *L, int index, const char *function, nj_dtype fallback);
/* A shape from {2, 3}, or from the integers at index and on; returns ndim. A size may be -1, which
 * only some operations understand. */
int njl_check_shape(lua_State *L, int index, int64_t *shape);
/* The index of the argument after such a shape: where the options are. */
int njl_shape_end(lua_State *L, int index);
/* A 1-based dimension (negative from the end) into 0-based, for a tensor of ndim dimensions. */
int njl_check_dim(lua_State *L, int index, int ndim);

/* ---- random generators (njl_rng.c) ---- */
#define NJL_RNG "nightjar.Rng"
nj_rng *njl_check_rng(lua_State *L, int index);
/* The generator of option `key`, or the state's default generator. */
nj_rng *njl_opt_rng(lua_State *L, int index, const char *function, const char *key);

#endif
