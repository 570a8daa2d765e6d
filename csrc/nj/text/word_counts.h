/* The different words of a corpus and how often each occurs. */
#ifndef NJ_TEXT_WORD_COUNTS_H
#define NJ_TEXT_WORD_COUNTS_H

#include "text/tokenizer.h"

typedef struct {
  nj_ctx *ctx;
  nj_vocab words; /* UTF-8, in the order of their first occurrence */
  int64_t *count;
  size_t count_room;
} nj_word_counts;

/* A character and how often it occurs. */
typedef struct {
  uint32_t cp;
  int64_t count;
} nj_char_count;

/* Begin with nj_word_counts w = {.ctx = ctx, .words = {.ctx = ctx}}. */
void nj_word_counts_free(nj_word_counts *counts);
/* Counts the words that BasicTokenizer makes of n lines; words of more than `max_word` characters
 * are skipped, as WordPiece does. Errors: EARG (a line longer than NJ_TEXT_MAX), ENOMEM, EINTR.
 */
nj_status nj_word_counts_add(nj_word_counts *counts, size_t n, const nj_text *lines,
                             const nj_basic_options *options, int max_word);
/* The `most` most frequent characters (ties: the smaller code point first), ordered by code point;
 * *out is freed by nj_free. Errors: ENOMEM. */
nj_status nj_word_counts_alphabet(const nj_word_counts *counts, size_t most, nj_char_count **out,
                                  size_t *n_out);

#endif
