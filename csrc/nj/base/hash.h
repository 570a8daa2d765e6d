/* SipHash-2-4 of 128 bits with a fixed key: a short name for bytes, the same on every machine and
 * in every process. It tells contents apart; it does not keep secrets. */
#ifndef NJ_BASE_HASH_H
#define NJ_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint64_t v[4];
  uint64_t length; /* of all bytes so far */
  uint8_t rest[8]; /* of them, those that do not fill a word yet: length % 8 */
} nj_hash;

/* The key is part of the name: change it, and all names change. */
void nj_hash_begin(nj_hash *hash, uint64_t key0, uint64_t key1);
/* However the bytes are cut into calls, the result is the same. */
void nj_hash_add(nj_hash *hash, const void *bytes, size_t count);
void nj_hash_end(nj_hash *hash, uint8_t out[16]);

#endif
