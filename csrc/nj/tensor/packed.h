/* Packed forms of a tensor's values, kept with its storage: weights in the order that a kernel
 * reads them. A form is good for one version of the storage; writing to the tensor makes it stale,
 * and the next look drops it. Everything goes when the storage goes. */
#ifndef NJ_TENSOR_PACKED_H
#define NJ_TENSOR_PACKED_H

#include "tensor/tensor.h"

/* What a form is for; each has one reader. */
typedef enum { NJ_PACKED_LINEAR, NJ_PACKED_CONV, NJ_PACKED_CONV_TURNED } nj_packed_kind;

/* The form of exactly this view, or NULL. `detail` tells forms of a kind apart (the order of weights of a
 * convolution). The block stays valid until the storage is written to or released. */
const float *nj_packed_find(const nj_tensor *x, nj_packed_kind kind, int64_t detail);
/* Keeps `block` (from nj_alloc, in x's context), which it takes over also on failure. */
nj_status nj_packed_keep(const nj_tensor *x, nj_packed_kind kind, int64_t detail, float *block);

/* For tensor.c: drops all forms of a storage. */
void nj_packed_drop(nj_storage *storage);

#endif
