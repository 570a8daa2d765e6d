#include "hci/density_peaks.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/rng.h"

typedef struct {
  nj_ctx *ctx;
  const nj_tensor *x;
  const uint8_t *valid;
  const int64_t *counts;
  int64_t n, width, neighbours;
  nj_rng rng;
  int64_t *cluster; /* (B, N) */
} peaks_job;

/* One item's valid tokens; k of them. */
typedef struct {
  int64_t k;
  int64_t *place;   /* among all tokens */
  double *distance; /* (k, k) */
  double *density, *score, *nearest;
  uint8_t *centre;
} peaks;

/* Four chains, so that additions do not wait for one another. */
#define SQUARED(T)                                                         \
  static double squared_##T(const T *a, const T *b, int64_t n) {           \
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;                                 \
    int64_t i = 0;                                                         \
    for (; i + 4 <= n; i += 4) {                                           \
      double d0 = (double)a[i] - (double)b[i];                             \
      double d1 = (double)a[i + 1] - (double)b[i + 1];                     \
      double d2 = (double)a[i + 2] - (double)b[i + 2];                     \
      double d3 = (double)a[i + 3] - (double)b[i + 3];                     \
      s0 += d0 * d0;                                                       \
      s1 += d1 * d1;                                                       \
      s2 += d2 * d2;                                                       \
      s3 += d3 * d3;                                                       \
    }                                                                      \
    for (; i < n; i++)                                                     \
      s0 += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]); \
    return (s0 + s1) + (s2 + s3);                                          \
  }
SQUARED(float)
SQUARED(double)

static double distance_of(const peaks_job *job, int64_t item, int64_t i, int64_t j) {
  int64_t a = (item * job->n + i) * job->width, b = (item * job->n + j) * job->width;
  double sum = job->x->dtype == NJ_F32
                   ? squared_float(NJ_F32_DATA(job->x) + a, NJ_F32_DATA(job->x) + b, job->width)
                   : squared_double(NJ_F64_DATA(job->x) + a, NJ_F64_DATA(job->x) + b, job->width);
  return sqrt(sum / (double)job->width);
}

static void measure_distances(const peaks_job *job, int64_t item, peaks *p) {
  for (int64_t i = 0; i < p->k; i++) {
    p->distance[i * p->k + i] = 0;
    for (int64_t j = 0; j < i; j++)
      p->distance[i * p->k + j] = p->distance[j * p->k + i] =
          distance_of(job, item, p->place[i], p->place[j]);
  }
}

/* exp(-mean of the squares of the smallest `neighbours` distances), kept in order while walking. */
static double density_of(const peaks_job *job, const peaks *p, int64_t i) {
  int64_t most = job->neighbours < p->k ? job->neighbours : p->k, held = 0;
  double sum = 0;
  for (int64_t j = 0; j < p->k; j++) {
    double d = p->distance[i * p->k + j];
    int64_t at = held < most ? held++ : most;
    if (at == most && !(d < p->nearest[most - 1]))
      continue;
    if (at == most)
      at = most - 1;
    for (; at > 0 && p->nearest[at - 1] > d; at--)
      p->nearest[at] = p->nearest[at - 1];
    p->nearest[at] = d;
  }
  for (int64_t j = 0; j < held; j++)
    sum += p->nearest[j] * p->nearest[j];
  return exp(-sum / (double)held) + 1e-6 * (nj_rng_word(&job->rng, (uint64_t)i) * 0x1p-32);
}

static void score_tokens(const peaks_job *job, peaks *p) {
  double largest = 0;
  for (int64_t i = 0; i < p->k; i++)
    p->density[i] = density_of(job, p, i);
  for (int64_t i = 0; i < p->k * p->k; i++)
    largest = p->distance[i] > largest ? p->distance[i] : largest;
  for (int64_t i = 0; i < p->k; i++) {
    double delta = largest;
    for (int64_t j = 0; j < p->k; j++)
      if (p->density[j] > p->density[i] && p->distance[i * p->k + j] < delta)
        delta = p->distance[i * p->k + j];
    p->score[i] = delta * p->density[i];
  }
}

/* Marks the `count` tokens with the largest scores; the earlier one on a tie. */
static void choose_centres(peaks *p, int64_t count) {
  memset(p->centre, 0, (size_t)p->k);
  for (int64_t c = 0; c < count; c++) {
    int64_t best = -1;
    for (int64_t i = 0; i < p->k; i++)
      if (!p->centre[i] && (best < 0 || p->score[i] > p->score[best]))
        best = i;
    p->centre[best] = 1;
  }
}

static void assign(const peaks_job *job, int64_t item, const peaks *p) {
  int64_t *cluster = job->cluster + item * job->n;
  for (int64_t i = 0; i < p->k; i++) {
    int64_t number = 0, nearest = -1, of = 0;
    for (int64_t j = 0; j < p->k; j++) {
      if (!p->centre[j])
        continue;
      int closer = nearest < 0 || p->distance[i * p->k + j] < p->distance[i * p->k + nearest];
      if (j == i || (closer && !p->centre[i])) {
        nearest = j;
        of = number;
      }
      number++;
    }
    cluster[p->place[i]] = of;
  }
}

static nj_status cluster_item(void *argument, int64_t item, int worker) {
  (void)worker;
  const peaks_job *job = argument;
  int64_t k = 0;
  for (int64_t i = 0; i < job->n; i++) {
    job->cluster[item * job->n + i] = -1;
    k += job->valid[item * job->n + i];
  }
  if (k == 0)
    return NJ_OK;
  peaks p = {.k = k};
  size_t n = (size_t)k, wide = (size_t)(job->neighbours < k ? job->neighbours : k);
  p.place = nj_alloc(job->ctx, n * sizeof *p.place);
  p.distance = nj_alloc(job->ctx, (n * n + 2 * n + wide) * sizeof *p.distance);
  p.centre = nj_alloc(job->ctx, n);
  nj_status st = p.place && p.distance && p.centre ? NJ_OK : NJ_ENOMEM;
  if (!st) {
    p.density = p.distance + n * n;
    p.score = p.density + n;
    p.nearest = p.score + n;
    for (int64_t i = 0, at = 0; i < job->n; i++)
      if (job->valid[item * job->n + i])
        p.place[at++] = i;
    measure_distances(job, item, &p);
    score_tokens(job, &p);
    choose_centres(&p, job->counts[item]);
    assign(job, item, &p);
  }
  nj_free(job->ctx, p.place);
  nj_free(job->ctx, p.distance);
  nj_free(job->ctx, p.centre);
  return st;
}

nj_status nj_density_peaks(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *valid,
                           const int64_t *counts, int64_t neighbours, uint64_t seed,
                           nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, NJ_I64, 2, x->shape, &y));
  peaks_job job = {ctx,         x,          nj_data(valid),       counts,        x->shape[1],
                   x->shape[2], neighbours, nj_rng_make(seed, 0), NJ_I64_DATA(y)};
  nj_status st = nj_parallel(ctx, x->shape[0], cluster_item, &job);
  if (st)
    nj_release(y);
  else
    *out = y;
  return st;
}
