/* Token ids back to text. */
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

nj_decode_options nj_decode_default_options(void) { return (nj_decode_options){.tidy = 1}; }

static const nj_option items[] = {
    NJ_OPTION_FLAG(nj_decode_options, "special", special, 0),
    NJ_OPTION_FLAG(nj_decode_options, "tidy", tidy, 0),
};
NJ_OPTION_TABLE(decode, items, NULL)

typedef struct {
  nj_ctx *ctx;
  char *at;
  size_t length, room;
} builder;

static nj_status append(builder *b, const char *bytes, size_t length) {
  NJ_RESERVE(b->ctx, b->at, b->room, b->length + length + 1);
  memcpy(b->at + b->length, bytes, length);
  b->length += length;
  return NJ_OK;
}

static nj_status append_piece(const nj_tokenizer *t, builder *b, const char *token, size_t length) {
  if (length > t->prefix_length && memcmp(token, t->prefix, t->prefix_length) == 0)
    return append(b, token + t->prefix_length, length - t->prefix_length);
  if (b->length > 0)
    NJ_TRY(append(b, " ", 1));
  return append(b, token, length);
}

/* A token outside the alphabet of bytes was added by hand, and stands for itself. */
static nj_status append_bytes(builder *b, const char *token, size_t length) {
  size_t before = b->length;
  for (size_t at = 0; at < length;) {
    uint32_t cp;
    at += (size_t)nj_utf8_next(token + at, length - at, &cp, NULL);
    int byte = nj_bpe_byte_of_char(cp);
    if (byte < 0) {
      b->length = before;
      return append(b, token, length);
    }
    char c = (char)byte;
    NJ_TRY(append(b, &c, 1));
  }
  return NJ_OK;
}

static nj_status append_token(const nj_tokenizer *t, builder *b, int32_t id, int special) {
  size_t length;
  const char *token = nj_vocab_token(&t->vocab, id, &length);
  if (t->kind == NJ_TOKENIZER_WORDPIECE)
    return append_piece(t, b, token, length);
  return special ? append(b, token, length) : append_bytes(b, token, length);
}

/* The spaces that joining words put where English has none: before . ? ! , around a lone
 * apostrophe, and before the contractions. The rules and their order are those of transformers'
 * clean_up_tokenization, each applied to the whole text. */
static void tidy(builder *b) {
  static const char *const rules[][2] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
    const char *find = rules[r][0], *put = rules[r][1];
    size_t n = strlen(find), m = strlen(put), kept = 0;
    for (size_t i = 0; i < b->length;) {
      if (b->length - i >= n && memcmp(b->at + i, find, n) == 0) {
        memmove(b->at + kept, put, m);
        kept += m;
        i += n;
      } else {
        b->at[kept++] = b->at[i++];
      }
    }
    b->length = kept;
  }
}

nj_status nj_decode(const nj_tokenizer *tokenizer, size_t n, const int64_t *ids,
                    const nj_decode_options *options, char **out, size_t *out_length) {
  builder b = {.ctx = tokenizer->ctx};
  nj_status st = append(&b, "", 0);
  for (size_t i = 0; i < n && !st; i++) {
    if (ids[i] < 0 || ids[i] >= tokenizer->vocab.count) {
      st = nj_fail(tokenizer->ctx, NJ_EINDEX, "decode: id %lld is not in 0 … %d", (long long)ids[i],
                   (int)tokenizer->vocab.count - 1);
      break;
    }
    int32_t id = (int32_t)ids[i];
    /* The unknown token is the trace of a word, and stays. */
    int special = nj_tokenizer_is_special(tokenizer, id);
    if (!special || options->special || id == tokenizer->role[NJ_ROLE_UNK])
      st = append_token(tokenizer, &b, id, special);
  }
  if (st) {
    nj_free(tokenizer->ctx, b.at);
    return st;
  }
  if (options->tidy && tokenizer->kind == NJ_TOKENIZER_WORDPIECE)
    tidy(&b);
  b.at[b.length] = '\0';
  *out = b.at;
  *out_length = b.length;
  return NJ_OK;
}
