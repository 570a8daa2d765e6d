/* The generator's words, many at a time, on every instruction set. */
#include <string.h>

#include "ctest.h"
#include "kernels/kernels.h"
#include "kernels/philox.h"

TEST(philox_kernels_give_the_words_of_the_generator) {
  static const char *const isas[] = {"portable", "avx2", "avx512"};
  nj_rng rng = nj_rng_make(0x0123456789abcdefu, 0xfedcba9876543210u);
  static const uint64_t starts[] = {0, 5, 0xfffffffdu, 0x123456789abcu};
  uint32_t got[4 * 21], want[4];
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    const nj_kernels *kernels = nj_kernels_find(isas[k]);
    for (size_t s = 0; kernels && s < sizeof starts / sizeof *starts; s++)
      for (int64_t n = 1; n <= 20; n++) {
        memset(got, 0xab, sizeof got);
        kernels->philox->words(&rng, starts[s], n, got);
        for (int64_t b = 0; b < n; b++) {
          nj_rng_words(&rng, starts[s] + (uint64_t)b, want);
          CHECK(memcmp(got + 4 * b, want, sizeof want) == 0);
        }
        CHECK_INT(got[4 * n], 0xabababab); /* nothing beyond */
      }
  }
}
