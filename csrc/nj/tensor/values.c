/* Reading, writing and converting elements. */
#include <math.h>
#include <string.h>

#include "tensor/convert.h"
#include "tensor/iter.h"
#include "tensor/tensor.h"
#include "tensor/transpose.h"

static int64_t position(const nj_tensor *x, const int64_t *index) {
  int64_t at = x->offset;
  for (int i = 0; i < x->ndim; i++)
    at += index[i] * x->stride[i];
  return at;
}

double nj_get(const nj_tensor *x, const int64_t *index) {
  const void *data = x->storage->data;
  int64_t at = position(x, index);
  switch (x->dtype) {
#define NJ_X(NAME, value, type, text) \
  case NJ_##NAME:                     \
    return (double)((const type *)data)[at];
    NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
  }
  return 0;
}

/* double to integer without undefined behaviour: NaN is 0, the rest saturates. */
static int64_t saturate(double value, int64_t low, int64_t high) {
  if (isnan(value))
    return 0;
  if (value <= (double)low)
    return low;
  return value >= (double)high ? high : (int64_t)value;
}

#define TO_U8(v) (uint8_t) saturate(v, 0, UINT8_MAX)
#define TO_I32(v) (int32_t) saturate(v, INT32_MIN, INT32_MAX)
#define TO_I64(v) saturate(v, INT64_MIN, INT64_MAX)
#define TO_F32(v) (float)(v)
#define TO_F64(v) (double)(v)

void nj_set(nj_tensor *x, const int64_t *index, double v) {
  void *data = x->storage->data;
  int64_t at = position(x, index);
  switch (x->dtype) {
#define NJ_X(NAME, value, type, text)  \
  case NJ_##NAME:                      \
    ((type *)data)[at] = TO_##NAME(v); \
    break;
    NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
  }
}

static int64_t clamp_integer(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

#define FROM_INTEGER_U8(v) (uint8_t) clamp_integer(v, 0, UINT8_MAX)
#define FROM_INTEGER_I32(v) (int32_t) clamp_integer(v, INT32_MIN, INT32_MAX)
#define FROM_INTEGER_I64(v) (v)
#define FROM_INTEGER_F32(v) (float)(v)
#define FROM_INTEGER_F64(v) (double)(v)

#define COPY_RUN(D, dtype_d, S, dtype_s, CONVERT)                                       \
  static void copy_##D##_##S(int64_t n, void *dst, int64_t dst_stride, const void *src, \
                             int64_t src_stride) {                                      \
    dtype_d *d = dst;                                                                   \
    const dtype_s *s = src;                                                             \
    for (int64_t i = 0; i < n; i++)                                                     \
      d[i * dst_stride] = CONVERT(s[i * src_stride]);                                   \
  }
#define COPY_RUNS_TO(D, type)                       \
  COPY_RUN(D, type, U8, uint8_t, FROM_INTEGER_##D)  \
  COPY_RUN(D, type, I32, int32_t, FROM_INTEGER_##D) \
  COPY_RUN(D, type, I64, int64_t, FROM_INTEGER_##D) \
  COPY_RUN(D, type, F32, float, TO_##D)             \
  COPY_RUN(D, type, F64, double, TO_##D)

COPY_RUNS_TO(U8, uint8_t)
COPY_RUNS_TO(I32, int32_t)
COPY_RUNS_TO(I64, int64_t)
COPY_RUNS_TO(F32, float)
COPY_RUNS_TO(F64, double)

static const nj_copy_run copy_runs[NJ_DTYPE_COUNT][NJ_DTYPE_COUNT] = {
#define NJ_X(D, value, type, text) \
  [NJ_##D] = {copy_##D##_U8, copy_##D##_I32, copy_##D##_I64, copy_##D##_F32, copy_##D##_F64},
    NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
};

nj_copy_run nj_copy_run_for(nj_dtype dst, nj_dtype src) { return copy_runs[dst][src]; }

static void wrap_U8(int64_t n, void *dst, int64_t dst_stride, const void *src, int64_t src_stride) {
  uint8_t *d = dst;
  const int64_t *s = src;
  for (int64_t i = 0; i < n; i++)
    d[i * dst_stride] = (uint8_t)s[i * src_stride];
}

static void wrap_I32(int64_t n, void *dst, int64_t dst_stride, const void *src,
                     int64_t src_stride) {
  int32_t *d = dst;
  const int64_t *s = src;
  for (int64_t i = 0; i < n; i++)
    d[i * dst_stride] = (int32_t)(uint32_t)s[i * src_stride];
}

nj_copy_run nj_wrap_run_for(nj_dtype dst) {
  return dst == NJ_U8 ? wrap_U8 : dst == NJ_I32 ? wrap_I32 : copy_runs[dst][NJ_I64];
}

static void move_run(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  size_t size = *(const size_t *)arg;
  if (stride[1])
    memmove(data[0], data[1], (size_t)n * size);
  else if (size == 1)
    memset(data[0], *(const uint8_t *)data[1], (size_t)n);
  else
    for (int64_t i = 0; i < n; i++)
      memcpy((char *)data[0] + (size_t)i * size, data[1], size);
}

nj_status nj_copy_values(nj_tensor *dst, const nj_tensor *src) {
  nj_iter it;
  if (nj_is_transposed(dst, src))
    return nj_copy_transposed(dst, src);
  NJ_TRY(nj_iter_init(&it, dst->ctx, "copy", 2, (const nj_tensor *[]){dst, src}));
  size_t size = nj_dtype_size(dst->dtype);
  return nj_iter_run(&it, (nj_dtype[]){dst->dtype, dst->dtype}, move_run, &size);
}
