#include "audio/window.h"

#include <math.h>

static double value(nj_window_kind kind, double phase) {
  switch (kind) {
  case NJ_WINDOW_HANN:
    return 0.5 - 0.5 * cos(phase);
  case NJ_WINDOW_HAMMING:
    return 0.54 - 0.46 * cos(phase);
  case NJ_WINDOW_BLACKMAN:
    return 0.42 - 0.5 * cos(phase) + 0.08 * cos(2 * phase);
  default:
    return 1.0;
  }
}

void nj_window(nj_window_kind kind, int periodic, int length, int n, float *out) {
  const double tau = 6.283185307179586476925286766559;
  int left = (n - length) / 2, span = periodic ? length : length - 1;
  for (int i = 0; i < n; i++) {
    int at = i - left;
    out[i] = at < 0 || at >= length ? 0.0f : span < 1 ? 1.0f : (float)value(kind, tau * at / span);
  }
}
