/* Mel bands and logarithm over lanes of frames (see kernels/mel.h). */
#include "kernels/mel.h"

#include "kernels/isa.h"
#include "kernels/vecmath.h"

#define L NJ_LANES

static inline nj_vf quantized(nj_vf x) {
  const nj_vf one = nj_vf_set(1.0f), full = nj_vf_set(32767.0f);
  x = nj_v_sel(x >= -one, x, -one); /* NaN too */
  x = nj_v_sel(x > one, one, x);
  return __builtin_convertvector(__builtin_convertvector(x * full, nj_vi), nj_vf) / full;
}

static void samples(const float *wave, int64_t n, int quantize, float preemphasis, float *out) {
  for (int64_t i = 0; i < n; i += L) {
    int64_t count = n - i;
    int whole = count >= L;
    nj_vf a = whole ? nj_vf_load(wave + i) : nj_v_load_n(wave + i, count, 0);
    a = quantize ? quantized(a) : a;
    if (preemphasis != 0) {
      nj_vf b = whole ? nj_vf_load(wave + i + 1) : nj_v_load_n(wave + i + 1, count, 0);
      a = (quantize ? quantized(b) : b) - nj_vf_set(preemphasis) * a;
    }
    if (whole)
      nj_vf_store(out + i, a);
    else
      nj_v_store_n(out + i, a, count);
  }
}

static void magnitude(float *power, int bins) {
  for (int64_t i = 0; i < (int64_t)bins * L; i++)
    power[i] = __builtin_sqrtf(power[i]);
}

static inline nj_vf apply_curve(nj_vf x, const nj_mel_curve *c) {
  nj_vf y = x;
  if (c->logarithm) {
    y = nj_v_log(x + nj_vf_set(c->eps)) * nj_vf_set(c->scale) + nj_vf_set(c->shift);
    y = nj_v_sel(x <= nj_vf_set(c->clamp), nj_vf_set(c->floor), y);
  }
  return (y + nj_vf_set(c->add)) * nj_vf_set(c->mul);
}

/* Four sums in a fixed order, so that the additions overlap. */
static inline nj_vf weigh(const float *power, const float *w, int64_t n) {
  nj_vf s0 = nj_vf_set(0), s1 = s0, s2 = s0, s3 = s0;
  int64_t k = 0;
  for (; k + 4 <= n; k += 4) {
    s0 += nj_vf_load(power + k * L) * nj_vf_set(w[k]);
    s1 += nj_vf_load(power + (k + 1) * L) * nj_vf_set(w[k + 1]);
    s2 += nj_vf_load(power + (k + 2) * L) * nj_vf_set(w[k + 2]);
    s3 += nj_vf_load(power + (k + 3) * L) * nj_vf_set(w[k + 3]);
  }
  for (; k < n; k++)
    s0 += nj_vf_load(power + k * L) * nj_vf_set(w[k]);
  return (s0 + s1) + (s2 + s3);
}

static void bands(const nj_mel_bands *bank, const nj_mel_curve *curve, const float *power,
                  int frames, float *out, int64_t stride) {
  for (int b = 0; b < bank->bands; b++) {
    float row[L];
    nj_vf x =
        weigh(power + (int64_t)bank->first[b] * L, bank->weight + bank->offset[b], bank->count[b]);
    nj_vf_store(row, apply_curve(x, curve));
    for (int lane = 0; lane < frames; lane++)
      out[lane * stride + b] = row[lane];
  }
}

const struct nj_mel_kernels NJ_ISA_NAME(nj_mel_kernels) = {
    .samples = samples,
    .magnitude = magnitude,
    .bands = bands,
};
