/* What the tokenisers ask about one code point. Categories come from utf8proc; the rules built on
 * them are those of the tokenisers' reference code. */
#ifndef NJ_TEXT_UNICODE_H
#define NJ_TEXT_UNICODE_H

#include <stdint.h>

int nj_is_letter(uint32_t cp);          /* \p{L} */
int nj_is_number(uint32_t cp);          /* \p{N} */
int nj_is_white_space(uint32_t cp);     /* the property White_Space: \s of Unicode regexes */
int nj_is_nonspacing_mark(uint32_t cp); /* Mn: what "strip accents" strips */
int nj_combining_class(uint32_t cp);    /* 0 … 254 */

/* How BERT's BasicTokenizer sees a code point (google-research/bert, tokenization.py; Hugging Face
 * transformers reads "control" as every category C*, and so do we). */
typedef enum {
  NJ_BERT_PLAIN,
  NJ_BERT_SPACE, /* Zs, tab, line feed, carriage return; also Zl and Zp, which str.split takes */
  NJ_BERT_DROP,  /* NUL, U+FFFD, C* */
  NJ_BERT_PUNCT, /* P*, and every ASCII character that is neither letter, digit nor space */
  NJ_BERT_CJK    /* an ideograph: a word of its own */
} nj_bert_class;

nj_bert_class nj_bert_class_of(uint32_t cp);

/* Simple lower case; U+0130 gives 'i' (its U+0307 is the caller's business). */
uint32_t nj_lower_simple(uint32_t cp);
/* The properties Cased and Case_Ignorable (Unicode Standard, section 3.13, D135 and D136), which
 * decide whether a capital sigma ends its word. */
int nj_is_cased(uint32_t cp);
int nj_is_case_ignorable(uint32_t cp);

#endif
