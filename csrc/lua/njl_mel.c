/* nj.audio.mel: the log-mel front-end as userdata. */
#include "njl_mel.h"

#include <string.h>

static int has(lua_State *L, int index, const char *key) {
  int given = njl_push_field(L, index, key);
  lua_pop(L, given);
  return given;
}

nj_mel *njl_check_mel(lua_State *L, int index) { return njl_check_handle(L, index, NJL_MEL); }

static int l_mel(lua_State *L) {
  static const char *const extra[] = {"preset", NULL};
  lua_settop(L, 1);
  nj_mel_options o;
  const char *const *presets = nj_mel_preset_names();
  njl_check_keys(L, 1, "mel", &nj_mel_option_table, extra);
  nj_mel_preset(presets[njl_opt_enum(L, 1, "mel", "preset", presets, 0)], &o);
  int whole_window = o.win_length == o.n_fft, own_bank = o.bank_rate == o.rate;
  njl_read_given(L, 1, "mel", &nj_mel_option_table, &o);
  if (whole_window && has(L, 1, "n_fft") && !has(L, 1, "win_length"))
    o.win_length = o.n_fft; /* the window follows where the preset has one of full length */
  if (own_bank && has(L, 1, "rate") && !has(L, 1, "bank_rate"))
    o.bank_rate = o.rate; /* and so does the bank */
  void **slot = njl_new_handle(L, NJL_MEL);
  nj_mel *fe = NULL;
  NJL_CALL(L, nj_mel_new(njl_ctx(L), &o, &fe));
  *slot = fe;
  njl_account(L);
  return 1;
}

static int l_call(lua_State *L) {
  nj_mel *fe = njl_check_mel(L, 1);
  nj_tensor *wave = njl_check_tensor(L, 2);
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_mel_apply(njl_ctx(L), fe, wave, slot));
  return 1;
}

/* fe:batch(waves) gives the padded batch and the lengths in frames. */
static int l_batch(lua_State *L) {
  nj_mel *fe = njl_check_mel(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = luaL_len(L, 2);
  luaL_argcheck(L, n >= 1 && n <= 1000000, 2, "expected a list of 1 to 1000000 waves");
  lua_settop(L, 2);
  nj_tensor **waves = lua_newuserdatauv(L, (size_t)n * sizeof *waves, 0);
  lua_createtable(L, (int)n, 0); /* keeps the waves, whatever becomes of the list */
  for (lua_Integer i = 0; i < n; i++) {
    lua_geti(L, 2, i + 1);
    waves[i] = njl_test_tensor(L, -1);
    if (!waves[i])
      return luaL_error(L, "mel: item %I of the batch must be a tensor, got %s",
                        (LUAI_UACINT)(i + 1), luaL_typename(L, -1));
    lua_rawseti(L, 4, i + 1);
  }
  nj_tensor **rows = njl_new_tensor(L), **lengths = njl_new_tensor(L);
  NJL_CALL(L, nj_mel_batch(njl_ctx(L), fe, (int)n, waves, rows, lengths));
  return 2;
}

static int l_frames(lua_State *L) {
  nj_mel *fe = njl_check_mel(L, 1);
  lua_Integer samples = luaL_checkinteger(L, 2);
  luaL_argcheck(L, samples >= 0, 2, "expected a number of samples");
  lua_pushinteger(L, nj_mel_frames(fe, samples));
  return 1;
}

static int l_seconds(lua_State *L) {
  nj_mel *fe = njl_check_mel(L, 1);
  lua_Integer frame = luaL_checkinteger(L, 2);
  luaL_argcheck(L, frame >= 1, 2, "frames count from 1");
  lua_pushnumber(L, nj_mel_seconds(fe, frame - 1));
  return 1;
}

static int l_silence(lua_State *L) {
  lua_pushnumber(L, nj_mel_silence(njl_check_mel(L, 1)));
  return 1;
}

/* A table from which nj.audio.mel makes an equal front-end. */
static int l_descriptor(lua_State *L) {
  njl_push_options(L, &nj_mel_option_table, nj_mel_get_options(njl_check_mel(L, 1)));
  return 1;
}

static int l_bank(lua_State *L) {
  const nj_filterbank *bank = nj_mel_bank(njl_check_mel(L, 1));
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_empty(njl_ctx(L), NJ_F32, 2, (int64_t[]){bank->sparse.bands, bank->bins}, slot));
  nj_filterbank_dense(bank, NJ_F32_DATA(*slot));
  return 1;
}

/* Pushes the option of that name; 0 when there is none. */
static int push_named(lua_State *L, const nj_mel *fe, const char *key) {
  const nj_option_table *table = &nj_mel_option_table;
  for (size_t i = 0; i < table->n; i++)
    if (strcmp(key, table->items[i].key) == 0) {
      njl_push_option(L, &table->items[i], nj_mel_get_options(fe));
      return 1;
    }
  return 0;
}

/* Methods, and options by their names: fe.rate, fe.hop, fe.mels. */
static int l_index(lua_State *L) {
  nj_mel *fe = njl_check_mel(L, 1);
  const char *key = luaL_checkstring(L, 2);
  luaL_getmetafield(L, 1, "__methods");
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL)
    return 1;
  if (push_named(L, fe, key))
    return 1;
  return luaL_error(L, "front-end has no field '%s'", key);
}

static int l_tostring(lua_State *L) {
  nj_mel *fe = njl_check_mel(L, 1);
  const nj_mel_options *o = nj_mel_get_options(fe);
  push_named(L, fe, "scale");
  push_named(L, fe, "log");
  lua_pushfstring(L, "front-end(%I Hz, n_fft %d, window %d, hop %d, %d %s mels in %f to %f Hz, %s)",
                  (LUAI_UACINT)o->rate, o->n_fft, o->win_length, o->hop, o->mels,
                  lua_tostring(L, -2), (LUAI_UACNUMBER)o->fmin, (LUAI_UACNUMBER)o->fmax,
                  lua_tostring(L, -1));
  return 1;
}

static int l_gc(lua_State *L) {
  void **slot = luaL_checkudata(L, 1, NJL_MEL);
  nj_mel_release(*slot);
  *slot = NULL;
  return 0;
}

void njl_open_mel(lua_State *L) {
  static const luaL_Reg methods[] = {{"batch", l_batch},
                                     {"frames", l_frames},
                                     {"seconds", l_seconds},
                                     {"silence", l_silence},
                                     {"descriptor", l_descriptor},
                                     {"bank", l_bank},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__call", l_call},
                                  {"__index", l_index},
                                  {"__tostring", l_tostring},
                                  {"__gc", l_gc},
                                  {NULL, NULL}};
  njl_class(L, NJL_MEL, methods, meta);
  luaL_getsubtable(L, -1, "audio");
  lua_pushcfunction(L, l_mel);
  lua_setfield(L, -2, "mel");
  lua_pop(L, 1);
  njl_list_options(L, "audio.mel", &nj_mel_option_table);
}
