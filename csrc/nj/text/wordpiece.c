#include "text/wordpiece.h"

#include <string.h>

#include "base/utf8.h"

#define WORD_MAX 1000 /* characters: the upper end of max_word */

/* A word as bytes, and where each of its characters begins. */
typedef struct {
  char bytes[WORD_MAX * 4];
  uint16_t start[WORD_MAX + 1];
  uint64_t hash[WORD_MAX + 1];
} spelling;

static void spell(spelling *out, const nj_word *word) {
  size_t n = 0;
  for (size_t i = 0; i < word->count; i++) {
    out->start[i] = (uint16_t)n;
    uint32_t cp = word->at[i].cp;
    if (cp < 0x80)
      out->bytes[n++] = (char)cp;
    else
      n += (size_t)nj_utf8_put(cp, out->bytes + n);
  }
  out->start[word->count] = (uint16_t)n;
}

/* The longest piece that begins at character `first`: its id, and in *last where it ends; -1 when
 * there is none. */
static int32_t longest_piece(const nj_tokenizer *t, spelling *s, size_t first, size_t count,
                             uint64_t prefix_hash, size_t *last) {
  const char *prefix = first > 0 ? t->prefix : "";
  size_t prefix_length = first > 0 ? t->prefix_length : 0, begin = s->start[first];
  uint64_t hash = first > 0 ? prefix_hash : NJ_VOCAB_HASH_START;
  size_t end = first;
  while (end < count && prefix_length + s->start[end + 1] - begin <= t->vocab.longest) {
    hash = nj_vocab_hash(hash, s->bytes + s->start[end], s->start[end + 1] - s->start[end]);
    s->hash[++end] = hash;
  }
  for (; end > first; end--) {
    int32_t id = nj_vocab_find_hashed(&t->vocab, s->hash[end], prefix, prefix_length,
                                      s->bytes + begin, s->start[end] - begin);
    if (id >= 0) {
      *last = end;
      return id;
    }
  }
  return -1;
}

static nj_status encode_word(const nj_tokenizer *t, const nj_word *word, uint64_t prefix_hash,
                             nj_encoding *out) {
  int32_t number = ++out->words;
  size_t before = out->count, first = 0, last = 0;
  nj_token unknown = {t->role[NJ_ROLE_UNK], number, word->from, word->to, 0};
  if (word->count > (size_t)t->max_word)
    return nj_encoding_push(out, unknown);
  spelling s;
  spell(&s, word);
  for (; first < word->count; first = last) {
    int32_t id = longest_piece(t, &s, first, word->count, prefix_hash, &last);
    if (id < 0) {
      out->count = before;
      return nj_encoding_push(out, unknown);
    }
    nj_token piece = {id, number, word->at[first].from, word->at[last - 1].to, 0};
    NJ_TRY(nj_encoding_push(out, piece));
  }
  return NJ_OK;
}

nj_status nj_wordpiece_encode(const nj_tokenizer *tokenizer, nj_basic *basic, const char *text,
                              size_t length, size_t base, nj_encoding *encoding) {
  uint64_t prefix_hash =
      nj_vocab_hash(NJ_VOCAB_HASH_START, tokenizer->prefix, tokenizer->prefix_length);
  nj_basic_begin(basic, text, length, base);
  while (encoding->count < encoding->most) {
    nj_word word;
    int more;
    NJ_TRY(nj_basic_next(basic, &word, &more));
    if (!more)
      return NJ_OK;
    NJ_TRY(encode_word(tokenizer, &word, prefix_hash, encoding));
  }
  return NJ_OK;
}
