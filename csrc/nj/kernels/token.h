/* What is made of a block of products between the tokens of two items: each row's and each column's
 * maximum, or its attention-weighted mean. Rows are the tokens of one item (the words of a text),
 * columns those of another (the frames of a clip).
 *
 * What a row or a column gives depends on the block's numbers alone, never on where it lies. NaN
 * propagates; rows and columns of the block are at least one. */
#ifndef NJ_KERNELS_TOKEN_H
#define NJ_KERNELS_TOKEN_H

#include <stdint.h>

/* A softmax-weighted mean per row (or column): with a = exp((e - max) * sharpness),
 * sum = Σ a and value = Σ a e / sum. */
#define NJ_TOKEN_TYPES(T, suffix)      \
  typedef struct {                     \
    const T *e; /* rows e_row apart */ \
    int64_t e_row, rows, columns;      \
  } nj_token_block##suffix;            \
  typedef struct {                     \
    T *max, *sum, *value;              \
  } nj_token_means##suffix;

/* The table, for T float (one per instruction set) and double (one).
 *
 * row_max(block, max, at)      max[r] and, unless at is NULL, the first column that has it; the
 *                              first NaN of a row wins
 * column_max(block, max, at)   the same down the columns
 * row_mean(block, sharpness, means), column_mean(…)
 * mean_grad(block, sharpness, rows, row_grad, columns, column_grad, g)
 *                              g = row_grad[r] d rows.value[r]/de + column_grad[c] d
 *                              columns.value[c]/de; rows e_row apart, in place allowed; either pair
 *                              may be NULL */
#define NJ_TOKEN_TABLE(T, suffix)                                                \
  void (*row_max)(const nj_token_block##suffix *block, T *max, uint16_t *at);    \
  void (*column_max)(const nj_token_block##suffix *block, T *max, uint16_t *at); \
  void (*row_mean)(const nj_token_block##suffix *block, T sharpness,             \
                   const nj_token_means##suffix *means);                         \
  void (*column_mean)(const nj_token_block##suffix *block, T sharpness,          \
                      const nj_token_means##suffix *means);                      \
  void (*mean_grad)(const nj_token_block##suffix *block, T sharpness,            \
                    const nj_token_means##suffix *rows, const T *row_grad,       \
                    const nj_token_means##suffix *columns, const T *column_grad, T *g);

NJ_TOKEN_TYPES(float, )
NJ_TOKEN_TYPES(double, _double)

struct nj_token_kernels {
  NJ_TOKEN_TABLE(float, )
};

typedef struct nj_token_kernels_double {
  NJ_TOKEN_TABLE(double, _double)
} nj_token_kernels_double;

/* float64 has one plain version on every CPU. */
extern const nj_token_kernels_double nj_token_double;

#endif
