#include "kernels/conv.h"

#include "kernels/isa.h"

#define INLINE static inline __attribute__((always_inline))

INLINE nj_vf clamp(nj_vf x) { return (nj_vf)((nj_vi)x & ~(nj_vi)(x < (nj_vf){0})); }

/* Four pixels at once hide the latency of the multiply-adds. */
INLINE void depthwise_vector(const nj_depthwise_row *job, int64_t c) {
  const nj_vf start = job->bias ? nj_vf_load(job->bias + c) : (nj_vf){0};
  const int64_t step = job->in_x;
  int64_t x = 0;
  for (; x + 4 <= job->width; x += 4) {
    nj_vf a0 = start, a1 = start, a2 = start, a3 = start;
    for (int64_t t = 0; t < job->taps; t++) {
      const float *p = job->in + job->offset[t] + x * step + c;
      nj_vf w = nj_vf_load(job->w + t * job->channels + c);
      a0 += nj_vf_load(p) * w;
      a1 += nj_vf_load(p + step) * w;
      a2 += nj_vf_load(p + 2 * step) * w;
      a3 += nj_vf_load(p + 3 * step) * w;
    }
    float *out = job->out + x * job->channels + c;
    nj_vf_store(out, job->relu ? clamp(a0) : a0);
    nj_vf_store(out + job->channels, job->relu ? clamp(a1) : a1);
    nj_vf_store(out + 2 * job->channels, job->relu ? clamp(a2) : a2);
    nj_vf_store(out + 3 * job->channels, job->relu ? clamp(a3) : a3);
  }
  for (; x < job->width; x++) {
    nj_vf a = start;
    for (int64_t t = 0; t < job->taps; t++)
      a += nj_vf_load(job->in + job->offset[t] + x * step + c) *
           nj_vf_load(job->w + t * job->channels + c);
    nj_vf_store(job->out + x * job->channels + c, job->relu ? clamp(a) : a);
  }
}

static void depthwise_row(const nj_depthwise_row *job) {
  int64_t c = 0;
  for (; c + NJ_LANES <= job->channels; c += NJ_LANES)
    depthwise_vector(job, c);
  for (; c < job->channels; c++)
    for (int64_t x = 0; x < job->width; x++) {
      float a = job->bias ? job->bias[c] : 0.0f;
      for (int64_t t = 0; t < job->taps; t++)
        a += job->in[job->offset[t] + x * job->in_x + c] * job->w[t * job->channels + c];
      job->out[x * job->channels + c] = job->relu && a < 0.0f ? 0.0f : a;
    }
}

static void depthwise_grad_row(const nj_depthwise_grad_row *job) {
  int64_t c = 0;
  for (; c + NJ_LANES <= job->channels; c += NJ_LANES)
    for (int64_t t = 0; t < job->taps; t++) {
      const float *in = job->in + job->offset[t] + c;
      nj_vf even = {0}, odd = {0};
      int64_t x = 0;
      for (; x + 2 <= job->width; x += 2) {
        even += nj_vf_load(in + x * job->in_x) * nj_vf_load(job->dy + x * job->dy_x + c);
        odd += nj_vf_load(in + (x + 1) * job->in_x) * nj_vf_load(job->dy + (x + 1) * job->dy_x + c);
      }
      if (x < job->width)
        even += nj_vf_load(in + x * job->in_x) * nj_vf_load(job->dy + x * job->dy_x + c);
      float *dw = job->dw + t * job->channels + c;
      nj_vf_store(dw, nj_vf_load(dw) + (even + odd));
    }
  for (; c < job->channels; c++)
    for (int64_t t = 0; t < job->taps; t++) {
      float sum = 0.0f;
      for (int64_t x = 0; x < job->width; x++)
        sum += job->in[job->offset[t] + x * job->in_x + c] * job->dy[x * job->dy_x + c];
      job->dw[t * job->channels + c] += sum;
    }
}

extern const struct nj_conv_kernels NJ_ISA_NAME(nj_conv_kernels);
const struct nj_conv_kernels NJ_ISA_NAME(nj_conv_kernels) = {
    .depthwise_row = depthwise_row, .depthwise_grad_row = depthwise_grad_row};
