#include "kernels/winograd.h"

#include <string.h>

#include "base/alloc.h"
#include "base/int.h"
#include "base/parallel.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/padded_rows.h"
#include "kernels/tile.h"

#define POINTS NJ_WINOGRAD_POINTS
#define K_BLOCK 256
/* Transformed weights are four times as large: above this they would cost more to read and to keep
 * than they save. */
#define LARGEST (512 * 512)
/* Floats of transformed input that a task works on, but not fewer tiles than these: with the
 * products they stay in the second-level cache. */
#define BLOCK_FLOATS (32 << 10)
#define MIN_TILES 12

/* Tiles pay when they are mostly full, and when there are channels to share the transforms. */
static int suits(const nj_conv_shape *s) {
  int64_t tiles = (s->out_h + 3) / 4 * ((s->out_w + 3) / 4);
  return s->kernel_h == 3 && s->kernel_w == 3 && s->stride_h == 1 && s->stride_w == 1 &&
         s->dilation_h == 1 && s->dilation_w == 1 && s->groups == 1 && s->in_channels >= 12 &&
         s->out_channels >= 12 && s->in_channels * s->out_channels <= LARGEST && tiles >= 6 &&
         10 * s->out_h * s->out_w >= 7 * 16 * tiles;
}

int nj_winograd_suits(const nj_conv_plan *plan) {
  return plan->spread_h == 1 && plan->spread_w == 1 && suits(&plan->shape);
}

int nj_winograd_suits_weight_grad(const nj_conv_shape *shape) { return suits(shape); }

/* ---- weights ---- */

typedef struct {
  const struct nj_kernels *kernels;
  const float *w;
  int64_t s_out, s_in, s_y, s_x, in, out;
  float *packed;
} weights_job;

int64_t nj_winograd_packed_size(nj_ctx *ctx, const nj_conv_plan *plan) {
  return POINTS * nj_gemm_packed_size(nj_ctx_kernels(ctx)->tile, plan->shape.out_channels,
                                      plan->shape.in_channels);
}

#define COLUMNS 64 /* output channels gathered at a time: no panel is wider */

/* The weights of some input channels, panel by panel of output channels. */
static nj_status transform_channels(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const weights_job *job = argument;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  int64_t point = nj_tile_padded(tile, job->out) * job->in;
  float g[9 * COLUMNS] = {0};
  for (int64_t first = 0; first < job->out; first += tile->panel) {
    int64_t n = nj_min_i64(tile->panel, job->out - first), width = nj_tile_padded(tile, n);
    for (int64_t t = 0; t < 9; t++) /* an earlier panel was wider */
      memset(g + t * COLUMNS + n, 0, (size_t)(width - n) * sizeof *g);
    for (int64_t c = begin; c < end; c++) {
      const float *w = job->w + first * job->s_out + c * job->s_in;
      for (int64_t o = 0; o < n; o++)
        for (int64_t t = 0; t < 9; t++)
          g[t * COLUMNS + o] = w[o * job->s_out + t / 3 * job->s_y + t % 3 * job->s_x];
      job->kernels->winograd->weights(g, COLUMNS, width, job->packed + first * job->in + c * width,
                                      point);
    }
  }
  return NJ_OK;
}

nj_status nj_winograd_pack(nj_ctx *ctx, const nj_conv_plan *plan, const float *w, int64_t s_out,
                           int64_t s_in, int64_t s_y, int64_t s_x, float *out) {
  weights_job job = {.kernels = nj_ctx_kernels(ctx),
                     .w = w,
                     .s_out = s_out,
                     .s_in = s_in,
                     .s_y = s_y,
                     .s_x = s_x,
                     .in = plan->shape.in_channels,
                     .out = plan->shape.out_channels,
                     .packed = out};
  return nj_parallel_range(ctx, job.in, 1 + 4096 / job.out, transform_channels, &job);
}

/* ---- the run ---- */

typedef struct {
  nj_ctx *ctx;
  const struct nj_kernels *kernels;
  const nj_conv_shape *shape;
  int64_t pitch;                   /* input channels in whole vectors */
  int64_t tile_rows, tile_columns; /* of one image */
  int64_t block_rows, blocks;      /* tile rows of a task, through all images; tasks */
  int64_t panels, panel_parts;     /* of the output channels; how many tasks share them */
  const float *x, *packed, *bias;
  nj_conv_strides xs;
  int relu;
  float *y;
} run_job;

/* The scratch of one task. */
typedef struct {
  float *rows;    /* six padded rows of the input */
  float *points;  /* (POINTS, tiles, pitch) */
  float *results; /* (POINTS, tiles, width of a panel) */
} scratch;

static void plan_tasks(run_job *job) {
  const nj_conv_shape *s = job->shape;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  job->pitch = nj_tile_padded(tile, s->in_channels);
  job->tile_rows = (s->out_h + 3) / 4;
  job->tile_columns = (s->out_w + 3) / 4;
  int64_t tiles = nj_max_i64(MIN_TILES, BLOCK_FLOATS / (POINTS * job->pitch));
  job->block_rows = nj_max_i64(1, nj_min_i64(s->batch * job->tile_rows, tiles / job->tile_columns));
  job->blocks = (s->batch * job->tile_rows + job->block_rows - 1) / job->block_rows;
  job->panels = (s->out_channels + tile->panel - 1) / tile->panel;
  job->panel_parts =
      job->blocks >= 8 ? 1 : nj_min_i64(job->panels, (7 + job->blocks) / job->blocks);
}

/* Transforms the inputs of `count` tile rows from row `first` on. */
static void transform_inputs(const run_job *job, int64_t first, int64_t count, const scratch *m) {
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
                                    m->points + (r * job->tile_columns + t) * job->pitch, point);
  }
}

/* results[p] = points[p] · weights[p] for one panel of output channels. */
static void multiply(const run_job *job, int64_t tiles, int64_t first, int64_t columns,
                     const scratch *m) {
  const struct nj_tile_kernels *tile = job->kernels->tile;
  int64_t in = job->shape->in_channels, width = nj_tile_padded(tile, columns);
  int64_t padded = nj_tile_padded(tile, job->shape->out_channels);
  for (int64_t p = 0; p < POINTS; p++)
    for (int64_t k = 0; k < in; k += K_BLOCK) {
      nj_tile_run run = {k, nj_min_i64(K_BLOCK, in - k)};
      nj_tile_rows rows = {.m = tiles,
                           .a = m->points + p * tiles * job->pitch,
                           .a_row = job->pitch,
                           .runs = &run,
                           .n_runs = 1,
                           .b = job->packed + (p * padded + first) * in + k * width,
                           .b_row = width,
                           .columns = width,
                           .c = m->results + p * tiles * width,
                           .c_row = width,
                           .start = k > 0 ? NJ_TILE_ADD : NJ_TILE_ZERO};
      tile->rows(&rows);
    }
}

static void transform_results(const run_job *job, int64_t first_row, int64_t count, int64_t first,
                              int64_t columns, const scratch *m) {
  const nj_conv_shape *s = job->shape;
  int64_t width = nj_tile_padded(job->kernels->tile, columns), n = s->out_channels;
  int64_t point = count * job->tile_columns * width;
  for (int64_t r = 0; r < count; r++) {
    int64_t image = (first_row + r) / job->tile_rows, y = 4 * ((first_row + r) % job->tile_rows);
    for (int64_t t = 0; t < job->tile_columns; t++)
      job->kernels->winograd->output(
          m->results + (r * job->tile_columns + t) * width, point, width, columns,
          job->bias ? job->bias + first : NULL, job->relu, nj_min_i64(4, s->out_h - y),
          nj_min_i64(4, s->out_w - 4 * t),
          job->y + ((image * s->out_h + y) * s->out_w + 4 * t) * n + first, s->out_w * n, n);
  }
}

static nj_status run_task(void *argument, int64_t index, int worker) {
  (void)worker;
  const run_job *job = argument;
  const nj_conv_shape *s = job->shape;
  int64_t part = index % job->panel_parts, first_row = index / job->panel_parts * job->block_rows;
  int64_t count = nj_min_i64(job->block_rows, s->batch * job->tile_rows - first_row);
  int64_t tiles = count * job->tile_columns, panel = job->kernels->tile->panel;
  size_t for_rows = (size_t)(6 * (4 * job->tile_columns + 2) * job->pitch);
  size_t for_points = (size_t)(POINTS * tiles * job->pitch);
  size_t for_results = (size_t)(POINTS * tiles * panel);
  scratch m = {.rows = nj_alloc(job->ctx, (for_rows + for_points + for_results) * sizeof(float))};
  if (!m.rows)
    return NJ_ENOMEM;
  memset(m.rows, 0, for_rows * sizeof(float)); /* the channels that only fill vectors */
  m.points = m.rows + for_rows;
  m.results = m.points + for_points;
  transform_inputs(job, first_row, count, &m);
  for (int64_t p = part * job->panels / job->panel_parts;
       p < (part + 1) * job->panels / job->panel_parts; p++) {
    int64_t first = p * panel, columns = nj_min_i64(panel, s->out_channels - first);
    multiply(job, tiles, first, columns, &m);
    transform_results(job, first_row, count, first, columns, &m);
  }
  nj_free(job->ctx, m.rows);
  return NJ_OK;
}

nj_status nj_winograd_run(nj_ctx *ctx, const nj_conv_plan *plan, const float *x, nj_conv_strides xs,
                          const float *packed, const float *bias, int relu, float *out) {
  run_job job = {.ctx = ctx,
                 .kernels = nj_ctx_kernels(ctx),
                 .shape = &plan->shape,
                 .x = x,
                 .packed = packed,
                 .bias = bias,
                 .xs = xs,
                 .relu = relu,
                 .y = out};
  plan_tasks(&job);
  return nj_parallel(ctx, job.blocks * job.panel_parts, run_task, &job);
}
