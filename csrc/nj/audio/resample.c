#include "audio/resample.h"

#include <soxr.h>
#include <string.h>

#include "base/parallel.h"

struct nj_resampler {
  nj_ctx *ctx;
  soxr_t soxr;
};

int64_t nj_resampled_length(int64_t n, int64_t from, int64_t to) {
  /* n = whole seconds + rest, so that nothing overflows for any n below 2^62 / NJ_RATE_MAX. */
  int64_t whole = n / from, rest = n % from;
  return whole * to + (rest * to + from - 1) / from;
}

static nj_status check_rates(int64_t from, int64_t to, nj_fault *fault) {
  if (from < NJ_RATE_MIN || from > NJ_RATE_MAX || to < NJ_RATE_MIN || to > NJ_RATE_MAX)
    return nj_fault_set(fault, NJ_EARG, "resample: rates must be in [%d, %d] Hz, got %lld and %lld",
                        NJ_RATE_MIN, NJ_RATE_MAX, (long long)from, (long long)to);
  return NJ_OK;
}

nj_status nj_resampler_new(nj_ctx *ctx, int64_t from, int64_t to, nj_resampler **out,
                           nj_fault *fault) {
  NJ_TRY(check_rates(from, to, fault));
  nj_resampler *r = nj_calloc(ctx, 1, sizeof *r);
  if (!r)
    return nj_fault_set(fault, NJ_ENOMEM, "resample: out of memory");
  r->ctx = ctx;
  soxr_error_t error = NULL;
  soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
  r->soxr = soxr_create((double)from, (double)to, 1, &error, &io, &quality, &runtime);
  if (!r->soxr) {
    nj_free(ctx, r);
    return nj_fault_set(fault, NJ_ENOMEM, "resample: %s", error ? error : "out of memory");
  }
  *out = r;
  return NJ_OK;
}

void nj_resampler_free(nj_resampler *r) {
  if (!r)
    return;
  soxr_delete(r->soxr);
  nj_free(r->ctx, r);
}

nj_status nj_resampler_feed(nj_resampler *r, const float *in, int64_t n, int64_t *used, float *out,
                            int64_t room, int64_t *made, nj_fault *fault) {
  size_t taken = 0, given = 0;
  soxr_error_t error =
      soxr_process(r->soxr, in, in ? (size_t)n : 0, &taken, out, (size_t)room, &given);
  if (error)
    return nj_fault_set(fault, NJ_ENOMEM, "resample: %s", error);
  if (used)
    *used = in ? (int64_t)taken : 0;
  *made = (int64_t)given;
  return NJ_OK;
}

nj_status nj_resample_samples(nj_ctx *ctx, const float *in, int64_t n, int64_t from, int64_t to,
                              float *out, nj_fault *fault) {
  NJ_TRY(check_rates(from, to, fault));
  int64_t want = nj_resampled_length(n, from, to), have = 0;
  if (from == to || n == 0) {
    memcpy(out, in, (size_t)n * sizeof *out);
    return NJ_OK;
  }
  nj_resampler *r = NULL;
  NJ_TRY(nj_resampler_new(ctx, from, to, &r, fault));
  nj_status st = NJ_OK;
  int64_t at = 0;
  for (;;) {
    int64_t used = 0, made = 0;
    int ending = at == n;
    st = nj_resampler_feed(r, ending ? NULL : in + at, n - at, &used, out + have, want - have,
                           &made, fault);
    at += used;
    have += made;
    if (st || have == want || (ending && made == 0))
      break;
  }
  nj_resampler_free(r);
  if (!st)
    memset(out + have, 0, (size_t)(want - have) * sizeof *out);
  return st;
}

typedef struct {
  nj_ctx *ctx;
  const float *in;
  float *out;
  int64_t n, made, from, to;
} rows_job;

static nj_status resample_row(void *arg, int64_t row, int worker) {
  (void)worker;
  const rows_job *job = arg;
  nj_fault fault = {NJ_OK, ""};
  nj_resample_samples(job->ctx, job->in + row * job->n, job->n, job->from, job->to,
                      job->out + row * job->made, &fault);
  return nj_fault_raise(job->ctx, &fault);
}

nj_status nj_resample(nj_ctx *ctx, nj_tensor *x, int64_t from, int64_t to, nj_tensor **out) {
  if (x->ndim < 1)
    return nj_fail(ctx, NJ_ESHAPE, "resample: expected (…, samples), got %s", NJ_SHAPE_OF(x));
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "resample: expected float samples, got %s",
                   nj_dtype_name(x->dtype));
  nj_fault fault = {NJ_OK, ""};
  if (check_rates(from, to, &fault))
    return nj_fault_raise(ctx, &fault);
  nj_tensor *in = NULL, *y = NULL;
  NJ_TRY(nj_as(x, NJ_F32, &in));
  int64_t shape[NJ_MAX_DIMS], n = x->shape[x->ndim - 1];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 1] = nj_resampled_length(n, from, to);
  nj_status st = nj_empty(ctx, NJ_F32, x->ndim, shape, &y);
  if (!st && nj_numel(y) > 0) {
    rows_job job = {ctx, NJ_F32_DATA(in), NJ_F32_DATA(y), n, shape[x->ndim - 1], from, to};
    st = nj_parallel(ctx, nj_numel(x) / n, resample_row, &job);
  }
  nj_release(in);
  if (st) {
    nj_release(y);
    return st;
  }
  *out = y;
  return NJ_OK;
}
