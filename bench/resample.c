/* Resamplers compared: libsoxr (quick … very high) and libsamplerate (sinc fastest … best).
 *   make bench-resample
 * For each pair of rates: signal to noise of in-band tones after the best fit of a sine (worst and
 * median of a sweep of 40 tones up to 90 % of the lower Nyquist frequency), the attenuation at 95 %,
 * the loudest alias that a full-scale tone above the output's Nyquist frequency leaves (worst of 20
 * tones), and speed in seconds of input per second of one core (median of 9). */
#define _GNU_SOURCE
#include <math.h>
#include <samplerate.h>
#include <soxr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAU 6.283185307179586476925286766559

typedef struct {
  const char *name;
  int soxr;             /* 1: libsoxr */
  unsigned long recipe; /* soxr quality, or libsamplerate converter */
} method;

static const method methods[] = {
    {"soxr LQ", 1, SOXR_LQ},
    {"soxr MQ", 1, SOXR_MQ},
    {"soxr HQ", 1, SOXR_HQ},
    {"soxr VHQ", 1, SOXR_VHQ},
    {"samplerate fastest", 0, SRC_SINC_FASTEST},
    {"samplerate medium", 0, SRC_SINC_MEDIUM_QUALITY},
    {"samplerate best", 0, SRC_SINC_BEST_QUALITY},
};

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t resample(const method *m, const float *in, size_t n, double from, double to,
                       float *out, size_t room) {
  if (m->soxr) {
    soxr_quality_spec_t quality = soxr_quality_spec(m->recipe, 0);
    soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
    size_t used, made = 0;
    if (soxr_oneshot(from, to, 1, in, n, &used, out, room, &made, &io, &quality, &runtime))
      abort();
    return made;
  }
  SRC_DATA d = {.data_in = in,
                .data_out = out,
                .input_frames = (long)n,
                .output_frames = (long)room,
                .src_ratio = to / from,
                .end_of_input = 1};
  if (src_simple(&d, (int)m->recipe, 1))
    abort();
  return (size_t)d.output_frames_gen;
}

/* Best fit of a sine of known frequency over the middle of x: its amplitude; *noise gets the rms of
 * what is left. */
static double fit(const float *x, size_t n, double w, double *noise) {
  size_t a = n / 4, b = n - n / 4;
  double cc = 0, cs = 0, ss = 0, xc = 0, xs = 0;
  for (size_t i = a; i < b; i++) {
    double c = cos(w * (double)i), s = sin(w * (double)i);
    cc += c * c, cs += c * s, ss += s * s, xc += x[i] * c, xs += x[i] * s;
  }
  double det = cc * ss - cs * cs, p = (xc * ss - xs * cs) / det, q = (xs * cc - xc * cs) / det;
  double rest = 0;
  for (size_t i = a; i < b; i++) {
    double r = x[i] - p * cos(w * (double)i) - q * sin(w * (double)i);
    rest += r * r;
  }
  *noise = sqrt(rest / (double)(b - a));
  return sqrt(p * p + q * q);
}

static double decibels(double x) { return 20 * log10(x > 1e-12 ? x : 1e-12); }

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void compare(const method *m, double from, double to, float *in, float *out, size_t n,
                    size_t room) {
  double low = (from < to ? from : to) / 2, snr[40], edge = 0, alias = -400, times[9];
  for (int t = 0; t <= 40; t++) {
    double f = t < 40 ? 20 * pow(0.9 * low / 20, t / 39.0) : 0.95 * low, noise;
    for (size_t i = 0; i < n; i++)
      in[i] = (float)sin(TAU * f / from * (double)i);
    size_t made = resample(m, in, n, from, to, out, room);
    double amplitude = fit(out, made, TAU * f / to, &noise);
    if (t < 40)
      snr[t] = decibels(amplitude / sqrt(2) / noise);
    else
      edge = decibels(amplitude);
  }
  for (int t = 0; t < 20 && to < from; t++) {
    double f = to / 2 * 1.02 + (from / 2 * 0.98 - to / 2 * 1.02) * t / 19, sum = 0;
    for (size_t i = 0; i < n; i++)
      in[i] = (float)sin(TAU * f / from * (double)i);
    size_t made = resample(m, in, n, from, to, out, room);
    for (size_t i = made / 4; i < made - made / 4; i++)
      sum += (double)out[i] * out[i];
    double db = decibels(sqrt(sum / (double)(made - 2 * (made / 4))) * sqrt(2));
    alias = db > alias ? db : alias;
  }
  for (int r = 0; r < 9; r++) {
    double start = seconds();
    resample(m, in, n, from, to, out, room);
    times[r] = seconds() - start;
  }
  qsort(snr, 40, sizeof *snr, by_value);
  qsort(times, 9, sizeof *times, by_value);
  printf("%6.0f > %-6.0f %-19s %8.1f %8.1f %9.2f ", from, to, m->name, snr[0], snr[20], edge);
  if (to < from)
    printf("%9.1f ", alias);
  else
    printf("%9s ", "-");
  printf("%9.0f\n", (double)n / from / times[4]);
  fflush(stdout);
}

int main(void) {
  static const double rates[][2] = {
      {44100, 32000}, {48000, 32000}, {22050, 32000}, {16000, 32000}, {44100, 16000}};
  printf("%15s %-19s %8s %8s %9s %9s %9s\n", "rates", "method", "SNR min", "median", "at 95 %",
         "alias", "x real");
  for (size_t p = 0; p < sizeof rates / sizeof *rates; p++) {
    size_t n = (size_t)rates[p][0] * 4, room = (size_t)rates[p][1] * 4 + 4096;
    float *in = malloc(n * sizeof *in), *out = malloc(room * sizeof *out);
    if (!in || !out)
      return 1;
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
      compare(&methods[m], rates[p][0], rates[p][1], in, out, n, room);
    free(in);
    free(out);
  }
  return 0;
}
