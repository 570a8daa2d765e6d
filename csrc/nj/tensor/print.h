/* Tensors as text, for people. */
#ifndef NJ_TENSOR_PRINT_H
#define NJ_TENSOR_PRINT_H

#include "base/option.h"
#include "tensor/tensor.h"

/* Text that grows; zero it, append, then free `data`. Once an append has failed, status keeps the
 * failure and later appends do nothing, so callers may check once at the end. */
typedef struct {
  nj_ctx *ctx;
  char *data; /* NUL-ended once something was appended */
  size_t length, room;
  nj_status status;
} nj_text_buffer;

void nj_text_add(nj_text_buffer *text, const char *bytes, size_t n);
void nj_text_addf(nj_text_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void nj_text_free(nj_text_buffer *text);

typedef struct {
  int width;         /* columns of the terminal */
  int64_t threshold; /* tensors of more elements are summarised; lines that name columns or a matrix
                        count as lines of elements */
  int edge;          /* entries shown at each end of a summarised dimension */
  int digits;        /* significant digits of the largest value, 1 … 17 */
} nj_print_options;

/* 80 columns, 1000 elements, 3 entries, 4 digits. */
nj_print_options nj_print_default_options(void);
extern const nj_option_table nj_print_option_table;

/* Appends x: a scalar as a plain number; else its values, matrix by matrix with aligned columns cut to
 * the width, and a last line such as "[float32 tensor of shape 3×4]". Vectors run along the line.
 * Errors: ENOMEM. */
nj_status nj_print(nj_tensor *x, const nj_print_options *options, nj_text_buffer *text);
/* One element as text in the notation of a scalar. */
void nj_print_number(nj_text_buffer *text, nj_dtype dtype, double value);

#endif
