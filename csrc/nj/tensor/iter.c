#include "tensor/iter.h"

#include <string.h>

#include "base/parallel.h"
#include "tensor/convert.h"

#define GRAIN 32768 /* elements a block of the pool takes */
#define CHUNK 1024  /* elements of a buffer */
#define SHORT 32    /* runs shorter than this are gathered into one buffer */

nj_dtype nj_compute_dtype(nj_dtype dtype) { return nj_dtype_is_float(dtype) ? dtype : NJ_I64; }

/* ---- setting up ---- */

static nj_status add_operand(nj_iter *it, const char *op, int k, const nj_tensor *shaped,
                             const nj_tensor *x) {
  int shift = shaped->ndim - x->ndim, fits = shift >= 0;
  for (int j = 0; fits && j < x->ndim; j++)
    fits = x->shape[j] == 1 || x->shape[j] == shaped->shape[shift + j];
  if (!fits)
    return nj_fail(it->ctx, NJ_ESHAPE, "%s: shape %s does not broadcast to %s", op, NJ_SHAPE_OF(x),
                   NJ_SHAPE_OF(shaped));
  it->data[k] = nj_data(x);
  it->dtype[k] = x->dtype;
  for (int i = 0; i < shaped->ndim; i++)
    it->stride[k][i] = i < shift || x->shape[i - shift] == 1 ? 0 : x->stride[i - shift];
  return NJ_OK;
}

static void move_dim(nj_iter *it, int to, int from) {
  it->shape[to] = it->shape[from];
  for (int k = 0; k < it->n_operands; k++)
    it->stride[k][to] = it->stride[k][from];
}

static void swap_dims(nj_iter *it, int i, int j) {
  int64_t size = it->shape[i];
  it->shape[i] = it->shape[j];
  it->shape[j] = size;
  for (int k = 0; k < it->n_operands; k++) {
    int64_t stride = it->stride[k][i];
    it->stride[k][i] = it->stride[k][j];
    it->stride[k][j] = stride;
  }
}

/* Innermost first, without dimensions of size 1. */
static void reverse_and_drop(nj_iter *it) {
  for (int i = 0, j = it->ndim - 1; i < j; i++, j--)
    swap_dims(it, i, j);
  int kept = 0;
  for (int i = 0; i < it->ndim; i++)
    if (it->shape[i] != 1)
      move_dim(it, kept++, i);
  it->ndim = kept;
}

static void sort_by_first_operand(nj_iter *it) {
  for (int i = 1; i < it->ndim; i++)
    for (int j = i; j > 0 && it->stride[0][j] < it->stride[0][j - 1]; j--)
      swap_dims(it, j, j - 1);
}

static int can_merge(const nj_iter *it, int inner, int outer) {
  for (int k = 0; k < it->n_operands; k++)
    if (it->stride[k][outer] != it->stride[k][inner] * it->shape[inner])
      return 0;
  return 1;
}

static void merge_dims(nj_iter *it) {
  int last = 0;
  for (int i = 1; i < it->ndim; i++) {
    if (can_merge(it, last, i))
      it->shape[last] *= it->shape[i];
    else
      move_dim(it, ++last, i);
  }
  it->ndim = it->ndim ? last + 1 : 0;
}

nj_status nj_iter_init(nj_iter *it, nj_ctx *ctx, const char *op, int n_operands,
                       const nj_tensor *const *operands) {
  memset(it, 0, sizeof *it);
  const nj_tensor *shaped = operands[0];
  it->ctx = ctx;
  it->n_operands = n_operands;
  it->ndim = shaped->ndim;
  it->numel = nj_numel(shaped);
  memcpy(it->shape, shaped->shape, sizeof it->shape);
  for (int k = 0; k < n_operands; k++)
    NJ_TRY(add_operand(it, op, k, shaped, operands[k]));
  reverse_and_drop(it);
  sort_by_first_operand(it);
  merge_dims(it);
  if (it->ndim == 0) { /* one element */
    it->ndim = 1;
    it->shape[0] = 1;
  }
  return NJ_OK;
}

/* ---- running ---- */

typedef struct {
  const nj_iter *it;
  const nj_dtype *as;
  nj_iter_fn fn;
  const void *arg;
  nj_copy_run convert[NJ_ITER_MAX]; /* reads operand k, or writes operand 0 */
  int64_t size[NJ_ITER_MAX];        /* bytes of an element of operand k */
  int fits[NJ_ITER_MAX];            /* the dtype is the one asked for */
  int flat[NJ_ITER_MAX];            /* one run over the whole shape */
  int constant[NJ_ITER_MAX];        /* one element for the whole shape */
  int periodic[NJ_ITER_MAX];        /* every run of the innermost dimension is the same */
  int whole;                        /* no operand ever needs a buffer within a run */
  int several;                      /* a call takes many runs */
} walk;

/* A place in the shape, and where each operand has it. */
typedef struct {
  int64_t index[NJ_MAX_DIMS];
  char *at[NJ_ITER_MAX];
} place;

static place place_at(const walk *w, int64_t position) {
  const nj_iter *it = w->it;
  place p;
  memcpy(p.at, it->data, sizeof p.at);
  for (int d = 0; d < it->ndim; d++) {
    p.index[d] = position % it->shape[d];
    position /= it->shape[d];
    for (int k = 0; k < it->n_operands; k++)
      p.at[k] += p.index[d] * it->stride[k][d] * w->size[k];
  }
  return p;
}

/* Moves on by `count` elements of the innermost dimension; from and to bound the operands whose
 * addresses are kept up. */
static inline void advance(const walk *w, place *p, int64_t count, int from, int to) {
  const nj_iter *it = w->it;
  p->index[0] += count;
  for (int k = from; k < to; k++)
    p->at[k] += count * it->stride[k][0] * w->size[k];
  for (int d = 0; p->index[d] == it->shape[d] && d + 1 < it->ndim; d++) {
    p->index[d] = 0;
    p->index[d + 1]++;
    for (int k = from; k < to; k++)
      p->at[k] += (it->stride[k][d + 1] - it->shape[d] * it->stride[k][d]) * w->size[k];
  }
}

/* Copies n elements of operand k from place p on to the buffer, or back. */
static void through_buffer(const walk *w, int k, place p, char *buffer, int64_t n, int back) {
  const nj_iter *it = w->it;
  int64_t size = (int64_t)nj_dtype_size(w->as[k]), stride = it->stride[k][0];
  while (n > 0) {
    int64_t run = it->shape[0] - p.index[0] < n ? it->shape[0] - p.index[0] : n;
    if (back)
      w->convert[k](run, p.at[k], stride, buffer, 1);
    else
      w->convert[k](run, buffer, 1, p.at[k], stride);
    buffer += run * size;
    n -= run;
    advance(w, &p, run, k, k + 1);
  }
}

/* One call of fn over n elements from p on: within one run, or (several) over many. filled[k] says
 * that a periodic operand's buffer holds its runs already. */
static void call(const walk *w, const place *p, int64_t n, int several, char (*buffers)[CHUNK * 8],
                 int *filled) {
  const nj_iter *it = w->it;
  void *data[NJ_ITER_MAX] = {0};
  int64_t stride[NJ_ITER_MAX] = {0};
  int buffered = 0;
  for (int k = 0; k < it->n_operands; k++) {
    int64_t inner = it->stride[k][0];
    stride[k] = k > 0 && (w->constant[k] || (!several && inner == 0)) ? 0 : 1;
    if (w->fits[k] && (stride[k] == 0 || w->flat[k] || (!several && inner == 1))) {
      data[k] = p->at[k];
      continue;
    }
    data[k] = buffers[k];
    if (k == 0)
      buffered = 1;
    else if (!several || !w->periodic[k] || !filled[k])
      through_buffer(w, k, *p, buffers[k], stride[k] ? n : 1, 0);
    filled[k] = several && w->periodic[k];
  }
  w->fn(w->arg, data, stride, n);
  if (buffered)
    through_buffer(w, 0, *p, buffers[0], n, 1);
}

/* Elements the next call takes: a run, as much of it as a buffer holds, or many short runs. */
static int64_t next_length(const walk *w, const place *p, int64_t left) {
  int64_t inner = w->it->shape[0], run = inner - p->index[0];
  if (w->several && p->index[0] == 0)
    run = CHUNK / inner * inner;
  else if (!w->whole && run > CHUNK)
    run = CHUNK;
  return run < left ? run : left;
}

static nj_status run_range(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const walk *w = arg;
  const nj_iter *it = w->it;
  _Alignas(64) char buffers[NJ_ITER_MAX][CHUNK * 8];
  int filled[NJ_ITER_MAX] = {0};
  place p = place_at(w, begin);
  while (begin < end) {
    int64_t n = next_length(w, &p, end - begin);
    int many = w->several && n > it->shape[0] - p.index[0];
    call(w, &p, n, many, buffers, filled);
    begin += n;
    if (many)
      p = place_at(w, begin);
    else
      advance(w, &p, n, 0, it->n_operands);
  }
  return NJ_OK;
}

static void inspect(walk *w, int k) {
  const nj_iter *it = w->it;
  const nj_dtype *as = w->as;
  w->size[k] = (int64_t)nj_dtype_size(it->dtype[k]);
  w->fits[k] = it->dtype[k] == as[k];
  w->convert[k] = k > 0             ? nj_copy_run_for(as[k], it->dtype[k])
                  : as[0] == NJ_I64 ? nj_wrap_run_for(it->dtype[0])
                                    : nj_copy_run_for(it->dtype[0], as[0]);
  w->flat[k] = w->constant[k] = w->periodic[k] = 1;
  int64_t expected = 1;
  for (int d = 0; d < it->ndim; d++) {
    int64_t stride = it->stride[k][d];
    w->flat[k] &= stride == expected || it->shape[d] == 1;
    w->constant[k] &= stride == 0;
    w->periodic[k] &= k > 0 && (d == 0 || stride == 0);
    expected *= it->shape[d];
  }
  w->whole &= w->fits[k] && (it->stride[k][0] == 1 || (k > 0 && it->stride[k][0] == 0));
}

nj_status nj_iter_run(const nj_iter *it, const nj_dtype *as, nj_iter_fn fn, const void *arg) {
  if (it->numel == 0)
    return NJ_OK;
  walk w = {.it = it, .as = as, .fn = fn, .arg = arg, .whole = 1};
  int steady = 1; /* buffers, where needed, are filled once */
  for (int k = 0; k < it->n_operands; k++) {
    inspect(&w, k);
    steady &= (w.fits[k] && (w.flat[k] || w.constant[k])) || w.periodic[k];
  }
  w.several = it->ndim > 1 && it->shape[0] <= (steady ? CHUNK / 2 : SHORT);
  if (it->numel <= GRAIN) /* nothing to share out */
    return run_range(&w, 0, it->numel, 0);
  return nj_parallel_range(it->ctx, it->numel, GRAIN, run_range, &w);
}

/* ---- results ---- */

/* Fills order with x's dimensions from the largest stride to the smallest; 0 when x's elements do not
 * fill a block of memory exactly. */
static int dense_order(const nj_tensor *x, int *order) {
  for (int i = 0; i < x->ndim; i++) {
    int j = i;
    for (; j > 0 && x->stride[order[j - 1]] < x->stride[i]; j--)
      order[j] = order[j - 1];
    order[j] = i;
  }
  int64_t expected = 1;
  for (int i = x->ndim - 1; i >= 0; i--) {
    int d = order[i];
    if (x->shape[d] == 1)
      continue;
    if (x->stride[d] != expected)
      return 0;
    expected *= x->shape[d];
  }
  return 1;
}

static nj_status empty_ordered(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape,
                               const int *order, nj_tensor **out) {
  int64_t ordered[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  for (int i = 0; i < ndim; i++)
    ordered[i] = shape[order[i]];
  nj_tensor *memory;
  NJ_TRY(nj_empty(ctx, dtype, ndim, ordered, &memory));
  for (int i = 0; i < ndim; i++)
    stride[order[i]] = memory->stride[i];
  nj_status st = nj_alias(memory, ndim, shape, stride, 0, out);
  nj_release(memory);
  return st;
}

nj_status nj_empty_result(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, int n_inputs,
                          nj_tensor *const *inputs, nj_tensor **out) {
  int order[NJ_MAX_DIMS];
  for (int k = 0; k < n_inputs; k++) {
    const nj_tensor *x = inputs[k];
    if (!x || x->ndim != ndim ||
        (ndim && memcmp(x->shape, shape, (size_t)ndim * sizeof *shape) != 0))
      continue;
    if (!nj_is_contiguous(x) && dense_order(x, order))
      return empty_ordered(ctx, dtype, ndim, shape, order, out);
    break;
  }
  return nj_empty(ctx, dtype, ndim, shape, out);
}
