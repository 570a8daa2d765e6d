/* The context of a Lua state: creation, collector accounting, errors, classes of userdata. */
#include "kernels/kernels.h"
#include "njl_context.h"

#include <stdlib.h>
#include <string.h>

static const char context_key = 0; /* its address is the registry key */
#define CONTEXT "nightjar.Context"

#define KIB 1024
#define STEP_BYTES ((size_t)256 * KIB)
#define FIRST_FULL_AT ((size_t)256 * KIB * KIB)

njl_context *njl_get_context(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key);
  njl_context *context = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!context || !context->ctx)
    luaL_error(L, "nightjar: the Lua state is closing");
  return context;
}

nj_ctx *njl_ctx(lua_State *L) { return njl_get_context(L)->ctx; }

/* The stock interpreter answers Ctrl-C by setting a hook for every event on the main thread. */
static int interrupted(void *data) {
  lua_State *main = data;
  const int every = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
  return lua_gethookmask(main) == every && lua_gethookcount(main) == 1;
}

static void log_to_lua(void *data, nj_log_level level, const char *text) {
  if (level == NJ_LOG_WARN)
    lua_warning((lua_State *)data, text, 0);
}

static int context_gc(lua_State *L) {
  njl_context *context = luaL_checkudata(L, 1, CONTEXT);
  if (context->ctx) {
    nj_ctx_detach_host(context->ctx);
    nj_ctx_release(context->ctx);
    context->ctx = NULL;
  }
  return 0;
}

static lua_State *main_thread(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

static int threads_from_environment(lua_State *L) {
  const char *text = getenv("NIGHTJAR_THREADS");
  if (!text || !*text)
    return 0;
  char *end;
  long n = strtol(text, &end, 10);
  if (*end || n < 1 || n > 256)
    luaL_error(L, "nightjar: NIGHTJAR_THREADS must be 1 to 256, got '%s'", text);
  return (int)n;
}

static void open_context(lua_State *L) {
  njl_context *context = lua_newuserdatauv(L, sizeof *context, 0);
  *context = (njl_context){.main = main_thread(L), .full_at = FIRST_FULL_AT};
  luaL_newmetatable(L, CONTEXT);
  lua_pushcfunction(L, context_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  nj_ctx_options options = njl_host_options(L);
  if (!options.threads)
    options.threads = threads_from_environment(L);
  if (!options.isa)
    options.isa = getenv("NIGHTJAR_ISA");
  if (options.isa && !*options.isa)
    options.isa = NULL;
  if (!options.should_stop) {
    options.should_stop = interrupted;
    options.should_stop_data = context->main;
  }
  if (!options.log) {
    options.log = log_to_lua;
    options.log_data = context->main;
  }
  nj_status status = nj_ctx_new(&options, &context->ctx);
  if (status == NJ_EARG)
    luaL_error(L,
               "nightjar: NIGHTJAR_ISA='%s' is unknown, or this CPU cannot run it (portable, "
               "avx2, avx512)",
               options.isa);
  if (status != NJ_OK)
    luaL_error(L, "nightjar: %s", nj_status_text(status));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &context_key);
}

/* ---- the collector ---- */

void njl_account(lua_State *L) {
  njl_context *context = njl_get_context(L);
  size_t live = nj_memory_get(context->ctx).live;
  if (live <= context->told) {
    context->told = live;
    return;
  }
  size_t grown = live - context->told;
  if (grown < STEP_BYTES)
    return;
  context->told = live;
  if (live > context->full_at) {
    lua_gc(L, LUA_GCCOLLECT);
    live = nj_memory_get(context->ctx).live;
    context->told = live;
    /* If half of it really is in use, the threshold was too low for this program. */
    if (live > context->full_at / 2)
      context->full_at = live * 2;
    return;
  }
  size_t kib = grown / KIB;
  njl_gc_step(L, kib > 1 << 20 ? 1 << 20 : kib);
}

int njl_reclaim(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT); /* what the first pass finalised may have held more */
  nj_memory_trim(njl_ctx(L));
  return 1;
}

static int l_memory(lua_State *L) {
  static const char *const keys[] = {"limit", "reset_peak", "trim", NULL};
  nj_ctx *ctx = njl_ctx(L);
  njl_options(L, 1, "memory", keys);
  if (lua_istable(L, 1)) {
    lua_Integer limit = njl_opt_integer(L, 1, "memory", "limit", 0, LUA_MAXINTEGER, -1);
    if (limit >= 0)
      nj_memory_set_limit(ctx, (size_t)limit);
    if (njl_opt_boolean(L, 1, "memory", "trim", 0))
      nj_memory_trim(ctx);
    if (njl_opt_boolean(L, 1, "memory", "reset_peak", 0))
      nj_memory_reset_peak(ctx);
  }
  nj_memory memory = nj_memory_get(ctx);
  lua_createtable(L, 0, 5);
#define SET(field)                               \
  lua_pushinteger(L, (lua_Integer)memory.field); \
  lua_setfield(L, -2, #field)
  SET(live);
  SET(peak);
  SET(cached);
  SET(limit);
  SET(allocations);
#undef SET
  return 1;
}

/* Test hook, not part of the documented interface: see nj_memory_fail_after. */
static int l_fail_after(lua_State *L) {
  nj_memory_fail_after(njl_ctx(L), luaL_checkinteger(L, 1));
  return 0;
}

static int l_threads(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= 256, 1, "expected 1 to 256 threads");
    njl_check(L, nj_threads_set(ctx, (int)n));
  }
  lua_pushinteger(L, nj_threads(ctx));
  return 1;
}

/* ---- errors ---- */

int njl_raise(lua_State *L, nj_status status) {
  njl_context *context = njl_get_context(L);
  if (status == NJ_EINTR) /* heard: the interpreter's own hook need not say it again */
    lua_sethook(context->main, NULL, 0, 0);
  luaL_where(L, 1);
  lua_pushstring(L, nj_ctx_error(context->ctx));
  lua_concat(L, 2);
  return lua_error(L);
}

int njl_fail(lua_State *L, nj_status status) {
  lua_pushnil(L);
  lua_pushstring(L, nj_ctx_error(njl_ctx(L)));
  lua_pushstring(L, nj_status_name(status));
  return 3;
}

int njl_result(lua_State *L, nj_status status) {
  if (nj_status_is_misuse(status) || status == NJ_EINTR)
    return njl_raise(L, status);
  return njl_fail(L, status);
}

/* ---- Lua values held by library objects ---- */

njl_reference *njl_reference_new(lua_State *L) {
  njl_context *context = njl_get_context(L);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  njl_reference *reference = nj_alloc(context->ctx, sizeof *reference);
  if (reference)
    *reference = (njl_reference){context, ref};
  else
    luaL_unref(L, LUA_REGISTRYINDEX, ref);
  return reference;
}

void njl_reference_push(lua_State *L, const njl_reference *reference) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, reference->ref);
}

void njl_reference_free(void *data) {
  njl_reference *reference = data;
  njl_context *context = reference->owner;
  luaL_unref(context->main, LUA_REGISTRYINDEX, reference->ref);
  nj_free(context->ctx, reference);
}

nj_status njl_protect(lua_State *L, lua_CFunction body, void *argument) {
  nj_ctx *ctx = njl_ctx(L);
  if (!lua_checkstack(L, 4))
    return nj_fail(ctx, NJ_ENOMEM, "the Lua stack is full");
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, argument);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return NJ_OK;
  const char *text = lua_tostring(L, -1);
  nj_status status = nj_fail(ctx, NJ_ESTATE, "%s", text ? text : "(error object is not a string)");
  lua_pop(L, 1);
  return status;
}

/* ---- classes ---- */

void njl_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta) {
  luaL_newmetatable(L, name);
  if (meta)
    luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  if (methods)
    luaL_setfuncs(L, methods, 0);
  if (lua_getfield(L, -2, "__index") == LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -4, "__index");
  }
  lua_pop(L, 1);
  lua_setfield(L, -2, "__methods");
  lua_pop(L, 1);
}

void njl_methods(lua_State *L, const char *name, const luaL_Reg *methods) {
  if (luaL_getmetatable(L, name) != LUA_TTABLE)
    luaL_error(L, "nightjar: class %s is not registered yet", name);
  lua_getfield(L, -1, "__methods");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 2);
}

void **njl_new_handle(lua_State *L, const char *name) {
  void **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, name);
  return slot;
}

void *njl_check_handle(lua_State *L, int index, const char *name) {
  void **slot = luaL_checkudata(L, index, name);
  if (!*slot)
    luaL_argerror(L, index, lua_pushfstring(L, "this %s was closed", name));
  return *slot;
}

void njl_open_context(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"memory", l_memory}, {"threads", l_threads}, {"_fail_after", l_fail_after}, {NULL, NULL}};
  lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key);
  int known = !lua_isnil(L, -1); /* the module may be loaded twice into one state */
  lua_pop(L, 1);
  if (!known)
    open_context(L);
  luaL_setfuncs(L, functions, 0);
  lua_pushstring(L, nj_ctx_kernels(njl_ctx(L))->isa);
  lua_setfield(L, -2, "isa");
}
