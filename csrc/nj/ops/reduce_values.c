/* How reductions run: the dimensions are put in the order of memory and merged; the innermost one to
 * be reduced goes first, along contiguous rows or down columns, and leaves a smaller tensor for
 * the next. Long rows and columns are cut into chunks of a fixed size whose results are reduced again. */
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "ops/map_values.h"
#include "ops/reduce_values.h"
#include "tensor/iter.h"

#define ROW_CHUNK 65536   /* elements */
#define COLUMN_ROWS 1024  /* rows of one column chunk … */
#define COLUMN_WIDTH 1024 /* … and its columns */
#define GRAIN 32768       /* elements a block of the pool takes, at least */

nj_status nj_dims_mask(nj_ctx *ctx, const char *op, const nj_tensor *x, int n_dims, const int *dims,
                       unsigned *mask) {
  *mask = 0;
  if (n_dims == 0)
    *mask = (1u << x->ndim) - 1;
  for (int i = 0; i < n_dims; i++) {
    int dim;
    NJ_TRY(nj_normalize_dim(ctx, op, dims[i], x->ndim, &dim));
    if (*mask >> dim & 1)
      return nj_fail(ctx, NJ_EARG, "%s: dimension %d is named twice", op, dim + 1);
    *mask |= 1u << dim;
  }
  return NJ_OK;
}

/* ---- one row or one column chunk, in float, double or int64 ---- */

static int64_t combine_int(nj_reduce_kind kind, int64_t a, int64_t b) {
  switch (kind) {
  case NJ_REDUCE_PROD:
    return (int64_t)((uint64_t)a * (uint64_t)b);
  case NJ_REDUCE_MAX:
    return a > b ? a : b;
  case NJ_REDUCE_MIN:
    return a < b ? a : b;
  default:
    return (int64_t)((uint64_t)a + (uint64_t)b);
  }
}

static int64_t identity_int(nj_reduce_kind kind) {
  return kind == NJ_REDUCE_PROD  ? 1
         : kind == NJ_REDUCE_MAX ? INT64_MIN
         : kind == NJ_REDUCE_MIN ? INT64_MAX
                                 : 0;
}

/* Reduces `count` rows of n, which begin every `stride` elements. With means the kind is SUMSQ, of
 * the deviations from each row's. */
static void reduce_rows(nj_ctx *ctx, nj_reduce_kind kind, nj_dtype dtype, const char *x, int64_t n,
                        int64_t stride, int64_t count, const char *means, char *out) {
  if (dtype == NJ_F32) {
    const nj_row_kernels *row = nj_ctx_kernels(ctx)->row;
    for (int64_t i = 0; i < count; i++) {
      const float *from = (const float *)x + i * stride;
      ((float *)out)[i] =
          means ? row->centered(from, n, ((const float *)means)[i]) : row->reduce[kind](from, n);
    }
  } else if (dtype == NJ_F64) {
    for (int64_t i = 0; i < count; i++) {
      const double *from = (const double *)x + i * stride;
      ((double *)out)[i] = means ? nj_row_double.centered(from, n, ((const double *)means)[i])
                                 : nj_row_double.reduce[kind](from, n);
    }
  } else {
    for (int64_t i = 0; i < count; i++) {
      const int64_t *from = (const int64_t *)x + i * stride;
      int64_t total = identity_int(kind);
      for (int64_t j = 0; j < n; j++)
        total = combine_int(kind, total, from[j]);
      ((int64_t *)out)[i] = total;
    }
  }
}

static void reduce_column(nj_ctx *ctx, nj_reduce_kind kind, nj_dtype dtype, const void *x,
                          int64_t rows, int64_t ld, int64_t cols, const void *means, void *out) {
  if (dtype == NJ_F32) {
    const nj_row_kernels *row = nj_ctx_kernels(ctx)->row;
    if (means)
      row->column_centered(x, rows, ld, cols, means, out);
    else
      row->column[kind](x, rows, ld, cols, out);
  } else if (dtype == NJ_F64) {
    if (means)
      nj_row_double.column_centered(x, rows, ld, cols, means, out);
    else
      nj_row_double.column[kind](x, rows, ld, cols, out);
  } else {
    int64_t *to = out;
    for (int64_t j = 0; j < cols; j++)
      to[j] = identity_int(kind);
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < cols; j++)
        to[j] = combine_int(kind, to[j], ((const int64_t *)x)[i * ld + j]);
  }
}

/* Partial results of sums of squares are added, not squared again. */
static nj_reduce_kind combining(nj_reduce_kind kind) {
  return kind == NJ_REDUCE_SUMSQ || kind == NJ_REDUCE_SUMABS ? NJ_REDUCE_SUM : kind;
}

/* ---- dimensions in memory order ---- */

typedef struct {
  int64_t size, stride;
  unsigned dims; /* which of the tensor's dimensions it is made of */
  int reduced;
} axis;

/* Outermost first, without sizes of 1, neighbours merged. Returns how many. */
static int make_axes(const nj_tensor *x, unsigned mask, axis *axes) {
  int n = 0;
  for (int i = 0; i < x->ndim; i++) {
    if (x->shape[i] == 1)
      continue;
    axis a = {x->shape[i], x->stride[i], 1u << i, (int)(mask >> i & 1)};
    int j = n++;
    for (; j > 0 && axes[j - 1].stride < a.stride; j--)
      axes[j] = axes[j - 1];
    axes[j] = a;
  }
  int last = -1;
  for (int i = 0; i < n; i++) {
    if (last >= 0 && axes[last].reduced == axes[i].reduced &&
        axes[last].stride == axes[i].stride * axes[i].size) {
      axes[last].size *= axes[i].size;
      axes[last].stride = axes[i].stride;
      axes[last].dims |= axes[i].dims;
    } else {
      axes[++last] = axes[i];
    }
  }
  return last + 1;
}

/* One step: the axis `gone` is reduced, `columns` (or -1: rows are reduced) runs beside it, the
 * others are walked. */
typedef struct {
  nj_ctx *ctx;
  nj_reduce_kind kind;
  nj_dtype dtype;
  const char *data;
  size_t size;
  int n_outer;
  axis outer[NJ_MAX_DIMS];
  int64_t n_outer_total, length, ld, cols;
  int64_t chunks;    /* of length */
  int64_t strips;    /* of cols */
  const char *means; /* (outer, col): kind is SUMSQ of the deviations from them. Or NULL */
  char *out;         /* (outer, chunk, col) */
} step;

static const char *outer_address(const step *s, int64_t index) {
  int64_t at = 0;
  for (int i = s->n_outer - 1; i >= 0; i--) {
    at += index % s->outer[i].size * s->outer[i].stride;
    index /= s->outer[i].size;
  }
  return s->data + at * (int64_t)s->size;
}

/* Rows begin..end of those whose addresses follow one from the other: the outer dimensions were
 * merged into at most one wherever memory allows, so a run is mostly everything. */
static nj_status run_whole_rows(const step *s, int64_t begin, int64_t end) {
  int64_t inner = s->n_outer ? s->outer[s->n_outer - 1].size : 1;
  int64_t stride = s->n_outer ? s->outer[s->n_outer - 1].stride : 0;
  int64_t size = (int64_t)s->size;
  while (begin < end) {
    int64_t count = inner - begin % inner < end - begin ? inner - begin % inner : end - begin;
    reduce_rows(s->ctx, s->kind, s->dtype, outer_address(s, begin), s->length, stride, count,
                s->means ? s->means + begin * size : NULL, s->out + begin * size);
    begin += count;
  }
  return NJ_OK;
}

static nj_status run_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const step *s = arg;
  int64_t size = (int64_t)s->size;
  if (s->chunks == 1)
    return run_whole_rows(s, begin, end);
  for (int64_t t = begin; t < end; t++) {
    int64_t from = t % s->chunks * ROW_CHUNK, row = t / s->chunks;
    int64_t n = s->length - from < ROW_CHUNK ? s->length - from : ROW_CHUNK;
    reduce_rows(s->ctx, s->kind, s->dtype, outer_address(s, row) + from * size, n, 0, 1,
                s->means ? s->means + row * size : NULL, s->out + t * size);
  }
  return NJ_OK;
}

static nj_status run_columns(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const step *s = arg;
  int64_t size = (int64_t)s->size;
  for (int64_t t = begin; t < end; t++) {
    int64_t strip = t % s->strips, chunk = t / s->strips % s->chunks;
    int64_t outer = t / s->strips / s->chunks;
    int64_t row = chunk * COLUMN_ROWS, col = strip * COLUMN_WIDTH;
    int64_t rows = s->length - row < COLUMN_ROWS ? s->length - row : COLUMN_ROWS;
    int64_t cols = s->cols - col < COLUMN_WIDTH ? s->cols - col : COLUMN_WIDTH;
    reduce_column(s->ctx, s->kind, s->dtype, outer_address(s, outer) + (row * s->ld + col) * size,
                  rows, s->ld, cols, s->means ? s->means + (outer * s->cols + col) * size : NULL,
                  s->out + ((outer * s->chunks + chunk) * s->cols + col) * size);
  }
  return NJ_OK;
}

static nj_status run_step(step *s) {
  if (s->cols == 0) {
    int64_t n = s->length < ROW_CHUNK ? s->length : ROW_CHUNK;
    return nj_parallel_range(s->ctx, s->n_outer_total * s->chunks, 1 + GRAIN / n, run_rows, s);
  }
  int64_t n = (s->length < COLUMN_ROWS ? s->length : COLUMN_ROWS) *
              (s->cols < COLUMN_WIDTH ? s->cols : COLUMN_WIDTH);
  return nj_parallel_range(s->ctx, s->n_outer_total * s->chunks * s->strips, 1 + GRAIN / n,
                           run_columns, s);
}

/* Reduces the partial results of the chunks to one. */
static nj_status finish_chunks(step *s, char *out) {
  step last = *s;
  last.kind = combining(s->kind);
  last.data = s->out;
  last.means = NULL;
  last.out = out;
  last.n_outer = 1;
  int64_t width = s->cols ? s->cols : 1;
  last.outer[0] = (axis){.size = s->n_outer_total, .stride = s->chunks * width};
  last.length = s->chunks;
  last.ld = width;
  last.chunks = 1;
  if (s->chunks > (s->cols ? COLUMN_ROWS : ROW_CHUNK)) { /* more than 2^20 rows, 2^32 elements */
    last.chunks = (s->chunks - 1) / (s->cols ? COLUMN_ROWS : ROW_CHUNK) + 1;
    last.out = nj_alloc(s->ctx, (size_t)(s->n_outer_total * last.chunks * width) * s->size);
    if (!last.out)
      return NJ_ENOMEM;
    nj_status st = run_step(&last);
    if (!st)
      st = finish_chunks(&last, out);
    nj_free(s->ctx, last.out);
    return st;
  }
  return run_step(&last);
}

/* A tensor of x's dimensions, those in `gone` shrunk to 1, laid out in the order of x's memory. */
static nj_status empty_shrunk(nj_ctx *ctx, const nj_tensor *x, unsigned gone, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS], ordered[NJ_MAX_DIMS];
  int order[NJ_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) {
    shape[i] = gone >> i & 1 ? 1 : x->shape[i];
    int j = i;
    for (; j > 0 && x->stride[order[j - 1]] < x->stride[i]; j--)
      order[j] = order[j - 1];
    order[j] = i;
  }
  for (int i = 0; i < x->ndim; i++)
    ordered[i] = shape[order[i]];
  nj_tensor *memory;
  NJ_TRY(nj_empty(ctx, x->dtype, x->ndim, ordered, &memory));
  for (int i = 0; i < x->ndim; i++)
    stride[order[i]] = memory->stride[i];
  nj_status st = nj_alias(memory, x->ndim, shape, stride, 0, out);
  nj_release(memory);
  return st;
}

static nj_status take_step(nj_ctx *ctx, nj_reduce_kind kind, const nj_tensor *x, const axis *axes,
                           int n, int gone, const nj_tensor *means, nj_tensor **out) {
  step s = {.ctx = ctx,
            .kind = kind,
            .dtype = x->dtype,
            .data = nj_data(x),
            .size = nj_dtype_size(x->dtype),
            .n_outer_total = 1,
            .means = means ? nj_data(means) : NULL};
  int columns = gone == n - 1 ? -1 : n - 1;
  for (int i = 0; i < n; i++) {
    if (i == gone || i == columns)
      continue;
    s.outer[s.n_outer++] = axes[i];
    s.n_outer_total *= axes[i].size;
  }
  s.length = axes[gone].size;
  s.ld = axes[gone].stride;
  s.cols = columns < 0 ? 0 : axes[columns].size;
  s.strips = columns < 0 ? 1 : (s.cols - 1) / COLUMN_WIDTH + 1;
  s.chunks = (s.length - 1) / (columns < 0 ? ROW_CHUNK : COLUMN_ROWS) + 1;
  nj_tensor *y = NULL;
  NJ_TRY(empty_shrunk(ctx, x, axes[gone].dims, &y));
  s.out = nj_data(y);
  nj_status st;
  if (s.chunks == 1) {
    st = run_step(&s);
  } else {
    int64_t partials = s.n_outer_total * s.chunks * (s.cols ? s.cols : 1);
    s.out = nj_alloc(ctx, (size_t)partials * s.size);
    st = s.out ? run_step(&s) : NJ_ENOMEM;
    if (!st)
      st = finish_chunks(&s, nj_data(y));
    nj_free(ctx, s.out);
  }
  if (st) {
    nj_release(y);
    return st;
  }
  *out = y;
  return NJ_OK;
}

/* ---- all steps ---- */

static double identity(nj_reduce_kind kind) {
  return kind == NJ_REDUCE_PROD  ? 1
         : kind == NJ_REDUCE_MAX ? -INFINITY
         : kind == NJ_REDUCE_MIN ? INFINITY
                                 : 0;
}

/* Replaces *x by its reduction with the reduced dimensions kept at size 1. */
static nj_status reduce_steps(nj_ctx *ctx, nj_reduce_kind kind, unsigned mask, nj_tensor **x) {
  axis axes[NJ_MAX_DIMS + 1];
  nj_reduce_kind now = kind;
  for (;;) {
    int n = make_axes(*x, mask, axes), gone = n - 1;
    while (gone >= 0 && !axes[gone].reduced)
      gone--;
    if (gone < 0 && now == combining(kind))
      return NJ_OK;
    nj_tensor *next = NULL;
    if (gone <
        0) { /* every reduced size was 1: the square or absolute value is still to be taken */
      axes[n] = (axis){.size = 1, .stride = 1, .reduced = 1};
      gone = n++;
    }
    if (axes[n - 1].stride != 1)
      NJ_TRY(nj_as_contiguous(*x, &next));
    else
      NJ_TRY(take_step(ctx, now, *x, axes, n, gone, NULL, &next));
    if (axes[n - 1].stride == 1)
      now = combining(kind);
    nj_release(*x);
    *x = next;
  }
}

/* Drops the reduced dimensions. */
static nj_status squeeze(nj_tensor *x, unsigned mask, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  int n = 0;
  for (int i = 0; i < x->ndim; i++)
    if (!(mask >> i & 1)) {
      shape[n] = x->shape[i];
      stride[n++] = x->stride[i];
    }
  return nj_alias(x, n, shape, stride, x->offset, out);
}

static nj_status reduce_nothing(nj_ctx *ctx, nj_reduce_kind kind, const nj_tensor *x, unsigned mask,
                                nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++)
    shape[i] = mask >> i & 1 ? 1 : x->shape[i];
  return nj_full(ctx, x->dtype, x->ndim, shape, identity(kind), out);
}

nj_status nj_reduce_mask(nj_ctx *ctx, nj_reduce_kind kind, nj_tensor *x, unsigned mask, int keepdim,
                         nj_tensor **out) {
  int integer = !nj_dtype_is_float(x->dtype);
  if (integer && (kind == NJ_REDUCE_SUMSQ || kind == NJ_REDUCE_SUMABS))
    return nj_fail(ctx, NJ_EDTYPE, "reduce: only floating-point tensors, got %s",
                   nj_dtype_name(x->dtype));
  nj_tensor *y = NULL, *narrow = NULL;
  nj_status st = integer ? nj_as(x, NJ_I64, &y) : nj_detach(x, &y);
  if (!st && nj_numel(x) == 0) {
    nj_tensor *none = y;
    y = NULL;
    st = reduce_nothing(ctx, kind, none, mask, &y);
    nj_release(none);
  } else if (!st) {
    st = reduce_steps(ctx, kind, mask, &y);
  }
  if (!st && integer && (kind == NJ_REDUCE_MAX || kind == NJ_REDUCE_MIN)) {
    st = nj_as(y, x->dtype, &narrow);
    if (!st) {
      nj_release(y);
      y = narrow;
    }
  }
  if (!st &&
      y->storage == x->storage) { /* nothing had to be done, but results never share memory */
    st = nj_empty_result(ctx, y->dtype, y->ndim, y->shape, 1, &y, &narrow);
    if (!st) {
      st = nj_copy_values(narrow, y);
      nj_release(y);
      y = narrow;
    }
  }
  if (!st)
    st = keepdim ? nj_detach(y, out) : squeeze(y, mask, out);
  nj_release(y);
  return st;
}

/* Sums of squared deviations in two passes over x, when its layout allows one step for each. */
static nj_status deviations_in_place(nj_ctx *ctx, const nj_tensor *x, const axis *axes, int n,
                                     int gone, nj_tensor **out) {
  nj_tensor *mean = NULL;
  NJ_TRY(take_step(ctx, NJ_REDUCE_SUM, x, axes, n, gone, NULL, &mean));
  nj_status st =
      nj_map_unary_into(ctx, "var", NJ_MAP_AFFINE, mean, 1 / (double)axes[gone].size, 0, mean);
  if (!st)
    st = take_step(ctx, NJ_REDUCE_SUMSQ, x, axes, n, gone, mean, out);
  nj_release(mean);
  return st;
}

nj_status nj_reduce_deviations(nj_ctx *ctx, nj_tensor *x, unsigned mask, int keepdim,
                               nj_tensor **out) {
  axis axes[NJ_MAX_DIMS + 1];
  int n = nj_numel(x) > 0 ? make_axes(x, mask, axes) : 0, gone = -1, reduced = 0;
  for (int i = 0; i < n; i++)
    if (axes[i].reduced) {
      gone = i;
      reduced++;
    }
  nj_tensor *y = NULL, *mean = NULL, *d = NULL;
  nj_status st;
  if (reduced == 1 && axes[n - 1].stride == 1) {
    st = deviations_in_place(ctx, x, axes, n, gone, &y);
  } else {
    double count = 1;
    for (int i = 0; i < x->ndim; i++)
      count *= mask >> i & 1 ? (double)x->shape[i] : 1;
    st = nj_reduce_mask(ctx, NJ_REDUCE_SUM, x, mask, 1, &mean);
    if (!st)
      st = nj_map_unary_into(ctx, "var", NJ_MAP_AFFINE, mean, 1 / count, 0, mean);
    if (!st)
      st = nj_map_values(ctx, "var", NJ_MAP_SUB, x, mean, 0, &d);
    if (!st)
      st = nj_reduce_mask(ctx, NJ_REDUCE_SUMSQ, d, mask, 1, &y);
  }
  if (!st)
    st = keepdim ? nj_detach(y, out) : squeeze(y, mask, out);
  nj_release(mean);
  nj_release(d);
  nj_release(y);
  return st;
}

nj_status nj_reduce_values(nj_ctx *ctx, nj_reduce_kind kind, nj_tensor *x, int n_dims,
                           const int *dims, int keepdim, nj_tensor **out) {
  unsigned mask;
  NJ_TRY(nj_dims_mask(ctx, "reduce", x, n_dims, dims, &mask));
  return nj_reduce_mask(ctx, kind, x, mask, keepdim, out);
}

nj_status nj_expand_reduced(const nj_tensor *t, int ndim, const int64_t *shape, unsigned mask,
                            nj_tensor **out) {
  int64_t stride[NJ_MAX_DIMS];
  int kept = t->ndim == ndim, at = 0; /* with keepdim every dimension has its own place */
  for (int i = 0; i < ndim; i++) {
    int reduced = (int)(mask >> i & 1);
    stride[i] = reduced ? 0 : t->stride[kept ? i : at];
    at += !reduced;
  }
  return nj_alias(t, ndim, shape, stride, t->offset, out);
}
