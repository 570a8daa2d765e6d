#include "text/basic.h"

#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

void nj_basic_open(nj_basic *basic, nj_ctx *ctx, const nj_basic_options *options) {
  memset(basic, 0, sizeof *basic);
  basic->options = *options;
  basic->stretch.ctx = ctx;
}

void nj_basic_begin(nj_basic *basic, const char *text, size_t length, size_t base) {
  basic->text = text;
  basic->length = length;
  basic->at = 0;
  basic->base = base;
  basic->stretch.count = basic->next = 0;
}

void nj_basic_close(nj_basic *basic) { nj_chars_free(&basic->stretch); }

/* Reads up to the next white space, or one ideograph. Empty at the end of the text. */
static nj_status read_stretch(nj_basic *basic, int *ascii) {
  nj_chars *stretch = &basic->stretch;
  stretch->count = basic->next = 0;
  *ascii = 1;
  while (basic->at < basic->length) {
    uint32_t cp;
    size_t from = basic->at;
    size_t taken = (size_t)nj_utf8_next(basic->text + from, basic->length - from, &cp, NULL);
    nj_bert_class class = nj_bert_class_of(cp);
    int alone = class == NJ_BERT_CJK && basic->options.ideographs;
    if (alone && stretch->count > 0)
      return NJ_OK;
    basic->at += taken;
    if (class == NJ_BERT_DROP)
      continue;
    if (class == NJ_BERT_SPACE) {
      if (stretch->count > 0)
        return NJ_OK;
      continue;
    }
    if (cp >= 0x80)
      *ascii = 0;
    else if (basic->options.lower)
      cp = nj_lower_simple(cp);
    NJ_TRY(nj_chars_push(stretch, cp, basic->base + from, basic->base + from + taken));
    if (alone)
      return NJ_OK;
  }
  return NJ_OK;
}

/* The stretch may come out empty: a lone accent. */
static nj_status normalize_stretch(nj_basic *basic) {
  if (basic->options.lower)
    NJ_TRY(nj_chars_lower(&basic->stretch));
  if (basic->options.strip_accents) {
    NJ_TRY(nj_chars_decompose(&basic->stretch, 0));
    nj_chars_drop_marks(&basic->stretch);
  }
  return NJ_OK;
}

static int is_punctuation(uint32_t cp) { return nj_bert_class_of(cp) == NJ_BERT_PUNCT; }

nj_status nj_basic_next(nj_basic *basic, nj_word *word, int *more) {
  const nj_chars *stretch = &basic->stretch;
  while (basic->next == stretch->count) {
    int ascii;
    if (basic->at == basic->length) {
      *more = 0;
      return NJ_OK;
    }
    NJ_TRY(read_stretch(basic, &ascii));
    if (!ascii)
      NJ_TRY(normalize_stretch(basic));
  }
  size_t first = basic->next, last = first + 1;
  if (!is_punctuation(stretch->at[first].cp))
    while (last < stretch->count && !is_punctuation(stretch->at[last].cp))
      last++;
  basic->next = last;
  word->at = stretch->at + first;
  word->count = last - first;
  word->from = word->at[0].from;
  word->to = word->at[word->count - 1].to;
  *more = 1;
  return NJ_OK;
}
