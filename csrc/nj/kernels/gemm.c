#include "kernels/gemm.h"

#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/int.h"
#include "base/parallel.h"
#include "kernels/kernels.h"

/* Rows of k per pass: a panel of 64 columns then fills 64 KiB of the second-level cache. */
#define K_BLOCK 256
/* Rows and panels of a task of nj_gemm_rows. */
#define M_BLOCK 96
#define PANELS 4

int64_t nj_gemm_packed_size(const struct nj_tile_kernels *tile, int64_t n, int64_t k) {
  return nj_tile_padded(tile, n) * k;
}

typedef struct {
  const struct nj_tile_kernels *tile;
  int64_t n, k;
  const float *b;
  int64_t b_k, b_n;
  float *out;
} pack_job;

static nj_status pack_panel(void *argument, int64_t index, int worker) {
  (void)worker;
  const pack_job *job = argument;
  int64_t first = index * job->tile->panel, n = nj_min_i64(job->tile->panel, job->n - first);
  int64_t width = nj_tile_padded(job->tile, n);
  const float *b = job->b + first * job->b_n;
  float *out = job->out + first * job->k;
  if (job->b_n == 1) {
    for (int64_t i = 0; i < job->k; i++) {
      memcpy(out + i * width, b + i * job->b_k, (size_t)n * sizeof *b);
      memset(out + i * width + n, 0, (size_t)(width - n) * sizeof *b);
    }
    return NJ_OK;
  }
  /* Columns in turn over short runs of k: reads are sequential, writes stay in the cache. */
  for (int64_t i0 = 0; i0 < job->k; i0 += 64) {
    int64_t i1 = nj_min_i64(job->k, i0 + 64);
    for (int64_t j = 0; j < width; j++)
      for (int64_t i = i0; i < i1; i++)
        out[i * width + j] = j < n ? b[i * job->b_k + j * job->b_n] : 0.0f;
  }
  return NJ_OK;
}

nj_status nj_gemm_pack(nj_ctx *ctx, int64_t n, int64_t k, const float *b, int64_t b_k, int64_t b_n,
                       float *out) {
  const struct nj_tile_kernels *tile = nj_ctx_kernels(ctx)->tile;
  pack_job job = {tile, n, k, b, b_k, b_n, out};
  int64_t panels = (n + tile->panel - 1) / tile->panel;
  if (n * k < 1 << 15) { /* not worth waking the pool */
    for (int64_t i = 0; i < panels; i++)
      pack_panel(&job, i, 0);
    return NJ_OK;
  }
  return nj_parallel(ctx, panels, pack_panel, &job);
}

/* Rows [m0, m1) of the columns [n0, n1), n0 a multiple of the panel. */
static void rows_block(const struct nj_tile_kernels *tile, const nj_gemm_job *job, int64_t m0,
                       int64_t m1, int64_t n0, int64_t n1) {
  int64_t k0 = 0;
  do {
    int64_t k1 = nj_min_i64(job->k, k0 + K_BLOCK);
    for (int64_t j = n0; j < n1; j += tile->panel) {
      int64_t columns = nj_min_i64(tile->panel, job->n - j);
      int64_t width = nj_tile_padded(tile, columns);
      nj_tile_run run = {k0, k1 - k0};
      nj_tile_rows tiles = {
          .m = m1 - m0,
          .a = job->a + m0 * job->a_row,
          .a_row = job->a_row,
          .runs = &run,
          .n_runs = 1,
          .b = job->packed ? job->packed + j * job->k + k0 * width : job->b + k0 * job->b_row + j,
          .b_row = job->packed ? width : job->b_row,
          .columns = columns,
          .c = job->c + m0 * job->c_row + j,
          .c_row = job->c_row,
          .bias = job->bias ? job->bias + j : NULL,
          .start = k0 > 0 || job->accumulate ? NJ_TILE_ADD
                   : job->bias               ? NJ_TILE_BIAS
                                             : NJ_TILE_ZERO,
          .relu = job->relu && k1 == job->k,
      };
      tile->rows(&tiles);
    }
    k0 = k1;
  } while (k0 < job->k);
}

void nj_gemm_rows_serial(const struct nj_tile_kernels *tile, const nj_gemm_job *job) {
  for (int64_t m0 = 0; m0 < job->m; m0 += M_BLOCK)
    rows_block(tile, job, m0, nj_min_i64(job->m, m0 + M_BLOCK), 0, job->n);
}

typedef struct {
  const struct nj_tile_kernels *tile;
  const nj_gemm_job *job;
  int64_t column_blocks;
} rows_arg;

static nj_status rows_task(void *argument, int64_t block, int worker) {
  (void)worker;
  const rows_arg *arg = argument;
  int64_t width = PANELS * arg->tile->panel;
  int64_t m0 = block / arg->column_blocks * M_BLOCK, n0 = block % arg->column_blocks * width;
  rows_block(arg->tile, arg->job, m0, nj_min_i64(arg->job->m, m0 + M_BLOCK), n0,
             nj_min_i64(arg->job->n, n0 + width));
  return NJ_OK;
}

nj_status nj_gemm_rows(nj_ctx *ctx, const nj_gemm_job *job) {
  if (job->m == 0 || job->n == 0)
    return NJ_OK;
  rows_arg arg = {.tile = nj_ctx_kernels(ctx)->tile, .job = job};
  if (job->m * job->n * job->k < 1 << 16) { /* some microseconds: not worth waking the pool */
    nj_gemm_rows_serial(arg.tile, job);
    return NJ_OK;
  }
  int64_t width = PANELS * arg.tile->panel;
  arg.column_blocks = (job->n + width - 1) / width;
  return nj_parallel(ctx, (job->m + M_BLOCK - 1) / M_BLOCK * arg.column_blocks, rows_task, &arg);
}

/* ---- OpenBLAS ---- */

/* Absent from libraries before 0.3.27. */
extern int openblas_set_num_threads_local(int threads) __attribute__((weak));

/* The one thing that is the process's and not a context's: OpenBLAS has one thread count. */
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;
static int claims, threads_before;

static void blas_drop(void) {
  pthread_mutex_lock(&claims_lock);
  if (--claims == 0)
    openblas_set_num_threads(threads_before);
  pthread_mutex_unlock(&claims_lock);
}

/* Once for each context, until it is released. */
static void blas_claim(nj_ctx *ctx) {
  if (openblas_set_num_threads_local || nj_ctx_on_release(ctx, blas_drop) != 1)
    return;
  pthread_mutex_lock(&claims_lock);
  if (claims++ == 0) {
    threads_before = openblas_get_num_threads();
    openblas_set_num_threads(1);
  }
  pthread_mutex_unlock(&claims_lock);
}

typedef struct {
  nj_gemm_type type;
  int a_t, b_t;
  int64_t m, n, k, a_row, b_row, c_row;
  const char *a, *b;
  char *c;
  int accumulate;
  int64_t m_step, n_step, k_step; /* of a task */
  int64_t n_blocks, mn_blocks;
  char *partial; /* of k's blocks after the first, each (m, n) */
} blas_job;

static void blas_call(const blas_job *job, int64_t m, int64_t n, int64_t k, const char *a,
                      const char *b, char *c, int64_t c_row, int accumulate) {
  CBLAS_TRANSPOSE ta = job->a_t ? CblasTrans : CblasNoTrans;
  CBLAS_TRANSPOSE tb = job->b_t ? CblasTrans : CblasNoTrans;
  int before = openblas_set_num_threads_local ? openblas_set_num_threads_local(1) : 0;
  if (job->type == NJ_GEMM_F32)
    cblas_sgemm(CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)k, 1.0f,
                (const float *)(const void *)a, (blasint)job->a_row, (const float *)(const void *)b,
                (blasint)job->b_row, accumulate ? 1.0f : 0.0f, (float *)(void *)c, (blasint)c_row);
  else
    cblas_dgemm(CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)k, 1.0,
                (const double *)(const void *)a, (blasint)job->a_row,
                (const double *)(const void *)b, (blasint)job->b_row, accumulate ? 1.0 : 0.0,
                (double *)(void *)c, (blasint)c_row);
  if (openblas_set_num_threads_local)
    openblas_set_num_threads_local(before);
}

static nj_status blas_task(void *argument, int64_t block, int worker) {
  (void)worker;
  const blas_job *job = argument;
  int64_t size = job->type == NJ_GEMM_F32 ? 4 : 8;
  int64_t part = block / job->mn_blocks, mn = block % job->mn_blocks;
  int64_t i = mn / job->n_blocks * job->m_step, j = mn % job->n_blocks * job->n_step;
  int64_t l = part * job->k_step;
  const char *a = job->a + (job->a_t ? l * job->a_row + i : i * job->a_row + l) * size;
  const char *b = job->b + (job->b_t ? j * job->b_row + l : l * job->b_row + j) * size;
  char *c = job->c + (i * job->c_row + j) * size;
  int64_t c_row = job->c_row;
  if (part > 0) {
    c = job->partial + (((part - 1) * job->m + i) * job->n + j) * size;
    c_row = job->n;
  }
  blas_call(job, nj_min_i64(job->m_step, job->m - i), nj_min_i64(job->n_step, job->n - j),
            nj_min_i64(job->k_step, job->k - l), a, b, c, c_row, part == 0 && job->accumulate);
  return NJ_OK;
}

static nj_status add_partials(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const blas_job *job = argument;
  int64_t parts = (job->k + job->k_step - 1) / job->k_step - 1;
  for (int64_t i = begin; i < end; i++)
    for (int64_t p = 0; p < parts; p++) {
      int64_t from = (p * job->m + i) * job->n;
      if (job->type == NJ_GEMM_F32) {
        float *c = (float *)(void *)job->c + i * job->c_row;
        const float *add = (const float *)(const void *)job->partial + from;
        for (int64_t j = 0; j < job->n; j++)
          c[j] += add[j];
      } else {
        double *c = (double *)(void *)job->c + i * job->c_row;
        const double *add = (const double *)(const void *)job->partial + from;
        for (int64_t j = 0; j < job->n; j++)
          c[j] += add[j];
      }
    }
  return NJ_OK;
}

/* Tasks of about 20 million multiply-adds; k is cut too when the result alone gives too few. */
static void choose_steps(blas_job *job) {
  job->m_step = nj_min_i64(job->m, 192);
  job->n_step = nj_min_i64(job->n, 512);
  job->n_blocks = (job->n + job->n_step - 1) / job->n_step;
  job->mn_blocks = (job->m + job->m_step - 1) / job->m_step * job->n_blocks;
  int64_t parts = nj_min_i64(job->k / 1024, 16 / job->mn_blocks);
  job->k_step = parts > 1 ? (job->k + parts - 1) / parts : job->k;
}

nj_status nj_gemm(nj_ctx *ctx, nj_gemm_type type, int a_t, int b_t, int64_t m, int64_t n, int64_t k,
                  const void *a, int64_t a_row, const void *b, int64_t b_row, int accumulate,
                  void *c, int64_t c_row) {
  size_t size = type == NJ_GEMM_F32 ? 4 : 8;
  if (m == 0 || n == 0)
    return NJ_OK;
  if (k == 0) {
    for (int64_t i = 0; !accumulate && i < m; i++)
      memset((char *)c + (size_t)(i * c_row) * size, 0, (size_t)n * size);
    return NJ_OK;
  }
  if (a_row > INT_MAX || b_row > INT_MAX || c_row > INT_MAX || k > INT_MAX)
    return nj_fail(ctx, NJ_ESHAPE, "matmul: a row of more than %d elements", INT_MAX);
  blas_claim(ctx);
  blas_job job = {.type = type,
                  .a_t = a_t,
                  .b_t = b_t,
                  .m = m,
                  .n = n,
                  .k = k,
                  .a_row = a_row,
                  .b_row = b_row,
                  .c_row = c_row,
                  .a = a,
                  .b = b,
                  .c = c,
                  .accumulate = accumulate};
  choose_steps(&job);
  int64_t parts = (k + job.k_step - 1) / job.k_step;
  if (parts > 1) {
    job.partial = nj_calloc(ctx, (size_t)(parts - 1) * (size_t)m, (size_t)n * size);
    if (!job.partial)
      return NJ_ENOMEM;
  }
  nj_status st = nj_parallel(ctx, parts * job.mn_blocks, blas_task, &job);
  if (st == NJ_OK && parts > 1)
    st = nj_parallel_range(ctx, m, 64, add_partials, &job);
  nj_free(ctx, job.partial);
  return st;
}
