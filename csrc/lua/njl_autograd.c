/* Gradients from Lua: backward, no_grad, hooks on leaves, and operations written in Lua. */
#include "njl_context.h"

#define CUSTOM_CONTEXT "nightjar.autograd.Context"

/* ---- recording on and off ---- */

static int call_with_recording(lua_State *L, int enabled) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  nj_ctx *ctx = njl_ctx(L);
  int before = nj_grad_enabled(ctx);
  nj_set_grad_enabled(ctx, enabled);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  nj_set_grad_enabled(ctx, before);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* nj.no_grad(f, ...) gives what f(...) gives; nothing inside is recorded. f may not yield. */
static int l_no_grad(lua_State *L) { return call_with_recording(L, 0); }

/* nj.enable_grad(f, ...): records even inside no_grad. */
static int l_enable_grad(lua_State *L) { return call_with_recording(L, 1); }

static int l_grad_enabled(lua_State *L) {
  lua_pushboolean(L, nj_grad_enabled(njl_ctx(L)));
  return 1;
}

/* ---- backward ---- */

static int l_backward(lua_State *L) {
  static const char *const keys[] = {"retain_graph", NULL};
  njl_context *context = njl_get_context(L);
  nj_tensor *root = njl_check_tensor(L, 1);
  int options = lua_istable(L, 2) ? 2 : 3;
  nj_tensor *grad = options == 3 && !lua_isnoneornil(L, 2) ? njl_check_tensor(L, 2) : NULL;
  njl_options(L, options, "backward", keys);
  int retain = njl_opt_boolean(L, options, "backward", "retain_graph", 0);
  lua_State *before = context->running;
  context->running = L; /* hooks and custom operations run on the caller's thread */
  nj_status status = nj_backward(context->ctx, root, grad, retain);
  context->running = before;
  njl_check(L, status);
  njl_account(L);
  return 0;
}

/* ---- hooks ---- */

typedef struct {
  njl_reference *function;
  nj_tensor **grad;
} hook_call;

/* Under njl_protect: the Lua side of a hook. */
static int run_hook(lua_State *L) {
  hook_call *call = lua_touserdata(L, 1);
  nj_tensor *grad = *call->grad;
  njl_reference_push(L, call->function);
  *njl_new_tensor(L) = nj_retain(grad);
  lua_call(L, 1, 1);
  if (lua_isnil(L, -1))
    return 0;
  nj_tensor *replaced = njl_test_tensor(L, -1);
  if (!replaced)
    return luaL_error(L, "hook: expected a tensor or nil, got %s", luaL_typename(L, -1));
  if (!nj_same_shape(replaced, grad) || replaced->dtype != grad->dtype)
    return luaL_error(L, "hook: expected a %s gradient of shape %s, got %s %s",
                      nj_dtype_name(grad->dtype), NJ_SHAPE_OF(grad), nj_dtype_name(replaced->dtype),
                      NJ_SHAPE_OF(replaced));
  nj_tensor *detached = NULL;
  njl_check(L, nj_detach(replaced, &detached));
  nj_release(grad);
  *call->grad = detached;
  return 0;
}

static nj_status call_hook(void *data, nj_tensor **grad) {
  hook_call call = {data, grad};
  return njl_protect(call.function->owner->running, run_hook, &call);
}

/* t:register_hook(f): f(grad) sees each gradient that arrives at the leaf t, and may give another in
 * its place. t:register_hook(nil) removes it. */
static int l_register_hook(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  if (!x->leaf)
    return luaL_error(L, "register_hook: hooks belong to leaf tensors that require grad");
  njl_reference *reference = NULL;
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    reference = njl_reference_new(L);
    if (!reference)
      return njl_raise(L, NJ_ENOMEM);
  }
  if (x->leaf->hook_free)
    x->leaf->hook_free(x->leaf->hook_data);
  x->leaf->hook = reference ? call_hook : NULL;
  x->leaf->hook_free = reference ? njl_reference_free : NULL;
  x->leaf->hook_data = reference;
  lua_settop(L, 1);
  return 1;
}

/* ---- leaves ---- */

static int l_requires_grad_(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  int wanted = lua_isnone(L, 2) ? 1 : lua_toboolean(L, 2);
  njl_check(L, nj_set_requires_grad(x, wanted));
  lua_settop(L, 1);
  return 1;
}

static int l_zero_grad(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  if (x->leaf) {
    nj_release(x->leaf->grad);
    x->leaf->grad = NULL;
  }
  lua_settop(L, 1);
  return 1;
}

static int l_detach(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_detach(x, slot));
  return 1;
}

/* ---- operations written in Lua ----
 * nj.autograd.custom{ name = "square", forward = function(ctx, x) ctx:save(x) return x * x end,
 *                     backward = function(ctx, g) local x = ctx:saved() return 2 * x * g end }
 * gives a function of tensors and other arguments. forward runs unrecorded and returns one tensor;
 * backward returns one gradient (or nil) for each tensor argument, in order. */

/* ctx:save(t, ...): keeps up to 8 tensors for backward, guarded against in-place writes. */
static int l_ctx_save(lua_State *L) {
  luaL_checkudata(L, 1, CUSTOM_CONTEXT);
  int n = lua_gettop(L) - 1;
  luaL_argcheck(L, n <= NJ_NODE_SAVED, 2, "at most 8 tensors can be saved");
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    njl_check_tensor(L, i + 1);
    lua_pushvalue(L, i + 1);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, 1, 2);
  return 0;
}

static int l_ctx_saved(lua_State *L) {
  luaL_checkudata(L, 1, CUSTOM_CONTEXT);
  if (lua_getiuservalue(L, 1, 2) != LUA_TTABLE)
    return 0;
  int n = (int)lua_rawlen(L, -1);
  luaL_checkstack(L, n, "too many saved tensors");
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, -i, i);
  return n;
}

/* Fields of a context other than its methods are the operation's own, kept in a table. */
static int l_ctx_index(lua_State *L) {
  luaL_checkudata(L, 1, CUSTOM_CONTEXT);
  luaL_getmetafield(L, 1, "__methods");
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL)
    return 1;
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

static int l_ctx_newindex(lua_State *L) {
  luaL_checkudata(L, 1, CUSTOM_CONTEXT);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_settable(L, -3);
  return 0;
}

/* Pushes a context: user values 1 its fields, 2 the saved tensors while they are at hand, 3 the
 * backward function. */
static void push_custom_context(lua_State *L, int backward) {
  lua_newuserdatauv(L, 0, 3);
  luaL_setmetatable(L, CUSTOM_CONTEXT);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, backward);
  lua_setiuservalue(L, -2, 3);
}

typedef struct {
  nj_node *node;
  nj_tensor *grad;
  nj_tensor **grads;
} backward_call;

/* Shows the node's saved tensors to the context at `context`. */
static void lend_saved(lua_State *L, int context, nj_node *node) {
  lua_newtable(L);
  for (int i = 0; i < NJ_NODE_SAVED && node->saved[i]; i++) {
    *njl_new_tensor(L) = nj_retain(node->saved[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setiuservalue(L, context, 2);
}

/* Under njl_protect: the Lua side of a custom operation's backward. */
static int run_backward(lua_State *L) {
  backward_call *call = lua_touserdata(L, 1);
  nj_node *node = call->node;
  luaL_checkstack(L, node->n_inputs + 8, "too many inputs");
  njl_reference_push(L, node->extra);
  lend_saved(L, 2, node);
  lua_getiuservalue(L, 2, 3);
  lua_pushvalue(L, 2);
  *njl_new_tensor(L) = nj_retain(call->grad);
  lua_call(L, 2, node->n_inputs);
  for (int i = 0; i < node->n_inputs; i++) {
    nj_tensor *grad = njl_test_tensor(L, 3 + i);
    if (grad)
      njl_check(L, nj_detach(grad, &call->grads[i]));
    else if (!lua_isnil(L, 3 + i))
      return luaL_error(L, "%s: backward must give a tensor or nil for tensor argument %d, got %s",
                        node->op, i + 1, luaL_typename(L, 3 + i));
  }
  lua_pushnil(L);
  lua_setiuservalue(L, 2, 2);
  return 0;
}

static nj_status custom_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  (void)ctx;
  njl_reference *reference = node->extra;
  backward_call call = {node, grad, grads};
  return njl_protect(reference->owner->running, run_backward, &call);
}

static int collect_inputs(lua_State *L, int first, int last, nj_tensor **inputs, int room) {
  int n = 0;
  for (int i = first; i <= last; i++) {
    nj_tensor *x = njl_test_tensor(L, i);
    if (x && n == room)
      luaL_error(L, "autograd.custom: at most %d tensor arguments", room);
    if (x)
      inputs[n++] = x;
  }
  return n;
}

/* Saves what forward asked for into the node, and takes it out of the context. */
static nj_status keep_saved(lua_State *L, int context, nj_node *node) {
  nj_status status = NJ_OK;
  if (lua_getiuservalue(L, context, 2) == LUA_TTABLE)
    for (int i = 0; i < (int)lua_rawlen(L, -1) && !status; i++) {
      lua_rawgeti(L, -1, i + 1);
      status = nj_save(node, i, njl_test_tensor(L, -1));
      lua_pop(L, 1);
    }
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_setiuservalue(L, context, 2);
  return status;
}

static void record_custom(lua_State *L, nj_tensor *y, int context, int n, nj_tensor **inputs,
                          const char *name) {
  nj_ctx *ctx = njl_ctx(L);
  nj_node *node = NULL;
  lua_pushvalue(L, context);
  njl_reference *reference = njl_reference_new(L);
  if (!reference)
    njl_raise(L, NJ_ENOMEM);
  nj_status status = nj_record(ctx, y, name, custom_backward, n, inputs, &node);
  if (!node) {
    njl_reference_free(reference);
    njl_check(L, status);
    return;
  }
  node->extra = reference;
  node->free_extra = njl_reference_free;
  njl_check(L, keep_saved(L, context, node));
}

/* Upvalues: name, forward, backward. */
static int l_custom_call(lua_State *L) {
  enum { MOST = 64 };
  nj_tensor *inputs[MOST];
  nj_ctx *ctx = njl_ctx(L);
  int n_arguments = lua_gettop(L);
  int n = collect_inputs(L, 1, n_arguments, inputs, MOST);
  push_custom_context(L, lua_upvalueindex(3));
  int context = lua_gettop(L);
  luaL_checkstack(L, n_arguments + 4, "too many arguments");
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, context);
  for (int i = 1; i <= n_arguments; i++)
    lua_pushvalue(L, i);
  int before = nj_grad_enabled(ctx);
  nj_set_grad_enabled(ctx, 0);
  int failed = lua_pcall(L, n_arguments + 1, 1, 0);
  nj_set_grad_enabled(ctx, before);
  if (failed)
    return lua_error(L);
  const char *name = lua_tostring(L, lua_upvalueindex(1));
  nj_tensor *result = njl_test_tensor(L, -1);
  if (!result)
    return luaL_error(L, "%s: forward must give one tensor, got %s", name, luaL_typename(L, -1));
  nj_tensor **slot = njl_new_tensor(L); /* fresh, so that giving back an argument is no cycle */
  NJL_CALL(L, nj_detach(result, slot));
  record_custom(L, *slot, context, n, inputs, name);
  return 1;
}

static int l_custom(lua_State *L) {
  static const char *const keys[] = {"name", "forward", "backward", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, "autograd.custom", keys);
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "name") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushliteral(L, "custom");
  }
  luaL_checkstring(L, 2);
  if (lua_getfield(L, 1, "forward") != LUA_TFUNCTION ||
      lua_getfield(L, 1, "backward") != LUA_TFUNCTION)
    return luaL_error(L, "autograd.custom: 'forward' and 'backward' must be functions");
  lua_pushcclosure(L, l_custom_call, 3);
  /* A node may outlive this function, and holds the name by pointer: pin the string. */
  lua_pushvalue(L, 2);
  lua_pushboolean(L, 1);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return 1;
}

void njl_open_autograd(lua_State *L) {
  static const luaL_Reg methods[] = {{"backward", l_backward},
                                     {"register_hook", l_register_hook},
                                     {"requires_grad_", l_requires_grad_},
                                     {"zero_grad", l_zero_grad},
                                     {"detach", l_detach},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"no_grad", l_no_grad},
                                       {"enable_grad", l_enable_grad},
                                       {"grad_enabled", l_grad_enabled},
                                       {NULL, NULL}};
  static const luaL_Reg ctx_methods[] = {
      {"save", l_ctx_save}, {"saved", l_ctx_saved}, {NULL, NULL}};
  static const luaL_Reg ctx_meta[] = {
      {"__index", l_ctx_index}, {"__newindex", l_ctx_newindex}, {NULL, NULL}};
  static const luaL_Reg custom[] = {{"custom", l_custom}, {NULL, NULL}};
  njl_class(L, CUSTOM_CONTEXT, ctx_methods, ctx_meta);
  njl_methods(L, NJL_TENSOR, methods);
  luaL_setfuncs(L, functions, 0);
  luaL_newlib(L, custom);
  lua_setfield(L, -2, "autograd");
}
