#include "tensor/transpose.h"

#include "base/parallel.h"

#define TILE 16  /* 64 bytes of float32 */
#define LEAST 64 /* elements of either dimension below which tiles gain nothing */

/* Elements are moved as words of their size, whatever they mean. */
typedef uint8_t word8 __attribute__((may_alias));
typedef uint32_t word32 __attribute__((may_alias));
typedef uint64_t word64 __attribute__((may_alias));

/* The dimension other than the last along which src lies element by element; -1: none. */
static int fast_dim(const nj_tensor *src) {
  for (int i = 0; i < src->ndim - 1; i++)
    if (src->stride[i] == 1 && src->shape[i] >= TILE)
      return i;
  return -1;
}

int nj_is_transposed(const nj_tensor *dst, const nj_tensor *src) {
  int last = dst->ndim - 1;
  if (dst->dtype != src->dtype || last < 1 || !nj_same_shape(dst, src) || nj_numel(dst) == 0)
    return 0;
  return dst->stride[last] == 1 && src->stride[last] > 1 && dst->shape[last] >= TILE &&
         fast_dim(src) >= 0 && nj_numel(dst) >= LEAST * LEAST;
}

/* `rows` runs along the source's fast dimension, columns along the last. */
typedef struct {
  nj_tensor *dst;
  const nj_tensor *src;
  int fast;
  int64_t rows, columns, row_tiles;
} tile_job;

#define COPY_TILES(type)                                                                        \
  static void copy_tiles_##type(const tile_job *job, type *to, const type *from, int64_t begin, \
                                int64_t end) {                                                  \
    int64_t to_row = job->dst->stride[job->fast];                                               \
    int64_t from_column = job->src->stride[job->src->ndim - 1];                                 \
    for (int64_t c = 0; c < job->columns; c += TILE) {                                          \
      int64_t stop = c + TILE < job->columns ? c + TILE : job->columns;                         \
      for (int64_t r = begin; r < end; r++)                                                     \
        for (int64_t k = c; k < stop; k++)                                                      \
          to[r * to_row + k] = from[r + k * from_column];                                       \
    }                                                                                           \
  }
COPY_TILES(word8)
COPY_TILES(word32)
COPY_TILES(word64)

/* One block: TILE rows of one matrix of the two dimensions. */
static nj_status tile_block(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const tile_job *job = arg;
  size_t size = nj_dtype_size(job->dst->dtype);
  for (int64_t block = begin; block < end; block++) {
    int64_t rest = block / job->row_tiles, first = block % job->row_tiles * TILE;
    int64_t last = first + TILE < job->rows ? first + TILE : job->rows;
    int64_t to = job->dst->offset, from = job->src->offset;
    for (int i = job->dst->ndim - 2; i >= 0; i--) {
      if (i == job->fast)
        continue;
      to += rest % job->dst->shape[i] * job->dst->stride[i];
      from += rest % job->dst->shape[i] * job->src->stride[i];
      rest /= job->dst->shape[i];
    }
    if (size == 4)
      copy_tiles_word32(job, (word32 *)job->dst->storage->data + to,
                        (const word32 *)job->src->storage->data + from, first, last);
    else if (size == 8)
      copy_tiles_word64(job, (word64 *)job->dst->storage->data + to,
                        (const word64 *)job->src->storage->data + from, first, last);
    else
      copy_tiles_word8(job, (word8 *)job->dst->storage->data + to,
                       (const word8 *)job->src->storage->data + from, first, last);
  }
  return NJ_OK;
}

nj_status nj_copy_transposed(nj_tensor *dst, const nj_tensor *src) {
  tile_job job = {.dst = dst, .src = src, .fast = fast_dim(src)};
  job.rows = dst->shape[job.fast];
  job.columns = dst->shape[dst->ndim - 1];
  job.row_tiles = (job.rows + TILE - 1) / TILE;
  int64_t matrices = nj_numel(dst) / (job.rows * job.columns);
  int64_t grain = 65536 / (TILE * job.columns) + 1;
  return nj_parallel_range(dst->ctx, matrices * job.row_tiles, grain, tile_block, &job);
}
