/* BERT's BasicTokenizer (google-research/bert, tokenization.py): a text into words, before they are
 * cut into pieces. In this order: control characters and U+FFFD are dropped; ideographs stand
 * alone; the text is cut at white space; each stretch is lower-cased, decomposed (NFD) and stripped
 * of non-spacing marks; punctuation stands alone. */
#ifndef NJ_TEXT_BASIC_H
#define NJ_TEXT_BASIC_H

#include "base/option.h"
#include "text/chars.h"

typedef struct {
  int lower;         /* lower-case (uncased models) */
  int strip_accents; /* NFD, then drop Mn */
  int ideographs;    /* CJK ideographs are words of their own */
} nj_basic_options;

/* Rows for the tables of options that have them as `basic`: without strip_accents it follows lower. */
#define NJ_BASIC_OPTIONS(type)                                                       \
  NJ_OPTION_FLAG(type, "lower", basic.lower, 0),                                     \
      NJ_OPTION_FLAG(type, "strip_accents", basic.strip_accents, NJ_OPTION_DERIVED), \
      NJ_OPTION_FLAG(type, "ideographs", basic.ideographs, 0)

typedef struct {
  const nj_char *at;
  size_t count;      /* at least 1 */
  uint32_t from, to; /* bytes of the text */
} nj_word;

/* Reads one text; reusable for the next by another nj_basic_begin. */
typedef struct {
  nj_basic_options options;
  const char *text;
  size_t length, at;
  size_t base; /* added to every source */
  nj_chars stretch;
  size_t next; /* the first character of the stretch not yet given out */
} nj_basic;

void nj_basic_open(nj_basic *basic, nj_ctx *ctx, const nj_basic_options *options);
void nj_basic_begin(nj_basic *basic, const char *text, size_t length, size_t base);
/* The next word, valid until the next call; *more = 0 at the end. Errors: ENOMEM. */
nj_status nj_basic_next(nj_basic *basic, nj_word *word, int *more);
void nj_basic_close(nj_basic *basic);

#endif
