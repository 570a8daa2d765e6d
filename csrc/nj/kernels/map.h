/* Elementwise kernels: y[i] = f(x[i]), y[i] = f(a[i], b[i]), comparisons and choice.
 *
 * The functions are listed in map_list.h, one line each, forward and derivative together; float32
 * is compiled per instruction set, float64 and int64 once. Every array is contiguous, or one
 * number for all (stride 0); tensor/iter.h brings other layouts and dtypes into this form. The result may be
 * the very array of an operand. The bits of a result depend on its operands only, never on its place. */
#ifndef NJ_KERNELS_MAP_H
#define NJ_KERNELS_MAP_H

#include <stdint.h>

#include "kernels/map_list.h"

typedef enum {
#define NJ_X(NAME, name, saves, forward, grad) NJ_MAP_##NAME,
  NJ_MAP_UNARY_LIST(NJ_X)
#undef NJ_X
      NJ_MAP_UNARY_COUNT
} nj_map_unary;

typedef enum {
#define NJ_X(NAME, name, expression) NJ_MAP_##NAME,
  NJ_MAP_BINARY_LIST(NJ_X)
#undef NJ_X
      NJ_MAP_BINARY_COUNT
} nj_map_binary;

typedef enum {
#define NJ_X(NAME, name, operator) NJ_MAP_##NAME,
  NJ_MAP_COMPARE_LIST(NJ_X)
#undef NJ_X
      NJ_MAP_COMPARE_COUNT
} nj_map_compare;

/* p and q are the parameters of functions that have some (slope, bounds, scale and shift). sa, sb
 * and sc are 1 or 0. Functions that make no sense for a type are NULL in its table.
 *
 * unary[f](x, y, n, p, q)
 * binary[f](a, sa, b, sb, y, n, p, q)
 * grad[f](g, sg, v, sv, gx, n, p, q)     g times the derivative of unary f, v being the input or the
 *                                        result as the list says (anything when it saves nothing)
 * compare[f](a, sa, b, sb, y, n)         y[i] is 1 or 0
 * select(c, sc, a, sa, b, sb, y, n)      y[i] = c[i] ? a[i] : b[i] */
#define NJ_MAP_TABLE(T)                                                                        \
  void (*unary[NJ_MAP_UNARY_COUNT])(const T *x, T *y, int64_t n, double p, double q);          \
  void (*binary[NJ_MAP_BINARY_COUNT])(const T *a, int64_t sa, const T *b, int64_t sb, T *y,    \
                                      int64_t n, double p, double q);                          \
  void (*grad[NJ_MAP_UNARY_COUNT])(const T *g, int64_t sg, const T *v, int64_t sv, T *gx,      \
                                   int64_t n, double p, double q);                             \
  void (*compare[NJ_MAP_COMPARE_COUNT])(const T *a, int64_t sa, const T *b, int64_t sb,        \
                                        uint8_t *y, int64_t n);                                \
  void (*select)(const uint8_t *c, int64_t sc, const T *a, int64_t sa, const T *b, int64_t sb, \
                 T *y, int64_t n);

typedef struct nj_map_kernels {
  NJ_MAP_TABLE(float)
} nj_map_kernels;

typedef struct nj_map_kernels_double {
  NJ_MAP_TABLE(double)
} nj_map_kernels_double;

typedef struct nj_map_kernels_int {
  NJ_MAP_TABLE(int64_t)
} nj_map_kernels_int;

extern const nj_map_kernels_double nj_map_double;
/* Wraps like unsigned arithmetic; division by zero gives 0 (callers refuse it before). */
extern const nj_map_kernels_int nj_map_int;

#endif
