#include "kernels/tile.h"

#include <string.h>

#include "kernels/isa.h"

#if NJ_LANES == 16
#define V_MAX 4
#define R_FOR_1 16
#define R_FOR_2 12
#define R_FOR_3 8
#define R_FOR_4 6
#else
#define V_MAX 2
#define R_FOR_1 12
#define R_FOR_2 6
#endif
#define R_MAX R_FOR_1

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

/* Tiles write whole vectors; columns that do not fill them pass through a buffer, see rows(). */
INLINE void begin(const int R, const int V, nj_vf acc[R_MAX][V_MAX], const nj_tile_rows *job,
                  const float *c) {
  if (job->start == NJ_TILE_ADD) {
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) acc[r][v] =
        nj_vf_load(c + r * job->c_row + v * NJ_LANES);
    return;
  }
  UNROLL for (int v = 0; v < V; v++) {
    nj_vf first = {0};
    if (job->start == NJ_TILE_BIAS)
      first = nj_vf_load(job->bias + v * NJ_LANES);
    UNROLL for (int r = 0; r < R; r++) acc[r][v] = first;
  }
}

INLINE void end(const int R, const int V, nj_vf acc[R_MAX][V_MAX], const nj_tile_rows *job,
                float *c) {
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
    nj_vf x = acc[r][v];
    if (job->relu) /* the bits of x where x >= 0 or x is NaN */
      x = (nj_vf)((nj_vi)x & ~(nj_vi)(x < (nj_vf){0}));
    nj_vf_store(c + r * job->c_row + v * NJ_LANES, x);
  }
}

INLINE void rows_tile(const int R, const int V, const nj_tile_rows *job, const float *a, float *c) {
  nj_vf acc[R_MAX][V_MAX];
  begin(R, V, acc, job, c);
  const float *b = job->b;
  const int64_t row = job->a_row, b_row = job->b_row;
  for (int64_t s = 0; s < job->n_runs; s++) {
    /* Four rows share a pointer, so that sixteen rows need four pointers and two offsets. */
    const float *p = a + job->runs[s].offset;
    for (int64_t k = job->runs[s].length; k > 0; k--) {
      nj_vf w[V_MAX];
      UNROLL for (int v = 0; v < V; v++) w[v] = nj_vf_load(b + v * NJ_LANES);
      b += b_row;
      const float *q = p;
      UNROLL for (int r = 0; r < R; r++) {
        if (r && r % 4 == 0)
          q += 4 * row;
        nj_vf x = nj_vf_set(q[(r % 4) * row]);
        UNROLL for (int v = 0; v < V; v++) acc[r][v] += x * w[v];
      }
      p++;
    }
  }
  end(R, V, acc, job, c);
}

INLINE void outer_tile(const int R, const int V, const nj_tile_outer *job, const float *a,
                       float *c) {
  nj_vf acc[R_MAX][V_MAX];
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) acc[r][v] = (nj_vf){0};
  const float *b = job->b;
  for (int64_t i = 0; i < job->count; i++, b += job->b_row) {
    const float *p = a + job->offset[i];
    nj_vf w[V_MAX];
    UNROLL for (int v = 0; v < V; v++) w[v] = nj_vf_load(b + v * NJ_LANES);
    UNROLL for (int r = 0; r < R; r++) {
      nj_vf s = nj_vf_set(p[r]);
      UNROLL for (int v = 0; v < V; v++) acc[r][v] += s * w[v];
    }
  }
  UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
    float *to = c + r * job->c_row + v * NJ_LANES;
    nj_vf_store(to, job->start == NJ_TILE_ADD ? nj_vf_load(to) + acc[r][v] : acc[r][v]);
  }
}

/* X(R, V): the tiles of each width. */
#define TILES_6(X, V) X(1, V) X(2, V) X(3, V) X(4, V) X(5, V) X(6, V)
#define TILES_8(X, V) TILES_6(X, V) X(7, V) X(8, V)
#define TILES_12(X, V) TILES_8(X, V) X(9, V) X(10, V) X(11, V) X(12, V)
#define TILES_16(X, V) TILES_12(X, V) X(13, V) X(14, V) X(15, V) X(16, V)
#if NJ_LANES == 16
#define TILES(X) TILES_16(X, 1) TILES_12(X, 2) TILES_8(X, 3) TILES_6(X, 4)
#else
#define TILES(X) TILES_12(X, 1) TILES_6(X, 2)
#endif

typedef void (*rows_fn)(const nj_tile_rows *job, const float *a, float *c);
typedef void (*outer_fn)(const nj_tile_outer *job, const float *a, float *c);

#define DEFINE(R, V)                                                                \
  static void rows_##R##_##V(const nj_tile_rows *job, const float *a, float *c) {   \
    rows_tile(R, V, job, a, c);                                                     \
  }                                                                                 \
  static void outer_##R##_##V(const nj_tile_outer *job, const float *a, float *c) { \
    outer_tile(R, V, job, a, c);                                                    \
  }
TILES(DEFINE)

#define ROWS_ENTRY(R, V) [V - 1][R - 1] = rows_##R##_##V,
#define OUTER_ENTRY(R, V) [V - 1][R - 1] = outer_##R##_##V,
static const rows_fn rows_table[V_MAX][R_MAX] = {TILES(ROWS_ENTRY)};
static const outer_fn outer_table[V_MAX][R_MAX] = {TILES(OUTER_ENTRY)};

#if NJ_LANES == 16
static const int64_t r_max[V_MAX] = {R_FOR_1, R_FOR_2, R_FOR_3, R_FOR_4};
#else
static const int64_t r_max[V_MAX] = {R_FOR_1, R_FOR_2};
#endif

/* A tile's worth of results whose columns do not fill whole vectors. */
typedef struct {
  float c[R_MAX * V_MAX * NJ_LANES], bias[V_MAX * NJ_LANES];
} spare;

static void copy_columns(const float *from, int64_t from_row, int64_t rows, int64_t columns,
                         float *to, int64_t to_row) {
  for (int64_t r = 0; r < rows; r++)
    memcpy(to + r * to_row, from + r * from_row, (size_t)columns * sizeof *to);
}

/* Tiles are balanced: 8 rows with at most 6 a tile are 4 + 4, since a tile of 2 would wait for
 * its own multiply-adds. */
static void rows(const nj_tile_rows *job) {
  int64_t v = (job->columns + NJ_LANES - 1) / NJ_LANES, width = v * NJ_LANES;
  int64_t tiles = (job->m + r_max[v - 1] - 1) / r_max[v - 1], m = job->m;
  const float *a = job->a;
  float *c = job->c;
  spare buffer;
  nj_tile_rows whole = *job;
  if (width != job->columns) {
    whole.c_row = width;
    whole.bias = buffer.bias;
    memset(&buffer, 0, sizeof buffer);
    if (job->start == NJ_TILE_BIAS)
      memcpy(buffer.bias, job->bias, (size_t)job->columns * sizeof *buffer.bias);
  }
  for (; tiles > 0; tiles--) {
    int64_t r = (m + tiles - 1) / tiles;
    rows_fn tile = rows_table[v - 1][r - 1];
    if (width == job->columns) {
      tile(job, a, c);
    } else {
      if (job->start == NJ_TILE_ADD)
        copy_columns(c, job->c_row, r, job->columns, buffer.c, width);
      tile(&whole, a, buffer.c);
      copy_columns(buffer.c, width, r, job->columns, c, job->c_row);
    }
    a += r * job->a_row;
    c += r * job->c_row;
    m -= r;
  }
}

static void outer(const nj_tile_outer *job) {
  int64_t v = (job->columns + NJ_LANES - 1) / NJ_LANES, width = v * NJ_LANES;
  int64_t tiles = (job->m + r_max[v - 1] - 1) / r_max[v - 1], m = job->m;
  const float *a = job->a;
  float *c = job->c;
  spare buffer;
  nj_tile_outer whole = *job;
  if (width != job->columns) {
    whole.c_row = width;
    memset(&buffer, 0, sizeof buffer);
  }
  for (; tiles > 0; tiles--) {
    int64_t r = (m + tiles - 1) / tiles;
    outer_fn tile = outer_table[v - 1][r - 1];
    if (width == job->columns) {
      tile(job, a, c);
    } else {
      if (job->start == NJ_TILE_ADD)
        copy_columns(c, job->c_row, r, job->columns, buffer.c, width);
      tile(&whole, a, buffer.c);
      copy_columns(buffer.c, width, r, job->columns, c, job->c_row);
    }
    a += r;
    c += r * job->c_row;
    m -= r;
  }
}

extern const struct nj_tile_kernels NJ_ISA_NAME(nj_tile_kernels);
const struct nj_tile_kernels NJ_ISA_NAME(nj_tile_kernels) = {
    .lanes = NJ_LANES, .panel = V_MAX * NJ_LANES, .rows = rows, .outer = outer};
