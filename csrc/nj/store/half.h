/* 16-bit floats, which files hold and nightjar does not compute with. */
#ifndef NJ_STORE_HALF_H
#define NJ_STORE_HALF_H

#include <stdint.h>

/* IEEE 754 binary16; every value is exact in float32. */
float nj_half_to_float(uint16_t half);
/* Rounds to the nearest, ties to even; too large becomes infinity, NaN stays NaN. */
uint16_t nj_float_to_half(float value);
/* The upper half of a float32. */
float nj_bfloat16_to_float(uint16_t bits);
uint16_t nj_float_to_bfloat16(float value); /* rounds like nj_float_to_half */

#endif
