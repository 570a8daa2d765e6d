#include <string.h>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#define NJ_ISAS(X) X(avx512) X(avx2) X(portable)
#else
#define NJ_ISAS(X) X(portable)
#endif

#define NJ_X(family)                                                        \
  extern const struct nj_##family##_kernels nj_##family##_kernels_portable; \
  extern const struct nj_##family##_kernels nj_##family##_kernels_avx2;     \
  extern const struct nj_##family##_kernels nj_##family##_kernels_avx512;
NJ_KERNEL_FAMILIES(NJ_X)
#undef NJ_X

static int cpu_has_portable(void) { return 1; }

#if defined(__x86_64__)
static int cpu_has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int cpu_has_avx512(void) {
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

#define NJ_FAMILY_portable(family) .family = &nj_##family##_kernels_portable,
#define NJ_FAMILY_avx2(family) .family = &nj_##family##_kernels_avx2,
#define NJ_FAMILY_avx512(family) .family = &nj_##family##_kernels_avx512,

static const nj_kernels sets[] = {
#define NJ_X(name) {.isa = #name, NJ_KERNEL_FAMILIES(NJ_FAMILY_##name)},
    NJ_ISAS(NJ_X)
#undef NJ_X
};

static int (*const supported[])(void) = {
#define NJ_X(name) cpu_has_##name,
    NJ_ISAS(NJ_X)
#undef NJ_X
};

const nj_kernels *nj_kernels_find(const char *isa) {
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    if ((!isa || strcmp(isa, sets[i].isa) == 0) && supported[i]())
      return &sets[i];
  return NULL;
}

nj_status nj_ctx_new(const nj_ctx_options *options, nj_ctx **out) {
  nj_ctx_options chosen = options ? *options : nj_ctx_default_options();
  const nj_kernels *kernels = nj_kernels_find(chosen.isa);
  if (!kernels)
    return NJ_EARG;
  chosen.isa = kernels->isa; /* the caller's string need not outlive the call */
  return nj_ctx_new_with(&chosen, kernels, out);
}
