/* nj.audio.reader: files read ahead as tiles of log-mels, as userdata. */
#include "njl_mel.h"

#define NJL_READER "nightjar.Reader"

static nj_reader *check_reader(lua_State *L, int index) {
  return njl_check_handle(L, index, NJL_READER);
}

static nj_reader_options read_options(lua_State *L) {
  static const char *const extra[] = {"front_end", "memory_mb", NULL};
  const nj_option_table *table = &nj_reader_option_table;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  njl_check_keys(L, 1, "reader", table, extra);
  nj_reader_options o = nj_reader_default_options();
  int threads = nj_threads(njl_ctx(L));
  o.jobs = threads < 8 ? threads : 8;
  if (njl_push_field(L, 1, "front_end")) {
    if (!luaL_testudata(L, -1, NJL_MEL))
      luaL_error(L, "reader: option 'front_end' must be made by nj.audio.mel, got %s",
                 luaL_typename(L, -1));
    o.tiling.front_end = njl_check_mel(L, -1);
    o.tiling.rate = nj_mel_get_options(o.tiling.front_end)->rate;
  }
  njl_read_given(L, 1, "reader", table, &o);
  if (!o.tiling.rate)
    luaL_error(L, "reader: option 'rate' is needed without a front end");
  o.bytes = (size_t)(1048576 * njl_opt_number(L, 1, "reader", "memory_mb", 0, 1e6, 32));
  return o;
}

static int l_reader(lua_State *L) {
  nj_reader_options o = read_options(L);
  void **slot = njl_new_handle(L, NJL_READER);
  nj_reader *r = NULL;
  NJL_CALL(L, nj_reader_new(njl_ctx(L), &o, &r));
  *slot = r;
  njl_account(L);
  return 1;
}

static int l_submit(lua_State *L) {
  const char *path = luaL_checkstring(L, 2);
  nj_reader *r = check_reader(L, 1);
  NJL_CALL(L, nj_reader_submit(r, path));
  lua_settop(L, 1);
  return 1;
}

/* r:next() gives the next tile of the oldest file and how much of it is the sound's own; nil and its
 * samples at its end; nil, message, code when it cannot be read. */
static int l_next(lua_State *L) {
  check_reader(L, 1);
  nj_tensor **tile = njl_new_tensor(L);
  nj_reader *r = check_reader(L, 1);
  int64_t count = 0;
  nj_fault fault = {NJ_OK, ""};
  nj_status st = nj_reader_next(r, tile, &count, &fault);
  if (st == NJ_ENOMEM && njl_reclaim(L)) /* whose finalizers may close the reader */
    st = nj_reader_next(check_reader(L, 1), tile, &count, &fault);
  njl_check(L, st);
  if (*tile) {
    njl_account(L);
    lua_pushinteger(L, count);
    return 2;
  }
  lua_pushnil(L);
  if (!fault.status) {
    lua_pushinteger(L, count);
    return 2;
  }
  lua_pushstring(L, fault.text);
  lua_pushstring(L, nj_status_name(fault.status));
  return 3;
}

static int l_pending(lua_State *L) {
  lua_pushinteger(L, nj_reader_pending(check_reader(L, 1)));
  return 1;
}

static int l_bytes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)nj_reader_bytes(check_reader(L, 1)));
  return 1;
}

static int l_close(lua_State *L) {
  void **slot = luaL_checkudata(L, 1, NJL_READER);
  nj_reader *r = *slot;
  *slot = NULL;
  nj_reader_free(r);
  return 0;
}

void njl_open_reader(lua_State *L) {
  static const luaL_Reg methods[] = {{"submit", l_submit},   {"next", l_next},
                                     {"pending", l_pending}, {"bytes", l_bytes},
                                     {"close", l_close},     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  njl_class(L, NJL_READER, methods, meta);
  luaL_getsubtable(L, -1, "audio");
  lua_pushcfunction(L, l_reader);
  lua_setfield(L, -2, "reader");
  lua_pop(L, 1);
  njl_list_options(L, "audio.reader", &nj_reader_option_table);
}
