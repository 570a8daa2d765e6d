/* Learns a WordPiece vocabulary from text.
 *
 * The way of Hugging Face's WordPieceTrainer: byte-pair merging by frequency over "##" symbols
 * (not the likelihood ratio of Schuster & Nakajima 2012). Words are counted after BasicTokenizer;
 * each begins as its characters; the pair of neighbouring symbols that occurs most often becomes a
 * token, again and again. Ties go to the pair whose left symbol, then whose right, has the smaller
 * id: the result depends on the lines and options alone.
 *
 * The vocabulary: the special tokens in the order given; the characters by code point; the same
 * with the prefix (but for those that always stand alone: punctuation, ideographs); the merged
 * tokens in the order found. So every word made of its characters can be encoded. */
#ifndef NJ_TEXT_TRAIN_WORDPIECE_H
#define NJ_TEXT_TRAIN_WORDPIECE_H

#include "text/tokenizer.h"

typedef struct {
  int32_t size;          /* of the vocabulary, at most; 1 … NJ_VOCAB_MAX */
  int64_t min_frequency; /* pairs rarer than this are not merged; at least 1 */
  int32_t alphabet;      /* characters kept, the most frequent; words with others are skipped */
  const char *const *specials;
  size_t n_specials;
  nj_basic_options basic;
  int max_word; /* as in nj_tokenizer_options, as is prefix */
  const char *prefix;
} nj_train_wordpiece_options;

/* 30522 tokens, min_frequency 2, an alphabet of 1000, [PAD] [UNK] [CLS] [SEP] [MASK], uncased. */
nj_train_wordpiece_options nj_train_wordpiece_default_options(void);
extern const nj_option_table nj_train_wordpiece_option_table;

/* Fills the empty vocabulary `out`. Errors: EARG (options; `size` too small for the special tokens
 * and characters; a line longer than NJ_TEXT_MAX), ENOMEM, EINTR. */
nj_status nj_train_wordpiece(nj_ctx *ctx, size_t n, const nj_text *lines,
                             const nj_train_wordpiece_options *options, nj_vocab *out);

#endif
