/* A vocabulary: token <-> id, ids counting from 0 in the order of the file. */
#ifndef NJ_TEXT_VOCAB_H
#define NJ_TEXT_VOCAB_H

#include "base/context.h"

#define NJ_VOCAB_MAX (1 << 20)                /* tokens */
#define NJ_VOCAB_TOKEN_MAX 4096               /* bytes of one token */
#define NJ_VOCAB_FILE_MAX ((size_t)256 << 20) /* bytes of a file */

typedef struct {
  nj_ctx *ctx;
  char *bytes; /* all tokens, one after the other */
  size_t n_bytes, bytes_room;
  size_t *start; /* start[id] … start[id + 1] */
  size_t start_room;
  uint64_t *hash;
  size_t hash_room;
  int32_t *slots; /* open addressing: id + 1, or 0 */
  size_t n_slots; /* a power of two, or 0 */
  int32_t count;
  size_t longest; /* bytes of the longest token */
} nj_vocab;

/* Begin with nj_vocab v = {.ctx = ctx}. */
void nj_vocab_free(nj_vocab *vocab);

/* Appends a token, whose id is the count so far. `what` and `place` (1-based) make the message:
 * "wordpiece: vocab.txt: line 12: ...". Errors: EFORMAT (empty, longer than NJ_VOCAB_TOKEN_MAX, not
 * UTF-8, there already, more than NJ_VOCAB_MAX), ENOMEM. */
nj_status nj_vocab_add(nj_vocab *vocab, const char *what, int64_t place, const char *token,
                       size_t length);
/* The id of a token, which is appended when it is new; no checks but for room. Errors: ENOMEM. */
nj_status nj_vocab_intern(nj_vocab *vocab, const char *token, size_t length, int32_t *id);
/* Reads a text file with one token a line; lines end in "\n" or "\r\n", the last may lack it.
 * Errors: those of nj_vocab_add and nj_file_read, and EFORMAT for an empty file. */
nj_status nj_vocab_read(nj_vocab *vocab, const char *what, const char *path);

int32_t nj_vocab_find(const nj_vocab *vocab, const char *token, size_t length); /* -1: none */
/* The token of an id in range; not NUL-ended. */
const char *nj_vocab_token(const nj_vocab *vocab, int32_t id, size_t *length);

/* The hash of a token, computed as its bytes come, so that the hashes of all beginnings of a word
 * cost one pass. */
#define NJ_VOCAB_HASH_START 0xcbf29ce484222325u
uint64_t nj_vocab_hash(uint64_t hash, const char *bytes, size_t length);
/* Finds the token `prefix` followed by `bytes`, given the hash of both together. */
int32_t nj_vocab_find_hashed(const nj_vocab *vocab, uint64_t hash, const char *prefix,
                             size_t prefix_length, const char *bytes, size_t length);

#endif
