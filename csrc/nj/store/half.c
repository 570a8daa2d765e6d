#include "store/half.h"

#include <string.h>

static float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

float nj_half_to_float(uint16_t half) {
  uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff, bits;
  if (exponent == 31)
    bits = 0x7f800000u | fraction << 13;
  else if (exponent)
    bits = (exponent + 112) << 23 | fraction << 13;
  else /* subnormal: fraction * 2^-24 is exact in float32 */
    bits = to_bits((float)fraction * 0x1p-24f);
  return from_bits(bits | (uint32_t)(half & 0x8000) << 16);
}

/* `value` shifted right, rounded to the nearest, ties to even. */
static uint32_t shift_round(uint32_t value, int shift) {
  uint32_t kept = value >> shift, rest = value & ((1u << shift) - 1), half = 1u << (shift - 1);
  return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t nj_float_to_half(float value) {
  uint32_t bits = to_bits(value), magnitude = bits & 0x7fffffff;
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000)
    return sign | 0x7e00;      /* NaN */
  if (magnitude >= 0x477ff000) /* 65520 and more round to infinity */
    return sign | 0x7c00;
  if (magnitude >= 0x38800000) /* 2^-14: the carry of rounding runs into the exponent, rightly */
    return (uint16_t)(sign | shift_round(magnitude - (112u << 23), 13));
  uint32_t exponent = magnitude >> 23;
  if (exponent < 102) /* below half of the smallest subnormal, 2^-24 */
    return sign;
  uint32_t fraction = (magnitude & 0x7fffff) | 0x800000;
  return (uint16_t)(sign | shift_round(fraction, (int)(126 - exponent)));
}

float nj_bfloat16_to_float(uint16_t bits) { return from_bits((uint32_t)bits << 16); }

uint16_t nj_float_to_bfloat16(float value) {
  uint32_t bits = to_bits(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return (uint16_t)(bits >> 16 | 0x40); /* a NaN whose fraction must not become zero */
  return (uint16_t)shift_round(bits, 16);
}
