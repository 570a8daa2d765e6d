/* The kernel tables of one instruction set. Each family of kernels declares its own table in
 * kernels/<family>.h and adds a pointer to it here. */
#ifndef NJ_KERNELS_KERNELS_H
#define NJ_KERNELS_KERNELS_H

#include "base/context.h"

/* X(family): kernels/<family>.h declares struct nj_<family>_kernels, and kernels/isa/<family>.c
 * defines one of them per instruction set. */
#define NJ_KERNEL_FAMILIES(X) \
  X(map)                      \
  X(optim)                    \
  X(philox) X(draw) X(row) X(tile) X(conv) X(winograd) X(channel) X(pool) X(fft) X(mel) X(token)

#define NJ_X(family) struct nj_##family##_kernels;
NJ_KERNEL_FAMILIES(NJ_X)
#undef NJ_X

typedef struct nj_kernels {
  const char *isa; /* "portable", "avx2", "avx512" */
#define NJ_X(family) const struct nj_##family##_kernels *family;
  NJ_KERNEL_FAMILIES(NJ_X)
#undef NJ_X
} nj_kernels;

/* The set named `isa`, or the best this CPU runs when NULL. NULL when unknown, not built, or
 * not supported by this CPU. */
const nj_kernels *nj_kernels_find(const char *isa);

#endif
