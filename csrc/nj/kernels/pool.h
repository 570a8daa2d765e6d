/* Pooling of channels-last images, a row of results at a time. */
#ifndef NJ_KERNELS_POOL_H
#define NJ_KERNELS_POOL_H

#include <stdint.h>

/* One row of results: result x pools the columns begin[x] … end[x] - 1 of `rows` rows. */
#define NJ_POOL_ROW(T)                                                                   \
  int64_t channels, width; /* results in the row */                                      \
  const int64_t *begin, *end;                                                            \
  int64_t rows, row_size; /* input rows of the window, and how far apart, in elements */ \
  const T *in;            /* first element of the first row */                           \
  int64_t divisor;        /* of averages; 0: the pixels of the window */                 \
  T *out

typedef struct {
  NJ_POOL_ROW(float);
} nj_pool_row;

typedef struct {
  NJ_POOL_ROW(double);
} nj_pool_row_double;

/* The table, for T float (one per instruction set) and double (one).
 *
 * average(row)          the mean over each window
 * largest(row, index)   the largest, NaN if there is one; index[x * channels + c] is where it was
 *                       first, as row * row_size + column * channels + c
 * average_grad(row, gx) the other way: row->in are a row's gradients (width, channels), divided and
 *                       added to gx, ONE row of the input; rows tells the window's rows for the
 *                       divisor
 */
#define NJ_POOL_TABLE(ROW, T)                      \
  void (*average)(const ROW *row);                 \
  void (*largest)(const ROW *row, int64_t *index); \
  void (*average_grad)(const ROW *row, T *gx);

struct nj_pool_kernels {
  NJ_POOL_TABLE(nj_pool_row, float)
};

typedef struct nj_pool_kernels_double {
  NJ_POOL_TABLE(nj_pool_row_double, double)
} nj_pool_kernels_double;

/* float64 has one plain version on every CPU. */
extern const nj_pool_kernels_double nj_pool_double;

#endif
