/* Reading, writing and converting elements. */
#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

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
#define NJ_X(NAME, value, type, text) \
  case NJ_##NAME:                     \
    ((type *)data)[at] = TO_##NAME(v); \
    break;
    NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
  }
}

/* One run of n elements. Integers pass through int64, so that large ones keep every digit. */
typedef void (*copy_run)(int64_t n, void *dst, int64_t dst_stride, const void *src,
                         int64_t src_stride);

static int64_t clamp_integer(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

#define FROM_INTEGER_U8(v) (uint8_t) clamp_integer(v, 0, UINT8_MAX)
#define FROM_INTEGER_I32(v) (int32_t) clamp_integer(v, INT32_MIN, INT32_MAX)
#define FROM_INTEGER_I64(v) (v)
#define FROM_INTEGER_F32(v) (float)(v)
#define FROM_INTEGER_F64(v) (double)(v)

#define COPY_RUN(D, dtype_d, S, dtype_s, CONVERT)                                             \
  static void copy_##D##_##S(int64_t n, void *dst, int64_t dst_stride, const void *src,       \
                             int64_t src_stride) {                                            \
    dtype_d *d = dst;                                                                         \
    const dtype_s *s = src;                                                                   \
    for (int64_t i = 0; i < n; i++)                                                           \
      d[i * dst_stride] = CONVERT(s[i * src_stride]);                                         \
  }
#define COPY_RUNS_TO(D, type)                              \
  COPY_RUN(D, type, U8, uint8_t, FROM_INTEGER_##D)         \
  COPY_RUN(D, type, I32, int32_t, FROM_INTEGER_##D)        \
  COPY_RUN(D, type, I64, int64_t, FROM_INTEGER_##D)        \
  COPY_RUN(D, type, F32, float, TO_##D)                    \
  COPY_RUN(D, type, F64, double, TO_##D)

COPY_RUNS_TO(U8, uint8_t)
COPY_RUNS_TO(I32, int32_t)
COPY_RUNS_TO(I64, int64_t)
COPY_RUNS_TO(F32, float)
COPY_RUNS_TO(F64, double)

static const copy_run copy_runs[NJ_DTYPE_COUNT][NJ_DTYPE_COUNT] = {
#define NJ_X(D, value, type, text) \
  [NJ_##D] = {copy_##D##_U8, copy_##D##_I32, copy_##D##_I64, copy_##D##_F32, copy_##D##_F64},
    NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
};

/* src's strides as seen from dst's dimensions: 0 where src is broadcast. */
static nj_status broadcast_strides(const nj_tensor *dst, const nj_tensor *src, int64_t *stride) {
  for (int i = 0; i < dst->ndim; i++) {
    int j = i - (dst->ndim - src->ndim);
    int64_t size = j < 0 ? 1 : src->shape[j];
    if (size != 1 && size != dst->shape[i])
      return nj_fail(dst->ctx, NJ_ESHAPE, "copy: shape %s does not broadcast to %s",
                     NJ_SHAPE_OF(src), NJ_SHAPE_OF(dst));
    stride[i] = size == 1 ? 0 : src->stride[j];
  }
  for (int j = 0; j < src->ndim - dst->ndim; j++)
    if (src->shape[j] != 1)
      return nj_fail(dst->ctx, NJ_ESHAPE, "copy: shape %s does not broadcast to %s",
                     NJ_SHAPE_OF(src), NJ_SHAPE_OF(dst));
  return NJ_OK;
}

nj_status nj_copy_values(nj_tensor *dst, const nj_tensor *src) {
  int64_t stride[NJ_MAX_DIMS];
  NJ_TRY(broadcast_strides(dst, src, stride));
  int64_t n = nj_numel(dst);
  if (n == 0)
    return NJ_OK;
  if (dst->dtype == src->dtype && nj_same_shape(dst, src) && nj_is_contiguous(dst) &&
      nj_is_contiguous(src)) {
    memmove(nj_data(dst), nj_data(src), (size_t)n * nj_dtype_size(dst->dtype));
    return NJ_OK;
  }
  copy_run run = copy_runs[dst->dtype][src->dtype];
  int inner = dst->ndim - 1;
  int64_t length = inner >= 0 ? dst->shape[inner] : 1;
  int64_t dst_inner = inner >= 0 ? dst->stride[inner] : 1;
  int64_t src_inner = inner >= 0 ? stride[inner] : 1;
  int64_t index[NJ_MAX_DIMS] = {0};
  size_t dst_size = nj_dtype_size(dst->dtype), src_size = nj_dtype_size(src->dtype);
  for (;;) {
    int64_t to = dst->offset, from = src->offset;
    for (int i = 0; i < inner; i++) {
      to += index[i] * dst->stride[i];
      from += index[i] * stride[i];
    }
    run(length, (char *)dst->storage->data + to * (int64_t)dst_size, dst_inner,
        (const char *)src->storage->data + from * (int64_t)src_size, src_inner);
    int i = inner - 1;
    while (i >= 0 && ++index[i] == dst->shape[i])
      index[i--] = 0;
    if (i < 0)
      return NJ_OK;
  }
}
