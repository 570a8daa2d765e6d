/* Copies in which the fastest dimension of the source is another than that of the result. */
#ifndef NJ_TENSOR_TRANSPOSE_H
#define NJ_TENSOR_TRANSPOSE_H

#include "tensor/tensor.h"

/* 1 when nj_copy_transposed serves: same dtype and shape, dst's last dimension and an earlier one of src
 * are contiguous. */
int nj_is_transposed(const nj_tensor *dst, const nj_tensor *src);
/* Copies src to dst tile by tile, so that both are touched in whole cache lines. Must not overlap. */
nj_status nj_copy_transposed(nj_tensor *dst, const nj_tensor *src);

#endif
