/* nj.audio: decoding, writing, resampling and augmentation. */
#include <math.h>

#include "njl.h"

/* ---- decoding ---- */

static nj_audio_decode_options decode_options(lua_State *L, int index, const char *function) {
  nj_audio_decode_options o;
  njl_read_options(L, index, function, &nj_audio_decode_option_table, NULL, &o);
  return o;
}

static void push_info(lua_State *L, const nj_audio_info *info, int decoded) {
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, info->rate);
  lua_setfield(L, -2, "rate");
  lua_pushinteger(L, info->channels);
  lua_setfield(L, -2, "channels");
  if (info->frames >= 0) {
    lua_pushinteger(L, info->frames);
    lua_setfield(L, -2, "frames");
    lua_pushnumber(L, (double)info->frames / (double)info->rate);
    lua_setfield(L, -2, "seconds");
  }
  lua_pushstring(L, info->format);
  lua_setfield(L, -2, "format");
  lua_pushstring(L, info->encoding);
  lua_setfield(L, -2, "encoding");
  lua_pushboolean(L, info->cut);
  lua_setfield(L, -2, "cut");
  if (decoded) {
    lua_pushinteger(L, info->replaced);
    lua_setfield(L, -2, "replaced");
    lua_pushboolean(L, info->cancelled);
    lua_setfield(L, -2, "cancelled");
  }
}

static int decode_source(lua_State *L, const nj_audio_source *source, const char *function) {
  nj_audio_decode_options o = decode_options(L, 2, function);
  nj_ctx *ctx = njl_ctx(L);
  nj_audio_info info;
  nj_tensor **slot = njl_new_tensor(L);
  nj_status st = nj_audio_decode(ctx, source, &o, &info, slot);
  if (st == NJ_ENOMEM && njl_reclaim(L))
    st = nj_audio_decode(ctx, source, &o, &info, slot);
  if (st)
    return njl_result(L, st);
  push_info(L, &info, 1);
  return 2;
}

static int l_decode(lua_State *L) {
  nj_audio_source source = {.path = luaL_checkstring(L, 1)};
  return decode_source(L, &source, "decode");
}

static nj_audio_source bytes_source(lua_State *L, int index) {
  size_t size;
  luaL_checktype(L, index, LUA_TSTRING);
  const char *bytes = lua_tolstring(L, index, &size);
  return (nj_audio_source){.bytes = bytes, .size = size};
}

static int l_decode_bytes(lua_State *L) {
  nj_audio_source source = bytes_source(L, 1);
  return decode_source(L, &source, "decode_bytes");
}

static int probe(lua_State *L, const nj_audio_source *source) {
  nj_audio_info info;
  nj_status st = nj_audio_probe(njl_ctx(L), source, &info);
  if (st)
    return njl_result(L, st);
  push_info(L, &info, 0);
  return 1;
}

static int l_info(lua_State *L) {
  nj_audio_source source = {.path = luaL_checkstring(L, 1)};
  return probe(L, &source);
}

static int l_info_bytes(lua_State *L) {
  nj_audio_source source = bytes_source(L, 1);
  return probe(L, &source);
}

/* A table of n tensors that hold nothing yet, at the top; slots[i] is where the i-th goes. */
static nj_tensor ***new_tensors(lua_State *L, lua_Integer n) {
  nj_tensor ***slots = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *slots, 0);
  lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (lua_Integer i = 0; i < n; i++) {
    slots[i] = njl_new_tensor(L);
    lua_rawseti(L, -2, i + 1);
  }
  return slots;
}

/* decode_many(paths, options): a list of waves, false where a file failed, and a table of messages
 * by index. */
static int l_decode_many(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  nj_audio_decode_options o = decode_options(L, 2, "decode_many");
  lua_Integer n = luaL_len(L, 1);
  luaL_argcheck(L, n >= 0 && n < 1000000, 1, "at most a million files at once");
  lua_settop(L, 2);
  size_t count = (size_t)n + 1;
  nj_audio_source *sources = lua_newuserdatauv(L, count * sizeof *sources, 0);
  nj_fault *faults = lua_newuserdatauv(L, count * sizeof *faults, 0);
  nj_tensor **waves = lua_newuserdatauv(L, count * sizeof *waves, 0);
  lua_createtable(L, (int)n, 0); /* 6: keeps the paths, whatever becomes of the list */
  for (lua_Integer i = 0; i < n; i++) {
    if (lua_geti(L, 1, i + 1) != LUA_TSTRING)
      return luaL_error(L, "decode_many: item %I of the list must be a path, got %s",
                        (LUAI_UACINT)(i + 1), luaL_typename(L, -1));
    sources[i] = (nj_audio_source){.path = lua_tostring(L, -1)};
    lua_rawseti(L, 6, i + 1);
  }
  nj_tensor ***slots = new_tensors(L, n); /* 7 and, the result, 8 */
  nj_status st = nj_audio_decode_many(njl_ctx(L), n, sources, &o, NULL, waves, faults);
  if (st)
    return njl_result(L, st);
  for (lua_Integer i = 0; i < n; i++)
    *slots[i] = waves[i];
  njl_account(L);
  lua_newtable(L);
  for (lua_Integer i = 0; i < n; i++)
    if (!waves[i]) {
      lua_pushboolean(L, 0);
      lua_rawseti(L, 8, i + 1);
      lua_pushstring(L, faults[i].text);
      lua_rawseti(L, -2, i + 1);
    }
  return 2;
}

/* ---- writing, resampling ---- */

static int l_write(lua_State *L) {
  static const char *const keys[] = {"encoding", NULL};
  const char *path = luaL_checkstring(L, 1);
  nj_tensor *x = njl_check_tensor(L, 2);
  lua_Integer rate = luaL_checkinteger(L, 3);
  njl_options(L, 4, "write", keys);
  const char *encoding = njl_opt_string(L, 4, "write", "encoding", NULL);
  nj_status st = nj_audio_write(njl_ctx(L), path, x, rate, encoding);
  if (st)
    return njl_result(L, st);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_resample(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_resample(njl_ctx(L), x, from, to, slot));
  return 1;
}

/* ---- augmentation ---- */

static int l_spec_augment(lua_State *L) {
  static const char *const extra[] = {"lengths", "rng", NULL};
  const char *f = "spec_augment";
  nj_tensor *x = njl_check_tensor(L, 1), *lengths = NULL;
  nj_spec_augment_options o;
  lua_settop(L, 2);
  njl_read_options(L, 2, f, &nj_spec_augment_option_table, extra, &o);
  nj_rng *rng = njl_opt_rng(L, 2, f, "rng"), before = *rng;
  if (lua_istable(L, 2) && lua_getfield(L, 2, "lengths") != LUA_TNIL)
    lengths = njl_check_tensor(L, -1);
  nj_tensor **slot = njl_new_tensor(L);
  /* A second try draws the same numbers. */
  NJL_CALL(L, (*rng = before, nj_spec_augment(njl_ctx(L), x, &o, lengths, rng, slot)));
  return 1;
}

static int l_gain(lua_State *L) {
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Number db = luaL_checknumber(L, 2);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_gain(njl_ctx(L), x, db, slot));
  return 1;
}

/* mix(signal, noise, snr, {offset, loop}) gives the mixture and the gain applied to the noise. */
static int l_mix(lua_State *L) {
  static const char *const keys[] = {"offset", "loop", NULL};
  nj_tensor *signal = njl_check_tensor(L, 1), *noise = njl_check_tensor(L, 2);
  lua_Number snr = luaL_checknumber(L, 3);
  njl_options(L, 4, "mix", keys);
  lua_Integer offset = njl_opt_integer(L, 4, "mix", "offset", 0, LUA_MAXINTEGER, 0);
  int loop = njl_opt_boolean(L, 4, "mix", "loop", 1);
  double gain = 1;
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_mix(njl_ctx(L), signal, noise, snr, offset, loop, &gain, slot));
  lua_pushnumber(L, gain);
  return 2;
}

static int l_shift(lua_State *L) {
  static const char *const keys[] = {"roll", NULL};
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Integer by = luaL_checkinteger(L, 2);
  njl_options(L, 3, "shift", keys);
  int roll = njl_opt_boolean(L, 3, "shift", "roll", 0);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_time_shift(njl_ctx(L), x, by, roll, slot));
  return 1;
}

/* crop(x, length, {rng}) gives the crop and the 1-based sample of x where it begins. */
static int l_crop(lua_State *L) {
  static const char *const keys[] = {"rng", NULL};
  nj_tensor *x = njl_check_tensor(L, 1);
  lua_Integer length = luaL_checkinteger(L, 2);
  njl_options(L, 3, "crop", keys);
  nj_rng *rng = njl_opt_rng(L, 3, "crop", "rng"), before = *rng;
  int64_t start = 0;
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, (*rng = before, nj_random_crop(njl_ctx(L), x, length, rng, &start, slot)));
  lua_pushinteger(L, start + 1);
  return 2;
}

void njl_open_audio(lua_State *L) {
  static const luaL_Reg functions[] = {{"decode", l_decode},
                                       {"decode_bytes", l_decode_bytes},
                                       {"decode_many", l_decode_many},
                                       {"info", l_info},
                                       {"info_bytes", l_info_bytes},
                                       {"write", l_write},
                                       {"resample", l_resample},
                                       {"spec_augment", l_spec_augment},
                                       {"gain", l_gain},
                                       {"mix", l_mix},
                                       {"shift", l_shift},
                                       {"crop", l_crop},
                                       {NULL, NULL}};
  luaL_getsubtable(L, -1, "audio");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
  njl_list_options(L, "audio.decode", &nj_audio_decode_option_table);
  njl_list_options(L, "audio.spec_augment", &nj_spec_augment_option_table);
}
