#include "audio/mixture.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

#define LONGEST 3600.0 /* seconds of one mixture */

nj_mixture_part nj_mixture_default_part(void) {
  return (nj_mixture_part){.to = INFINITY, .duration = INFINITY, .level = NAN};
}

static int within(double x, double low, double high) { return x >= low && x <= high; }

static nj_status check_part(const nj_mixture_part *p, int i, int64_t n_sources, nj_fault *fault) {
  const char *what = NULL;
  if (p->source < 0 || p->source >= n_sources)
    return nj_fault_set(fault, NJ_EARG, "renderer: part %d: source %lld of %lld does not exist",
                        i + 1, (long long)p->source + 1, (long long)n_sources);
  if (!within(p->onset, -LONGEST, LONGEST))
    what = "onset must be in [-3600, 3600] s";
  else if (!within(p->from, 0, 1e9) || !(p->to > p->from))
    what = "expected 0 <= from < to";
  else if (!(p->duration > 0))
    what = "duration must be positive";
  else if (!isnan(p->level) && !within(p->level, -200, 100))
    what = "level must be in [-200, 100] dB";
  else if (!within(p->gain, -200, 200))
    what = "gain must be in [-200, 200] dB";
  else if (!within(p->fade_in, 0, LONGEST) || !within(p->fade_out, 0, LONGEST))
    what = "fades must be in [0, 3600] s";
  return what ? nj_fault_set(fault, NJ_EARG, "renderer: part %d: %s", i + 1, what) : NJ_OK;
}

nj_status nj_mixture_check(const nj_mixture *m, int64_t n_sources, nj_fault *fault) {
  const char *what = NULL;
  if (!(m->length > 0) || m->length > LONGEST)
    what = "length must be in (0, 3600] s";
  else if (!isnan(m->noise_snr) && !within(m->noise_snr, -200, 200))
    what = "noise: snr must be in [-200, 200] dB";
  else if (isnan(m->noise_snr) && !within(m->noise_level, -300, 100))
    what = "noise: level must be in [-300, 100] dB";
  else if (!within(m->gain, -200, 200))
    what = "gain must be in [-200, 200] dB";
  else if (!within(m->peak, 0, 1e6) || !within(m->limit, 0, 1e6))
    what = "peak and limit must be positive";
  if (what)
    return nj_fault_set(fault, NJ_EARG, "renderer: %s", what);
  for (int i = 0; i < m->n_parts; i++)
    NJ_TRY(check_part(&m->parts[i], i, n_sources, fault));
  return NJ_OK;
}

int64_t nj_mixture_length(const nj_mixture *m, int64_t rate) {
  int64_t n = llround(m->length * (double)rate);
  return n > 0 ? n : 1;
}

static double from_db(double db) { return pow(10, db / 20); }

static double rms(const nj_source_range *r) {
  double sum = 0;
  for (int64_t i = 0; i < r->length; i++) {
    double x = nj_source_sample(r, i);
    sum += x * x;
  }
  return r->length ? sqrt(sum / (double)r->length) : 0;
}

/* Weight of sample i of n by the fades. */
static double fade(int64_t i, int64_t n, int64_t in, int64_t out) {
  const double pi = 3.14159265358979323846;
  double w = 1;
  if (i < in)
    w = 0.5 - 0.5 * cos(pi * ((double)i + 0.5) / (double)in);
  if (n - 1 - i < out)
    w *= 0.5 - 0.5 * cos(pi * ((double)(n - 1 - i) + 0.5) / (double)out);
  return w;
}

static void add_part(const nj_mixture_part *p, const nj_source_range *r, double rate, float *out,
                     int64_t length) {
  int64_t onset = llround(p->onset * rate), n = p->loop ? length - onset : r->length;
  if (p->duration * rate < (double)n)
    n = llround(p->duration * rate);
  if (r->length == 0 || n <= 0)
    return;
  double gain = from_db(p->gain), loudness = isnan(p->level) ? 0 : rms(r);
  if (loudness > 0)
    gain *= from_db(p->level) / loudness;
  int64_t in = llround(p->fade_in * rate), out_fade = llround(p->fade_out * rate);
  int64_t begin = onset < 0 ? -onset : 0, end = n < length - onset ? n : length - onset;
  int64_t at = begin % r->length;
  for (int64_t i = begin; i < end; i++) {
    double w = i < in || n - 1 - i < out_fade ? fade(i, n, in, out_fade) : 1;
    out[onset + i] += (float)(gain * w) * nj_source_sample(r, at);
    at = at + 1 < r->length ? at + 1 : 0;
  }
}

/* Pink: Paul Kellet's filter of white noise (musicdsp.org, "refined method"). Brown: a leaky
 * integrator with its corner near 1/300 of the rate. */
static double coloured(nj_noise_colour colour, double white, double b[6]) {
  if (colour == NJ_NOISE_BROWN)
    return b[0] = 0.98 * b[0] + 0.2 * white;
  if (colour == NJ_NOISE_WHITE)
    return white;
  b[0] = 0.99886 * b[0] + white * 0.0555179;
  b[1] = 0.99332 * b[1] + white * 0.0750759;
  b[2] = 0.96900 * b[2] + white * 0.1538520;
  b[3] = 0.86650 * b[3] + white * 0.3104856;
  b[4] = 0.55000 * b[4] + white * 0.5329522;
  double pink = b[0] + b[1] + b[2] + b[3] + b[4] + b[5] + white * 0.5362;
  b[5] = white * 0.115926;
  return pink;
}

static double power(const float *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += (double)x[i] * x[i];
  return sum / (double)n;
}

/* Adds noise of exactly the root mean square asked for: drawn twice, measured the first time. */
static nj_status add_noise(const nj_mixture *m, float *out, int64_t length, int (*stop)(void *),
                           void *stop_data, nj_fault *fault) {
  double target = from_db(m->noise_level);
  if (!isnan(m->noise_snr))
    target = sqrt(power(out, length)) * from_db(-m->noise_snr);
  if (target == 0)
    return NJ_OK;
  double scale = 0;
  for (int round = 0; round < 2; round++) {
    nj_rng rng = nj_rng_make(m->noise_seed, 0x6e6f697365);
    double b[6] = {0}, sum = 0;
    for (int64_t i = 0; i < length; i++) {
      if (i % 65536 == 0 && stop && stop(stop_data))
        return nj_fault_set(fault, NJ_EINTR, "interrupted!");
      /* Uniform: cheaper than normal, and as white. */
      double x = coloured(m->noise, 2 * nj_rng_uniform(&rng) - 1, b);
      sum += x * x;
      if (round)
        out[i] += (float)(scale * x);
    }
    scale = sum > 0 ? target / sqrt(sum / (double)length) : 0;
  }
  return NJ_OK;
}

static void finish(const nj_mixture *m, float *out, int64_t length) {
  double gain = from_db(m->gain), largest = 0;
  for (int64_t i = 0; i < length; i++)
    largest = fmax(largest, fabs((double)out[i]));
  if (m->peak > 0 && largest > 0)
    gain = m->peak / largest;
  if (m->limit > 0 && largest * gain > m->limit)
    gain = m->limit / largest;
  if (gain != 1)
    for (int64_t i = 0; i < length; i++)
      out[i] *= (float)gain;
}

nj_status nj_mixture_render(nj_sources *sources, int64_t rate, const nj_mixture *m,
                            int (*stop)(void *), void *stop_data, float *out, nj_fault *fault) {
  int64_t length = nj_mixture_length(m, rate);
  memset(out, 0, (size_t)length * sizeof *out);
  for (int i = 0; i < m->n_parts; i++) {
    const nj_mixture_part *p = &m->parts[i];
    nj_source_range range;
    NJ_TRY(nj_sources_acquire(sources, p->source, p->from, p->to, stop, stop_data, &range, fault));
    add_part(p, &range, (double)rate, out, length);
    nj_sources_release(sources, &range);
  }
  if (m->noise != NJ_NOISE_NONE)
    NJ_TRY(add_noise(m, out, length, stop, stop_data, fault));
  finish(m, out, length);
  return NJ_OK;
}
