/* nj.hci.interact: fine-grained similarity of texts and clips. */
#include "njl.h"

/* A tensor among the options, or NULL; the options table keeps it alive. */
static nj_tensor *opt_tensor(lua_State *L, const char *key) {
  if (!lua_istable(L, 3))
    return NULL;
  nj_tensor *x = NULL;
  if (lua_getfield(L, 3, key) != LUA_TNIL) {
    x = njl_test_tensor(L, -1);
    if (!x)
      luaL_error(L, "interact: option '%s' must be a tensor, got %s", key, luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  return x;
}

/* nj.hci.interact(texts, clips, {text_mask=, clip_mask=, text_weights=, clip_weights=, kind=,
 *                                temperature=, direction=}) */
static int l_interact(lua_State *L) {
  static const char *const extra[] = {"text_mask", "clip_mask", "text_weights", "clip_weights",
                                      NULL};
  nj_ctx *ctx = njl_ctx(L);
  nj_tensor *texts = njl_check_tensor(L, 1), *clips = njl_check_tensor(L, 2);
  nj_interact_options o;
  njl_read_options(L, 3, NULL, &nj_interact_option_table, extra, &o);
  o.text_mask = opt_tensor(L, "text_mask");
  o.clip_mask = opt_tensor(L, "clip_mask");
  o.text_weights = opt_tensor(L, "text_weights");
  o.clip_weights = opt_tensor(L, "clip_weights");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_interact(ctx, texts, clips, &o, slot));
  njl_account(L);
  return 1;
}

void njl_open_hci_interact(lua_State *L) {
  luaL_getsubtable(L, -1, "hci");
  lua_pushcfunction(L, l_interact);
  lua_setfield(L, -2, "interact");
  lua_pop(L, 1);
  njl_list_options(L, "hci.interact", &nj_interact_option_table);
}
