#include "text/tokenizer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "text/gpt2_split.h"
#include "text/unicode.h"
#include "text/wordpiece.h"

/* ---- making one ---- */

nj_tokenizer_options nj_tokenizer_default_options(void) {
  return (nj_tokenizer_options){
      .basic = {.lower = 1, .strip_accents = 1, .ideographs = 1}, .max_word = 100, .prefix = "##"};
}

#define O nj_tokenizer_options
static void tokenizer_defaults(void *options) {
  *(nj_tokenizer_options *)options = nj_tokenizer_default_options();
}

static void derive(void *options, uint64_t given) {
  nj_tokenizer_options *o = options;
  if (!nj_option_given(&nj_wordpiece_option_table, given, "strip_accents"))
    o->basic.strip_accents = o->basic.lower;
}

static const nj_option wordpiece_items[] = {
    NJ_BASIC_OPTIONS(O),
    NJ_OPTION_RANGE(O, "max_word", max_word, 1, 1000, 0),
    NJ_OPTION_STRING(O, "prefix", prefix, 0),
};
const nj_option_table nj_wordpiece_option_table = {.name = "wordpiece",
                                                   .size = sizeof(O),
                                                   .items = wordpiece_items,
                                                   .n = sizeof wordpiece_items /
                                                        sizeof *wordpiece_items,
                                                   .defaults = tokenizer_defaults,
                                                   .derive = derive};

static const nj_option bpe_items[] = {NJ_OPTION_FLAG(O, "prefix_space", prefix_space, 0)};
const nj_option_table nj_bpe_option_table = {.name = "bpe",
                                             .size = sizeof(O),
                                             .items = bpe_items,
                                             .n = sizeof bpe_items / sizeof *bpe_items,
                                             .defaults = tokenizer_defaults};
#undef O

nj_encode_options nj_encode_default_options(void) { return (nj_encode_options){.add = 1}; }

static const nj_option encode_items[] = {
    NJ_OPTION_FLAG(nj_encode_options, "special", add, 0),
    NJ_OPTION_FLAG(nj_encode_options, "parse", parse, 0),
    NJ_OPTION_RANGE(nj_encode_options, "max", max, 1, INT32_MAX, NJ_OPTION_DERIVED),
};
NJ_OPTION_TABLE(encode, encode_items, NULL)

static const char *const usual_names[2][NJ_ROLES][2] = {
    [NJ_TOKENIZER_WORDPIECE] = {{"[PAD]"}, {"[UNK]"}, {"[CLS]"}, {"[SEP]"}, {"[MASK]"}},
    [NJ_TOKENIZER_BPE] = {{"<pad>", "<|endoftext|>"}, {"<unk>"}, {"<s>"}, {"</s>"}, {"<mask>"}},
};

static nj_status add_special(nj_tokenizer *t, int32_t id) {
  if (id < 0 || nj_tokenizer_is_special(t, id))
    return NJ_OK;
  if (t->n_specials == NJ_SPECIALS_MAX)
    return nj_fail(t->ctx, NJ_EARG, "tokenizer: more than %d special tokens", NJ_SPECIALS_MAX);
  t->specials[t->n_specials++] = id;
  return NJ_OK;
}

static nj_status find_named(nj_tokenizer *t, const char *name, int32_t *id) {
  *id = nj_vocab_find(&t->vocab, name, strlen(name));
  if (*id < 0)
    return nj_fail(t->ctx, NJ_EFORMAT, "tokenizer: the vocabulary lacks the special token '%.64s'",
                   name);
  return NJ_OK;
}

static nj_status find_roles(nj_tokenizer *t, const nj_tokenizer_options *options) {
  for (int role = 0; role < NJ_ROLES; role++) {
    const char *name = options->role[role];
    int32_t id = -1;
    if (name && *name) {
      NJ_TRY(find_named(t, name, &id));
    } else if (!name) {
      const char *const *names = usual_names[t->kind][role];
      for (int i = 0; i < 2 && names[i] && id < 0; i++)
        id = nj_vocab_find(&t->vocab, names[i], strlen(names[i]));
    }
    t->role[role] = id;
    NJ_TRY(add_special(t, id));
  }
  if (t->kind == NJ_TOKENIZER_BPE)
    NJ_TRY(add_special(t, nj_vocab_find(&t->vocab, "<|endoftext|>", 13)));
  for (size_t i = 0; i < options->n_specials; i++) {
    int32_t id;
    NJ_TRY(find_named(t, options->specials[i], &id));
    NJ_TRY(add_special(t, id));
  }
  return NJ_OK;
}

static nj_status set_wordpiece(nj_tokenizer *t, const nj_tokenizer_options *options) {
  size_t length = strlen(options->prefix);
  if (length < 1 || length > NJ_PREFIX_MAX)
    return nj_fail(t->ctx, NJ_EARG, "wordpiece: prefix must have 1 to %d bytes, got %zu",
                   NJ_PREFIX_MAX, length);
  if (options->max_word < 1 || options->max_word > 1000)
    return nj_fail(t->ctx, NJ_EARG, "wordpiece: max_word must be in 1 to 1000, got %d",
                   options->max_word);
  memcpy(t->prefix, options->prefix, length + 1);
  t->prefix_length = length;
  t->max_word = options->max_word;
  t->basic = options->basic;
  NJ_TRY(find_roles(t, options));
  if (t->role[NJ_ROLE_UNK] < 0)
    return nj_fail(t->ctx, NJ_EFORMAT,
                   "wordpiece: the vocabulary lacks an unknown token ('[UNK]')");
  return NJ_OK;
}

static nj_status make(nj_ctx *ctx, nj_tokenizer_kind kind, nj_vocab *vocab, nj_tokenizer **out) {
  nj_tokenizer *t = nj_calloc(ctx, 1, sizeof *t);
  if (!t) {
    nj_vocab_free(vocab);
    return NJ_ENOMEM;
  }
  t->ctx = nj_ctx_retain(ctx);
  t->kind = kind;
  t->vocab = *vocab;
  t->bpe.ctx = ctx;
  *vocab = (nj_vocab){.ctx = ctx};
  *out = t;
  return NJ_OK;
}

nj_status nj_wordpiece_new(nj_ctx *ctx, nj_vocab *vocab, const nj_tokenizer_options *options,
                           nj_tokenizer **out) {
  nj_tokenizer *t;
  NJ_TRY(make(ctx, NJ_TOKENIZER_WORDPIECE, vocab, &t));
  nj_status st = set_wordpiece(t, options);
  if (st)
    nj_tokenizer_free(t);
  else
    *out = t;
  return st;
}

nj_status nj_bpe_new(nj_ctx *ctx, nj_vocab *vocab, nj_bpe *bpe, const nj_tokenizer_options *options,
                     nj_tokenizer **out) {
  nj_tokenizer *t;
  nj_status st = make(ctx, NJ_TOKENIZER_BPE, vocab, &t);
  if (st) {
    nj_bpe_free(bpe);
    return st;
  }
  t->bpe = *bpe;
  *bpe = (nj_bpe){.ctx = ctx};
  t->prefix_space = options->prefix_space;
  st = find_roles(t, options);
  if (st)
    nj_tokenizer_free(t);
  else
    *out = t;
  return st;
}

void nj_tokenizer_free(nj_tokenizer *tokenizer) {
  if (!tokenizer)
    return;
  nj_ctx *ctx = tokenizer->ctx;
  nj_vocab_free(&tokenizer->vocab);
  nj_bpe_free(&tokenizer->bpe);
  nj_free(ctx, tokenizer);
  nj_ctx_release(ctx);
}

int nj_tokenizer_is_special(const nj_tokenizer *tokenizer, int32_t id) {
  for (size_t i = 0; i < tokenizer->n_specials; i++)
    if (tokenizer->specials[i] == id)
      return 1;
  return 0;
}

/* ---- encoding ---- */

static nj_status push_bpe_word(nj_encoder *w, const char *bytes, size_t length, size_t base,
                               size_t invented, nj_encoding *out) {
  NJ_TRY(nj_bpe_encode(&w->tokenizer->bpe, bytes, length, &w->word));
  int32_t number = ++out->words;
  for (size_t i = 0; i < w->word.count; i++) {
    const nj_bpe_symbol *s = &w->word.symbols[i];
    /* The invented space is not in the text. */
    size_t from = s->from > invented ? s->from - invented : 0, to = s->to - invented;
    nj_token token = {s->id, number, (uint32_t)(base + from), (uint32_t)(base + to), 0};
    NJ_TRY(nj_encoding_push(out, token));
  }
  return NJ_OK;
}

/* A text that does not begin with space gets one when the options say so: its first word is encoded
 * from a copy. */
static nj_status push_spaced_word(nj_encoder *w, const char *text, size_t length, size_t *at,
                                  nj_encoding *out) {
  *at = nj_gpt2_split_spaced(text, length);
  char *copy = nj_alloc(w->tokenizer->ctx, *at + 1);
  if (!copy)
    return NJ_ENOMEM;
  copy[0] = ' ';
  memcpy(copy + 1, text, *at);
  nj_status st = push_bpe_word(w, copy, *at + 1, 0, 1, out);
  nj_free(w->tokenizer->ctx, copy);
  return st;
}

static nj_status encode_bpe(nj_encoder *w, const char *text, size_t length, size_t base,
                            nj_encoding *out) {
  size_t at = 0;
  uint32_t first = ' ';
  if (w->tokenizer->prefix_space && base == 0 && length > 0)
    nj_utf8_next(text, length, &first, NULL);
  if (!nj_is_white_space(first))
    NJ_TRY(push_spaced_word(w, text, length, &at, out));
  while (at < length && out->count < out->most) {
    size_t n = nj_gpt2_split(text + at, length - at);
    NJ_TRY(push_bpe_word(w, text + at, n, base + at, 0, out));
    at += n;
  }
  return NJ_OK;
}

static nj_status encode_plain(nj_encoder *w, const char *text, size_t length, size_t base,
                              nj_encoding *out) {
  if (w->tokenizer->kind == NJ_TOKENIZER_BPE)
    return encode_bpe(w, text, length, base, out);
  return nj_wordpiece_encode(w->tokenizer, &w->basic, text, length, base, out);
}

/* The special token written at the start of `text`, the longest if several; its id or -1. */
static int32_t special_at(const nj_tokenizer *t, const char *text, size_t length, size_t *taken) {
  int32_t best = -1;
  *taken = 0;
  for (size_t i = 0; i < t->n_specials; i++) {
    size_t n;
    const char *name = nj_vocab_token(&t->vocab, t->specials[i], &n);
    if (n > *taken && n <= length && memcmp(name, text, n) == 0) {
      best = t->specials[i];
      *taken = n;
    }
  }
  return best;
}

static nj_status encode_parsed(nj_encoder *w, const char *text, size_t length, nj_encoding *out) {
  size_t plain = 0, at = 0;
  while (at < length && out->count < out->most) {
    size_t taken;
    int32_t id = special_at(w->tokenizer, text + at, length - at, &taken);
    if (id < 0) {
      at++;
      continue;
    }
    NJ_TRY(encode_plain(w, text + plain, at - plain, plain, out));
    nj_token token = {id, 0, (uint32_t)at, (uint32_t)(at + taken), 1};
    NJ_TRY(nj_encoding_push(out, token));
    plain = at += taken;
  }
  return encode_plain(w, text + plain, at - plain, plain, out);
}

static nj_status encode_all(nj_encoder *w, const char *text, size_t length,
                            const nj_encode_options *options, nj_encoding *out) {
  int32_t cls = options->add ? w->tokenizer->role[NJ_ROLE_CLS] : -1;
  int32_t sep = options->add ? w->tokenizer->role[NJ_ROLE_SEP] : -1;
  size_t added = (size_t)(cls >= 0) + (size_t)(sep >= 0);
  size_t max = options->max > 0 ? (size_t)options->max : 0;
  if (max > 0 && max < added)
    return nj_fail(w->tokenizer->ctx, NJ_EARG,
                   "encode: max is %zu, but %zu special tokens are added", max, added);
  out->most = max > 0 ? max - (size_t)(sep >= 0) : SIZE_MAX;
  if (cls >= 0)
    NJ_TRY(nj_encoding_push(out, (nj_token){cls, 0, 0, 0, 1}));
  if (options->parse)
    NJ_TRY(encode_parsed(w, text, length, out));
  else
    NJ_TRY(encode_plain(w, text, length, 0, out));
  out->most = SIZE_MAX;
  uint32_t end = (uint32_t)length;
  return sep >= 0 ? nj_encoding_push(out, (nj_token){sep, 0, end, end, 1}) : NJ_OK;
}

void nj_encoder_open(nj_encoder *encoder, const nj_tokenizer *tokenizer) {
  *encoder = (nj_encoder){.tokenizer = tokenizer, .word = {.ctx = tokenizer->ctx}};
  nj_basic_open(&encoder->basic, tokenizer->ctx, &tokenizer->basic);
}

void nj_encoder_close(nj_encoder *encoder) {
  nj_basic_close(&encoder->basic);
  nj_bpe_word_free(&encoder->word);
}

nj_status nj_encoder_run(nj_encoder *encoder, const char *text, size_t length,
                         const nj_encode_options *options, nj_encoding *encoding) {
  if (length > NJ_TEXT_MAX)
    return nj_fail(encoder->tokenizer->ctx, NJ_EARG, "encode: a text of %zu bytes is too long",
                   length);
  encoding->count = 0;
  encoding->words = 0;
  return encode_all(encoder, text, length, options, encoding);
}

nj_status nj_encode(const nj_tokenizer *tokenizer, const char *text, size_t length,
                    const nj_encode_options *options, nj_encoding *encoding) {
  nj_encoder encoder;
  nj_encoder_open(&encoder, tokenizer);
  nj_status st = nj_encoder_run(&encoder, text, length, options, encoding);
  nj_encoder_close(&encoder);
  return st;
}
