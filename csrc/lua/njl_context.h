/* What the binding keeps for one Lua state; for njl_context.c and for rooms whose library objects call
 * back into Lua. */
#ifndef NJL_CONTEXT_H
#define NJL_CONTEXT_H

#include "njl.h"

typedef struct {
  nj_ctx *ctx;
  lua_State *main; /* the main thread: where a host's interrupt shows, and where references live */
  lua_State *running; /* the thread whose call into the library may call back, while it may */
  size_t told;        /* live bytes the collector last heard of */
  size_t full_at;     /* live bytes that call for a full collection */
} njl_context;

njl_context *njl_get_context(lua_State *L);

/* What the host asked for before the module was opened (nightjar_lua.h), or the defaults. */
nj_ctx_options njl_host_options(lua_State *L);

/* A Lua value that a library object holds on to; freed by njl_reference_free. */
typedef struct {
  njl_context *owner;
  int ref;
} njl_reference;

/* Pops the value on top into a new reference. NULL when out of memory (the value is popped). */
njl_reference *njl_reference_new(lua_State *L);
void njl_reference_push(lua_State *L, const njl_reference *reference);
void njl_reference_free(void *reference);

/* Runs `body` for a library callback with `argument` as its light userdata: an error becomes a failure
 * status carrying its text, so that no Lua error crosses a library frame. */
nj_status njl_protect(lua_State *L, lua_CFunction body, void *argument);

#endif
