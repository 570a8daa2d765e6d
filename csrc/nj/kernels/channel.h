/* Kernels over channels-last rows (rows, n): each column is a channel with its own constants. For
 * batch norm and what is fused with it. The bits of a column do not depend on n. */
#ifndef NJ_KERNELS_CHANNEL_H
#define NJ_KERNELS_CHANNEL_H

#include <stdint.h>

/* The table, for T float (one per instruction set) and double (one). With relu, y stands for the
 * clamped (x - mean) * a + b, and gradients pass where that was positive. Rows are contiguous.
 *
 * affine(x, rows, n, mean, a, b, relu, y)
 *     y = (x - mean) * a + b; in place allowed
 * moments(x, rows, n, mean, m2)
 *     mean of each column, and sum of (x - mean)^2; rows > 0
 * grad_sums(x, g, rows, n, mean, a, b, relu, sum_g, sum_gx)
 *     sums of g and of g * (x - mean)
 * grad(x, g, rows, n, mean, a, b, relu, c0, c1, gx)
 *     gx = a * g - c0 - (x - mean) * c1; gx may be g
 */
#define NJ_CHANNEL_TABLE(T)                                                                     \
  void (*affine)(const T *x, int64_t rows, int64_t n, const T *mean, const T *a, const T *b,    \
                 int relu, T *y);                                                               \
  void (*moments)(const T *x, int64_t rows, int64_t n, T *mean, T *m2);                         \
  void (*grad_sums)(const T *x, const T *g, int64_t rows, int64_t n, const T *mean, const T *a, \
                    const T *b, int relu, T *sum_g, T *sum_gx);                                 \
  void (*grad)(const T *x, const T *g, int64_t rows, int64_t n, const T *mean, const T *a,      \
               const T *b, int relu, const T *c0, const T *c1, T *gx);

struct nj_channel_kernels {
  NJ_CHANNEL_TABLE(float)
};

typedef struct nj_channel_kernels_double {
  NJ_CHANNEL_TABLE(double)
} nj_channel_kernels_double;

/* float64 has one plain version on every CPU. */
extern const nj_channel_kernels_double nj_channel_double;

#endif
