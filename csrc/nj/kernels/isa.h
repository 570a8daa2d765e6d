/* Kernels are plain C over vector types, compiled once per instruction set: every file in
 * kernels/isa/ is built three times, with NJ_ISA defined as portable, avx2 or avx512 and the flags
 * to match. Each family exports one table of functions, named with NJ_ISA_NAME, that
 * kernels/dispatch.c gathers; a context picks a set when it is made.
 *
 * On machines that are not x86-64 only "portable" is built. */
#ifndef NJ_KERNELS_ISA_H
#define NJ_KERNELS_ISA_H

#include <stdint.h>

#define NJ_PASTE_(a, b) a##_##b
#define NJ_PASTE(a, b) NJ_PASTE_(a, b)
/* NJ_ISA_NAME(nj_map_kernels) is nj_map_kernels_avx512 in the AVX-512 build of the file. */
#define NJ_ISA_NAME(name) NJ_PASTE(name, NJ_ISA)

#if defined(__AVX512F__)
#define NJ_LANES 16
#elif defined(__AVX2__)
#define NJ_LANES 8
#else
#define NJ_LANES 4
#endif

/* NJ_LANES floats; loads and stores through nj_vf_u need no alignment. */
typedef float nj_vf __attribute__((vector_size(NJ_LANES * 4)));
typedef float nj_vf_u __attribute__((vector_size(NJ_LANES * 4), aligned(4), may_alias));
typedef int32_t nj_vi __attribute__((vector_size(NJ_LANES * 4)));

static inline nj_vf nj_vf_load(const float *p) { return *(const nj_vf_u *)p; }
static inline void nj_vf_store(float *p, nj_vf v) { *(nj_vf_u *)p = v; }
/* Subtracting 0 changes nothing and costs nothing; adding it would turn -0 into 0. */
static inline nj_vf nj_vf_set(float x) { return x - (nj_vf){0}; }

#endif
