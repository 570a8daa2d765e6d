/* A tokeniser: text to token ids and back. Two kinds, WordPiece (BERT) and byte-level BPE (GPT-2,
 * RoBERTa), behind one set of functions. Immutable once made, so threads may share it.
 *
 * Ids count from 0, as in the vocabulary files.
 *
 * Special tokens written in a text ("[MASK]", "<|endoftext|>") are ordinary characters unless the
 * caller asks for `parse`: what a user types must not be able to end a sentence or pose as padding.
 * With `parse` each exact occurrence becomes the token; space around it stays with the text.
 *
 * Text that is not UTF-8: each maximal ill-formed part counts as U+FFFD. WordPiece drops it, as
 * BERT drops U+FFFD; BPE keeps the bytes themselves, so that decoding gives back the exact text. */
#ifndef NJ_TEXT_TOKENIZER_H
#define NJ_TEXT_TOKENIZER_H

#include "tensor/tensor.h"
#include "text/basic.h"
#include "text/bpe.h"
#include "text/encoding.h"
#include "text/vocab.h"

typedef enum { NJ_TOKENIZER_WORDPIECE, NJ_TOKENIZER_BPE } nj_tokenizer_kind;

/* The special tokens with a role. BEFORE and AFTER enclose a text: [CLS] and [SEP], <s> and </s>.
 */
typedef enum { NJ_ROLE_PAD, NJ_ROLE_UNK, NJ_ROLE_CLS, NJ_ROLE_SEP, NJ_ROLE_MASK } nj_role;
#define NJ_ROLES 5
#define NJ_SPECIALS_MAX 64
#define NJ_PREFIX_MAX 16

typedef struct {
  /* The token of each role. NULL: the usual name ("[PAD]" …; "<pad>" …, and "<|endoftext|>" for
   * PAD) where the vocabulary has it, else none. "": none. */
  const char *role[NJ_ROLES];
  /* More tokens that are special: recognised by `parse`, left out by decode. */
  const char *const *specials;
  size_t n_specials;
  /* WordPiece */
  nj_basic_options basic;
  int max_word;       /* characters; a longer word is unknown; 1 … 1000 */
  const char *prefix; /* of pieces that continue a word; 1 … NJ_PREFIX_MAX bytes */
  /* BPE */
  int prefix_space; /* a space before a text that does not begin with space */
} nj_tokenizer_options;

typedef struct nj_tokenizer {
  nj_ctx *ctx;
  nj_tokenizer_kind kind;
  nj_vocab vocab;
  int32_t role[NJ_ROLES]; /* ids; -1: none */
  int32_t specials[NJ_SPECIALS_MAX];
  size_t n_specials; /* the roles' tokens among them */
  /* WordPiece */
  nj_basic_options basic;
  int max_word;
  char prefix[NJ_PREFIX_MAX + 1];
  size_t prefix_length;
  /* BPE */
  nj_bpe bpe;
  int prefix_space;
} nj_tokenizer;

/* The defaults: uncased BERT; GPT-2 and RoBERTa. */
nj_tokenizer_options nj_tokenizer_default_options(void);
/* What of them each kind has, but for the special tokens. */
extern const nj_option_table nj_wordpiece_option_table, nj_bpe_option_table;

/* Make a tokeniser that takes over the content of `vocab` (and of `bpe`), also on failure. Errors:
 * EARG (options), EFORMAT (WordPiece without an unknown token; a named special token that the
 * vocabulary lacks), ENOMEM. */
nj_status nj_wordpiece_new(nj_ctx *ctx, nj_vocab *vocab, const nj_tokenizer_options *options,
                           nj_tokenizer **out);
nj_status nj_bpe_new(nj_ctx *ctx, nj_vocab *vocab, nj_bpe *bpe, const nj_tokenizer_options *options,
                     nj_tokenizer **out);
void nj_tokenizer_free(nj_tokenizer *tokenizer); /* NULL is fine */

int nj_tokenizer_is_special(const nj_tokenizer *tokenizer, int32_t id);

typedef struct {
  int add;     /* the tokens of roles CLS and SEP around the text, where the vocabulary has them */
  int parse;   /* special tokens written in the text are recognised */
  int64_t max; /* tokens, the added ones among them; the text is cut at its end; 0: no limit */
} nj_encode_options;

/* With the added tokens, nothing parsed, no limit. */
nj_encode_options nj_encode_default_options(void);
extern const nj_option_table nj_encode_option_table;

/* What encoding needs while it reads a text; kept over many texts, it is allocated once. Belongs to
 * one thread. */
typedef struct {
  const nj_tokenizer *tokenizer;
  nj_basic basic;   /* WordPiece */
  nj_bpe_word word; /* BPE */
} nj_encoder;

void nj_encoder_open(nj_encoder *encoder, const nj_tokenizer *tokenizer);
/* As nj_encode. */
nj_status nj_encoder_run(nj_encoder *encoder, const char *text, size_t length,
                         const nj_encode_options *options, nj_encoding *encoding);
void nj_encoder_close(nj_encoder *encoder);

/* Encodes one text into an encoding, whose content it replaces. Errors: EARG (max too small for the
 * added tokens; text longer than NJ_TEXT_MAX), ENOMEM. May run on a worker of the pool. */
nj_status nj_encode(const nj_tokenizer *tokenizer, const char *text, size_t length,
                    const nj_encode_options *options, nj_encoding *encoding);

typedef struct {
  const char *text;
  size_t length;
} nj_text;

/* Encodes n texts on the pool. ids (n, width) int64, padded at the end with the PAD token; mask
 * (n, width) uint8, 1 where a row has a token; special (n, width) uint8, 1 at added and parsed
 * special tokens and at padding. Width is `width`, or that of the longest when it is 0. Row i
 * depends on text i alone, but for the width. Errors: EARG (as nj_encode; rows differ in length and
 * there is no PAD token; `width` smaller than a row), ENOMEM, EINTR. */
nj_status nj_encode_batch(const nj_tokenizer *tokenizer, size_t n, const nj_text *texts,
                          const nj_encode_options *options, size_t width, nj_tensor **ids,
                          nj_tensor **mask, nj_tensor **special);

typedef struct {
  int special; /* special tokens are written out, else left out */
  int tidy;    /* WordPiece: no space before . ? ! , and inside n't 's and their like */
} nj_decode_options;

/* Without special tokens, tidy. */
nj_decode_options nj_decode_default_options(void);
extern const nj_option_table nj_decode_option_table;

/* Text of ids: WordPiece joins pieces, and words by one space; BPE gives the bytes back. *out is
 * NUL-ended; freed by nj_free. Errors: EINDEX (an id out of range), ENOMEM. */
nj_status nj_decode(const nj_tokenizer *tokenizer, size_t n, const int64_t *ids,
                    const nj_decode_options *options, char **out, size_t *out_length);

#endif
