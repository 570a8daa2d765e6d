/* nj.text: normalisation, and the makers of tokenizers and vocabularies. */
#include "njl_text.h"

#include <stdio.h>

/* ---- text made by the library ---- */

typedef struct {
  char *text; /* first: the slot handed out is the userdata's address */
  nj_ctx *ctx;
} text_box;

static int text_gc(lua_State *L) {
  text_box *box = luaL_checkudata(L, 1, "nightjar.Text");
  nj_free(box->ctx, box->text);
  nj_ctx_release(box->ctx);
  return 0;
}

char **njl_new_text(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  text_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (text_box){NULL, ctx};
  luaL_getmetatable(L, "nightjar.Text");
  nj_ctx_retain(ctx);
  lua_setmetatable(L, -2);
  return &box->text;
}

void njl_push_text(lua_State *L, char **text, size_t length) {
  lua_pushlstring(L, *text, length);
  nj_free(njl_ctx(L), *text);
  *text = NULL;
}

/* ---- lists of strings ---- */

static void check_strings(lua_State *L, int index, const char *function, const char *what) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, index, i) != LUA_TSTRING)
      luaL_error(L, "%s: %s: item %I must be a string, got %s", function, what, (LUAI_UACINT)i,
                 luaL_typename(L, -1));
    lua_pop(L, 1);
  }
}

nj_text *njl_check_texts(lua_State *L, int index, const char *function, size_t *n) {
  if (!lua_istable(L, index))
    luaL_error(L, "%s: expected a list of strings, got %s", function, luaL_typename(L, index));
  check_strings(L, index, function, "list");
  *n = (size_t)lua_rawlen(L, index);
  nj_text *texts = lua_newuserdatauv(L, *n ? *n * sizeof *texts : 1, 0);
  for (size_t i = 0; i < *n; i++) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    texts[i].text = lua_tolstring(L, -1, &texts[i].length);
    lua_pop(L, 1);
  }
  return texts;
}

const char **njl_opt_strings(lua_State *L, int index, const char *function, const char *key,
                             size_t *n) {
  *n = 0;
  if (!lua_istable(L, index) || lua_getfield(L, index, key) == LUA_TNIL) {
    if (!lua_istable(L, index))
      lua_pushnil(L);
    return NULL;
  }
  if (!lua_istable(L, -1))
    luaL_error(L, "%s: option '%s' must be a list of strings, got %s", function, key,
               luaL_typename(L, -1));
  int list = lua_gettop(L);
  check_strings(L, list, function, key);
  *n = (size_t)lua_rawlen(L, list);
  const char **strings = lua_newuserdatauv(L, (*n + 1) * sizeof *strings, 0);
  for (size_t i = 0; i < *n; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    strings[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  strings[*n] = NULL;
  lua_remove(L, list);
  return strings;
}

void njl_push_vocab(lua_State *L, const nj_vocab *vocab) {
  lua_createtable(L, vocab->count, 0);
  for (int32_t id = 0; id < vocab->count; id++) {
    size_t length;
    const char *token = nj_vocab_token(vocab, id, &length);
    lua_pushlstring(L, token, length);
    lua_rawseti(L, -2, (lua_Integer)id + 1);
  }
}

/* ---- normalize ---- */

/* nj.text.normalize(text, {form=, clean=, lower=, casefold=, strip_accents=}) */
static int l_normalize(lua_State *L) {
  size_t length, out_length;
  const char *text = luaL_checklstring(L, 1, &length);
  nj_normalize_options options;
  njl_read_options(L, 2, NULL, &nj_normalize_option_table, NULL, &options);
  nj_ctx *ctx = njl_ctx(L);
  char **out = njl_new_text(L);
  NJL_CALL(L, nj_normalize_text(ctx, text, length, &options, out, &out_length));
  njl_push_text(L, out, out_length);
  return 1;
}

/* ---- tokenizers ---- */

static const char *const role_keys[] = {"pad", "unk", "cls", "sep", "mask", "specials", NULL};

/* pad, unk, cls, sep, mask: a token, or false for none; and specials. Leaves one value pushed. */
static void read_specials(lua_State *L, int index, const char *function,
                          nj_tokenizer_options *options) {
  for (int role = 0; role < NJ_ROLES; role++) {
    if (lua_istable(L, index) && lua_getfield(L, index, role_keys[role]) == LUA_TBOOLEAN) {
      if (lua_toboolean(L, -1))
        luaL_error(L, "%s: option '%s' must be a token or false, got true", function,
                   role_keys[role]);
      options->role[role] = "";
    } else {
      options->role[role] = njl_opt_string(L, index, function, role_keys[role], NULL);
    }
    lua_settop(L, index);
  }
  options->specials = njl_opt_strings(L, index, function, "specials", &options->n_specials);
}

static nj_status add_list(nj_vocab *vocab, const char *function, const nj_text *list, size_t n) {
  char place[64];
  snprintf(place, sizeof place, "%s: item", function);
  for (size_t i = 0; i < n; i++)
    NJ_TRY(nj_vocab_add(vocab, place, (int64_t)i + 1, list[i].text, list[i].length));
  return NJ_OK;
}

/* A path or a list, at `index`; for a list an array is pushed and returned. */
static nj_text *check_source(lua_State *L, int index, const char *function, const char *what,
                             size_t *n) {
  if (lua_type(L, index) == LUA_TSTRING) {
    lua_pushnil(L);
    return NULL;
  }
  if (!lua_istable(L, index))
    luaL_error(L, "%s: expected %s, got %s", function, what, luaL_typename(L, index));
  return njl_check_texts(L, index, function, n);
}

/* nj.text.wordpiece(path | tokens, {lower=, strip_accents=, ideographs=, max_word=, prefix=,
 * pad=, unk=, cls=, sep=, mask=, specials=}) → tokenizer | nil, message, code */
static int l_wordpiece(lua_State *L) {
  static const char name[] = "wordpiece";
  size_t n = 0;
  nj_tokenizer_options options;
  lua_settop(L, 2);
  njl_read_options(L, 2, name, &nj_wordpiece_option_table, role_keys, &options);
  read_specials(L, 2, name, &options);
  const nj_text *list = check_source(L, 1, name, "a path or a list of tokens", &n);
  nj_ctx *ctx = njl_ctx(L);
  void **slot = njl_new_handle(L, NJL_TOKENIZER);
  nj_tokenizer *made = NULL;
  nj_vocab vocab = {.ctx = ctx};
  nj_status st =
      list ? add_list(&vocab, name, list, n) : nj_vocab_read(&vocab, name, lua_tostring(L, 1));
  if (!st)
    st = nj_wordpiece_new(ctx, &vocab, &options, &made);
  nj_vocab_free(&vocab);
  if (st)
    return njl_result(L, st);
  *slot = made;
  njl_account(L);
  return 1;
}

static nj_status add_merges(nj_bpe *bpe, const nj_vocab *vocab, const nj_text *merges, size_t n) {
  for (size_t i = 0; i < n; i++)
    NJ_TRY(nj_bpe_add_merge(bpe, vocab, "bpe: merge", (int64_t)i + 1, merges[i].text,
                            merges[i].length));
  return NJ_OK;
}

/* nj.text.bpe(vocab path | tokens, merges path | list, {prefix_space=, pad=, unk=, cls=, sep=,
 * mask=, specials=}) → tokenizer | nil, message, code */
static int l_bpe(lua_State *L) {
  static const char name[] = "bpe";
  size_t n = 0, n_merges = 0;
  nj_tokenizer_options options;
  lua_settop(L, 3);
  njl_read_options(L, 3, name, &nj_bpe_option_table, role_keys, &options);
  read_specials(L, 3, name, &options);
  const nj_text *list = check_source(L, 1, name, "a path or a list of tokens", &n);
  const nj_text *merges = check_source(L, 2, name, "a path or a list of merges", &n_merges);
  nj_ctx *ctx = njl_ctx(L);
  void **slot = njl_new_handle(L, NJL_TOKENIZER);
  nj_tokenizer *made = NULL;
  nj_vocab vocab = {.ctx = ctx};
  nj_bpe bpe = {.ctx = ctx};
  nj_status st =
      list ? add_list(&vocab, name, list, n) : nj_bpe_read_vocab(&vocab, name, lua_tostring(L, 1));
  if (!st)
    st = nj_bpe_bytes(&bpe, &vocab, name);
  if (!st)
    st = merges ? add_merges(&bpe, &vocab, merges, n_merges)
                : nj_bpe_read_merges(&bpe, &vocab, name, lua_tostring(L, 2));
  if (!st)
    st = nj_bpe_new(ctx, &vocab, &bpe, &options, &made);
  nj_vocab_free(&vocab);
  nj_bpe_free(&bpe);
  if (st)
    return njl_result(L, st);
  *slot = made;
  njl_account(L);
  return 1;
}

/* ---- training ---- */

static int vocab_gc(lua_State *L) {
  nj_vocab *vocab = luaL_checkudata(L, 1, "nightjar.Vocab");
  nj_ctx *ctx = vocab->ctx;
  nj_vocab_free(vocab);
  nj_ctx_release(ctx);
  return 0;
}

/* A vocabulary that the collector frees, should pushing its tokens run out of memory. */
static nj_vocab *new_vocab(lua_State *L, nj_ctx *ctx) {
  nj_vocab *vocab = lua_newuserdatauv(L, sizeof *vocab, 0);
  *vocab = (nj_vocab){.ctx = ctx};
  luaL_getmetatable(L, "nightjar.Vocab");
  nj_ctx_retain(ctx);
  lua_setmetatable(L, -2);
  return vocab;
}

/* nj.text.train_wordpiece(lines, {size=, min_frequency=, alphabet=, specials=, lower=,
 * strip_accents=, ideographs=, max_word=, prefix=}) → list of tokens */
static int l_train_wordpiece(lua_State *L) {
  static const char *const extra[] = {"specials", NULL};
  static const char name[] = "train_wordpiece";
  size_t n, n_specials;
  nj_train_wordpiece_options o;
  lua_settop(L, 2);
  njl_read_options(L, 2, NULL, &nj_train_wordpiece_option_table, extra, &o);
  const char *const *specials = njl_opt_strings(L, 2, name, "specials", &n_specials);
  if (specials) {
    o.specials = specials;
    o.n_specials = n_specials;
  }
  const nj_text *lines = njl_check_texts(L, 1, name, &n);
  nj_ctx *ctx = njl_ctx(L);
  nj_vocab *vocab = new_vocab(L, ctx);
  nj_status st = nj_train_wordpiece(ctx, n, lines, &o, vocab);
  if (st)
    return njl_result(L, st);
  njl_push_vocab(L, vocab);
  nj_vocab_free(vocab);
  return 1;
}

void njl_open_text(lua_State *L) {
  static const luaL_Reg functions[] = {{"normalize", l_normalize},
                                       {"wordpiece", l_wordpiece},
                                       {"bpe", l_bpe},
                                       {"train_wordpiece", l_train_wordpiece},
                                       {NULL, NULL}};
  static const luaL_Reg vocab_meta[] = {{"__gc", vocab_gc}, {NULL, NULL}};
  static const luaL_Reg text_meta[] = {{"__gc", text_gc}, {NULL, NULL}};
  njl_class(L, "nightjar.Vocab", NULL, vocab_meta);
  njl_class(L, "nightjar.Text", NULL, text_meta);
  njl_open_tokenizer(L);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "text");
  njl_list_options(L, "text.normalize", &nj_normalize_option_table);
  njl_list_options(L, "text.wordpiece", &nj_wordpiece_option_table);
  njl_list_options(L, "text.bpe", &nj_bpe_option_table);
  njl_list_options(L, "text.train_wordpiece", &nj_train_wordpiece_option_table);
}
