#include "library/quantize.h"

#include <math.h>

/* A denormal scale is coarse: it may bring the largest number out of range. */
static int8_t code_of(float x) { return (int8_t)lrintf(fmaxf(-127, fminf(127, x))); }

float nj_quantize(const float *x, int64_t n, int8_t *codes) {
  float most = 0;
  for (int64_t i = 0; i < n; i++) {
    float size = fabsf(x[i]);
    most = size > most || size != size ? size : most;
  }
  float scale = most / 127;
  int some = scale > 0 && !isinf(scale);
  for (int64_t i = 0; i < n; i++)
    codes[i] = some ? code_of(x[i] / scale) : 0;
  return scale;
}

void nj_dequantize(const int8_t *codes, int64_t n, float scale, float *x) {
  for (int64_t i = 0; i < n; i++)
    x[i] = (float)codes[i] * scale;
}
