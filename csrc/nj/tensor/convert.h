/* Runs of elements from one dtype to another. */
#ifndef NJ_TENSOR_CONVERT_H
#define NJ_TENSOR_CONVERT_H

#include "tensor/dtype.h"

/* dst[i * dst_stride] = src[i * src_stride] for n elements, strides in elements. */
typedef void (*nj_copy_run)(int64_t n, void *dst, int64_t dst_stride, const void *src,
                            int64_t src_stride);

/* Values out of an integer type's range saturate, NaN becomes 0. Integers never pass through
 * floating point, so large ones keep every digit. */
nj_copy_run nj_copy_run_for(nj_dtype dst, nj_dtype src);
/* From int64 to a dtype by its low bits; as above when that is not a narrower integer. */
nj_copy_run nj_wrap_run_for(nj_dtype dst);

#endif
