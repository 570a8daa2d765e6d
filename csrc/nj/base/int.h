/* Integers: what C has no function for. */
#ifndef NJ_BASE_INT_H
#define NJ_BASE_INT_H

#include <stdint.h>

static inline int64_t nj_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t nj_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
