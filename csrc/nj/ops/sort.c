#include "ops/sort.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/broadcast.h"
#include "ops/reduce_values.h"
#include "ops/rows.h"
#include "tensor/autograd.h"

/* Keys are unsigned and compare like the elements, so one loop serves every dtype: the bits of a
 * float are turned so that order is kept, with NaN on top; descending order inverts them. float32 fills
 * the low half only. */
typedef struct {
  uint64_t key;
  int64_t index;
} item;

static uint64_t key_of_float(float x) {
  uint32_t bits;
  if (isnan(x))
    return UINT32_MAX;
  x += 0.0f; /* -0 equals 0 */
  memcpy(&bits, &x, sizeof bits);
  return bits >> 31 ? ~bits : bits | (uint32_t)1 << 31;
}

static uint64_t key_of_double(double x) {
  uint64_t bits;
  if (isnan(x))
    return UINT64_MAX;
  x += 0.0;
  memcpy(&bits, &x, sizeof bits);
  return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static void read_keys(const nj_tensor *matrix, int64_t row, int64_t n, int descending,
                      item *items) {
  int single = matrix->dtype == NJ_F32;
  uint64_t flip = !descending ? 0 : single ? UINT32_MAX : UINT64_MAX;
  for (int64_t i = 0; i < n; i++) {
    uint64_t key;
    if (single)
      key = key_of_float(NJ_F32_DATA(matrix)[row * n + i]);
    else if (matrix->dtype == NJ_F64)
      key = key_of_double(NJ_F64_DATA(matrix)[row * n + i]);
    else
      key = (uint64_t)NJ_I64_DATA(matrix)[row * n + i] ^ (uint64_t)1 << 63;
    items[i] = (item){key ^ flip, i};
  }
}

/* Indices are unique, so this order is total and makes any sort stable. */
static int before(const item *a, const item *b) {
  return a->key < b->key || (a->key == b->key && a->index < b->index);
}

static void merge(const item *a, int64_t na, const item *b, int64_t nb, item *to) {
  int64_t i = 0, j = 0;
  while (i < na && j < nb) {
    int right = b[j].key < a[i].key;
    *to++ = right ? b[j] : a[i];
    j += right;
    i += !right;
  }
  memcpy(to, a + i, (size_t)(na - i) * sizeof *a);
  memcpy(to + (na - i), b + j, (size_t)(nb - j) * sizeof *b);
}

/* Bottom-up merge sort over runs sorted by insertion; the result is in items. */
static void merge_sort(item *items, item *spare, int64_t n) {
  enum { RUN = 16 };
  for (int64_t start = 0; start < n; start += RUN)
    for (int64_t i = start + 1; i < n && i < start + RUN; i++) {
      item moved = items[i];
      int64_t j = i;
      for (; j > start && moved.key < items[j - 1].key; j--)
        items[j] = items[j - 1];
      items[j] = moved;
    }
  item *from = items, *to = spare;
  for (int64_t width = RUN; width < n; width *= 2) {
    for (int64_t start = 0; start < n; start += 2 * width) {
      int64_t left = n - start < width ? n - start : width;
      int64_t right = n - start - left < width ? n - start - left : width;
      merge(from + start, left, from + start + left, right, to + start);
    }
    item *swap = from;
    from = to;
    to = swap;
  }
  if (from != items)
    memcpy(items, from, (size_t)n * sizeof *items);
}

/* Byte by byte from the lowest, skipping bytes that all keys share. Stable as well. */
static void radix_sort(item *items, item *spare, int64_t n) {
  enum { BYTES = 8, VALUES = 256 };
  int64_t counts[BYTES][VALUES] = {{0}};
  for (int64_t i = 0; i < n; i++)
    for (int b = 0; b < BYTES; b++)
      counts[b][items[i].key >> (8 * b) & 0xff]++;
  item *from = items, *to = spare;
  for (int b = 0; b < BYTES; b++) {
    int64_t *place = counts[b], sum = 0;
    if (place[from[0].key >> (8 * b) & 0xff] == n)
      continue;
    for (int v = 0; v < VALUES; v++) {
      int64_t count = place[v];
      place[v] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++)
      to[place[from[i].key >> (8 * b) & 0xff]++] = from[i];
    item *swap = from;
    from = to;
    to = swap;
  }
  if (from != items)
    memcpy(items, from, (size_t)n * sizeof *items);
}

static void sort_items(item *items, item *spare, int64_t n) {
  if (n < 256)
    merge_sort(items, spare, n);
  else
    radix_sort(items, spare, n);
}

/* The k first of n: a heap whose top is the last of those kept so far. */
static void sift_down(item *heap, int64_t k, int64_t at) {
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= k)
      return;
    if (child + 1 < k && before(&heap[child], &heap[child + 1]))
      child++;
    if (!before(&heap[at], &heap[child]))
      return;
    item moved = heap[at];
    heap[at] = heap[child];
    heap[child] = moved;
    at = child;
  }
}

static void select_items(item *items, item *spare, int64_t n, int64_t k) {
  for (int64_t i = k / 2 - 1; i >= 0; i--)
    sift_down(items, k, i);
  for (int64_t i = k; i < n; i++)
    if (before(&items[i], &items[0])) {
      items[0] = items[i];
      sift_down(items, k, 0);
    }
  /* The heap's order within equal keys is not by index: sort by index first, then stably by key. */
  for (int64_t i = 0; i < k; i++)
    spare[i] = (item){(uint64_t)items[i].index, (int64_t)items[i].key};
  sort_items(spare, items, k);
  for (int64_t i = 0; i < k; i++)
    items[i] = (item){(uint64_t)spare[i].index, (int64_t)spare[i].key};
  sort_items(items, spare, k);
}

typedef struct {
  nj_ctx *ctx;
  const nj_tensor *matrix;
  int64_t n, k;
  int descending;
  nj_tensor *values; /* may be NULL */
  int64_t *indices;
} ordering;

static void write_row(const ordering *o, int64_t row, const item *items) {
  int64_t from = row * o->n, to = row * o->k;
  for (int64_t i = 0; i < o->k; i++) {
    int64_t at = items[i].index;
    o->indices[to + i] = at;
    if (!o->values)
      continue;
    if (o->matrix->dtype == NJ_F32)
      NJ_F32_DATA(o->values)[to + i] = NJ_F32_DATA(o->matrix)[from + at];
    else if (o->matrix->dtype == NJ_F64)
      NJ_F64_DATA(o->values)[to + i] = NJ_F64_DATA(o->matrix)[from + at];
    else
      NJ_I64_DATA(o->values)[to + i] = NJ_I64_DATA(o->matrix)[from + at];
  }
}

static nj_status order_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const ordering *o = arg;
  item *items = nj_alloc(o->ctx, (size_t)o->n * 2 * sizeof *items);
  if (!items)
    return NJ_ENOMEM;
  for (int64_t row = begin; row < end; row++) {
    read_keys(o->matrix, row, o->n, o->descending, items);
    if (o->k < o->n && o->k < 1 + o->n / 8)
      select_items(items, items + o->n, o->n, o->k);
    else
      sort_items(items, items + o->n, o->n);
    write_row(o, row, items);
  }
  nj_free(o->ctx, items);
  return NJ_OK;
}

/* Puts each gradient back where its value came from. saved[0]: the indices, rows of k. */
static nj_status order_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  unsigned mask = (unsigned)node->ints[NJ_KEPT_INTS];
  nj_rows g = {0}, gx = {0};
  nj_tensor *zero = NULL;
  nj_status st = nj_rows_make(ctx, grad, mask, node->dtype, &g);
  if (!st)
    st = nj_rows_kept(ctx, node, 0, &gx);
  if (!st)
    st = nj_scalar(ctx, node->dtype, 0, &zero);
  if (!st)
    st = nj_copy_values(gx.matrix, zero);
  const int64_t *index = NJ_I64_DATA(node->saved[0]);
  for (int64_t row = 0; !st && row < g.n_rows; row++)
    for (int64_t i = 0; i < g.n; i++) {
      int64_t from = row * g.n + i, to = row * gx.n + index[from];
      if (node->dtype == NJ_F32)
        NJ_F32_DATA(gx.matrix)[to] = NJ_F32_DATA(g.matrix)[from];
      else
        NJ_F64_DATA(gx.matrix)[to] = NJ_F64_DATA(g.matrix)[from];
    }
  if (!st)
    st = nj_rows_restore(&gx, &grads[0]);
  nj_release(zero);
  nj_rows_free(&g);
  nj_rows_free(&gx);
  return st;
}

/* Turns the row-wise results into tensors of x's layout, x's dtype, and records. */
static nj_status give(nj_ctx *ctx, const char *op, nj_tensor *x, unsigned mask, nj_rows *values,
                      nj_rows *indices, nj_tensor **values_out, nj_tensor **indices_out) {
  nj_tensor *y = NULL, *where = NULL, *narrow = NULL;
  nj_node *node = NULL;
  nj_status st = nj_rows_restore(indices, &where);
  if (!st && values_out)
    st = nj_rows_restore(values, &y);
  if (!st && y && y->dtype != x->dtype) {
    st = nj_as(y, x->dtype, &narrow);
    nj_release(y);
    y = narrow;
  }
  if (!st && y)
    st = nj_record(ctx, y, op, order_backward, 1, &x, &node);
  if (!st && node) {
    nj_rows_keep(node, 0, x, mask);
    st = nj_save(node, 0, indices->matrix);
  }
  if (st) {
    nj_release(y);
    nj_release(where);
    return st;
  }
  if (values_out)
    *values_out = y;
  if (indices_out)
    *indices_out = where;
  else
    nj_release(where);
  return NJ_OK;
}

static nj_status order(nj_ctx *ctx, const char *op, nj_tensor *x, unsigned mask, int64_t k,
                       int descending, nj_tensor **values, nj_tensor **indices) {
  nj_dtype compute = nj_dtype_is_float(x->dtype) ? x->dtype : NJ_I64;
  nj_rows rx = {0}, ry = {0}, ri = {0};
  int64_t shape[NJ_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++)
    shape[i] = mask >> i & 1 ? k : x->shape[i];
  nj_status st = nj_rows_make(ctx, x, mask, compute, &rx);
  if (!st && values)
    st = nj_rows_empty(ctx, x->ndim, shape, mask, compute, &ry);
  if (!st)
    st = nj_rows_empty(ctx, x->ndim, shape, mask, NJ_I64, &ri);
  if (!st) {
    ordering o = {ctx, rx.matrix, rx.n, k, descending, ry.matrix, NJ_I64_DATA(ri.matrix)};
    st = nj_parallel_range(ctx, rx.n_rows, 1 + 2048 / (rx.n + 1), order_rows, &o);
  }
  if (!st)
    st = give(ctx, op, x, mask, &ry, &ri, values, indices);
  nj_rows_free(&rx);
  nj_rows_free(&ry);
  nj_rows_free(&ri);
  return st;
}

/* A scalar is a row of one. */
static nj_status one_dim(nj_ctx *ctx, const char *op, const nj_tensor *x, int dim, unsigned *mask,
                         int64_t *size) {
  *mask = 0;
  *size = 1;
  if (x->ndim == 0 && (dim == 0 || dim == -1))
    return NJ_OK;
  NJ_TRY(nj_dims_mask(ctx, op, x, 1, &dim, mask));
  *size = x->shape[dim < 0 ? dim + x->ndim : dim];
  return NJ_OK;
}

nj_status nj_sort(nj_ctx *ctx, nj_tensor *x, int dim, int descending, nj_tensor **values,
                  nj_tensor **indices) {
  unsigned mask;
  int64_t n;
  NJ_TRY(one_dim(ctx, "sort", x, dim, &mask, &n));
  return order(ctx, "sort", x, mask, n, descending, values, indices);
}

nj_status nj_argsort(nj_ctx *ctx, nj_tensor *x, int dim, int descending, nj_tensor **indices) {
  unsigned mask;
  int64_t n;
  NJ_TRY(one_dim(ctx, "argsort", x, dim, &mask, &n));
  return order(ctx, "argsort", x, mask, n, descending, NULL, indices);
}

nj_status nj_topk(nj_ctx *ctx, nj_tensor *x, int64_t k, int dim, int largest, nj_tensor **values,
                  nj_tensor **indices) {
  unsigned mask;
  int64_t n;
  NJ_TRY(one_dim(ctx, "topk", x, dim, &mask, &n));
  if (k < 0 || k > n || (x->ndim == 0 && k != 1))
    return nj_fail(ctx, NJ_EARG, "topk: k = %lld of a dimension of size %lld", (long long)k,
                   (long long)n);
  return order(ctx, "topk", x, mask, k, largest, values, indices);
}
