/* What the files of the tensor userdata share: njl_tensor.c, njl_tensor_meta.c, njl_index.c, njl_create.c,
 * njl_shape.c, njl_select.c. */
#ifndef NJL_TENSOR_H
#define NJL_TENSOR_H

#include "njl.h"
#include "tensor/print.h"

/* ---- the userdata (njl_tensor.c) ---- */
/* The tensor, or NULL when it was freed. Raises when the value is none. */
nj_tensor *njl_peek_tensor(lua_State *L, int index);

/* ---- elements (njl_tensor.c) ---- */
/* Pushes the element at place `at` of the storage: an integer for integer dtypes, else a float. */
void njl_push_element(lua_State *L, const nj_tensor *x, int64_t at);
/* Stores the number or boolean at `index`, which must have passed njl_element_fault. */
void njl_set_element(lua_State *L, int index, nj_tensor *x, int64_t at);
/* What keeps the value at `index` from being an element of the dtype, as pushed text that follows
 * "element [2][3] "; NULL (nothing pushed) when nothing does. */
const char *njl_element_fault(lua_State *L, int index, nj_dtype dtype);

/* ---- text (njl_tensor_meta.c) ---- */
/* Turns text into a Lua string on the stack and frees it; raises when it failed. */
void njl_push_text_buffer(lua_State *L, nj_text_buffer *text);

/* ---- indexing (njl_index.c): the stack is that of the metamethod ---- */
int njl_index_tensor(lua_State *L);  /* t[key], key no string */
int njl_assign_tensor(lua_State *L); /* t[key] = value */
int njl_call_tensor(lua_State *L);   /* t(i, j, …) */
/* Pushes entry i (0-based, in range) of dimension 1: a view, or an element of a vector. */
void njl_push_row(lua_State *L, nj_tensor *x, int64_t i);

/* ---- construction (njl_create.c) ---- */
/* Pushes a tensor made of the nested table or number at `index`; `function` begins messages. */
nj_tensor *njl_build_tensor(lua_State *L, int index, const char *function, nj_dtype dtype);

/* ---- methods (njl_shape.c, njl_select.c) ---- */
/* A dimension as in njl_check_dim, or `fallback` when there is none. */
int njl_opt_dim(lua_State *L, int index, int ndim, int fallback);

/* Begins a method of a tensor x. */
#define NJL_BEGIN           \
  nj_ctx *ctx = njl_ctx(L); \
  nj_tensor *x = njl_check_tensor(L, 1)
/* Ends it: the call fills `slot`, which is left on the stack as the result. */
#define NJL_END(call)                   \
  nj_tensor **slot = njl_new_tensor(L); \
  NJL_CALL(L, call);                    \
  return 1

#endif
