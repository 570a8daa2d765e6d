#include "stats/bootstrap.h"

#include <math.h>

#include "base/parallel.h"

/* ---- drawing ---- */

nj_status nj_bootstrap_counts(nj_ctx *ctx, nj_rng *rng, int64_t clusters, int64_t resamples,
                              nj_tensor **out) {
  if (clusters < 0 || resamples < 0)
    return nj_fail(ctx, NJ_EARG,
                   "resample_counts: expected counts of at least 0, got %lld "
                   "clusters and %lld resamples",
                   (long long)clusters, (long long)resamples);
  nj_tensor *counts = NULL;
  NJ_TRY(nj_zeros(ctx, NJ_I32, 2, (int64_t[]){resamples, clusters}, &counts));
  for (int64_t b = 0; b < resamples; b++) {
    int32_t *row = (int32_t *)nj_data(counts) + b * clusters;
    nj_rng own = nj_rng_split(rng);
    for (int64_t i = 0; i < clusters; i++)
      row[nj_rng_below(&own, clusters)]++;
    nj_status st = nj_poll(ctx);
    if (st) {
      nj_release(counts);
      return st;
    }
  }
  *out = counts;
  return NJ_OK;
}

/* ---- means ---- */

typedef struct {
  const double *sums, *sizes;
  const int32_t *counts;
  int64_t clusters, columns;
  double *out;
} mean_job;

static nj_status mean_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const mean_job *work = arg;
  for (int64_t b = begin; b < end; b++)
    for (int64_t m = 0; m < work->columns; m++) {
      double sum = 0, size = 0;
      for (int64_t c = 0; c < work->clusters; c++) {
        double weight = work->counts[b * work->clusters + c];
        sum += weight * work->sums[c * work->columns + m];
        size += weight * work->sizes[c * work->columns + m];
      }
      work->out[b * work->columns + m] = size > 0 ? sum / size : NAN;
    }
  return NJ_OK;
}

static nj_status check_counts(nj_ctx *ctx, const char *op, const nj_tensor *counts) {
  if (counts->ndim != 2)
    return nj_fail(ctx, NJ_ESHAPE, "%s: counts must have shape (resamples, clusters), got %s", op,
                   NJ_SHAPE_OF(counts));
  if (counts->dtype != NJ_I32)
    return nj_fail(ctx, NJ_EDTYPE, "%s: counts must be int32, got %s", op,
                   nj_dtype_name(counts->dtype));
  return NJ_OK;
}

nj_status nj_bootstrap_mean(nj_ctx *ctx, nj_tensor *sums, nj_tensor *sizes, nj_tensor *counts,
                            nj_tensor **out) {
  NJ_TRY(check_counts(ctx, "resampled_mean", counts));
  if (sums->dtype != NJ_F64 || sizes->dtype != NJ_F64)
    return nj_fail(ctx, NJ_EDTYPE, "resampled_mean: sums and sizes must be float64, got %s and %s",
                   nj_dtype_name(sums->dtype), nj_dtype_name(sizes->dtype));
  if (sums->ndim != 2 || !nj_same_shape(sums, sizes) || sums->shape[0] != counts->shape[1])
    return nj_fail(ctx, NJ_ESHAPE,
                   "resampled_mean: expected sums and sizes (%lld, m), got %s and %s",
                   (long long)counts->shape[1], NJ_SHAPE_OF(sums), NJ_SHAPE_OF(sizes));
  nj_tensor *a = NULL, *b = NULL, *w = NULL, *means = NULL;
  nj_status st = nj_as_contiguous(sums, &a);
  if (!st)
    st = nj_as_contiguous(sizes, &b);
  if (!st)
    st = nj_as_contiguous(counts, &w);
  if (!st)
    st = nj_empty(ctx, NJ_F64, 2, (int64_t[]){counts->shape[0], sums->shape[1]}, &means);
  if (!st) {
    mean_job work = {NJ_F64_DATA(a), NJ_F64_DATA(b), nj_data(w),
                     sums->shape[0], sums->shape[1], NJ_F64_DATA(means)};
    st = nj_parallel_range(ctx, counts->shape[0], 16, mean_rows, &work);
  }
  nj_release(a);
  nj_release(b);
  nj_release(w);
  if (st) {
    nj_release(means);
    return st;
  }
  *out = means;
  return NJ_OK;
}

/* ---- medians ---- */

typedef struct {
  const double *values;
  const int64_t *clusters;
  const int32_t *counts;
  int64_t n_values, n_clusters;
  double *out;
} median_job;

/* The value at 0-based position `target` when every value is repeated by its weight. */
static double value_at(const median_job *work, const int32_t *weights, int64_t target) {
  int64_t passed = 0;
  for (int64_t i = 0; i < work->n_values; i++) {
    passed += weights[work->clusters[i]];
    if (passed > target)
      return work->values[i];
  }
  return NAN;
}

static nj_status median_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const median_job *work = arg;
  for (int64_t b = begin; b < end; b++) {
    const int32_t *weights = work->counts + b * work->n_clusters;
    int64_t total = 0;
    for (int64_t i = 0; i < work->n_values; i++)
      total += weights[work->clusters[i]];
    work->out[b] =
        total == 0
            ? NAN
            : 0.5 * (value_at(work, weights, (total - 1) / 2) + value_at(work, weights, total / 2));
  }
  return NJ_OK;
}

static nj_status check_values(nj_ctx *ctx, const double *values, const int64_t *clusters,
                              int64_t n_values, int64_t n_clusters) {
  for (int64_t i = 0; i < n_values; i++) {
    if (clusters[i] < 0 || clusters[i] >= n_clusters)
      return nj_fail(ctx, NJ_EINDEX, "resampled_median: cluster %lld is outside 1 to %lld",
                     (long long)clusters[i] + 1, (long long)n_clusters);
    if (i > 0 && !(values[i - 1] <= values[i]))
      return nj_fail(ctx, NJ_EARG,
                     "resampled_median: values must ascend, but value %lld is %g "
                     "after %g",
                     (long long)i + 1, values[i], values[i - 1]);
  }
  return NJ_OK;
}

nj_status nj_bootstrap_median(nj_ctx *ctx, nj_tensor *values, nj_tensor *clusters,
                              nj_tensor *counts, nj_tensor **out) {
  NJ_TRY(check_counts(ctx, "resampled_median", counts));
  if (values->dtype != NJ_F64 || clusters->dtype != NJ_I64)
    return nj_fail(ctx, NJ_EDTYPE,
                   "resampled_median: values must be float64 and clusters int64, got %s and %s",
                   nj_dtype_name(values->dtype), nj_dtype_name(clusters->dtype));
  if (values->ndim != 1 || !nj_same_shape(values, clusters))
    return nj_fail(ctx, NJ_ESHAPE,
                   "resampled_median: expected values (n) and clusters (n), got "
                   "%s and %s",
                   NJ_SHAPE_OF(values), NJ_SHAPE_OF(clusters));
  nj_tensor *v = NULL, *c = NULL, *w = NULL, *medians = NULL;
  int64_t n_values = values->shape[0], n_clusters = counts->shape[1];
  nj_status st = nj_as_contiguous(values, &v);
  if (!st)
    st = nj_as_contiguous(clusters, &c);
  if (!st)
    st = nj_as_contiguous(counts, &w);
  if (!st)
    st = check_values(ctx, NJ_F64_DATA(v), NJ_I64_DATA(c), n_values, n_clusters);
  if (!st)
    st = nj_empty(ctx, NJ_F64, 1, &counts->shape[0], &medians);
  if (!st) {
    median_job work = {NJ_F64_DATA(v), NJ_I64_DATA(c), nj_data(w),
                       n_values,       n_clusters,     NJ_F64_DATA(medians)};
    st = nj_parallel_range(ctx, counts->shape[0], 16, median_rows, &work);
  }
  nj_release(v);
  nj_release(c);
  nj_release(w);
  if (st) {
    nj_release(medians);
    return st;
  }
  *out = medians;
  return NJ_OK;
}

/* ---- average precision ---- */

typedef struct {
  const int64_t *order, *clusters;
  const uint8_t *relevant;
  const int32_t *counts;
  int64_t queries, items, n_clusters;
  double *out;
} ap_job;

static double weighted_ap(const ap_job *work, int64_t query, const int32_t *weights) {
  const int64_t *order = work->order + query * work->items;
  const uint8_t *relevant = work->relevant + query * work->items;
  int64_t position = 0, hits = 0;
  double sum = 0;
  for (int64_t i = 0; i < work->items; i++) {
    int64_t item = order[i];
    int32_t weight = weights[work->clusters[item]];
    if (relevant[item]) {
      for (int32_t copy = 1; copy <= weight; copy++)
        sum += (double)(hits + copy) / (double)(position + copy);
      hits += weight;
    }
    position += weight;
  }
  return hits > 0 ? sum / (double)hits : NAN;
}

static nj_status ap_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const ap_job *work = arg;
  for (int64_t b = begin; b < end; b++)
    for (int64_t q = 0; q < work->queries; q++)
      work->out[b * work->queries + q] = weighted_ap(work, q, work->counts + b * work->n_clusters);
  return NJ_OK;
}

static nj_status check_ap(nj_ctx *ctx, const nj_tensor *order, const nj_tensor *relevant,
                          const nj_tensor *clusters, const nj_tensor *counts) {
  NJ_TRY(check_counts(ctx, "resampled_ap", counts));
  if (order->dtype != NJ_I64 || relevant->dtype != NJ_U8 || clusters->dtype != NJ_I64)
    return nj_fail(ctx, NJ_EDTYPE,
                   "resampled_ap: order and clusters must be int64 and relevant "
                   "uint8, got %s, %s and %s",
                   nj_dtype_name(order->dtype), nj_dtype_name(clusters->dtype),
                   nj_dtype_name(relevant->dtype));
  if (order->ndim != 2 || !nj_same_shape(order, relevant) || clusters->ndim != 1 ||
      clusters->shape[0] != order->shape[1])
    return nj_fail(ctx, NJ_ESHAPE,
                   "resampled_ap: expected order and relevant (q, n) and clusters "
                   "(n), got %s, %s and %s",
                   NJ_SHAPE_OF(order), NJ_SHAPE_OF(relevant), NJ_SHAPE_OF(clusters));
  return NJ_OK;
}

/* Every index in [0, bound). */
static nj_status check_indices(nj_ctx *ctx, const char *what, const nj_tensor *x, int64_t bound) {
  const int64_t *values = NJ_I64_DATA(x);
  for (int64_t i = 0, n = nj_numel(x); i < n; i++)
    if (values[i] < 0 || values[i] >= bound)
      return nj_fail(ctx, NJ_EINDEX, "resampled_ap: %s %lld is outside 1 to %lld", what,
                     (long long)values[i] + 1, (long long)bound);
  return NJ_OK;
}

nj_status nj_bootstrap_ap(nj_ctx *ctx, nj_tensor *order, nj_tensor *relevant, nj_tensor *clusters,
                          nj_tensor *counts, nj_tensor **out) {
  NJ_TRY(check_ap(ctx, order, relevant, clusters, counts));
  nj_tensor *o = NULL, *r = NULL, *c = NULL, *w = NULL, *ap = NULL;
  nj_status st = nj_as_contiguous(order, &o);
  if (!st)
    st = nj_as_contiguous(relevant, &r);
  if (!st)
    st = nj_as_contiguous(clusters, &c);
  if (!st)
    st = nj_as_contiguous(counts, &w);
  if (!st)
    st = check_indices(ctx, "item", o, order->shape[1]);
  if (!st)
    st = check_indices(ctx, "cluster", c, counts->shape[1]);
  if (!st)
    st = nj_empty(ctx, NJ_F64, 2, (int64_t[]){counts->shape[0], order->shape[0]}, &ap);
  if (!st) {
    ap_job work = {NJ_I64_DATA(o),  NJ_I64_DATA(c),  nj_data(r),       nj_data(w),
                   order->shape[0], order->shape[1], counts->shape[1], NJ_F64_DATA(ap)};
    st = nj_parallel_range(ctx, counts->shape[0], 4, ap_rows, &work);
  }
  nj_release(o);
  nj_release(r);
  nj_release(c);
  nj_release(w);
  if (st) {
    nj_release(ap);
    return st;
  }
  *out = ap;
  return NJ_OK;
}
