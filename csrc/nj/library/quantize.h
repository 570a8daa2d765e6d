/* Vectors quantised to 8 bits: codes of -127 … 127 times the vector's own scale, so that each
 * number is off by at most its vector's largest / 254. */
#ifndef NJ_LIBRARY_QUANTIZE_H
#define NJ_LIBRARY_QUANTIZE_H

#include <stdint.h>

/* codes[i] = x[i] / scale rounded, scale = max |x| / 127. Returns the scale: 0 for zeros, NaN or
 * infinite when x holds such a value (codes are then 0). */
float nj_quantize(const float *x, int64_t n, int8_t *codes);
/* x[i] = codes[i] * scale */
void nj_dequantize(const int8_t *codes, int64_t n, float scale, float *x);

#endif
