/* Methods of the tokenizer. Ids count from 0, positions in a text from 1. */
#include "njl_text.h"

static const char *const role_names[NJ_ROLES] = {"pad", "unk", "cls", "sep", "mask"};

static nj_tokenizer *check(lua_State *L) { return njl_check_handle(L, 1, NJL_TOKENIZER); }

static int l_gc(lua_State *L) {
  void **slot = luaL_checkudata(L, 1, NJL_TOKENIZER);
  nj_tokenizer_free(*slot);
  *slot = NULL;
  return 0;
}

/* ---- an encoding, kept by a userdata until Lua has its copy ---- */

static int encoding_gc(lua_State *L) {
  nj_encoding *encoding = luaL_checkudata(L, 1, "nightjar.Encoding");
  nj_ctx *ctx = encoding->ctx;
  nj_encoding_free(encoding);
  nj_ctx_release(ctx);
  return 0;
}

static nj_encoding *new_encoding(lua_State *L, nj_ctx *ctx) {
  nj_encoding *encoding = lua_newuserdatauv(L, sizeof *encoding, 0);
  *encoding = (nj_encoding){.ctx = ctx, .most = SIZE_MAX};
  luaL_getmetatable(L, "nightjar.Encoding");
  nj_ctx_retain(ctx);
  lua_setmetatable(L, -2);
  return encoding;
}

/* ---- encoding ---- */

/* Encodes the text at 2 with the options at 3; the encoding is pushed. */
static nj_encoding *encode(lua_State *L, const char *function) {
  nj_tokenizer *t = check(L);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  nj_encode_options options;
  njl_read_options(L, 3, function, &nj_encode_option_table, NULL, &options);
  nj_encoding *encoding = new_encoding(L, t->ctx);
  NJL_CALL(L, nj_encode(t, text, length, &options, encoding));
  return encoding;
}

static void push_token(lua_State *L, const nj_tokenizer *t, int32_t id) {
  size_t length;
  const char *token = nj_vocab_token(&t->vocab, id, &length);
  lua_pushlstring(L, token, length);
}

static void push_offsets(lua_State *L, const nj_encoding *e) {
  lua_createtable(L, (int)e->count, 0);
  for (size_t i = 0; i < e->count; i++) {
    lua_createtable(L, 2, 0);
    lua_pushinteger(L, (lua_Integer)e->at[i].from + 1);
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, (lua_Integer)e->at[i].to);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_field(lua_State *L, const nj_encoding *e, int special) {
  lua_createtable(L, (int)e->count, 0);
  for (size_t i = 0; i < e->count; i++) {
    lua_pushinteger(L, special ? e->at[i].special : e->at[i].word);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_ids(lua_State *L, const nj_encoding *e) {
  lua_createtable(L, (int)e->count, 0);
  for (size_t i = 0; i < e->count; i++) {
    lua_pushinteger(L, e->at[i].id);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_tokens(lua_State *L, const nj_tokenizer *t, const nj_encoding *e) {
  lua_createtable(L, (int)e->count, 0);
  for (size_t i = 0; i < e->count; i++) {
    push_token(L, t, e->at[i].id);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* tok:encode(text, {special=true, parse=false, max=}) → {ids=, tokens=, offsets=, words=, special=}
 */
static int l_encode(lua_State *L) {
  nj_encoding *e = encode(L, "encode");
  lua_createtable(L, 0, 5);
  push_ids(L, e);
  lua_setfield(L, -2, "ids");
  push_tokens(L, check(L), e);
  lua_setfield(L, -2, "tokens");
  push_offsets(L, e);
  lua_setfield(L, -2, "offsets");
  push_field(L, e, 0);
  lua_setfield(L, -2, "words");
  push_field(L, e, 1);
  lua_setfield(L, -2, "special");
  nj_encoding_free(e);
  return 1;
}

/* tok:ids(text, options) → list of ids */
static int l_ids(lua_State *L) {
  nj_encoding *e = encode(L, "ids");
  push_ids(L, e);
  nj_encoding_free(e);
  return 1;
}

/* tok:tokens(text, options) → list of tokens */
static int l_tokens(lua_State *L) {
  nj_encoding *e = encode(L, "tokens");
  push_tokens(L, check(L), e);
  nj_encoding_free(e);
  return 1;
}

/* tok:batch(texts, {special=true, parse=false, max=, pad="longest"|width})
 * → ids (B, N) int64, mask (B, N) uint8, special (B, N) uint8 */
static int l_batch(lua_State *L) {
  static const char *const extra[] = {"pad", NULL};
  nj_tokenizer *t = check(L);
  size_t n;
  nj_encode_options options;
  lua_settop(L, 3);
  njl_read_options(L, 3, "batch", &nj_encode_option_table, extra, &options);
  lua_Integer width = 0;
  if (lua_istable(L, 3) && lua_getfield(L, 3, "pad") == LUA_TSTRING) {
    static const char *const pads[] = {"longest", NULL};
    njl_opt_enum(L, 3, "batch", "pad", pads, 0);
  } else {
    width = njl_opt_integer(L, 3, "batch", "pad", 1, INT32_MAX, 0);
  }
  /* A fixed width is a limit as well, unless the caller says otherwise. */
  if (width > 0 && options.max == 0)
    options.max = width;
  const nj_text *texts = njl_check_texts(L, 2, "batch", &n);
  nj_tensor **ids = njl_new_tensor(L), **mask = njl_new_tensor(L), **special = njl_new_tensor(L);
  NJL_CALL(L, nj_encode_batch(t, n, texts, &options, (size_t)width, ids, mask, special));
  njl_account(L);
  return 3;
}

/* ---- decoding ---- */

/* The ids at 2, a list or a tensor of integers; what holds them is pushed. */
static const int64_t *check_ids(lua_State *L, size_t *n) {
  nj_tensor *tensor = njl_test_tensor(L, 2);
  if (tensor) {
    luaL_argcheck(L, !nj_dtype_is_float(tensor->dtype), 2, "expected a tensor of integers");
    nj_tensor **plain = njl_new_tensor(L);
    NJL_CALL(L, nj_as(tensor, NJ_I64, plain));
    *n = (size_t)nj_numel(*plain);
    return NJ_I64_DATA(*plain);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  *n = (size_t)lua_rawlen(L, 2);
  int64_t *ids = lua_newuserdatauv(L, (*n + 1) * sizeof *ids, 0);
  for (size_t i = 0; i < *n; i++) {
    int whole;
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    ids[i] = lua_tointegerx(L, -1, &whole);
    if (lua_type(L, -1) != LUA_TNUMBER || !whole)
      luaL_error(L, "decode: item %I must be an integer, got %s", (LUAI_UACINT)i + 1,
                 luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
  }
  return ids;
}

/* tok:decode(ids, {special=false, tidy=true}) → text */
static int l_decode(lua_State *L) {
  nj_tokenizer *t = check(L);
  size_t n, length;
  nj_decode_options options;
  lua_settop(L, 3);
  njl_read_options(L, 3, NULL, &nj_decode_option_table, NULL, &options);
  const int64_t *ids = check_ids(L, &n);
  char **text = njl_new_text(L);
  NJL_CALL(L, nj_decode(t, n, ids, &options, text, &length));
  njl_push_text(L, text, length);
  return 1;
}

/* ---- the vocabulary ---- */

static int l_size(lua_State *L) {
  lua_pushinteger(L, check(L)->vocab.count);
  return 1;
}

/* tok:id(token) → integer | nil */
static int l_id(lua_State *L) {
  size_t length;
  nj_tokenizer *t = check(L);
  const char *token = luaL_checklstring(L, 2, &length);
  int32_t id = nj_vocab_find(&t->vocab, token, length);
  if (id < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, id);
  return 1;
}

/* tok:token(id) → string | nil */
static int l_token(lua_State *L) {
  nj_tokenizer *t = check(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  if (id < 0 || id >= t->vocab.count)
    lua_pushnil(L);
  else
    push_token(L, t, (int32_t)id);
  return 1;
}

static int l_vocabulary(lua_State *L) {
  njl_push_vocab(L, &check(L)->vocab);
  return 1;
}

/* tok:merges() → list of "left right", or nil for WordPiece */
static int l_merges(lua_State *L) {
  nj_tokenizer *t = check(L);
  if (t->kind != NJ_TOKENIZER_BPE) {
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, t->bpe.n_merges, 0);
  for (int32_t rank = 0; rank < t->bpe.n_merges; rank++) {
    push_token(L, t, t->bpe.left[rank]);
    lua_pushliteral(L, " ");
    push_token(L, t, t->bpe.right[rank]);
    lua_concat(L, 3);
    lua_rawseti(L, -2, (lua_Integer)rank + 1);
  }
  return 1;
}

/* tok:special_ids() → {pad=, unk=, cls=, sep=, mask=}, those that there are */
static int l_special_ids(lua_State *L) {
  nj_tokenizer *t = check(L);
  lua_createtable(L, 0, NJ_ROLES);
  for (int role = 0; role < NJ_ROLES; role++)
    if (t->role[role] >= 0) {
      lua_pushinteger(L, t->role[role]);
      lua_setfield(L, -2, role_names[role]);
    }
  return 1;
}

static int l_kind(lua_State *L) {
  lua_pushstring(L, check(L)->kind == NJ_TOKENIZER_BPE ? "bpe" : "wordpiece");
  return 1;
}

static void set_boolean(lua_State *L, const char *key, int value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, key);
}

/* tok:options() → the options that, with vocabulary() and merges(), make the same tokenizer again
 */
static int l_options(lua_State *L) {
  nj_tokenizer *t = check(L);
  lua_newtable(L);
  for (int role = 0; role < NJ_ROLES; role++) {
    if (t->role[role] >= 0)
      push_token(L, t, t->role[role]);
    else
      lua_pushboolean(L, 0);
    lua_setfield(L, -2, role_names[role]);
  }
  lua_createtable(L, (int)t->n_specials, 0);
  for (size_t i = 0; i < t->n_specials; i++) {
    push_token(L, t, t->specials[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "specials");
  if (t->kind == NJ_TOKENIZER_BPE) {
    set_boolean(L, "prefix_space", t->prefix_space);
    return 1;
  }
  set_boolean(L, "lower", t->basic.lower);
  set_boolean(L, "strip_accents", t->basic.strip_accents);
  set_boolean(L, "ideographs", t->basic.ideographs);
  lua_pushinteger(L, t->max_word);
  lua_setfield(L, -2, "max_word");
  lua_pushlstring(L, t->prefix, t->prefix_length);
  lua_setfield(L, -2, "prefix");
  return 1;
}

static int l_tostring(lua_State *L) {
  nj_tokenizer **slot = luaL_checkudata(L, 1, NJL_TOKENIZER);
  if (!*slot)
    lua_pushliteral(L, "tokenizer (closed)");
  else
    lua_pushfstring(L, "tokenizer (%s, %d tokens)",
                    (*slot)->kind == NJ_TOKENIZER_BPE ? "bpe" : "wordpiece",
                    (int)(*slot)->vocab.count);
  return 1;
}

void njl_open_tokenizer(lua_State *L) {
  static const luaL_Reg methods[] = {{"encode", l_encode},
                                     {"ids", l_ids},
                                     {"tokens", l_tokens},
                                     {"batch", l_batch},
                                     {"decode", l_decode},
                                     {"size", l_size},
                                     {"id", l_id},
                                     {"token", l_token},
                                     {"vocabulary", l_vocabulary},
                                     {"merges", l_merges},
                                     {"special_ids", l_special_ids},
                                     {"kind", l_kind},
                                     {"options", l_options},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", l_gc},
                                  {"__close", l_gc},
                                  {"__len", l_size},
                                  {"__tostring", l_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg encoding_meta[] = {{"__gc", encoding_gc}, {NULL, NULL}};
  njl_class(L, NJL_TOKENIZER, methods, meta);
  njl_class(L, "nightjar.Encoding", NULL, encoding_meta);
  njl_list_options(L, "Tokenizer:encode", &nj_encode_option_table);
  njl_list_options(L, "Tokenizer:decode", &nj_decode_option_table);
}
