/* Reductions and normalisations of contiguous rows, and reductions down the columns of a matrix.
 *
 * Sums are pairwise over fixed blocks: a row of n numbers gives the same bits wherever it lies, in
 * whatever batch, on any thread. NaN propagates through max and min. All arrays may overlap only
 * where "in place" is said. */
#ifndef NJ_KERNELS_ROW_H
#define NJ_KERNELS_ROW_H

#include <stdint.h>

/* X(NAME, name). SUMSQ sums squares, SUMABS absolute values. */
#define NJ_REDUCE_MAP(X) \
  X(SUM, sum)            \
  X(SUMSQ, sumsq)        \
  X(SUMABS, sumabs)      \
  X(PROD, prod)          \
  X(MAX, max)            \
  X(MIN, min)

typedef enum {
#define NJ_X(NAME, name) NJ_REDUCE_##NAME,
  NJ_REDUCE_MAP(NJ_X)
#undef NJ_X
      NJ_REDUCE_COUNT
} nj_reduce_kind;

/* The table, for T float (one per instruction set) and double (one).
 *
 * reduce[kind](x, n)        n = 0 gives 0 for sums, 1 for prod, -inf / inf for max / min
 * column[kind](x, rows, ld, cols, out)
 *                           out[j] = reduction of x[0*ld+j] … x[(rows-1)*ld+j], j < cols; the bits of
 *                           out[j] do not depend on cols
 * centered(x, n, m)         sum of (x[i] - m)^2
 * column_centered(x, rows, ld, cols, m, out)
 *                           out[j] = sum over rows of (x[i*ld+j] - m[j])^2
 * dot(a, b, n)
 * column_dot(a, b, rows, ld, cols, out)
 *                           out[j] = sum over rows of a[i*ld+j] * b[i*ld+j]
 * argmax, argmin(x, n)      index of the first largest / smallest; the first NaN, if any, wins; n > 0
 * softmax(x, y, n)          y = exp(x - logsumexp(x)), in place allowed. Returns logsumexp(x). A row of
 *                           nothing but -inf returns -inf and is filled with NaN, as 0/0 would.
 * log_softmax(x, y, n)      y = x - logsumexp(x), in place allowed; the rest as softmax
 * logsumexp(x, n)           -inf for nothing but -inf
 * softmax_grad(y, g, gx, n)      gx = y * (g - sum(g * y)); gx may be g or y
 * log_softmax_grad(y, g, gx, n)  gx = g - exp(y) * sum(g); gx may be g or y
 * mean_var(x, n, mean, var) mean and biased variance, in two passes; n > 0
 * scale(x, n, mean, rstd, w, b, y)
 *                           y = (x - mean) * rstd * w + b, w and b may be NULL, in place allowed
 * layer_norm_grad(x, g, n, mean, rstd, w, gx)
 *                           the gradient of scale through x, mean and rstd; w may be NULL; gx may be g
 * layer_norm_grad_params(x, g, n, mean, rstd, gw, gb)
 *                           gw += g * (x - mean) * rstd and gb += g; either may be NULL
 */
#define NJ_ROW_TABLE(T)                                                                            \
  T (*reduce[NJ_REDUCE_COUNT])(const T *x, int64_t n);                                             \
  void (*column[NJ_REDUCE_COUNT])(const T *x, int64_t rows, int64_t ld, int64_t cols, T *out);     \
  T (*centered)(const T *x, int64_t n, T m);                                                       \
  void (*column_centered)(const T *x, int64_t rows, int64_t ld, int64_t cols, const T *m, T *out); \
  T (*dot)(const T *a, const T *b, int64_t n);                                                     \
  void (*column_dot)(const T *a, const T *b, int64_t rows, int64_t ld, int64_t cols, T *out);      \
  int64_t (*argmax)(const T *x, int64_t n);                                                        \
  int64_t (*argmin)(const T *x, int64_t n);                                                        \
  T (*softmax)(const T *x, T *y, int64_t n);                                                       \
  T (*log_softmax)(const T *x, T *y, int64_t n);                                                   \
  T (*logsumexp)(const T *x, int64_t n);                                                           \
  void (*softmax_grad)(const T *y, const T *g, T *gx, int64_t n);                                  \
  void (*log_softmax_grad)(const T *y, const T *g, T *gx, int64_t n);                              \
  void (*mean_var)(const T *x, int64_t n, T *mean, T *var);                                        \
  void (*scale)(const T *x, int64_t n, T mean, T rstd, const T *w, const T *b, T *y);              \
  void (*layer_norm_grad)(const T *x, const T *g, int64_t n, T mean, T rstd, const T *w, T *gx);   \
  void (*layer_norm_grad_params)(const T *x, const T *g, int64_t n, T mean, T rstd, T *gw, T *gb);

typedef struct nj_row_kernels {
  NJ_ROW_TABLE(float)
} nj_row_kernels;

typedef struct nj_row_kernels_double {
  NJ_ROW_TABLE(double)
} nj_row_kernels_double;

/* float64 has one plain version on every CPU. */
extern const nj_row_kernels_double nj_row_double;

#endif
