#include "base/hash.h"

#include <string.h>

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static void rounds(uint64_t v[4], int count) {
  for (int i = 0; i < count; i++) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
  }
}

/* Little-endian on every machine. */
static uint64_t word_at(const uint8_t *p) {
  uint64_t word = 0;
  for (int i = 7; i >= 0; i--)
    word = word << 8 | p[i];
  return word;
}

static void take_word(nj_hash *h, uint64_t word) {
  h->v[3] ^= word;
  rounds(h->v, 2);
  h->v[0] ^= word;
}

void nj_hash_begin(nj_hash *h, uint64_t key0, uint64_t key1) {
  *h = (nj_hash){.v = {key0 ^ 0x736f6d6570736575u, key1 ^ 0x646f72616e646f6du ^ 0xee,
                       key0 ^ 0x6c7967656e657261u, key1 ^ 0x7465646279746573u}};
}

void nj_hash_add(nj_hash *h, const void *bytes, size_t count) {
  const uint8_t *p = bytes;
  size_t held = h->length % 8;
  h->length += count;
  if (held > 0) {
    size_t fill = count < 8 - held ? count : 8 - held;
    memcpy(h->rest + held, p, fill);
    if (held + fill < 8)
      return;
    take_word(h, word_at(h->rest));
    p += fill;
    count -= fill;
  }
  for (; count >= 8; count -= 8, p += 8)
    take_word(h, word_at(p));
  if (count > 0)
    memcpy(h->rest, p, count);
}

void nj_hash_end(nj_hash *h, uint8_t out[16]) {
  uint64_t last = h->length << 56;
  for (int i = 0; i < (int)(h->length % 8); i++)
    last |= (uint64_t)h->rest[i] << (8 * i);
  take_word(h, last);
  for (int half = 0; half < 2; half++) {
    h->v[half ? 1 : 2] ^= half ? 0xdd : 0xee;
    rounds(h->v, 4);
    uint64_t word = h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3];
    for (int i = 0; i < 8; i++)
      out[8 * half + i] = (uint8_t)(word >> (8 * i));
  }
}
