/* WordPiece (Schuster & Nakajima 2012; Wu et al. 2016), as BERT applies it: each word of
 * BasicTokenizer is cut greedily into the longest pieces of the vocabulary, pieces after the first
 * carrying a prefix ("##"); a word that cannot be cut so is one unknown token. */
#ifndef NJ_TEXT_WORDPIECE_H
#define NJ_TEXT_WORDPIECE_H

#include "text/tokenizer.h"

/* Appends the tokens of text[0 … length-1], whose sources begin at byte `base`. Errors: ENOMEM. */
nj_status nj_wordpiece_encode(const nj_tokenizer *tokenizer, nj_basic *basic, const char *text,
                              size_t length, size_t base, nj_encoding *encoding);

#endif
