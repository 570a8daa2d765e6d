#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "kernels/padded_rows.h"
#include "kernels/tile.h"

/* Bytes of padded input and of output gradient that a task keeps in the second-level cache. */
#define ROWS_BYTES (96 << 10)
/* Partial sums are made over at most this many parts of the batch, and take at most this memory. */
#define PARTS 16
#define PARTS_BYTES (64 << 20)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

typedef struct {
  nj_ctx *ctx;
  const nj_conv_shape *shape;
  const struct nj_kernels *kernels;
  int depthwise;
  int64_t groups, in, out; /* groups run apart; channels of one */
  int64_t padded_w, rows,
      blocks; /* pixels of a padded row; output rows of a unit; units of an image */
  int64_t panels, parts;
  int64_t size; /* floats of one partial sum: (group, ky, kx, in, out) */
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
  int64_t row = job->padded_w * job->in * s->stride_h * (int64_t)sizeof(float);
  job->rows = most(1, least(s->out_h, ROWS_BYTES / most(1, row)));
  job->blocks = (s->out_h + job->rows - 1) / job->rows;
  int64_t panel = job->kernels->tile->panel;
  job->panels = job->depthwise ? 1 : (job->out + panel - 1) / panel;
  job->size = s->kernel_h * s->kernel_w * s->in_channels * (job->depthwise ? 1 : job->out);
  /* The number of parts shapes the sum's order: it must not depend on the panel of an
   * instruction set more than on anything else, but may; it never depends on threads. */
  int64_t columns = job->groups * job->panels;
  job->parts = most(1, least(PARTS, (31 + columns) / columns));
  job->parts = least(job->parts, s->batch * job->blocks);
  job->parts = most(1, least(job->parts, PARTS_BYTES / (job->size * (int64_t)sizeof(float))));
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

static void add_outer(const grad_job *job, const float *rows, const float *dy, int64_t dy_x,
                      int64_t dy_y, int64_t columns, int64_t height, float *dw) {
  const nj_conv_shape *s = job->shape;
  int whole = s->dilation_w == 1;
  nj_tile_outer outer = {
      .m = whole ? s->kernel_w * job->in : job->in,
      .a_x = s->stride_w * job->in,
      .a_y = s->stride_h * job->padded_w * job->in,
      .b = dy,
      .b_x = dy_x,
      .b_y = dy_y,
      .height = height,
      .width = s->out_w,
      .columns = columns,
      .c_row = job->out,
  };
  for (int64_t ky = 0; ky < s->kernel_h; ky++)
    for (int64_t kx = 0; kx < (whole ? 1 : s->kernel_w); kx++) {
      outer.a = rows + (ky * s->dilation_h * job->padded_w + kx * s->dilation_w) * job->in;
      outer.c = dw + (ky * s->kernel_w + kx) * job->in * job->out;
      job->kernels->tile->outer(&outer);
    }
}

static void unit_tiles(const grad_job *job, const float *rows, int64_t image, int64_t group,
                       int64_t panel, int64_t y0, int64_t y1, float *scratch, float *partial) {
  const nj_conv_shape *s = job->shape;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  int64_t first = panel * tile->panel, columns = least(tile->panel, job->out - first);
  int64_t channel = group * job->out + first, width = nj_tile_padded(tile, columns);
  float *dw = partial + group * s->kernel_h * s->kernel_w * job->in * job->out + first;
  if (job->dys.channel == 1 && width == columns) {
    const float *dy = job->dy + image * job->dys.batch + y0 * job->dys.y + channel;
    add_outer(job, rows, dy, job->dys.x, job->dys.y, columns, y1 - y0, dw);
  } else {
    copy_gradient(job, image, channel, columns, width, y0, y1, scratch);
    add_outer(job, rows, scratch, width, width * s->out_w, columns, y1 - y0, dw);
  }
}

static void unit_depthwise(const grad_job *job, const float *rows, int64_t image, int64_t y0,
                           int64_t y1, float *scratch, int64_t *offset, float *partial) {
  const nj_conv_shape *s = job->shape;
  int64_t taps = s->kernel_h * s->kernel_w;
  for (int64_t t = 0; t < taps; t++)
    offset[t] =
        (t / s->kernel_w * s->dilation_h * job->padded_w + t % s->kernel_w * s->dilation_w) *
        job->in;
  copy_gradient(job, image, 0, job->in, job->in, y0, y1, scratch);
  for (int64_t y = y0; y < y1; y++) {
    nj_depthwise_grad_row row = {
        .channels = job->in,
        .width = s->out_w,
        .taps = taps,
        .in = rows + (y - y0) * s->stride_h * job->padded_w * job->in,
        .offset = offset,
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
  int64_t row_floats = job->padded_w * job->in;
  int64_t width = job->depthwise ? job->in : nj_tile_padded(job->kernels->tile, job->out);
  int64_t taps = s->kernel_h * s->kernel_w, floats = padded_rows(job, job->rows) * row_floats;
  char *memory =
      nj_alloc(job->ctx, (size_t)taps * sizeof(int64_t) +
                             (size_t)(floats + job->rows * s->out_w * width) * sizeof(float));
  if (!memory)
    return NJ_ENOMEM;
  int64_t *offset = (int64_t *)(void *)memory;
  float *rows = (float *)(void *)(memory + (size_t)taps * sizeof(int64_t)), *dy = rows + floats;
  nj_window w = {NULL, job->xs, job->in, s->in_h, s->in_w, s->pad_h, s->pad_w, 1, 1, job->padded_w};
  float *partial = job->partial + part * job->size;
  for (int64_t u = part * units / job->parts; u < (part + 1) * units / job->parts; u++) {
    int64_t image = u / job->blocks, y0 = u % job->blocks * job->rows;
    int64_t y1 = least(s->out_h, y0 + job->rows);
    w.x = job->x + image * job->xs.batch + group * job->in * job->xs.channel;
    nj_pad_rows(&w, y0 * s->stride_h, padded_rows(job, y1 - y0), rows);
    if (job->depthwise)
      unit_depthwise(job, rows, image, y0, y1, dy, offset, partial);
    else
      unit_tiles(job, rows, image, group, panel, y0, y1, dy, partial);
  }
  nj_free(job->ctx, memory);
  return NJ_OK;
}

/* Adds the parts in order, and puts (group, ky, kx, in, out) into (group, out, in, ky, kx). */
static nj_status gather(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const grad_job *job = argument;
  const nj_conv_shape *s = job->shape;
  int64_t taps = s->kernel_h * s->kernel_w;
  int64_t in = job->depthwise ? 1 : job->in, out = job->depthwise ? job->in : job->out;
  for (int64_t i = begin; i < end; i++) {
    float sum = 0.0f;
    for (int64_t p = 0; p < job->parts; p++)
      sum += job->partial[p * job->size + i];
    int64_t o = i % out, c = i / out % in, t = i / out / in % taps, g = i / out / in / taps;
    job->dw[((g * out + o) * in + c) * taps + t] = sum;
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
  plan_job(&job);
  if (shape->batch * shape->out_h * shape->out_w == 0) {
    memset(dw, 0, (size_t)job.size * sizeof *dw);
    return NJ_OK;
  }
  job.partial = nj_calloc(ctx, (size_t)(job.parts * job.size), sizeof *job.partial);
  if (!job.partial)
    return NJ_ENOMEM;
  nj_status st = nj_parallel(ctx, job.parts * job.groups * job.panels, grad_task, &job);
  if (st == NJ_OK)
    st = nj_parallel_range(ctx, job.size, 1 << 14, gather, &job);
  nj_free(ctx, job.partial);
  return st;
}
