/* Element types. */
#ifndef NJ_TENSOR_DTYPE_H
#define NJ_TENSOR_DTYPE_H

#include <stddef.h>
#include <stdint.h>

#include "nightjar.h"

/* X(NAME, value, C type, name in Lua and in messages) — ordered by promotion. */
#define NJ_DTYPE_MAP(X)       \
  X(U8, 0, uint8_t, "uint8")  \
  X(I32, 1, int32_t, "int32") \
  X(I64, 2, int64_t, "int64") \
  X(F32, 3, float, "float32") \
  X(F64, 4, double, "float64")

#define NJ_X(NAME, value, type, text) \
  _Static_assert(NJ_##NAME == value, "nightjar.h has another " #NAME);
NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
#define NJ_DTYPE_COUNT 5

size_t nj_dtype_size(nj_dtype dtype);
const char *nj_dtype_name(nj_dtype dtype);
/* 1 and *out when `name` is a dtype's name, else 0. */
int nj_dtype_from_name(const char *name, nj_dtype *out);
int nj_dtype_is_float(nj_dtype dtype);
/* The dtype that holds values of both: the later of the two in NJ_DTYPE_MAP. */
nj_dtype nj_dtype_promote(nj_dtype a, nj_dtype b);

#endif
