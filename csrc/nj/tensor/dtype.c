#include "tensor/dtype.h"

#include <string.h>

size_t nj_dtype_size(nj_dtype dtype) {
  static const size_t sizes[NJ_DTYPE_COUNT] = {
#define NJ_X(NAME, value, type, text) [value] = sizeof(type),
      NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
  };
  return sizes[dtype];
}

const char *nj_dtype_name(nj_dtype dtype) {
  static const char *const names[NJ_DTYPE_COUNT] = {
#define NJ_X(NAME, value, type, text) [value] = text,
      NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
  };
  return names[dtype];
}

int nj_dtype_from_name(const char *name, nj_dtype *out) {
  for (int i = 0; i < NJ_DTYPE_COUNT; i++)
    if (strcmp(name, nj_dtype_name((nj_dtype)i)) == 0) {
      *out = (nj_dtype)i;
      return 1;
    }
  return 0;
}

int nj_dtype_is_float(nj_dtype dtype) { return dtype == NJ_F32 || dtype == NJ_F64; }
nj_dtype nj_dtype_promote(nj_dtype a, nj_dtype b) { return a > b ? a : b; }
