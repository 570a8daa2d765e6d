#include "tensor/print.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/plain.h"
#include "tensor/autograd.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define TIMES "\xc3\x97"
#define CELL 48 /* bytes that hold any printed number */

/* ---- text ---- */

static int reserve(nj_text_buffer *text, size_t more) {
  if (text->status || more > SIZE_MAX / 2 - text->length)
    return 0;
  size_t need = text->length + more + 1;
  if (need <= text->room)
    return 1;
  char *grown = nj_array_grow(text->ctx, text->data, &text->room, need, 1);
  if (!grown) {
    text->status = NJ_ENOMEM;
    return 0;
  }
  text->data = grown;
  return 1;
}

void nj_text_add(nj_text_buffer *text, const char *bytes, size_t n) {
  if (!reserve(text, n))
    return;
  memcpy(text->data + text->length, bytes, n);
  text->length += n;
  text->data[text->length] = '\0';
}

void nj_text_addf(nj_text_buffer *text, const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n > 0)
    nj_text_add(text, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void nj_text_free(nj_text_buffer *text) {
  nj_free(text->ctx, text->data);
  *text = (nj_text_buffer){.ctx = text->ctx};
}

static void add_spaces(nj_text_buffer *text, int n) {
  for (; n > 0; n--)
    nj_text_add(text, " ", 1);
}

/* ---- numbers ---- */

typedef struct {
  nj_dtype dtype;
  int style;    /* of all values: whole numbers, fixed point, or powers of ten */
  int decimals; /* of fixed point and powers of ten */
  int width;    /* of the widest value */
} number_format;

enum { WHOLE, FIXED, POWER };

static void format_number(const number_format *f, double v, int64_t whole, char *cell) {
  if (!nj_dtype_is_float(f->dtype))
    snprintf(cell, CELL, "%lld", (long long)whole);
  else if (isnan(v))
    snprintf(cell, CELL, "nan");
  else if (isinf(v))
    snprintf(cell, CELL, v < 0 ? "-inf" : "inf");
  else if (f->style == WHOLE)
    nj_plain_format(cell, CELL, "%.0f", v);
  else if (f->style == POWER)
    nj_plain_format(cell, CELL, "%.*e", f->decimals, v);
  else if (v != 0 && fabs(v) < 0.5 * pow(10, -f->decimals))
    nj_plain_format(cell, CELL, "%.0e", v); /* small beside the others, but not nothing */
  else
    nj_plain_format(cell, CELL, "%.*f", f->decimals, v);
}

/* Seen while measuring what is to be shown. */
typedef struct {
  double largest; /* finite magnitude */
  int any, whole; /* any finite value; all of them whole numbers */
} extent;

static number_format choose_format(nj_dtype dtype, const extent *seen, int digits) {
  number_format f = {dtype, WHOLE, 0, 0};
  if (!nj_dtype_is_float(dtype) || !seen->any || (seen->whole && seen->largest < 1e7))
    return f;
  int scale = seen->largest > 0 ? (int)floor(log10(seen->largest)) : 0;
  if (scale >= 6 || scale < -4) {
    f.style = POWER;
    f.decimals = digits - 1;
  } else {
    /* All digits of the largest; values around one keep as many decimals, as people expect. */
    f.style = FIXED;
    f.decimals = scale >= -1 ? digits - (scale > 0 ? scale : 0) : digits - 1 - scale;
    if (f.decimals < 1)
      f.decimals = 1;
  }
  return f;
}

void nj_print_number(nj_text_buffer *text, nj_dtype dtype, double value) {
  char cell[CELL];
  if (isnan(value))
    snprintf(cell, CELL, "nan");
  else if (isinf(value))
    snprintf(cell, CELL, value < 0 ? "-inf" : "inf");
  else if (nj_dtype_is_float(dtype)) {
    nj_plain_format(cell, CELL, dtype == NJ_F32 ? "%.7g" : "%.14g", value);
    if (!strpbrk(cell, ".,e")) /* as Lua writes floats */
      strcat(cell, ".0");
  } else
    nj_plain_format(cell, CELL, "%.0f", value);
  nj_text_add(text, cell, strlen(cell));
}

/* ---- walking what is shown ---- */

typedef struct {
  nj_tensor *x;
  nj_text_buffer *text;
  nj_print_options options;
  number_format format;
  int summarised;
} printer;

/* Entries shown at each end of a dimension. Of many matrices only the first and last, else the
 * text would grow with the power of the dimensions. */
static int64_t edge_of(const printer *p, int dim) {
  return p->x->ndim > 3 && dim < p->x->ndim - 2 ? 1 : p->options.edge;
}

/* How many entries of a dimension are shown, counting the gap as one. */
static int64_t shown_count(const printer *p, int dim) {
  int64_t size = p->x->shape[dim], most = 2 * edge_of(p, dim);
  return p->summarised && size > most ? most + 1 : size;
}

/* Position of the k-th entry shown; -1 for the gap. */
static int64_t shown_at(const printer *p, int dim, int64_t k) {
  int64_t size = p->x->shape[dim], edge = edge_of(p, dim);
  if (shown_count(p, dim) == size)
    return k;
  return k < edge ? k : k == edge ? -1 : size - 2 * edge + k - 1;
}

static int64_t element(const nj_tensor *x, const int64_t *index, double *value) {
  int64_t at = x->offset;
  for (int i = 0; i < x->ndim; i++)
    at += index[i] * x->stride[i];
  *value = 0;
  switch (x->dtype) {
#define NJ_X(NAME, number, type, text)             \
  case NJ_##NAME: {                                \
    type v = ((const type *)x->storage->data)[at]; \
    *value = (double)v;                            \
    return NJ_##NAME < NJ_F32 ? (int64_t)v : 0;    \
  }
    NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
  }
  return 0;
}

/* The next of the entries shown, in row-major order; counts the k-th ones in `places`. */
static int next_shown(const printer *p, int n_dims, int64_t *places, int64_t *index) {
  for (int i = n_dims - 1; i >= 0; i--) {
    do
      places[i]++;
    while (places[i] < shown_count(p, i) && shown_at(p, i, places[i]) < 0);
    if (places[i] < shown_count(p, i)) {
      index[i] = shown_at(p, i, places[i]);
      return 1;
    }
    places[i] = index[i] = 0;
  }
  return 0;
}

static void measure(printer *p) {
  int64_t places[NJ_MAX_DIMS] = {0}, index[NJ_MAX_DIMS] = {0};
  extent seen = {0, 0, 1};
  char cell[CELL];
  double v;
  do {
    element(p->x, index, &v);
    if (!isfinite(v))
      continue;
    seen.any = 1;
    seen.largest = fabs(v) > seen.largest ? fabs(v) : seen.largest;
    seen.whole = seen.whole && v == floor(v);
  } while (next_shown(p, p->x->ndim, places, index));
  p->format = choose_format(p->x->dtype, &seen, p->options.digits);
  memset(places, 0, sizeof places);
  memset(index, 0, sizeof index);
  do {
    int64_t whole = element(p->x, index, &v);
    format_number(&p->format, v, whole, cell);
    if ((int)strlen(cell) > p->format.width)
      p->format.width = (int)strlen(cell);
  } while (next_shown(p, p->x->ndim, places, index));
}

static void add_cell(printer *p, const int64_t *index) {
  char cell[CELL];
  double v;
  int64_t whole = element(p->x, index, &v);
  format_number(&p->format, v, whole, cell);
  add_spaces(p->text, p->format.width - (int)strlen(cell));
  nj_text_add(p->text, cell, strlen(cell));
}

static void add_gap(printer *p, int width) {
  add_spaces(p->text, width - 1);
  nj_text_add(p->text, ELLIPSIS, strlen(ELLIPSIS));
}

/* Columns that fit on a line, each led by two blanks. */
static int64_t columns_per_line(const printer *p) {
  int64_t n = (p->options.width - 1) / (p->format.width + 2);
  return n < 1 ? 1 : n;
}

static void print_vector(printer *p) {
  int64_t size = p->x->shape[0], n = shown_count(p, 0), per_line = columns_per_line(p);
  for (int64_t k = 0; k < n; k++) {
    int64_t at = shown_at(p, 0, k);
    if (k > 0 && k % per_line == 0)
      nj_text_add(p->text, "\n", 1);
    add_spaces(p->text, 2);
    if (at < 0)
      add_gap(p, n == size ? p->format.width : 1);
    else
      add_cell(p, &at);
  }
  nj_text_add(p->text, "\n", 1);
}

/* The last two dimensions at index[0 … ndim-3]. */
static void print_matrix(printer *p, int64_t *index) {
  const nj_tensor *x = p->x;
  int across = x->ndim - 1, down = x->ndim - 2;
  int64_t n_rows = shown_count(p, down), n_columns = shown_count(p, across);
  int64_t per_line = columns_per_line(p);
  for (int64_t from = 0; from < n_columns; from += per_line) {
    int64_t to = from + per_line < n_columns ? from + per_line : n_columns;
    if (n_columns > per_line && n_columns == x->shape[across])
      nj_text_addf(p->text, "columns %lld to %lld\n", (long long)from + 1, (long long)to);
    for (int64_t r = 0; r < n_rows; r++) {
      int64_t row = shown_at(p, down, r);
      for (int64_t k = from; k < to; k++) {
        int64_t column = shown_at(p, across, k);
        add_spaces(p->text, 2);
        index[down] = row;
        index[across] = column;
        if (column < 0)
          add_gap(p, 1);
        else if (row < 0)
          add_gap(p, p->format.width);
        else
          add_cell(p, index);
      }
      nj_text_add(p->text, "\n", 1);
    }
  }
}

static void print_matrices(printer *p) {
  int64_t places[NJ_MAX_DIMS] = {0}, index[NJ_MAX_DIMS] = {0};
  int lead = p->x->ndim - 2;
  int64_t expected = -1; /* to see where the gap was */
  do {
    int64_t flat = 0;
    for (int i = 0; i < lead; i++)
      flat = flat * p->x->shape[i] + index[i];
    if (lead > 0 && expected >= 0 && flat != expected)
      nj_text_addf(p->text, "%s\n", ELLIPSIS);
    expected = flat + 1;
    for (int i = 0; i < lead; i++)
      nj_text_addf(p->text, "%s%lld, ", i ? "" : "(", (long long)index[i] + 1);
    if (lead > 0)
      nj_text_addf(p->text, "_, _) =\n");
    print_matrix(p, index);
  } while (lead > 0 && next_shown(p, lead, places, index));
}

/* What printing every element would take, counted in elements: a line that names columns or a matrix
 * takes the room of a line of them. 1x960 is long for that reason, not for its elements. */
static double cost_of(const printer *p) {
  const nj_tensor *x = p->x;
  double n = (double)nj_numel(x), per_line = (double)columns_per_line(p);
  if (x->ndim < 2)
    return n;
  double columns = (double)x->shape[x->ndim - 1], rows = (double)x->shape[x->ndim - 2];
  double matrices = n / (rows * columns);
  double headers = x->ndim > 2 ? matrices : 0;
  if (columns > per_line)
    headers += matrices * ceil(columns / per_line);
  return n + headers * per_line;
}

static void print_footer(nj_text_buffer *text, const nj_tensor *x) {
  nj_text_addf(text, "[%s tensor of shape ", nj_dtype_name(x->dtype));
  for (int i = 0; i < x->ndim; i++)
    nj_text_addf(text, "%s%lld", i ? TIMES : "", (long long)x->shape[i]);
  if (nj_numel(x) == 0)
    nj_text_addf(text, ", empty");
  if (x->node)
    nj_text_addf(text, ", grad by %s", x->node->op);
  else if (nj_requires_grad(x))
    nj_text_addf(text, ", requires grad");
  nj_text_add(text, "]", 1);
}

nj_print_options nj_print_default_options(void) {
  return (nj_print_options){.width = 80, .threshold = 1000, .edge = 3, .digits = 4};
}

#define O nj_print_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "width", width, 8, 100000, 0),
    NJ_OPTION_RANGE(O, "threshold", threshold, 0, 0x1p63, 0),
    NJ_OPTION_RANGE(O, "edge", edge, 1, 1000, 0),
    NJ_OPTION_RANGE(O, "digits", digits, 1, 17, 0),
};
NJ_OPTION_TABLE_AS(print, "format", items, NULL)
#undef O

nj_status nj_print(nj_tensor *x, const nj_print_options *options, nj_text_buffer *text) {
  double v;
  if (x->ndim == 0) {
    int64_t whole = element(x, NULL, &v);
    if (nj_dtype_is_float(x->dtype))
      nj_print_number(text, x->dtype, v);
    else
      nj_text_addf(text, "%lld", (long long)whole);
    return text->status;
  }
  printer p = {.x = x, .text = text, .options = *options};
  int64_t n = nj_numel(x);
  p.summarised = n > options->threshold;
  if (n > 0) {
    measure(&p);
    if (!p.summarised && cost_of(&p) > (double)options->threshold) {
      p.summarised = 1;
      p.format.width = 0;
      measure(&p);
    }
    if (x->ndim == 1)
      print_vector(&p);
    else
      print_matrices(&p);
  }
  print_footer(text, x);
  return text->status;
}
