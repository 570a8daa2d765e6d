#include <string.h>

#include "base/alloc.h"
#include "base/int.h"
#include "base/parallel.h"
#include "kernels/conv.h"
#include "kernels/conv_arrange.h"
#include "kernels/kernels.h"
#include "kernels/padded_rows.h"
#include "kernels/tile.h"
#include "kernels/winograd.h"

/* Bytes of padded input that a task keeps in the second-level cache; a unit has more rows where
 * these would give too few pixels to add up before the sums are put away. */
#define ROWS_BYTES (128 << 10)
#define PIXELS 128
/* Partial sums are made over at most this many parts of the batch, and take at most this memory. */
#define PARTS 16
#define PARTS_BYTES (64 << 20)

typedef struct {
  nj_ctx *ctx;
  const nj_conv_shape *shape;
  const struct nj_kernels *kernels;
  int depthwise;
  int64_t groups, in, out; /* groups run apart; channels of one */
  int64_t padded_w, rows,
      blocks;    /* pixels of a padded row; output rows of a unit; units of an image */
  int64_t pitch; /* floats from pixel to pixel of the padded rows */
  int whole;     /* a window's row is one run of the padded rows */
  int64_t panels, parts;
  int64_t size;    /* floats of one partial sum: (group, ky, kx, in, out) */
  int64_t *offset; /* in padded rows: of each tap (depthwise), or of each pixel of a unit */
  const float *x, *dy;
  nj_conv_strides xs, dys;
  float *partial; /* (parts, size) */
  float *dw;
} grad_job;

static void plan_job(grad_job *job) {
  const nj_conv_shape *s = job->shape;
  job->depthwise = s->groups > 1 && s->groups == s->in_channels && s->groups == s->out_channels;
  job->groups = job->depthwise ? 1 : s->groups;
  job->in = s->in_channels / job->groups;
  job->out = s->out_channels / job->groups;
  job->padded_w = (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
  /* Pixels 512 bytes apart would fall into few sets of the first-level cache. */
  job->pitch = !job->depthwise && job->in % 128 == 0 ? job->in + 16 : job->in;
  job->whole = s->dilation_w == 1 && job->pitch == job->in;
  int64_t row = job->padded_w * job->pitch * s->stride_h * (int64_t)sizeof(float);
  job->rows = nj_max_i64(ROWS_BYTES / nj_max_i64(1, row), (PIXELS + s->out_w - 1) / s->out_w);
  job->rows = nj_max_i64(1, nj_min_i64(s->out_h, job->rows));
  job->blocks = (s->out_h + job->rows - 1) / job->rows;
  int64_t panel = job->kernels->tile->panel;
  job->panels = job->depthwise ? 1 : (job->out + panel - 1) / panel;
  job->size = s->kernel_h * s->kernel_w * s->in_channels * (job->depthwise ? 1 : job->out);
  /* The number of parts shapes the sum's order: it must not depend on the panel of an
   * instruction set more than on anything else, but may; it never depends on threads. */
  int64_t columns = job->groups * job->panels;
  job->parts = nj_max_i64(1, nj_min_i64(PARTS, (PARTS - 1 + columns) / columns));
  job->parts = nj_min_i64(job->parts, s->batch * job->blocks);
  job->parts =
      nj_max_i64(1, nj_min_i64(job->parts, PARTS_BYTES / (job->size * (int64_t)sizeof(float))));
}

static nj_status make_offsets(grad_job *job) {
  const nj_conv_shape *s = job->shape;
  int64_t n = job->depthwise ? s->kernel_h * s->kernel_w : job->rows * s->out_w;
  job->offset = nj_calloc(job->ctx, (size_t)n, sizeof *job->offset);
  if (!job->offset)
    return NJ_ENOMEM;
  int64_t wide = job->depthwise ? s->kernel_w : s->out_w;
  int64_t down = job->depthwise ? s->dilation_h : s->stride_h;
  int64_t across = job->depthwise ? s->dilation_w : s->stride_w;
  for (int64_t i = 0; i < n; i++)
    job->offset[i] = (i / wide * down * job->padded_w + i % wide * across) * job->pitch;
  return NJ_OK;
}

/* The gradient of one unit's pixels as (pixel, width) with whole vectors, columns from `channel`.
 * */
static void copy_gradient(const grad_job *job, int64_t image, int64_t channel, int64_t columns,
                          int64_t width, int64_t y0, int64_t y1, float *to) {
  int64_t out_w = job->shape->out_w;
  const nj_conv_strides *st = &job->dys;
  for (int64_t y = y0; y < y1; y++)
    for (int64_t x = 0; x < out_w; x++, to += width) {
      const float *from =
          job->dy + image * st->batch + y * st->y + x * st->x + channel * st->channel;
      if (st->channel == 1) {
        memcpy(to, from, (size_t)columns * sizeof *to);
      } else {
        for (int64_t c = 0; c < columns; c++)
          to[c] = from[c * st->channel];
      }
      memset(to + columns, 0, (size_t)(width - columns) * sizeof *to);
    }
}

static void add_outer(const grad_job *job, const float *rows, int64_t count, const float *dy,
                      int64_t dy_row, int64_t columns, float *dw) {
  const nj_conv_shape *s = job->shape;
  nj_tile_outer outer = {
      .m = job->whole ? s->kernel_w * job->in : job->in,
      .offset = job->offset,
      .count = count,
      .b = dy,
      .b_row = dy_row,
      .columns = columns,
      .c_row = job->out,
      .start = NJ_TILE_ADD,
  };
  for (int64_t ky = 0; ky < s->kernel_h; ky++)
    for (int64_t kx = 0; kx < (job->whole ? 1 : s->kernel_w); kx++) {
      outer.a = rows + (ky * s->dilation_h * job->padded_w + kx * s->dilation_w) * job->pitch;
      outer.c = dw + (ky * s->kernel_w + kx) * job->in * job->out;
      job->kernels->tile->outer(&outer);
    }
}

static void unit_tiles(const grad_job *job, const float *rows, int64_t image, int64_t group,
                       int64_t panel, int64_t y0, int64_t y1, float *scratch, float *partial) {
  const nj_conv_shape *s = job->shape;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  int64_t first = panel * tile->panel, columns = nj_min_i64(tile->panel, job->out - first);
  int64_t channel = group * job->out + first, width = nj_tile_padded(tile, columns);
  int64_t count = (y1 - y0) * s->out_w;
  float *dw = partial + group * s->kernel_h * s->kernel_w * job->in * job->out + first;
  if (job->dys.channel == 1 && width == columns && job->dys.y == s->out_w * job->dys.x) {
    const float *dy = job->dy + image * job->dys.batch + y0 * job->dys.y + channel;
    add_outer(job, rows, count, dy, job->dys.x, columns, dw);
  } else {
    copy_gradient(job, image, channel, columns, width, y0, y1, scratch);
    add_outer(job, rows, count, scratch, width, columns, dw);
  }
}

static void unit_depthwise(const grad_job *job, const float *rows, int64_t image, int64_t y0,
                           int64_t y1, float *scratch, float *partial) {
  const nj_conv_shape *s = job->shape;
  copy_gradient(job, image, 0, job->in, job->in, y0, y1, scratch);
  for (int64_t y = y0; y < y1; y++) {
    nj_depthwise_grad_row row = {
        .channels = job->in,
        .width = s->out_w,
        .taps = s->kernel_h * s->kernel_w,
        .in = rows + (y - y0) * s->stride_h * job->padded_w * job->in,
        .offset = job->offset,
        .in_x = s->stride_w * job->in,
        .dy = scratch + (y - y0) * s->out_w * job->in,
        .dy_x = job->in,
        .dw = partial,
    };
    job->kernels->conv->depthwise_grad_row(&row);
  }
}

static int64_t padded_rows(const grad_job *job, int64_t rows) {
  const nj_conv_shape *s = job->shape;
  return (rows - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
}

/* One panel of columns over one part of the units (images and their blocks of rows). */
static nj_status grad_task(void *argument, int64_t index, int worker) {
  (void)worker;
  const grad_job *job = argument;
  const nj_conv_shape *s = job->shape;
  int64_t panel = index % job->panels, group = index / job->panels % job->groups;
  int64_t part = index / job->panels / job->groups, units = s->batch * job->blocks;
  int64_t row_floats = job->padded_w * job->pitch;
  int64_t width = job->depthwise ? job->in : nj_tile_padded(job->kernels->tile, job->out);
  int64_t floats = padded_rows(job, job->rows) * row_floats;
  float *rows = nj_alloc(job->ctx, (size_t)(floats + job->rows * s->out_w * width) * sizeof *rows);
  if (!rows)
    return NJ_ENOMEM;
  float *dy = rows + floats;
  nj_window w = {NULL,     job->xs, job->in, s->in_h,       s->in_w,   s->pad_h,
                 s->pad_w, 1,       1,       job->padded_w, job->pitch};
  float *partial = job->partial + part * job->size;
  for (int64_t u = part * units / job->parts; u < (part + 1) * units / job->parts; u++) {
    int64_t image = u / job->blocks, y0 = u % job->blocks * job->rows;
    int64_t y1 = nj_min_i64(s->out_h, y0 + job->rows);
    w.x = job->x + image * job->xs.batch + group * job->in * job->xs.channel;
    nj_pad_rows(&w, y0 * s->stride_h, padded_rows(job, y1 - y0), rows);
    if (job->depthwise)
      unit_depthwise(job, rows, image, y0, y1, dy, partial);
    else
      unit_tiles(job, rows, image, group, panel, y0, y1, dy, partial);
  }
  nj_free(job->ctx, rows);
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

nj_status nj_conv_weight_grad(nj_ctx *ctx, const nj_conv_shape *shape, const float *x,
                              nj_conv_strides xs, const float *dy, nj_conv_strides dys, float *dw) {
  grad_job job = {.ctx = ctx,
                  .shape = shape,
                  .kernels = nj_ctx_kernels(ctx),
                  .x = x,
                  .xs = xs,
                  .dy = dy,
                  .dys = dys,
                  .dw = dw};
  if (nj_winograd_suits_weight_grad(shape) && shape->batch > 0)
    return nj_winograd_weight_grad(ctx, shape, x, xs, dy, dys, dw);
  plan_job(&job);
  if (shape->batch * shape->out_h * shape->out_w == 0) {
    memset(dw, 0, (size_t)job.size * sizeof *dw);
    return NJ_OK;
  }
  nj_status st = make_offsets(&job);
  if (!st) {
    job.partial = nj_calloc(ctx, (size_t)(job.parts * job.size), sizeof *job.partial);
    st = job.partial ? NJ_OK : NJ_ENOMEM;
  }
  if (!st)
    st = nj_parallel(ctx, job.parts * job.groups * job.panels, grad_task, &job);
  if (!st)
    st = nj_parallel_range(ctx, job.size, 4096, add_parts, &job);
  if (!st)
    st = nj_conv_arrange_weights(ctx, job.groups, shape->kernel_h * shape->kernel_w,
                                 job.depthwise ? 1 : job.in, job.depthwise ? job.in : job.out,
                                 job.depthwise ? job.in : job.out, job.partial, dw);
  nj_free(ctx, job.offset);
  nj_free(ctx, job.partial);
  return st;
}
