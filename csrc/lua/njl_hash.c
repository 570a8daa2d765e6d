/* nj.digest: a short name for strings and tensors. */
#include <string.h>

#include "njl.h"

/* What comes is distinguished by kind and size, so that no two lists of values look alike. */
static void add_header(nj_hash *hash, const char *kind, int n, const int64_t *sizes) {
  nj_hash_add(hash, kind, strlen(kind) + 1);
  for (int i = 0; i < n; i++) {
    uint8_t bytes[8];
    for (int k = 0; k < 8; k++)
      bytes[k] = (uint8_t)((uint64_t)sizes[i] >> (8 * k));
    nj_hash_add(hash, bytes, sizeof bytes);
  }
}

static void add_tensor(lua_State *L, nj_hash *hash, nj_tensor *x) {
  nj_tensor **flat = njl_new_tensor(L);
  NJL_CALL(L, nj_as_contiguous(x, flat));
  int64_t ndim = x->ndim;
  add_header(hash, nj_dtype_name(x->dtype), 1, &ndim);
  add_header(hash, "", x->ndim, x->shape);
  nj_hash_add(hash, nj_data(*flat), (size_t)nj_numel(x) * nj_dtype_size(x->dtype));
  lua_pop(L, 1);
}

/* nj.digest(value, …): 32 hexadecimal digits of strings and tensors */
static int l_digest(lua_State *L) {
  int n = lua_gettop(L);
  nj_hash hash;
  nj_hash_begin(&hash, 0, 0);
  for (int i = 1; i <= n; i++) {
    nj_tensor *x = njl_test_tensor(L, i);
    if (x) {
      add_tensor(L, &hash, x);
      continue;
    }
    if (lua_type(L, i) != LUA_TSTRING)
      return luaL_error(L, "digest: expected strings and tensors, got a %s as argument %d",
                        luaL_typename(L, i), i);
    size_t length;
    const char *text = lua_tolstring(L, i, &length);
    int64_t size = (int64_t)length;
    add_header(&hash, "string", 1, &size);
    nj_hash_add(&hash, text, length);
  }
  uint8_t out[16];
  char digits[33];
  nj_hash_end(&hash, out);
  for (int i = 0; i < 32; i++)
    digits[i] = "0123456789abcdef"[out[i / 2] >> (i % 2 ? 0 : 4) & 15];
  lua_pushlstring(L, digits, 32);
  return 1;
}

void njl_open_hash(lua_State *L) {
  lua_pushcfunction(L, l_digest);
  lua_setfield(L, -2, "digest");
}
