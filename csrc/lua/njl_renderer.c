/* nj.audio.renderer: batches of mixtures rendered ahead, as userdata. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "njl_mel.h"

#define NJL_RENDERER "nightjar.Renderer"

static nj_renderer *check_renderer(lua_State *L, int index) {
  return njl_check_handle(L, index, NJL_RENDERER);
}

/* ---- descriptions of mixtures ---- */

static int present(lua_State *L, int index, const char *key) {
  int given = lua_getfield(L, index, key) != LUA_TNIL;
  lua_pop(L, 1);
  return given;
}

static void read_part(lua_State *L, int index, nj_mixture_part *p) {
  static const char *const keys[] = {"source", "onset", "from",    "to",       "duration", "loop",
                                     "level",  "gain",  "fade_in", "fade_out", "fade",     NULL};
  const char *f = "renderer: part";
  njl_options(L, index, f, keys);
  *p = nj_mixture_default_part();
  p->source = njl_opt_integer(L, index, f, "source", 1, LUA_MAXINTEGER, 0) - 1;
  if (p->source < 0)
    luaL_error(L, "renderer: part: 'source' must be the number of a source");
  p->onset = njl_opt_number(L, index, f, "onset", -3600, 3600, 0);
  p->from = njl_opt_number(L, index, f, "from", 0, 1e9, 0);
  p->to = njl_opt_number(L, index, f, "to", 0, HUGE_VAL, p->to);
  p->duration = njl_opt_number(L, index, f, "duration", 0, HUGE_VAL, p->duration);
  p->loop = njl_opt_boolean(L, index, f, "loop", 0);
  p->level = njl_opt_number(L, index, f, "level", -200, 100, p->level);
  p->gain = njl_opt_number(L, index, f, "gain", -200, 200, 0);
  double fade = njl_opt_number(L, index, f, "fade", 0, 3600, 0);
  p->fade_in = njl_opt_number(L, index, f, "fade_in", 0, 3600, fade);
  p->fade_out = njl_opt_number(L, index, f, "fade_out", 0, 3600, fade);
}

static void read_noise(lua_State *L, int index, nj_mixture *m) {
  static const char *const keys[] = {"colour", "level", "snr", "seed", NULL};
  static const char *const colours[] = {"white", "pink", "brown", NULL};
  const char *f = "renderer: noise";
  njl_options(L, index, f, keys);
  m->noise = (nj_noise_colour)(NJ_NOISE_WHITE + njl_opt_enum(L, index, f, "colour", colours, 0));
  m->noise_snr = njl_opt_number(L, index, f, "snr", -200, 200, NAN);
  m->noise_level = njl_opt_number(L, index, f, "level", -300, 100, -40);
  m->noise_seed = (uint64_t)njl_opt_integer(L, index, f, "seed", LUA_MININTEGER, LUA_MAXINTEGER, 0);
  if (present(L, index, "snr") && present(L, index, "level"))
    luaL_error(L, "renderer: noise: give 'level' or 'snr', not both");
}

static void read_item(lua_State *L, int index, nj_mixture *m) {
  static const char *const keys[] = {"length", "parts", "noise", "gain", "peak", "limit", NULL};
  const char *f = "renderer: item";
  njl_options(L, index, f, keys);
  *m = (nj_mixture){.noise_snr = NAN};
  m->length = njl_opt_number(L, index, f, "length", 0, 3600, 0);
  m->gain = njl_opt_number(L, index, f, "gain", -200, 200, 0);
  m->peak = njl_opt_number(L, index, f, "peak", 0, 1e6, 0);
  m->limit = njl_opt_number(L, index, f, "limit", 0, 1e6, 0);
  int type = lua_getfield(L, index, "noise");
  if (type == LUA_TTABLE)
    read_noise(L, lua_gettop(L), m);
  else if (type != LUA_TNIL)
    luaL_error(L, "renderer: item: 'noise' must be a table, got %s", luaL_typename(L, -1));
  lua_pop(L, 1);
}

/* Pushes field `parts` of the item on top; the number of its parts. */
static lua_Integer push_parts(lua_State *L, int index) {
  int type = lua_getfield(L, index, "parts");
  if (type == LUA_TNIL)
    return 0;
  if (type != LUA_TTABLE)
    luaL_error(L, "renderer: item: 'parts' must be a list, got %s", luaL_typename(L, -1));
  lua_Integer n = luaL_len(L, -1);
  if (n < 0 || n > 100000)
    luaL_error(L, "renderer: item: at most 100000 parts");
  return n;
}

static void push_item(lua_State *L, int list, lua_Integer i) {
  if (lua_geti(L, list, i) != LUA_TTABLE)
    luaL_error(L, "renderer: item %I of the batch must be a table, got %s", (LUAI_UACINT)i,
               luaL_typename(L, -1));
}

/* Reads the list at `list` into userdata left on the stack. */
static nj_mixture *read_items(lua_State *L, int list, lua_Integer *n) {
  luaL_checktype(L, list, LUA_TTABLE);
  *n = luaL_len(L, list);
  luaL_argcheck(L, *n >= 1 && *n <= 1000000, list, "expected a list of 1 to 1000000 items");
  nj_mixture *items = lua_newuserdatauv(L, (size_t)*n * sizeof *items, 0);
  size_t total = 0;
  for (lua_Integer i = 0; i < *n; i++) {
    push_item(L, list, i + 1);
    read_item(L, lua_gettop(L), &items[i]);
    items[i].n_parts = (int)push_parts(L, lua_gettop(L));
    total += (size_t)items[i].n_parts;
    lua_pop(L, 2);
  }
  nj_mixture_part *parts = lua_newuserdatauv(L, (total + 1) * sizeof *parts, 0);
  for (lua_Integer i = 0; i < *n; i++) {
    push_item(L, list, i + 1);
    lua_getfield(L, -1, "parts");
    items[i].parts = parts;
    for (int p = 0; p < items[i].n_parts; p++) {
      if (!lua_istable(L, -1) || lua_geti(L, -1, p + 1) != LUA_TTABLE)
        luaL_error(L, "renderer: item %I: part %d must be a table", (LUAI_UACINT)(i + 1), p + 1);
      read_part(L, lua_gettop(L), parts++);
      lua_pop(L, 1);
    }
    lua_pop(L, 2);
  }
  return items;
}

/* ---- the renderer ---- */

static void add_source(lua_State *L, nj_sources *sources, lua_Integer i) {
  nj_status st = NJ_OK;
  if (lua_type(L, -1) == LUA_TSTRING)
    st = nj_sources_add_file(sources, lua_tostring(L, -1));
  else if (njl_test_tensor(L, -1))
    st = nj_sources_add_wave(sources, njl_test_tensor(L, -1));
  else
    luaL_error(L, "renderer: source %I must be a path or a tensor, got %s", (LUAI_UACINT)i,
               luaL_typename(L, -1));
  njl_check(L, st);
}

static nj_renderer_options read_options(lua_State *L) {
  static const char *const extra[] = {"front_end", "sources", "cache_mb", NULL};
  const char *f = "renderer";
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  njl_check_keys(L, 1, f, &nj_renderer_option_table, extra);
  nj_renderer_options o = nj_renderer_default_options();
  int threads = nj_threads(njl_ctx(L));
  o.jobs = threads > 2 ? threads / 2 : 1;
  if (njl_push_field(L, 1, "front_end")) {
    if (!luaL_testudata(L, -1, NJL_MEL))
      luaL_error(L, "renderer: option 'front_end' must be made by nj.audio.mel, got %s",
                 luaL_typename(L, -1));
    o.front_end = njl_check_mel(L, -1);
    o.rate = nj_mel_get_options(o.front_end)->rate;
  }
  njl_read_given(L, 1, f, &nj_renderer_option_table, &o);
  if (!o.rate)
    luaL_error(L, "renderer: option 'rate' is needed without a front end");
  o.sources.cache_bytes = (size_t)(1048576 * njl_opt_number(L, 1, f, "cache_mb", 0, 1e6, 256));
  return o;
}

static int l_renderer(lua_State *L) {
  nj_renderer_options o = read_options(L);
  if (lua_getfield(L, 1, "sources") != LUA_TTABLE)
    return luaL_error(L, "renderer: option 'sources' must be a list of paths and tensors, got %s",
                      luaL_typename(L, -1));
  int list = lua_gettop(L);
  void **slot = njl_new_handle(L, NJL_RENDERER);
  nj_renderer *r = NULL;
  NJL_CALL(L, nj_renderer_new(njl_ctx(L), &o, &r));
  *slot = r;
  lua_Integer n = luaL_len(L, list);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, list, i);
    add_source(L, nj_renderer_sources(r), i);
    lua_pop(L, 1);
  }
  njl_account(L);
  return 1;
}

/* In the methods below the renderer is looked up last: reading tables and making userdata may run
 * Lua code, which may close it. */

static int l_submit(lua_State *L) {
  check_renderer(L, 1);
  lua_Integer n;
  const nj_mixture *items = read_items(L, 2, &n);
  njl_check(L, nj_renderer_submit(check_renderer(L, 1), n, items));
  lua_settop(L, 1);
  return 1;
}

/* From the stack: data, lengths; adds a table of messages by item when one failed. */
static int push_faults(lua_State *L, lua_Integer n, const nj_fault *faults) {
  int failed = 0;
  for (lua_Integer i = 0; i < n; i++)
    if (faults[i].status) {
      if (!failed++)
        lua_newtable(L);
      lua_pushstring(L, faults[i].text);
      lua_rawseti(L, -2, i + 1);
    }
  return 2 + (failed > 0);
}

/* r:next() gives data, lengths and, when items failed, messages by item; nil when nothing is
 * pending; nil, message, code when the batch is lost. */
static int l_next(lua_State *L) {
  int64_t n = nj_renderer_next_items(check_renderer(L, 1));
  if (n == 0) {
    lua_pushnil(L);
    return 1;
  }
  nj_fault *faults = lua_newuserdatauv(L, (size_t)n * sizeof *faults, 0);
  nj_tensor **data = njl_new_tensor(L), **lengths = njl_new_tensor(L);
  nj_renderer *r = check_renderer(L, 1);
  if (nj_renderer_next_items(r) != n)
    return luaL_error(L, "renderer: the batch was taken by a finalizer");
  nj_status st = nj_renderer_next(r, data, lengths, faults);
  if (st)
    return njl_result(L, st);
  njl_account(L);
  return push_faults(L, n, faults);
}

static int l_render(lua_State *L) {
  lua_Integer n;
  check_renderer(L, 1);
  lua_settop(L, 2);
  const nj_mixture *items = read_items(L, 2, &n);
  nj_fault *faults = lua_newuserdatauv(L, (size_t)n * sizeof *faults, 0);
  nj_tensor **data = njl_new_tensor(L), **lengths = njl_new_tensor(L);
  nj_status st = nj_renderer_render(check_renderer(L, 1), n, items, data, lengths, faults);
  if (st)
    return njl_result(L, st);
  njl_account(L);
  return push_faults(L, n, faults);
}

static int l_wave(lua_State *L) {
  check_renderer(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_createtable(L, 1, 0); /* 3: a batch of the one item */
  lua_pushvalue(L, 2);
  lua_rawseti(L, 3, 1);
  lua_Integer n;
  const nj_mixture *items = read_items(L, 3, &n);
  nj_tensor **wave = njl_new_tensor(L);
  nj_status st = nj_renderer_wave(check_renderer(L, 1), items, wave);
  if (st)
    return njl_result(L, st);
  njl_account(L);
  return 1;
}

static int l_pending(lua_State *L) {
  lua_pushinteger(L, nj_renderer_pending(check_renderer(L, 1)));
  return 1;
}

/* r:stats() gives what the cache did. */
static int l_stats(lua_State *L) {
  nj_sources_stats stats = nj_sources_get_stats(nj_renderer_sources(check_renderer(L, 1)));
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)stats.bytes);
  lua_setfield(L, -2, "bytes");
  lua_pushinteger(L, (lua_Integer)stats.decoded);
  lua_setfield(L, -2, "decoded");
  lua_pushinteger(L, (lua_Integer)stats.hits);
  lua_setfield(L, -2, "hits");
  lua_pushinteger(L, (lua_Integer)stats.evicted);
  lua_setfield(L, -2, "evicted");
  return 1;
}

static int l_close(lua_State *L) {
  void **slot = luaL_checkudata(L, 1, NJL_RENDERER);
  nj_renderer *r = *slot;
  *slot = NULL;
  nj_renderer_free(r);
  return 0;
}

void njl_open_renderer(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"submit", l_submit},   {"next", l_next},   {"render", l_render}, {"wave", l_wave},
      {"pending", l_pending}, {"stats", l_stats}, {"close", l_close},   {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  njl_class(L, NJL_RENDERER, methods, meta);
  luaL_getsubtable(L, -1, "audio");
  lua_pushcfunction(L, l_renderer);
  lua_setfield(L, -2, "renderer");
  lua_pop(L, 1);
  njl_list_options(L, "audio.renderer", &nj_renderer_option_table);
}
