#include <math.h>
#include <stdint.h>

#include "ctest.h"
#include "store/half.h"

/* The value that a binary16 pattern means, by the definition of the format. */
static double meaning(uint32_t half) {
  int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 0x3ff);
  double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
  if (exponent == 31)
    size = fraction ? NAN : INFINITY;
  return half >> 15 ? -size : size;
}

TEST(half_reads_and_writes_every_pattern) {
  for (uint32_t half = 0; half < 65536; half++) {
    double want = meaning(half);
    float got = nj_half_to_float((uint16_t)half);
    uint16_t back = nj_float_to_half(got);
    if (isnan(want)) {
      CHECK(isnan(got) && isnan(nj_half_to_float(back)));
      continue;
    }
    CHECK((double)got == want && !signbit(got) == !(half >> 15));
    CHECK_INT(back, half);
  }
}

/* Between neighbours: below the middle goes down, above it up, the middle to the even one. */
TEST(half_rounds_to_nearest_even) {
  for (uint32_t half = 0; half < 0x7bff; half++) {
    float low = nj_half_to_float((uint16_t)half), high = nj_half_to_float((uint16_t)(half + 1));
    float middle = low + (high - low) / 2;
    CHECK_INT(nj_float_to_half(nextafterf(middle, 0)), half);
    CHECK_INT(nj_float_to_half(middle), half + (half & 1));
    CHECK_INT(nj_float_to_half(nextafterf(middle, INFINITY)), half + 1);
    CHECK_INT(nj_float_to_half(-nextafterf(middle, INFINITY)), 0x8000 + half + 1);
  }
  CHECK_INT(nj_float_to_half(nextafterf(65520.0f, 0)), 0x7bff);
  CHECK_INT(nj_float_to_half(65520.0f), 0x7c00);
  CHECK_INT(nj_float_to_half(-3e38f), 0xfc00);
  CHECK_INT(nj_float_to_half(0x1p-26f), 0);
  CHECK_INT(nj_float_to_half(-0.0f), 0x8000);
}

TEST(bfloat16_is_the_upper_half_of_a_float) {
  for (uint32_t bits = 0; bits < 65536; bits++) {
    float value = nj_bfloat16_to_float((uint16_t)bits);
    if (isnan(value))
      CHECK(isnan(nj_bfloat16_to_float(nj_float_to_bfloat16(value))));
    else
      CHECK_INT(nj_float_to_bfloat16(value), bits);
  }
  CHECK_INT(nj_float_to_bfloat16(1 + 0x1p-8f), 0x3f80);            /* the middle, to even */
  CHECK_INT(nj_float_to_bfloat16(1 + 0x1p-8f + 0x1p-20f), 0x3f81); /* above it */
  CHECK_INT(nj_float_to_bfloat16(1 + 3 * 0x1p-8f), 0x3f82);
}
