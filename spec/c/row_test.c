/* The row kernels of every instruction set against those of float64, over lengths around every
 * place where a loop changes. */
#include <math.h>
#include <stdlib.h>

#include "ctest.h"
#include "kernels/kernels.h"
#include "kernels/row.h"

enum { MOST = 5001 };

static const int lengths[] = {1,  2,  3,  7,   8,    15,   16,   17,   31,
                              33, 64, 65, 100, 2047, 2048, 2049, 4100, MOST};

typedef struct {
  float x[MOST], g[MOST], w[MOST], b[MOST], y[MOST], gx[MOST];
  double X[MOST], G[MOST], W[MOST], B[MOST], Y[MOST], GX[MOST];
} data;

static void fill(float *single, double *wide, unsigned seed) {
  for (int i = 0; i < MOST; i++) {
    seed = seed * 1664525u + 1013904223u;
    single[i] = (float)((double)(seed >> 8) / (1 << 23) - 1) * 3;
    wide[i] = (double)single[i];
  }
}

static data *make(void) {
  data *d = malloc(sizeof *d);
  if (d) {
    fill(d->x, d->X, 1);
    fill(d->g, d->G, 2);
    fill(d->w, d->W, 3);
    fill(d->b, d->B, 4);
  }
  return d;
}

static double apart(double a, double b) { return fabs(a - b) / (1 + fabs(b)); }

static double apart_rows(const float *a, const double *b, int n) {
  double worst = 0;
  for (int i = 0; i < n; i++)
    worst = fmax(worst, apart((double)a[i], b[i]));
  return worst;
}

static int reductions_agree(const nj_row_kernels *f, data *d, int n) {
  const nj_row_kernels_double *D = &nj_row_double;
  int ok = 1;
  for (int kind = 0; kind < NJ_REDUCE_COUNT; kind++) {
    int count = kind == NJ_REDUCE_PROD && n > 20 ? 20 : n;
    ok &= apart((double)f->reduce[kind](d->x, count), D->reduce[kind](d->X, count)) < 2e-5;
  }
  ok &= apart((double)f->dot(d->x, d->g, n), D->dot(d->X, d->G, n)) < 2e-5;
  ok &= apart((double)f->centered(d->x, n, 0.5f), D->centered(d->X, n, 0.5)) < 2e-6;
  ok &= f->argmax(d->x, n) == D->argmax(d->X, n) && f->argmin(d->x, n) == D->argmin(d->X, n);
  return ok;
}

static int softmaxes_agree(const nj_row_kernels *f, data *d, int n) {
  const nj_row_kernels_double *D = &nj_row_double;
  int ok = apart((double)f->softmax(d->x, d->y, n), D->softmax(d->X, d->Y, n)) < 1e-6;
  for (int i = 0; i < n; i++)
    ok &= apart((double)d->y[i] / d->Y[i], 1) < 1e-6;
  f->softmax_grad(d->y, d->g, d->gx, n);
  D->softmax_grad(d->Y, d->G, d->GX, n);
  ok &= apart_rows(d->gx, d->GX, n) < 1e-6;
  ok &= apart((double)f->log_softmax(d->x, d->y, n), D->log_softmax(d->X, d->Y, n)) < 1e-6;
  ok &= apart_rows(d->y, d->Y, n) < 1e-6;
  f->log_softmax_grad(d->y, d->g, d->gx, n);
  D->log_softmax_grad(d->Y, d->G, d->GX, n);
  return ok & (apart_rows(d->gx, d->GX, n) < 2e-6) &
         (apart((double)f->logsumexp(d->x, n), D->logsumexp(d->X, n)) < 1e-6);
}

static int norms_agree(const nj_row_kernels *f, data *d, int n) {
  const nj_row_kernels_double *D = &nj_row_double;
  float mean, var;
  double wide_mean, wide_var;
  f->mean_var(d->x, n, &mean, &var);
  D->mean_var(d->X, n, &wide_mean, &wide_var);
  int ok = apart((double)mean, wide_mean) < 1e-6 && apart((double)var, wide_var) < 2e-6;
  float rstd = 1 / sqrtf(var + 0.1f);
  for (int use = 0; use < 4; use++) {
    float *w = use & 1 ? d->w : NULL, *b = use & 2 ? d->b : NULL;
    double *W = use & 1 ? d->W : NULL, *B = use & 2 ? d->B : NULL;
    f->scale(d->x, n, mean, rstd, w, b, d->y);
    D->scale(d->X, n, (double)mean, (double)rstd, W, B, d->Y);
    ok &= apart_rows(d->y, d->Y, n) < 1e-6;
    f->layer_norm_grad(d->x, d->g, n, mean, rstd, w, d->gx);
    D->layer_norm_grad(d->X, d->G, n, (double)mean, (double)rstd, W, d->GX);
    ok &= apart_rows(d->gx, d->GX, n) < 3e-6;
  }
  f->layer_norm_grad_params(d->x, d->g, n, mean, rstd, d->y, d->gx);
  D->layer_norm_grad_params(d->X, d->G, n, (double)mean, (double)rstd, d->Y, d->GX);
  return ok & (apart_rows(d->y, d->Y, n) < 3e-6) & (apart_rows(d->gx, d->GX, n) < 3e-6);
}

static int columns_agree(const nj_row_kernels *f, data *d, int rows, int cols) {
  const nj_row_kernels_double *D = &nj_row_double;
  int ok = 1;
  for (int kind = 0; kind < NJ_REDUCE_COUNT; kind++) {
    int count = kind == NJ_REDUCE_PROD && rows > 20 ? 20 : rows;
    f->column[kind](d->x, count, cols, cols, d->y);
    D->column[kind](d->X, count, cols, cols, d->Y);
    ok &= apart_rows(d->y, d->Y, cols) < 2e-5;
  }
  f->column_centered(d->x, rows, cols, cols, d->g, d->y);
  D->column_centered(d->X, rows, cols, cols, d->G, d->Y);
  ok &= apart_rows(d->y, d->Y, cols) < 2e-6;
  f->column_dot(d->x, d->g, rows, cols, cols, d->y);
  D->column_dot(d->X, d->G, rows, cols, cols, d->Y);
  return ok & (apart_rows(d->y, d->Y, cols) < 2e-5);
}

static int all_agree(const nj_row_kernels *f, data *d) {
  static const int widths[] = {1, 3, 16, 40, 64, 65, 100};
  int ok = 1;
  for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
    int n = lengths[k];
    ok &= reductions_agree(f, d, n) & softmaxes_agree(f, d, n) & norms_agree(f, d, n);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
      for (int rows = 1; rows * widths[w] <= n; rows = rows * 3 + 1)
        ok &= columns_agree(f, d, rows, widths[w]);
  }
  return ok;
}

TEST(row_kernels_agree_with_float64) {
  static const char *const isas[] = {"portable", "avx2", "avx512"};
  data *d = make();
  CHECK(d);
  int ok = 1;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    const nj_kernels *kernels = nj_kernels_find(isas[i]);
    if (kernels)
      ok &= all_agree(kernels->row, d);
  }
  free(d);
  CHECK(ok);
}

TEST(row_kernels_know_rows_of_nothing_but_infinity) {
  const nj_row_kernels *f = nj_kernels_find(NULL)->row;
  float x[20], y[20];
  for (int i = 0; i < 20; i++)
    x[i] = -INFINITY;
  CHECK(f->softmax(x, y, 20) == -INFINITY);
  CHECK(isnan(y[0]) && isnan(y[19]));
  CHECK(f->logsumexp(x, 20) == -INFINITY);
  CHECK(f->reduce[NJ_REDUCE_MAX](x, 0) == -INFINITY);
  x[7] = NAN;
  CHECK(isnan(f->reduce[NJ_REDUCE_MAX](x, 20)) && isnan(f->reduce[NJ_REDUCE_MIN](x, 20)));
  CHECK_INT(f->argmax(x, 20), 7);
  CHECK(f->reduce[NJ_REDUCE_SUM](x, 0) == 0 && f->reduce[NJ_REDUCE_PROD](x, 0) == 1);
}

/* A column's bits do not depend on which columns lie beside it. */
TEST(column_sums_do_not_depend_on_their_neighbours) {
  const nj_row_kernels *f = nj_kernels_find(NULL)->row;
  data *d = make();
  CHECK(d);
  int rows = 50, cols = 100, same = 1;
  f->column[NJ_REDUCE_SUM](d->x, rows, cols, cols, d->y);
  for (int j = 0; j < cols; j++) {
    float one;
    f->column[NJ_REDUCE_SUM](d->x + j, rows, cols, 1, &one);
    same &= one == d->y[j];
  }
  free(d);
  CHECK(same);
}
