#include "audio/downmix.h"

#include <math.h>

static int cancels(double mix, double all, int channels) {
  return all > 0 && mix * channels < NJ_DOWNMIX_CANCELLED * (all / channels);
}

void nj_downmix_look_at(nj_downmix_look *look, const float *raw, int64_t frames, int channels) {
  double mix = 0, all = 0;
  for (int64_t i = 0; i < frames; i++) {
    double sum = 0;
    for (int c = 0; c < channels; c++) {
      double x = raw[i * channels + c];
      if (!isfinite(x))
        continue;
      sum += x;
      all += x * x;
    }
    sum /= channels;
    mix += sum * sum;
  }
  look->mix += mix;
  look->all += all;
  int quiet = all <= NJ_DOWNMIX_QUIET * (double)frames * channels;
  look->settled |= !quiet && !cancels(mix, all, channels);
}

int nj_downmix_cancels(const nj_downmix_look *look, int channels) {
  return !look->settled && cancels(look->mix, look->all, channels);
}

void nj_downmix(const float *raw, int64_t frames, int channels, int pick, float *mono) {
  const float share = 1.0f / (float)channels;
  for (int64_t i = 0; i < frames; i++) {
    const float *frame = raw + i * channels;
    if (pick) {
      mono[i] = frame[pick - 1];
      continue;
    }
    float sum = frame[0];
    for (int c = 1; c < channels; c++)
      sum += frame[c];
    mono[i] = sum * share;
  }
}
