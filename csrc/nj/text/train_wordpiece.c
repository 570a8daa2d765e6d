#include "text/train_wordpiece.h"

#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/utf8.h"
#include "text/pair_counts.h"
#include "text/unicode.h"
#include "text/word_counts.h"

nj_train_wordpiece_options nj_train_wordpiece_default_options(void) {
  static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  nj_tokenizer_options usual = nj_tokenizer_default_options();
  return (nj_train_wordpiece_options){.size = 30522,
                                      .min_frequency = 2,
                                      .alphabet = 1000,
                                      .specials = specials,
                                      .n_specials = sizeof specials / sizeof *specials,
                                      .basic = usual.basic,
                                      .max_word = usual.max_word,
                                      .prefix = usual.prefix};
}

static void derive(void *options, uint64_t given) {
  nj_train_wordpiece_options *o = options;
  if (!nj_option_given(&nj_train_wordpiece_option_table, given, "strip_accents"))
    o->basic.strip_accents = o->basic.lower;
}

#define O nj_train_wordpiece_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "size", size, 1, NJ_VOCAB_MAX, 0),
    NJ_OPTION_RANGE(O, "min_frequency", min_frequency, 1, 0x1p63, 0),
    NJ_OPTION_RANGE(O, "alphabet", alphabet, 0, 0x110000, 0),
    NJ_BASIC_OPTIONS(O),
    NJ_OPTION_RANGE(O, "max_word", max_word, 1, 1000, 0),
    NJ_OPTION_STRING(O, "prefix", prefix, 0),
};
NJ_OPTION_TABLE(train_wordpiece, items, derive)
#undef O

typedef struct {
  nj_ctx *ctx;
  const nj_train_wordpiece_options *options;
  size_t prefix_length;
  nj_vocab *vocab; /* symbols are its ids */
  nj_word_counts counts;
  /* The words as symbols: word w has length[w] of them from symbols[start[w]] on. */
  int32_t *symbols, *length, *seen; /* seen[w]: the last merge that changed w */
  size_t *start;
  nj_pair_counts pairs;
  int32_t *grown; /* pairs whose count grew in this merge */
  size_t n_grown, grown_room;
} trainer;

/* ---- the alphabet ---- */

static nj_status add_token(trainer *t, const char *prefix, size_t prefix_length, const char *rest,
                           size_t length, int32_t *id) {
  char token[NJ_VOCAB_TOKEN_MAX + NJ_PREFIX_MAX];
  memcpy(token, prefix, prefix_length);
  memcpy(token + prefix_length, rest, length);
  return nj_vocab_intern(t->vocab, token, prefix_length + length, id);
}

static int may_continue(const trainer *t, uint32_t cp) {
  nj_bert_class class = nj_bert_class_of(cp);
  return class != NJ_BERT_PUNCT && !(class == NJ_BERT_CJK && t->options->basic.ideographs);
}

static nj_status add_characters(trainer *t, const nj_char_count *list, size_t n, int continuing) {
  for (size_t i = 0; i < n; i++) {
    char bytes[4];
    int32_t id;
    size_t length = (size_t)nj_utf8_put(list[i].cp, bytes);
    if (!continuing || may_continue(t, list[i].cp))
      NJ_TRY(
          add_token(t, t->options->prefix, continuing ? t->prefix_length : 0, bytes, length, &id));
  }
  return NJ_OK;
}

static nj_status add_alphabet(trainer *t) {
  const nj_train_wordpiece_options *o = t->options;
  for (size_t i = 0; i < o->n_specials; i++) {
    int32_t id;
    NJ_TRY(nj_vocab_intern(t->vocab, o->specials[i], strlen(o->specials[i]), &id));
  }
  int32_t specials = t->vocab->count;
  nj_char_count *list = NULL;
  size_t n = 0;
  NJ_TRY(nj_word_counts_alphabet(&t->counts, (size_t)o->alphabet, &list, &n));
  nj_status st = add_characters(t, list, n, 0);
  if (!st)
    st = add_characters(t, list, n, 1);
  nj_free(t->ctx, list);
  if (!st && t->vocab->count > o->size)
    st = nj_fail(t->ctx, NJ_EARG,
                 "train_wordpiece: size %d is too small: %d special tokens and %zu characters need "
                 "%d; raise size or lower alphabet",
                 (int)o->size, (int)specials, n, (int)t->vocab->count);
  return st;
}

/* ---- words into symbols ---- */

/* The symbols of word w, written to `out`; their number, or 0 when a character is not known. */
static nj_status spell(trainer *t, int32_t w, int32_t *out, int32_t *n) {
  size_t length;
  const char *word = nj_vocab_token(&t->counts.words, w, &length);
  uint64_t prefix_hash = nj_vocab_hash(NJ_VOCAB_HASH_START, t->options->prefix, t->prefix_length);
  *n = 0;
  for (size_t at = 0; at < length;) {
    uint32_t cp;
    size_t taken = (size_t)nj_utf8_next(word + at, length - at, &cp, NULL);
    uint64_t hash = nj_vocab_hash(at > 0 ? prefix_hash : NJ_VOCAB_HASH_START, word + at, taken);
    int32_t id = nj_vocab_find_hashed(t->vocab, hash, t->options->prefix,
                                      at > 0 ? t->prefix_length : 0, word + at, taken);
    if (id < 0) {
      *n = 0;
      return NJ_OK;
    }
    out[(*n)++] = id;
    at += taken;
  }
  return NJ_OK;
}

static nj_status spell_all(trainer *t) {
  size_t n = (size_t)t->counts.words.count;
  t->symbols = nj_alloc(t->ctx, t->counts.words.n_bytes * sizeof *t->symbols);
  t->start = nj_alloc(t->ctx, n * sizeof *t->start);
  t->length = nj_alloc(t->ctx, n * sizeof *t->length);
  t->seen = nj_alloc(t->ctx, n * sizeof *t->seen);
  if (!t->symbols || !t->start || !t->length || !t->seen)
    return NJ_ENOMEM;
  size_t used = 0;
  for (size_t w = 0; w < n; w++) {
    t->start[w] = used;
    t->seen[w] = -1;
    NJ_TRY(spell(t, (int32_t)w, t->symbols + used, &t->length[w]));
    used += (size_t)t->length[w];
  }
  return NJ_OK;
}

static nj_status count_pairs(trainer *t) {
  for (int32_t w = 0; w < t->counts.words.count; w++) {
    const int32_t *s = t->symbols + t->start[w];
    for (int32_t i = 0; i + 1 < t->length[w]; i++) {
      int32_t pair;
      NJ_TRY(nj_pair_add(&t->pairs, s[i], s[i + 1], t->counts.count[w], &pair));
      NJ_TRY(nj_pair_note(&t->pairs, pair, w));
    }
  }
  for (size_t i = 0; i < t->pairs.n_pairs; i++)
    NJ_TRY(nj_pair_queue(&t->pairs, (int32_t)i));
  return NJ_OK;
}

/* ---- merging ---- */

/* The token of two symbols: the left one, then the right one without its prefix. */
static nj_status join(trainer *t, int32_t left, int32_t right, int32_t *id) {
  size_t n, m;
  const char *a = nj_vocab_token(t->vocab, left, &n), *b = nj_vocab_token(t->vocab, right, &m);
  return add_token(t, a, n, b + t->prefix_length, m - t->prefix_length, id);
}

/* Takes word w's pairs out of the counts, replaces left and right by `merged` from left to right,
 * and counts its pairs again. */
static nj_status merge_in_word(trainer *t, int32_t w, int32_t left, int32_t right, int32_t merged,
                               int32_t number) {
  int32_t *s = t->symbols + t->start[w], n = t->length[w], kept = 0, pair;
  int64_t weight = t->counts.count[w];
  for (int32_t i = 0; i + 1 < n; i++)
    NJ_TRY(nj_pair_add(&t->pairs, s[i], s[i + 1], -weight, &pair));
  for (int32_t i = 0; i < n; i++) {
    int match = s[i] == left && i + 1 < n && s[i + 1] == right;
    s[kept++] = match ? merged : s[i];
    i += match;
  }
  t->length[w] = kept;
  for (int32_t i = 0; i + 1 < kept; i++) {
    NJ_TRY(nj_pair_add(&t->pairs, s[i], s[i + 1], weight, &pair));
    if (s[i] != merged && s[i + 1] != merged)
      continue;
    NJ_TRY(nj_pair_note(&t->pairs, pair, w));
    if (t->pairs.pairs[pair].touched != number) {
      t->pairs.pairs[pair].touched = number;
      NJ_RESERVE(t->ctx, t->grown, t->grown_room, t->n_grown + 1);
      t->grown[t->n_grown++] = pair;
    }
  }
  return NJ_OK;
}

static nj_status merge_pair(trainer *t, int32_t pair, int32_t number) {
  int32_t left = t->pairs.pairs[pair].left, right = t->pairs.pairs[pair].right, merged;
  NJ_TRY(join(t, left, right, &merged));
  t->n_grown = 0;
  /* The list may grow at its head while it is read ("aaaa"): what is new there was seen. */
  for (int32_t p = t->pairs.pairs[pair].places; p >= 0; p = t->pairs.place[p].next) {
    int32_t w = t->pairs.place[p].word;
    if (t->seen[w] == number)
      continue;
    t->seen[w] = number;
    NJ_TRY(merge_in_word(t, w, left, right, merged, number));
  }
  for (size_t i = 0; i < t->n_grown; i++)
    NJ_TRY(nj_pair_queue(&t->pairs, t->grown[i]));
  return NJ_OK;
}

static nj_status merge_all(trainer *t) {
  int32_t number = 0;
  while (t->vocab->count < t->options->size) {
    int32_t pair = nj_pair_most_frequent(&t->pairs);
    if (pair < 0 || t->pairs.pairs[pair].count < t->options->min_frequency)
      return NJ_OK;
    NJ_TRY(merge_pair(t, pair, number));
    if (++number % 64 == 0)
      NJ_TRY(nj_poll(t->ctx));
  }
  return NJ_OK;
}

static nj_status check_options(nj_ctx *ctx, const nj_train_wordpiece_options *o) {
  size_t prefix_length = strlen(o->prefix);
  if (o->size < 1 || o->size > NJ_VOCAB_MAX)
    return nj_fail(ctx, NJ_EARG, "train_wordpiece: size must be in 1 to %d, got %d", NJ_VOCAB_MAX,
                   (int)o->size);
  if (o->min_frequency < 1 || o->alphabet < 0)
    return nj_fail(ctx, NJ_EARG,
                   "train_wordpiece: min_frequency must be at least 1 and alphabet "
                   "at least 0");
  if (o->max_word < 1 || o->max_word > 1000)
    return nj_fail(ctx, NJ_EARG, "train_wordpiece: max_word must be in 1 to 1000, got %d",
                   o->max_word);
  if (prefix_length < 1 || prefix_length > NJ_PREFIX_MAX)
    return nj_fail(ctx, NJ_EARG, "train_wordpiece: prefix must have 1 to %d bytes, got %zu",
                   NJ_PREFIX_MAX, prefix_length);
  for (size_t i = 0; i < o->n_specials; i++) {
    size_t length = strlen(o->specials[i]);
    if (length < 1 || length > NJ_VOCAB_TOKEN_MAX || nj_utf8_valid(o->specials[i], length) < length)
      return nj_fail(ctx, NJ_EARG,
                     "train_wordpiece: special token %zu must be UTF-8 of 1 to %d bytes", i + 1,
                     NJ_VOCAB_TOKEN_MAX);
  }
  return NJ_OK;
}

nj_status nj_train_wordpiece(nj_ctx *ctx, size_t n, const nj_text *lines,
                             const nj_train_wordpiece_options *options, nj_vocab *out) {
  NJ_TRY(check_options(ctx, options));
  trainer t = {.ctx = ctx,
               .options = options,
               .prefix_length = strlen(options->prefix),
               .vocab = out,
               .counts = {.ctx = ctx, .words = {.ctx = ctx}},
               .pairs = {.ctx = ctx}};
  nj_status st = nj_word_counts_add(&t.counts, n, lines, &options->basic, options->max_word);
  if (!st)
    st = add_alphabet(&t);
  if (!st)
    st = spell_all(&t);
  if (!st)
    st = count_pairs(&t);
  if (!st)
    st = merge_all(&t);
  nj_word_counts_free(&t.counts);
  nj_pair_counts_free(&t.pairs);
  nj_free(ctx, t.symbols);
  nj_free(ctx, t.start);
  nj_free(ctx, t.length);
  nj_free(ctx, t.seen);
  nj_free(ctx, t.grown);
  return st;
}
