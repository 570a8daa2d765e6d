/* Byte-level byte-pair encoding (Radford et al., "Language models are unsupervised multitask
 * learners", 2019; openai/gpt-2, src/encoder.py): the bytes of a word are merged, the pair of the
 * lowest rank first, until no pair is in the list of merges. Any bytes can be encoded and come back
 * exactly. */
#ifndef NJ_TEXT_BPE_H
#define NJ_TEXT_BPE_H

#include "text/vocab.h"

typedef struct {
  uint64_t pair; /* left id << 32 | right id; UINT64_MAX: no entry */
  int32_t rank, merged;
} nj_bpe_slot;

typedef struct {
  nj_ctx *ctx;
  int32_t byte_id[256]; /* the token of each single byte */
  nj_bpe_slot *slots;
  size_t n_slots;
  int32_t *left, *right; /* by rank */
  size_t left_room, right_room;
  int32_t n_merges;
} nj_bpe;

/* In a vocabulary file every byte stands as a printable character: itself where it is one in
 * Latin-1, else U+0100 and onwards. */
uint32_t nj_bpe_char_of_byte(unsigned char byte);
int nj_bpe_byte_of_char(uint32_t cp); /* -1: none */

/* Begin with nj_bpe b = {.ctx = ctx}. */
void nj_bpe_free(nj_bpe *bpe);
/* Finds the tokens of the 256 bytes. Errors: EFORMAT when one is missing. */
nj_status nj_bpe_bytes(nj_bpe *bpe, const nj_vocab *vocab, const char *what);
/* Appends the merge written "left right". `what` and `place` make the message. Errors: EFORMAT (not
 * two tokens with one space between, a token or the merged one not in the vocabulary, there
 * already, more than NJ_VOCAB_MAX), ENOMEM. */
nj_status nj_bpe_add_merge(nj_bpe *bpe, const nj_vocab *vocab, const char *what, int64_t place,
                           const char *line, size_t length);

/* A symbol of a word being encoded, and then its tokens. */
typedef struct {
  int32_t id;
  int32_t rank; /* of the pair with the next symbol; INT32_MAX: none */
  uint32_t from, to;
} nj_bpe_symbol;

/* Working memory of an encoder; begin with {.ctx = ctx}. */
typedef struct {
  nj_ctx *ctx;
  nj_bpe_symbol *symbols;
  size_t count, room;
} nj_bpe_word;

void nj_bpe_word_free(nj_bpe_word *word);
/* Encodes `length` bytes into word->symbols[0 … count-1]; from and to are relative to `bytes`. Time
 * is O(n log n). Errors: ENOMEM. */
nj_status nj_bpe_encode(const nj_bpe *bpe, const char *bytes, size_t length, nj_bpe_word *word);

#endif
