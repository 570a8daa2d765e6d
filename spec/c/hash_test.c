#include "base/hash.h"
#include "ctest.h"

/* Published values for the key 00 01 … 0f and the messages 00, 01, … of 0 and 15 bytes. */
static void hash_of(size_t count, size_t step, uint8_t out[16]) {
  uint8_t message[64];
  for (size_t i = 0; i < sizeof message; i++)
    message[i] = (uint8_t)i;
  nj_hash h;
  nj_hash_begin(&h, 0x0706050403020100u, 0x0f0e0d0c0b0a0908u);
  for (size_t at = 0; at < count; at += step)
    nj_hash_add(&h, message + at, count - at < step ? count - at : step);
  nj_hash_end(&h, out);
}

TEST(hash_is_siphash_2_4_128) {
  static const uint8_t empty[16] = {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
                                    0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93};
  static const uint8_t one[16] = {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
                                  0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45};
  uint8_t out[16];
  hash_of(0, 1, out);
  CHECK(memcmp(out, empty, 16) == 0);
  hash_of(1, 1, out);
  CHECK(memcmp(out, one, 16) == 0);
}

TEST(hash_does_not_depend_on_how_bytes_come) {
  uint8_t want[16], out[16];
  for (size_t count = 0; count <= 40; count++) {
    hash_of(count, 64, want);
    for (size_t step = 1; step <= 19; step++) {
      hash_of(count, step, out);
      CHECK(memcmp(out, want, 16) == 0);
    }
  }
}

TEST(hash_tells_lengths_of_zeros_apart) {
  uint8_t out[2][16], zeros[16] = {0};
  for (size_t i = 0; i < 2; i++) {
    nj_hash h;
    nj_hash_begin(&h, 0, 0);
    nj_hash_add(&h, zeros, 7 + i);
    nj_hash_end(&h, out[i]);
  }
  CHECK(memcmp(out[0], out[1], 16) != 0);
}
