#include "stats/rank.h"

#include <math.h>

#include "base/parallel.h"

/* One relevant item while its row is worked on. */
typedef struct {
  double score;
  int64_t item;
  int64_t slot;     /* its place among all pairs */
  int64_t ahead;    /* items of the row ahead of it but not of the entry before it */
  int64_t or_equal; /* the same, counting items of equal score as ahead (NJ_TIES_MEAN only) */
} entry;

typedef struct {
  nj_ctx *ctx;
  const nj_tensor *scores; /* contiguous */
  const int64_t *offsets;
  const int64_t *items;
  entry *entries; /* one per pair; each row uses its own part */
  nj_ties ties;
  nj_tensor *out;
} job;

/* 1 when an item of this score and index is ahead of the entry under the tie rule. For a list of
 * entries in stable order the answers are 0 … 0 1 … 1 under every rule. */
static inline int is_ahead(nj_ties ties, double score, int64_t item, const entry *e) {
  if (score != e->score)
    return score > e->score;
  return ties == NJ_TIES_PESSIMISTIC || (ties == NJ_TIES_STABLE && item < e->item);
}

static void sift_down(entry *list, int64_t root, int64_t count) {
  entry moving = list[root];
  for (;;) {
    int64_t child = 2 * root + 1;
    if (child >= count)
      break;
    if (child + 1 < count &&
        is_ahead(NJ_TIES_STABLE, list[child].score, list[child].item, &list[child + 1]))
      child++;
    if (!is_ahead(NJ_TIES_STABLE, moving.score, moving.item, &list[child]))
      break;
    list[root] = list[child];
    root = child;
  }
  list[root] = moving;
}

/* Heap sort into stable order: qsort may allocate behind the context's back. */
static void sort_entries(entry *list, int64_t count) {
  for (int64_t i = count / 2 - 1; i >= 0; i--)
    sift_down(list, i, count);
  for (int64_t i = count - 1; i > 0; i--) {
    entry last = list[0];
    list[0] = list[i];
    list[i] = last;
    sift_down(list, 0, i);
  }
}

/* The first entry that the item is ahead of; `count` when there is none. */
static inline int64_t first_behind(nj_ties ties, const entry *list, int64_t count, double score,
                                   int64_t item) {
  int64_t low = 0, high = count;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (is_ahead(ties, score, item, &list[middle]))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static inline double score_at(const nj_tensor *scores, int64_t at) {
  return scores->dtype == NJ_F32 ? (double)NJ_F32_DATA(scores)[at] : NJ_F64_DATA(scores)[at];
}

/* Lets every item of the row count against the entries it is ahead of. */
static nj_status count_row(const job *work, int64_t row, entry *list, int64_t count) {
  int64_t columns = work->scores->shape[1];
  nj_ties rule = work->ties == NJ_TIES_MEAN ? NJ_TIES_OPTIMISTIC : work->ties;
  for (int64_t j = 0; j < columns; j++) {
    double score = score_at(work->scores, row * columns + j);
    if (isnan(score))
      return nj_fail(work->ctx, NJ_EARG, "ranks: the score in row %lld, column %lld is nan",
                     (long long)row + 1, (long long)j + 1);
    int64_t first = first_behind(rule, list, count, score, j);
    if (first < count)
      list[first].ahead++;
    if (work->ties != NJ_TIES_MEAN)
      continue;
    first = first_behind(NJ_TIES_PESSIMISTIC, list, count, score, j);
    if (first < count)
      list[first].or_equal++;
  }
  return NJ_OK;
}

static void store_row(const job *work, const entry *list, int64_t count) {
  int64_t ahead = 0, or_equal = 0;
  for (int64_t i = 0; i < count; i++) {
    ahead += list[i].ahead;
    or_equal += list[i].or_equal;
    if (work->ties == NJ_TIES_MEAN) /* an item equals itself: one less */
      NJ_F64_DATA(work->out)[list[i].slot] = 0.5 * (double)(ahead + or_equal - 1);
    else
      NJ_I64_DATA(work->out)[list[i].slot] = ahead - (work->ties == NJ_TIES_PESSIMISTIC);
  }
}

static nj_status rank_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const job *work = arg;
  int64_t columns = work->scores->shape[1];
  for (int64_t row = begin; row < end; row++) {
    int64_t from = work->offsets[row], count = work->offsets[row + 1] - from;
    entry *list = work->entries + from;
    for (int64_t i = 0; i < count; i++) {
      int64_t item = work->items[from + i];
      list[i] = (entry){score_at(work->scores, row * columns + item), item, from + i, 0, 0};
      if (isnan(list[i].score)) /* it would spoil the order: count_row names it */
        return nj_fail(work->ctx, NJ_EARG, "ranks: the score in row %lld, column %lld is nan",
                       (long long)row + 1, (long long)item + 1);
    }
    sort_entries(list, count);
    NJ_TRY(count_row(work, row, list, count));
    store_row(work, list, count);
  }
  return NJ_OK;
}

static nj_status check_arguments(nj_ctx *ctx, const nj_tensor *scores, const nj_tensor *offsets,
                                 const nj_tensor *items) {
  if (scores->ndim != 2)
    return nj_fail(ctx, NJ_ESHAPE, "ranks: scores must have shape (queries, items), got %s",
                   NJ_SHAPE_OF(scores));
  if (!nj_dtype_is_float(scores->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "ranks: scores must be float32 or float64, got %s",
                   nj_dtype_name(scores->dtype));
  if (offsets->dtype != NJ_I64 || items->dtype != NJ_I64)
    return nj_fail(ctx, NJ_EDTYPE, "ranks: offsets and items must be int64, got %s and %s",
                   nj_dtype_name(offsets->dtype), nj_dtype_name(items->dtype));
  if (offsets->ndim != 1 || items->ndim != 1 || offsets->shape[0] != scores->shape[0] + 1)
    return nj_fail(ctx, NJ_ESHAPE, "ranks: expected offsets (%lld) and items (n), got %s and %s",
                   (long long)scores->shape[0] + 1, NJ_SHAPE_OF(offsets), NJ_SHAPE_OF(items));
  return NJ_OK;
}

/* Offsets and items come from outside: every row's part must lie inside, every item in its row. */
static nj_status check_pairs(nj_ctx *ctx, const int64_t *offsets, int64_t rows,
                             const int64_t *items, int64_t pairs, int64_t columns) {
  int64_t last = 0;
  for (int64_t row = 0; row <= rows; row++) {
    if (offsets[row] < last || offsets[row] > pairs || (row == 0 && offsets[row] != 0))
      return nj_fail(ctx, NJ_EINDEX, "ranks: offset %lld is %lld, expected %lld to %lld",
                     (long long)row + 1, (long long)offsets[row], (long long)last,
                     (long long)(row == 0 ? 0 : pairs));
    last = offsets[row];
  }
  if (last != pairs)
    return nj_fail(ctx, NJ_EINDEX, "ranks: the last offset is %lld, but there are %lld items",
                   (long long)last, (long long)pairs);
  for (int64_t i = 0; i < pairs; i++)
    if (items[i] < 0 || items[i] >= columns)
      return nj_fail(ctx, NJ_EINDEX, "ranks: relevant item %lld is outside 1 to %lld",
                     (long long)items[i] + 1, (long long)columns);
  return NJ_OK;
}

nj_status nj_ranks(nj_ctx *ctx, nj_tensor *scores, nj_tensor *offsets, nj_tensor *items,
                   nj_ties ties, nj_tensor **out) {
  NJ_TRY(check_arguments(ctx, scores, offsets, items));
  nj_tensor *flat = NULL, *starts = NULL, *list = NULL, *ranks = NULL;
  entry *entries = NULL;
  nj_status st = nj_as_contiguous(scores, &flat);
  if (!st)
    st = nj_as_contiguous(offsets, &starts);
  if (!st)
    st = nj_as_contiguous(items, &list);
  if (st)
    goto done;
  int64_t rows = flat->shape[0], columns = flat->shape[1], pairs = list->shape[0];
  st = check_pairs(ctx, NJ_I64_DATA(starts), rows, NJ_I64_DATA(list), pairs, columns);
  if (!st)
    st = nj_empty(ctx, ties == NJ_TIES_MEAN ? NJ_F64 : NJ_I64, 1, &pairs, &ranks);
  if (st)
    goto done;
  entries = nj_calloc(ctx, (size_t)pairs, sizeof *entries);
  if (!entries) {
    st = NJ_ENOMEM;
    goto done;
  }
  job work = {ctx, flat, NJ_I64_DATA(starts), NJ_I64_DATA(list), entries, ties, ranks};
  st = nj_parallel_range(ctx, rows, 64, rank_rows, &work);
done:
  nj_free(ctx, entries);
  nj_release(flat);
  nj_release(starts);
  nj_release(list);
  if (st) {
    nj_release(ranks);
    return st;
  }
  *out = ranks;
  return NJ_OK;
}
