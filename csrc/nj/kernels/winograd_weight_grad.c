#include <string.h>

#include "base/alloc.h"
#include "base/int.h"
#include "base/parallel.h"
#include "kernels/conv_arrange.h"
#include "kernels/kernels.h"
#include "kernels/padded_rows.h"
#include "kernels/tile.h"
#include "kernels/winograd.h"

#define POINTS NJ_WINOGRAD_POINTS
/* Floats of transformed input that a task works on, but not fewer tiles than these. */
#define BLOCK_FLOATS (64 << 10)
#define MIN_TILES 48
/* Partial sums are made over at most this many parts of the batch, and take at most this memory. */
#define PARTS 16
#define PART_TILES 96 /* fewer would not pay for a part of their own */
#define PARTS_BYTES (128 << 20)

typedef struct {
  nj_ctx *ctx;
  const struct nj_kernels *kernels;
  const nj_conv_shape *shape;
  int64_t pitch, padded_out;       /* channels in whole vectors */
  int64_t tile_rows, tile_columns; /* of one image */
  int64_t all_rows, block_rows;    /* tile rows of the batch; of a block */
  int64_t panels, parts, size;     /* size: floats of one partial sum (POINTS, in, padded_out) */
  const float *x, *dy;
  nj_conv_strides xs, dys;
  int64_t *offset; /* of each tile of a block, in points */
  float *partial;  /* (parts, size) */
  float *taps;     /* (9, in, out) */
} grad_job;

static void plan_job(grad_job *job) {
  const nj_conv_shape *s = job->shape;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  job->pitch = nj_tile_padded(tile, s->in_channels);
  job->padded_out = nj_tile_padded(tile, s->out_channels);
  job->tile_rows = (s->out_h + 3) / 4;
  job->tile_columns = (s->out_w + 3) / 4;
  job->all_rows = s->batch * job->tile_rows;
  int64_t tiles = nj_max_i64(MIN_TILES, BLOCK_FLOATS / (POINTS * job->pitch));
  job->block_rows = nj_max_i64(1, nj_min_i64(job->all_rows, tiles / job->tile_columns));
  job->panels = (s->out_channels + tile->panel - 1) / tile->panel;
  job->size = POINTS * s->in_channels * job->padded_out;
  int64_t blocks = (job->all_rows + job->block_rows - 1) / job->block_rows;
  job->parts = nj_max_i64(1, nj_min_i64(blocks, (PARTS - 1 + job->panels) / job->panels));
  job->parts =
      nj_max_i64(1, nj_min_i64(job->parts, job->all_rows * job->tile_columns / PART_TILES));
  job->parts =
      nj_max_i64(1, nj_min_i64(job->parts, PARTS_BYTES / (job->size * (int64_t)sizeof(float))));
}

/* The scratch of one task. */
typedef struct {
  float *rows;  /* padded rows, of the input or of the gradient */
  float *input; /* (POINTS, tiles, pitch) */
  float *grad;  /* (POINTS, tiles, width of a panel) */
} scratch;

static void transform_inputs(const grad_job *job, int64_t first, int64_t count, const scratch *m) {
  const nj_conv_shape *s = job->shape;
  int64_t width = 4 * job->tile_columns + 2, row = width * job->pitch;
  int64_t point = count * job->tile_columns * job->pitch;
  nj_window w = {NULL, job->xs, s->in_channels, s->in_h,   s->in_w, s->pad_h, s->pad_w,
                 1,    1,       width,          job->pitch};
  for (int64_t r = 0; r < count; r++) {
    int64_t image = (first + r) / job->tile_rows, y = (first + r) % job->tile_rows;
    w.x = job->x + image * job->xs.batch;
    nj_pad_rows(&w, 4 * y, 6, m->rows);
    for (int64_t t = 0; t < job->tile_columns; t++)
      job->kernels->winograd->input(m->rows + 4 * t * job->pitch, row, job->pitch, job->pitch,
                                    m->input + (r * job->tile_columns + t) * job->pitch, point);
  }
}

/* The gradient's `columns` channels from `channel` on, zero beyond the edges. */
static void transform_grads(const grad_job *job, int64_t first, int64_t count, int64_t channel,
                            int64_t columns, const scratch *m) {
  const nj_conv_shape *s = job->shape;
  int64_t width = nj_tile_padded(job->kernels->tile, columns), wide = 4 * job->tile_columns;
  int64_t point = count * job->tile_columns * width;
  nj_window w = {NULL, job->dys, columns, s->out_h, s->out_w, 0, 0, 1, 1, wide, width};
  memset(m->rows, 0, (size_t)(4 * wide * width) * sizeof(float));
  for (int64_t r = 0; r < count; r++) {
    int64_t image = (first + r) / job->tile_rows, y = (first + r) % job->tile_rows;
    w.x = job->dy + image * job->dys.batch + channel * job->dys.channel;
    nj_pad_rows(&w, 4 * y, 4, m->rows);
    for (int64_t t = 0; t < job->tile_columns; t++)
      job->kernels->winograd->gradient(m->rows + 4 * t * width, wide * width, width, width,
                                       m->grad + (r * job->tile_columns + t) * width, point);
  }
}

static void add_outer(const grad_job *job, int64_t tiles, int64_t channel, int64_t columns,
                      const scratch *m, nj_tile_start start, float *partial) {
  int64_t width = nj_tile_padded(job->kernels->tile, columns), in = job->shape->in_channels;
  for (int64_t p = 0; p < POINTS; p++) {
    nj_tile_outer outer = {.m = in,
                           .a = m->input + p * tiles * job->pitch,
                           .offset = job->offset,
                           .count = tiles,
                           .b = m->grad + p * tiles * width,
                           .b_row = width,
                           .columns = width,
                           .c = partial + p * in * job->padded_out + channel,
                           .c_row = job->padded_out,
                           .start = start};
    job->kernels->tile->outer(&outer);
  }
}

/* One panel of output channels over one part of the batch's tile rows. */
static nj_status grad_task(void *argument, int64_t index, int worker) {
  (void)worker;
  const grad_job *job = argument;
  int64_t panel = job->kernels->tile->panel, channel = index % job->panels * panel;
  int64_t part = index / job->panels,
          columns = nj_min_i64(panel, job->shape->out_channels - channel);
  int64_t tiles = job->block_rows * job->tile_columns, wide = 4 * job->tile_columns + 2;
  size_t for_rows = (size_t)(6 * wide * nj_max_i64(job->pitch, panel));
  size_t for_input = (size_t)(POINTS * tiles * job->pitch);
  size_t for_grad = (size_t)(POINTS * tiles * panel);
  scratch m = {.rows = nj_alloc(job->ctx, (for_rows + for_input + for_grad) * sizeof(float))};
  if (!m.rows)
    return NJ_ENOMEM;
  m.input = m.rows + for_rows;
  m.grad = m.input + for_input;
  nj_tile_start start = NJ_TILE_ZERO;
  int64_t end = (part + 1) * job->all_rows / job->parts;
  for (int64_t row = part * job->all_rows / job->parts; row < end; row += job->block_rows) {
    int64_t count = nj_min_i64(job->block_rows, end - row);
    memset(m.rows, 0, for_rows * sizeof(float)); /* the channels that only fill vectors */
    transform_inputs(job, row, count, &m);
    transform_grads(job, row, count, channel, columns, &m);
    add_outer(job, count * job->tile_columns, channel, columns, &m, start,
              job->partial + part * job->size);
    start = NJ_TILE_ADD;
  }
  nj_free(job->ctx, m.rows);
  return NJ_OK;
}

/* Adds the other parts to the first, in order. */
static nj_status add_parts(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const grad_job *job = argument;
  float *sum = job->partial;
  for (int64_t p = 1; p < job->parts; p++) {
    const float *part = job->partial + p * job->size;
    for (int64_t i = begin; i < end; i++)
      sum[i] += part[i];
  }
  return NJ_OK;
}

/* The taps of some input channels from their points. */
static nj_status make_taps(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const grad_job *job = argument;
  int64_t in = job->shape->in_channels, out = job->padded_out;
  for (int64_t c = begin; c < end; c++)
    job->kernels->winograd->weights_gradient(job->partial + c * out, in * out, out,
                                             job->taps + c * out, in * out);
  return NJ_OK;
}

static nj_status make_offsets(grad_job *job) {
  int64_t n = job->block_rows * job->tile_columns;
  job->offset = nj_calloc(job->ctx, (size_t)n, sizeof *job->offset);
  for (int64_t t = 0; job->offset && t < n; t++)
    job->offset[t] = t * job->pitch;
  return job->offset ? NJ_OK : NJ_ENOMEM;
}

nj_status nj_winograd_weight_grad(nj_ctx *ctx, const nj_conv_shape *shape, const float *x,
                                  nj_conv_strides xs, const float *dy, nj_conv_strides dys,
                                  float *dw) {
  grad_job job = {.ctx = ctx,
                  .kernels = nj_ctx_kernels(ctx),
                  .shape = shape,
                  .x = x,
                  .xs = xs,
                  .dy = dy,
                  .dys = dys};
  plan_job(&job);
  int64_t in = shape->in_channels;
  nj_status st = make_offsets(&job);
  if (!st) {
    job.partial = nj_alloc(ctx, (size_t)(job.parts * job.size) * sizeof *job.partial);
    job.taps =
        job.partial ? nj_alloc(ctx, (size_t)(9 * in * job.padded_out) * sizeof *job.taps) : NULL;
    st = job.taps ? NJ_OK : NJ_ENOMEM;
  }
  if (!st)
    st = nj_parallel(ctx, job.parts * job.panels, grad_task, &job);
  if (!st)
    st = nj_parallel_range(ctx, job.size, 4096, add_parts, &job);
  if (!st)
    st = nj_parallel_range(ctx, in, 1 + 4096 / job.padded_out, make_taps, &job);
  if (!st)
    st = nj_conv_arrange_weights(ctx, 1, 9, in, job.padded_out, shape->out_channels, job.taps, dw);
  nj_free(ctx, job.offset);
  nj_free(ctx, job.partial);
  nj_free(ctx, job.taps);
  return st;
}
