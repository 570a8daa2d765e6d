#include "audio/augment.h"

#include <math.h>
#include <string.h>

#include "tensor/autograd.h"

nj_spec_augment_options nj_spec_augment_default_options(void) {
  return (nj_spec_augment_options){
      .time_stripes = 2, .time_width = 64, .freq_stripes = 2, .freq_width = 8};
}

#define O nj_spec_augment_options
static const nj_option option_rows[] = {
    NJ_OPTION_RANGE(O, "time_stripes", time_stripes, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "time_width", time_width, 1, INT32_MAX, 0),
    NJ_OPTION_RANGE(O, "freq_stripes", freq_stripes, 0, 1000, 0),
    NJ_OPTION_RANGE(O, "freq_width", freq_width, 1, INT32_MAX, 0),
    NJ_OPTION_RANGE(O, "value", value, -HUGE_VAL, HUGE_VAL, 0),
};
NJ_OPTION_TABLE(spec_augment, option_rows, NULL)
#undef O

/* ---- SpecAugment ---- */

/* Draws `stripes` stripes along an axis of `size`; covered[i] is set where one lies. */
static void draw_stripes(nj_rng *rng, int stripes, int width, int64_t size, uint8_t *covered) {
  for (int s = 0; s < stripes; s++) {
    int64_t most = width < size + 1 ? width : size + 1;
    int64_t w = most > 0 ? nj_rng_below(rng, most) : 0;
    int64_t at = nj_rng_below(rng, size - w + 1);
    memset(covered + at, 1, (size_t)w);
  }
}

/* Writes `value` where the mask is set. */
static void fill_where(nj_tensor *y, const uint8_t *mask, double value) {
  int64_t n = nj_numel(y);
  if (y->dtype == NJ_F32) {
    float *p = NJ_F32_DATA(y);
    for (int64_t i = 0; i < n; i++)
      if (mask[i])
        p[i] = (float)value;
  } else {
    double *p = NJ_F64_DATA(y);
    for (int64_t i = 0; i < n; i++)
      if (mask[i])
        p[i] = value;
  }
}

static nj_status copy_of(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, x->dtype, x->ndim, x->shape, &y));
  nj_status st = nj_copy_values(y, x);
  if (st) {
    nj_release(y);
    return st;
  }
  *out = y;
  return NJ_OK;
}

static nj_status spec_augment_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                       nj_tensor **grads) {
  if (!nj_needs(node, 0))
    return NJ_OK;
  NJ_TRY(copy_of(ctx, grad, &grads[0]));
  fill_where(grads[0], nj_data(node->saved[0]), 0);
  return NJ_OK;
}

static nj_status check_spec(nj_ctx *ctx, nj_tensor *x, const nj_spec_augment_options *o,
                            nj_tensor *lengths, int64_t items) {
  if (x->ndim < 2)
    return nj_fail(ctx, NJ_ESHAPE, "spec_augment: expected (…, frames, bands), got %s",
                   NJ_SHAPE_OF(x));
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "spec_augment: expected a float tensor, got %s",
                   nj_dtype_name(x->dtype));
  if (o->time_stripes < 0 || o->freq_stripes < 0 || o->time_width < 1 || o->freq_width < 1)
    return nj_fail(ctx, NJ_EARG, "spec_augment: stripes must be >= 0 and widths >= 1");
  if (lengths && (lengths->dtype != NJ_I64 || nj_numel(lengths) != items))
    return nj_fail(ctx, NJ_ESHAPE,
                   "spec_augment: expected int64 lengths for %lld items, got %s of %s",
                   (long long)items, nj_dtype_name(lengths->dtype), NJ_SHAPE_OF(lengths));
  return NJ_OK;
}

/* mask (items, frames, bands). */
static nj_status draw_mask(nj_ctx *ctx, const nj_spec_augment_options *o, const int64_t *lengths,
                           int64_t items, int64_t frames, int64_t bands, nj_rng *rng,
                           uint8_t *mask) {
  uint8_t *time = nj_alloc(ctx, (size_t)(frames + bands));
  if (!time)
    return NJ_ENOMEM;
  uint8_t *freq = time + frames;
  for (int64_t i = 0; i < items; i++) {
    int64_t length = !lengths || lengths[i] > frames ? frames : lengths[i] < 0 ? 0 : lengths[i];
    memset(time, 0, (size_t)(frames + bands));
    draw_stripes(rng, o->time_stripes, o->time_width, length, time);
    draw_stripes(rng, o->freq_stripes, o->freq_width, bands, freq);
    for (int64_t t = 0; t < frames; t++)
      for (int64_t b = 0; b < bands; b++)
        *mask++ = time[t] | (t < length ? freq[b] : 0);
  }
  nj_free(ctx, time);
  return NJ_OK;
}

nj_status nj_spec_augment(nj_ctx *ctx, nj_tensor *x, const nj_spec_augment_options *o,
                          nj_tensor *lengths, nj_rng *rng, nj_tensor **out) {
  int64_t items = 1;
  for (int d = 0; d + 2 < x->ndim; d++)
    items *= x->shape[d];
  NJ_TRY(check_spec(ctx, x, o, lengths, items));
  nj_tensor *mask = NULL, *y = NULL, *len = NULL;
  nj_node *node = NULL;
  nj_status st = lengths ? nj_as_contiguous(lengths, &len) : NJ_OK;
  if (!st)
    st = nj_empty(ctx, NJ_U8, x->ndim, x->shape, &mask);
  if (!st)
    st = draw_mask(ctx, o, len ? NJ_I64_DATA(len) : NULL, items, x->shape[x->ndim - 2],
                   x->shape[x->ndim - 1], rng, nj_data(mask));
  if (!st)
    st = copy_of(ctx, x, &y);
  if (!st) {
    fill_where(y, nj_data(mask), o->value);
    st = nj_record(ctx, y, "spec_augment", spec_augment_backward, 1, &x, &node);
    if (!st && node)
      st = nj_save(node, 0, mask);
  }
  nj_release(len);
  nj_release(mask);
  return nj_finish(st, y, out);
}

/* ---- waves ---- */

static nj_status check_wave(nj_ctx *ctx, const char *op, nj_tensor *x) {
  if (x->ndim < 1)
    return nj_fail(ctx, NJ_ESHAPE, "%s: expected (…, samples), got %s", op, NJ_SHAPE_OF(x));
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: expected a float wave, got %s", op,
                   nj_dtype_name(x->dtype));
  if (nj_will_record(ctx, 1, &x))
    return nj_fail(ctx, NJ_EGRAD, "%s: waves are not differentiated; detach the wave", op);
  return NJ_OK;
}

nj_status nj_gain(nj_ctx *ctx, nj_tensor *x, double db, nj_tensor **out) {
  NJ_TRY(check_wave(ctx, "gain", x));
  if (!isfinite(db))
    return nj_fail(ctx, NJ_EARG, "gain: expected finite dB, got %g", db);
  nj_tensor *y = NULL;
  NJ_TRY(copy_of(ctx, x, &y));
  double g = pow(10, db / 20);
  int64_t n = nj_numel(y);
  if (y->dtype == NJ_F32)
    for (int64_t i = 0; i < n; i++)
      NJ_F32_DATA(y)[i] *= (float)g;
  else
    for (int64_t i = 0; i < n; i++)
      NJ_F64_DATA(y)[i] *= g;
  *out = y;
  return NJ_OK;
}

static nj_status check_mix(nj_ctx *ctx, nj_tensor *signal, nj_tensor *noise, double snr,
                           int64_t offset) {
  NJ_TRY(check_wave(ctx, "mix", signal));
  NJ_TRY(check_wave(ctx, "mix", noise));
  if (signal->ndim != 1 || noise->ndim != 1)
    return nj_fail(ctx, NJ_ESHAPE, "mix: expected two waves (samples), got %s and %s",
                   NJ_SHAPE_OF(signal), NJ_SHAPE_OF(noise));
  if (!isfinite(snr))
    return nj_fail(ctx, NJ_EARG, "mix: expected a finite signal-to-noise ratio in dB, got %g", snr);
  if (offset < 0)
    return nj_fail(ctx, NJ_EARG, "mix: expected an offset >= 0, got %lld", (long long)offset);
  return NJ_OK;
}

nj_status nj_mix(nj_ctx *ctx, nj_tensor *signal, nj_tensor *noise, double snr, int64_t offset,
                 int loop, double *gain, nj_tensor **out) {
  NJ_TRY(check_mix(ctx, signal, noise, snr, offset));
  nj_tensor *n = NULL, *y = NULL;
  NJ_TRY(nj_as(noise, NJ_F32, &n));
  nj_status st = nj_empty(ctx, NJ_F32, 1, signal->shape, &y);
  if (!st)
    st = nj_copy_values(y, signal);
  if (st) {
    nj_release(n);
    nj_release(y);
    return st;
  }
  float *s = NJ_F32_DATA(y);
  const float *v = NJ_F32_DATA(n);
  int64_t have = nj_numel(n), room = offset < nj_numel(y) ? nj_numel(y) - offset : 0;
  int64_t count = have == 0 ? 0 : loop || have > room ? room : have;
  double signal_power = 0, noise_power = 0, g = 1;
  for (int64_t i = 0; i < count; i++) {
    signal_power += (double)s[offset + i] * s[offset + i];
    noise_power += (double)v[i % have] * v[i % have];
  }
  if (signal_power > 0 && noise_power > 0)
    g = sqrt(signal_power / noise_power * pow(10, -snr / 10));
  for (int64_t i = 0; i < count; i++)
    s[offset + i] += (float)g * v[i % have];
  if (gain)
    *gain = g;
  nj_release(n);
  *out = y;
  return NJ_OK;
}

/* Rows of x, with `shift` samples of displacement in rows of `length`, zeros where nothing lands. */
static nj_status place(nj_ctx *ctx, nj_tensor *x, int64_t length, int64_t shift, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], samples = x->shape[x->ndim - 1];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 1] = length;
  nj_tensor *in = NULL, *y = NULL;
  NJ_TRY(nj_as_contiguous(x, &in));
  nj_status st = nj_zeros(ctx, x->dtype, x->ndim, shape, &y);
  if (!st) {
    size_t size = nj_dtype_size(x->dtype);
    int64_t from = shift < 0 ? -shift : 0, to = shift > 0 ? shift : 0;
    int64_t n = samples - from < length - to ? samples - from : length - to;
    int64_t rows = samples > 0 ? nj_numel(in) / samples : 0;
    for (int64_t r = 0; r < rows && n > 0; r++)
      memcpy((char *)nj_data(y) + (size_t)(r * length + to) * size,
             (char *)nj_data(in) + (size_t)(r * samples + from) * size, (size_t)n * size);
    *out = y;
  }
  nj_release(in);
  return st;
}

nj_status nj_time_shift(nj_ctx *ctx, nj_tensor *x, int64_t shift, int roll, nj_tensor **out) {
  NJ_TRY(check_wave(ctx, "shift", x));
  int64_t samples = x->shape[x->ndim - 1];
  if (!roll) {
    shift = shift > samples ? samples : shift < -samples ? -samples : shift;
    return place(ctx, x, samples, shift, out);
  }
  nj_tensor *y = NULL;
  NJ_TRY(copy_of(ctx, x, &y));
  int64_t by = samples > 0 ? shift % samples : 0;
  by = by < 0 ? by + samples : by;
  nj_tensor *in = NULL;
  nj_status st = nj_as_contiguous(x, &in);
  if (st) {
    nj_release(y);
    return st;
  }
  size_t size = nj_dtype_size(x->dtype);
  for (int64_t r = 0; samples > 0 && r < nj_numel(x) / samples; r++) {
    char *to = (char *)nj_data(y) + (size_t)(r * samples) * size;
    const char *from = (char *)nj_data(in) + (size_t)(r * samples) * size;
    memcpy(to + (size_t)by * size, from, (size_t)(samples - by) * size);
    memcpy(to, from + (size_t)(samples - by) * size, (size_t)by * size);
  }
  nj_release(in);
  *out = y;
  return NJ_OK;
}

nj_status nj_random_crop(nj_ctx *ctx, nj_tensor *x, int64_t length, nj_rng *rng, int64_t *start,
                         nj_tensor **out) {
  NJ_TRY(check_wave(ctx, "crop", x));
  if (length < 1 || length > INT64_MAX / 16)
    return nj_fail(ctx, NJ_EARG,
                   "crop: expected a length of at least 1 sample (and below 2^59), got %lld",
                   (long long)length);
  int64_t slack = x->shape[x->ndim - 1] - length, at = 0;
  if (slack > 0)
    at = nj_rng_below(rng, slack + 1);
  else if (slack < 0)
    at = -nj_rng_below(rng, -slack + 1);
  if (start)
    *start = at;
  return place(ctx, x, length, -at, out);
}
