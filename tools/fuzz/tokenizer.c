/* Vocabularies and texts. The input: a byte that chooses the kind, lines of a vocabulary (WordPiece)
 * or of merges (byte-level BPE), a NUL, the text. */
#include "fuzz.h"

typedef struct {
  const char *at;
  size_t length;
} piece;

/* Cuts the next line off `rest`; 0 when there is none. */
static int next_line(piece *rest, piece *line) {
  if (rest->length == 0)
    return 0;
  const char *stop = memchr(rest->at, '\n', rest->length);
  line->at = rest->at;
  line->length = stop ? (size_t)(stop - rest->at) : rest->length;
  size_t took = line->length + (stop != NULL);
  rest->at += took;
  rest->length -= took;
  return 1;
}

static nj_tokenizer *wordpiece(nj_ctx *ctx, piece lines) {
  nj_vocab vocab = {.ctx = ctx};
  nj_tokenizer *made = NULL;
  piece line;
  (void)nj_vocab_add(&vocab, "input", 1, "[UNK]", 5);
  for (int64_t n = 2; next_line(&lines, &line); n++)
    (void)nj_vocab_add(&vocab, "input", n, line.at, line.length);
  nj_tokenizer_options options = nj_tokenizer_default_options();
  if (nj_wordpiece_new(ctx, &vocab, &options, &made) != NJ_OK)
    return NULL;
  return made;
}

/* Makes "left right" a merge, its three tokens in the vocabulary where they may be. */
static void add_merge(nj_bpe *bpe, nj_vocab *vocab, int64_t place, piece line) {
  char joined[256];
  const char *space = memchr(line.at, ' ', line.length);
  if (space && line.length < sizeof joined) {
    size_t left = (size_t)(space - line.at);
    memcpy(joined, line.at, left);
    memcpy(joined + left, space + 1, line.length - left - 1);
    (void)nj_vocab_add(vocab, "input", place, line.at, left);
    (void)nj_vocab_add(vocab, "input", place, space + 1, line.length - left - 1);
    (void)nj_vocab_add(vocab, "input", place, joined, line.length - 1);
  }
  (void)nj_bpe_add_merge(bpe, vocab, "input", place, line.at, line.length);
}

static nj_tokenizer *byte_level(nj_ctx *ctx, piece lines) {
  nj_vocab vocab = {.ctx = ctx};
  nj_bpe bpe = {.ctx = ctx};
  nj_tokenizer *made = NULL;
  piece line;
  for (int byte = 0; byte < 256; byte++) {
    char text[4];
    size_t length = (size_t)nj_utf8_put(nj_bpe_char_of_byte((unsigned char)byte), text);
    (void)nj_vocab_add(&vocab, "input", byte + 1, text, length);
  }
  (void)nj_bpe_bytes(&bpe, &vocab, "input");
  for (int64_t n = 1; next_line(&lines, &line); n++)
    add_merge(&bpe, &vocab, n, line);
  nj_tokenizer_options options = nj_tokenizer_default_options();
  if (nj_bpe_new(ctx, &vocab, &bpe, &options, &made) != NJ_OK)
    return NULL;
  return made;
}

static void decode(nj_ctx *ctx, const nj_tokenizer *tokenizer, const nj_encoding *e, piece text,
                   int exact) {
  int64_t *ids = nj_calloc(ctx, e->count, sizeof *ids);
  char *out = NULL;
  size_t length = 0;
  nj_decode_options options = {.special = 1};
  for (size_t i = 0; ids && i < e->count; i++)
    ids[i] = e->at[i].id;
  if (ids && nj_decode(tokenizer, e->count, ids, &options, &out, &length) == NJ_OK && exact &&
      (length != text.length || memcmp(out, text.at, length) != 0))
    abort(); /* byte-level BPE gives back what it was given */
  nj_free(ctx, out);
  nj_free(ctx, ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nj_ctx *ctx = fuzz_context();
  if (size < 1)
    return 0;
  char *copy = fuzz_copy(data + 1, size - 1);
  const char *nul = memchr(copy, 0, size - 1);
  piece lines = {copy, nul ? (size_t)(nul - copy) : size - 1};
  piece text = {nul ? nul + 1 : copy + size - 1, nul ? size - 2 - lines.length : 0};
  int kind = data[0] & 1, parse = data[0] >> 1 & 1;
  nj_tokenizer *tokenizer = kind ? byte_level(ctx, lines) : wordpiece(ctx, lines);
  nj_encoding e = {.ctx = ctx, .most = SIZE_MAX};
  nj_encode_options options = {.parse = parse};
  if (tokenizer && nj_encode(tokenizer, text.at, text.length, &options, &e) == NJ_OK) {
    for (size_t i = 0; i < e.count; i++)
      if (e.at[i].from > e.at[i].to || e.at[i].to > text.length)
        abort();
    decode(ctx, tokenizer, &e, text, kind && !parse);
  }
  nj_encoding_free(&e);
  nj_tokenizer_free(tokenizer);
  free(copy);
  fuzz_check_memory(ctx);
  return 0;
}
