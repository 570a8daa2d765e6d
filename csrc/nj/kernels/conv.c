#include "kernels/conv.h"

#include <string.h>

#include "base/alloc.h"
#include "base/int.h"
#include "base/parallel.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/padded_rows.h"
#include "kernels/tile.h"
#include "kernels/winograd.h"

/* Rows of k per pass over a block of pixels: a panel of 64 columns then takes 64 KiB. */
#define K_BLOCK 256
/* Bytes of padded input that a task keeps in the second-level cache. */
#define ROWS_BYTES (128 << 10)

static int is_depthwise(const nj_conv_shape *s) {
  return s->groups > 1 && s->groups == s->in_channels && s->groups == s->out_channels;
}

/* ---- packed weights: for each group, panels as nj_gemm_rows wants them, k = (ky, kx, channel)
 * ---- */

int64_t nj_conv_packed_size(nj_ctx *ctx, const nj_conv_plan *plan) {
  const nj_conv_shape *s = &plan->shape;
  const struct nj_tile_kernels *tile = nj_ctx_kernels(ctx)->tile;
  int64_t taps = s->kernel_h * s->kernel_w;
  if (nj_winograd_suits(plan))
    return nj_winograd_packed_size(ctx, plan);
  if (is_depthwise(s))
    return taps * s->in_channels;
  return s->groups * nj_tile_padded(tile, s->out_channels / s->groups) * taps *
         (s->in_channels / s->groups);
}

/* Weights seen as w[group][ky][kx][in][out], whatever their strides and direction. */
typedef struct {
  const struct nj_tile_kernels *tile;
  const float *w;
  int64_t s_group, s_y, s_x, s_in, s_out;
  int64_t kernel_h, kernel_w, in, out; /* in and out of one group */
  int64_t panels;                      /* of one group */
  float *packed;
} weights;

static nj_status pack_panel(void *argument, int64_t block, int worker) {
  (void)worker;
  const weights *job = argument;
  int64_t group = block / job->panels, first = block % job->panels * job->tile->panel;
  int64_t n = nj_min_i64(job->tile->panel, job->out - first), width = nj_tile_padded(job->tile, n);
  int64_t k_all = job->kernel_h * job->kernel_w * job->in;
  float *to = job->packed + (group * nj_tile_padded(job->tile, job->out) + first) * k_all;
  const float *from = job->w + group * job->s_group + first * job->s_out;
  for (int64_t y = 0; y < job->kernel_h; y++)
    for (int64_t x = 0; x < job->kernel_w; x++)
      for (int64_t i = 0; i < job->in; i++, to += width) {
        const float *p = from + y * job->s_y + x * job->s_x + i * job->s_in;
        for (int64_t j = 0; j < n; j++)
          to[j] = p[j * job->s_out];
        for (int64_t j = n; j < width; j++)
          to[j] = 0.0f;
      }
  return NJ_OK;
}

static void pack_depthwise(const weights *job, int64_t channels) {
  for (int64_t y = 0; y < job->kernel_h; y++)
    for (int64_t x = 0; x < job->kernel_w; x++)
      for (int64_t c = 0; c < channels; c++)
        job->packed[(y * job->kernel_w + x) * channels + c] =
            job->w[y * job->s_y + x * job->s_x + c * job->s_group];
}

int64_t nj_conv_packed_order(const nj_conv_plan *plan) {
  return 2 * plan->shape.groups + nj_winograd_suits(plan);
}

nj_status nj_conv_pack(nj_ctx *ctx, const nj_conv_plan *plan, int turned, const float *w,
                       const int64_t w_stride[4], float *out) {
  const nj_conv_shape *s = &plan->shape;
  weights job = {.tile = nj_ctx_kernels(ctx)->tile,
                 .w = w,
                 .s_y = w_stride[2],
                 .s_x = w_stride[3],
                 .s_in = w_stride[turned ? 0 : 1],
                 .s_out = w_stride[turned ? 1 : 0],
                 .kernel_h = s->kernel_h,
                 .kernel_w = s->kernel_w,
                 .in = s->in_channels / s->groups,
                 .out = s->out_channels / s->groups,
                 .packed = out};
  job.s_group = (turned ? job.in : job.out) * w_stride[0];
  if (turned) {
    job.w += (s->kernel_h - 1) * job.s_y + (s->kernel_w - 1) * job.s_x;
    job.s_y = -job.s_y;
    job.s_x = -job.s_x;
  }
  if (nj_winograd_suits(plan))
    return nj_winograd_pack(ctx, plan, job.w, job.s_out, job.s_in, job.s_y, job.s_x, out);
  if (is_depthwise(s)) {
    pack_depthwise(&job, s->in_channels);
    return NJ_OK;
  }
  job.panels = (job.out + job.tile->panel - 1) / job.tile->panel;
  return nj_parallel(ctx, s->groups * job.panels, pack_panel, &job);
}

/* ---- how a convolution is cut into tasks ---- */

typedef struct {
  const nj_conv_plan *plan;
  const struct nj_kernels *kernels;
  nj_ctx *ctx;
  int depthwise;
  int64_t groups, in, out;        /* groups run apart; channels of one */
  int64_t padded_w, rows, blocks; /* pixels of a padded row; output rows of a block; blocks */
  int64_t panels, panel_blocks;   /* of a group; how many tasks share the panels */
  nj_tile_run *runs;              /* the window's rows, cut to at most K_BLOCK */
  int64_t n_runs;
  const float *x, *packed, *bias;
  nj_conv_strides xs;
  int relu;
  float *y;
} conv_job;

static int64_t rows_in(const nj_conv_shape *s, int64_t rows_out) {
  return (rows_out - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
}

/* Output rows whose input fits ROWS_BYTES, at least one, and not many more than wide. */
static int64_t choose_rows(const nj_conv_shape *s, int64_t row_bytes) {
  int64_t fit = ROWS_BYTES / nj_max_i64(row_bytes, 1) - (s->kernel_h - 1) * s->dilation_h;
  return nj_max_i64(1, nj_min_i64(s->out_h, fit / s->stride_h));
}

static nj_status make_runs(conv_job *job) {
  const nj_conv_shape *s = &job->plan->shape;
  int whole = s->dilation_w == 1; /* a window's row is then one run */
  int64_t length = whole ? s->kernel_w * job->in : job->in;
  int64_t pieces = (length + K_BLOCK - 1) / K_BLOCK, n = s->kernel_h * (whole ? 1 : s->kernel_w);
  job->runs = nj_calloc(job->ctx, (size_t)(n * pieces), sizeof *job->runs);
  if (!job->runs)
    return NJ_ENOMEM;
  for (int64_t i = 0; i < n; i++) {
    int64_t ky = whole ? i : i / s->kernel_w, kx = whole ? 0 : i % s->kernel_w;
    int64_t offset = (ky * s->dilation_h * job->padded_w + kx * s->dilation_w) * job->in;
    for (int64_t from = 0; from < length; from += K_BLOCK)
      job->runs[job->n_runs++] = (nj_tile_run){offset + from, nj_min_i64(K_BLOCK, length - from)};
  }
  return NJ_OK;
}

static nj_status plan_tasks(conv_job *job) {
  const nj_conv_shape *s = &job->plan->shape;
  job->depthwise = is_depthwise(s);
  job->groups = job->depthwise ? 1 : s->groups;
  job->in = s->in_channels / job->groups;
  job->out = s->out_channels / job->groups;
  job->padded_w = (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
  job->rows = choose_rows(s, job->padded_w * job->in * (int64_t)sizeof(float));
  job->blocks = (s->out_h + job->rows - 1) / job->rows;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  job->panels = job->depthwise ? 1 : (job->out + tile->panel - 1) / tile->panel;
  int64_t tasks = s->batch * job->groups * job->blocks;
  job->panel_blocks = tasks >= 16 ? 1 : nj_min_i64(job->panels, (16 + tasks - 1) / tasks);
  return make_runs(job);
}

/* Output rows [y0, y1) of one image and group over its padded rows, panels [p0, p1). */
static void run_tiles(const conv_job *job, const float *rows, int64_t image, int64_t group,
                      int64_t y0, int64_t y1, int64_t p0, int64_t p1) {
  const nj_conv_shape *s = &job->plan->shape;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  int64_t k_all = s->kernel_h * s->kernel_w * job->in;
  const float *packed = job->packed + group * nj_tile_padded(tile, job->out) * k_all;
  for (int64_t r0 = 0, k0 = 0; r0 < job->n_runs;) {
    int64_t r1 = r0, k = 0;
    while (r1 < job->n_runs && (r1 == r0 || k + job->runs[r1].length <= K_BLOCK))
      k += job->runs[r1++].length;
    for (int64_t p = p0; p < p1; p++) {
      int64_t first = p * tile->panel, columns = nj_min_i64(tile->panel, job->out - first);
      int64_t channel = group * job->out + first;
      nj_tile_rows tiles = {
          .m = s->out_w,
          .a_row = s->stride_w * job->in,
          .runs = job->runs + r0,
          .n_runs = r1 - r0,
          .b = packed + first * k_all + k0 * nj_tile_padded(tile, columns),
          .b_row = nj_tile_padded(tile, columns),
          .columns = columns,
          .c_row = s->out_channels,
          .bias = job->bias ? job->bias + channel : NULL,
          .start = r0 > 0      ? NJ_TILE_ADD
                   : job->bias ? NJ_TILE_BIAS
                               : NJ_TILE_ZERO,
          .relu = job->relu && r1 == job->n_runs,
      };
      for (int64_t y = y0; y < y1; y++) {
        tiles.a = rows + (y - y0) * s->stride_h * job->padded_w * job->in;
        tiles.c = job->y + (image * s->out_h + y) * s->out_w * s->out_channels + channel;
        tile->rows(&tiles);
      }
    }
    r0 = r1;
    k0 += k;
  }
}

static void run_depthwise(const conv_job *job, const float *rows, int64_t image, int64_t y0,
                          int64_t y1, int64_t *offset) {
  const nj_conv_shape *s = &job->plan->shape;
  int64_t taps = s->kernel_h * s->kernel_w;
  for (int64_t t = 0; t < taps; t++)
    offset[t] =
        (t / s->kernel_w * s->dilation_h * job->padded_w + t % s->kernel_w * s->dilation_w) *
        job->in;
  for (int64_t y = y0; y < y1; y++) {
    nj_depthwise_row row = {
        .channels = job->in,
        .width = s->out_w,
        .taps = taps,
        .in = rows + (y - y0) * s->stride_h * job->padded_w * job->in,
        .offset = offset,
        .in_x = s->stride_w * job->in,
        .w = job->packed,
        .bias = job->bias,
        .out = job->y + (image * s->out_h + y) * s->out_w * s->out_channels,
        .relu = job->relu,
    };
    job->kernels->conv->depthwise_row(&row);
  }
}

static nj_window window_of(const nj_conv_plan *plan, const float *x, nj_conv_strides xs,
                           int64_t channels, int64_t padded_w) {
  const nj_conv_shape *s = &plan->shape;
  return (nj_window){x,        xs,       channels,       s->in_h,        s->in_w,
                     s->pad_h, s->pad_w, plan->spread_h, plan->spread_w, padded_w,
                     channels};
}

static nj_status conv_task(void *argument, int64_t index, int worker) {
  (void)worker;
  const conv_job *job = argument;
  const nj_conv_shape *s = &job->plan->shape;
  int64_t part = index % job->panel_blocks, block = index / job->panel_blocks;
  int64_t y0 = block % job->blocks * job->rows, y1 = nj_min_i64(s->out_h, y0 + job->rows);
  int64_t group = block / job->blocks % job->groups, image = block / job->blocks / job->groups;
  int64_t rows = rows_in(s, y1 - y0), row_size = job->padded_w * job->in;
  int64_t taps = job->depthwise ? s->kernel_h * s->kernel_w : 0;
  char *scratch = nj_alloc(job->ctx, (size_t)(rows * row_size) * sizeof(float) +
                                         (size_t)taps * sizeof(int64_t));
  if (!scratch)
    return NJ_ENOMEM;
  int64_t *offset = (int64_t *)(void *)scratch;
  float *padded = (float *)(void *)(scratch + (size_t)taps * sizeof(int64_t));
  const float *x = job->x + image * job->xs.batch + group * job->in * job->xs.channel;
  nj_window w = window_of(job->plan, x, job->xs, job->in, job->padded_w);
  nj_pad_rows(&w, y0 * s->stride_h, rows, padded);
  if (job->depthwise)
    run_depthwise(job, padded, image, y0, y1, offset);
  else
    run_tiles(job, padded, image, group, y0, y1, part * job->panels / job->panel_blocks,
              (part + 1) * job->panels / job->panel_blocks);
  nj_free(job->ctx, scratch);
  return NJ_OK;
}

/* A 1x1 kernel over dense pixels is a matrix product as it stands. */
static int is_product(const nj_conv_plan *plan, nj_conv_strides xs) {
  const nj_conv_shape *s = &plan->shape;
  return s->kernel_h == 1 && s->kernel_w == 1 && s->stride_h == 1 && s->stride_w == 1 &&
         s->pad_h == 0 && s->pad_w == 0 && plan->spread_h == 1 && plan->spread_w == 1 &&
         s->groups == 1 && xs.channel == 1 && xs.x == s->in_channels && xs.y == s->in_w * xs.x &&
         (xs.batch == s->in_h * xs.y || s->batch == 1);
}

nj_status nj_conv_run(nj_ctx *ctx, const nj_conv_plan *plan, const float *x, nj_conv_strides xs,
                      const float *packed, const float *bias, int relu, float *out) {
  const nj_conv_shape *s = &plan->shape;
  if (s->batch * s->out_channels * s->out_h * s->out_w == 0)
    return NJ_OK;
  if (is_product(plan, xs)) {
    nj_gemm_job product = {.m = s->batch * s->out_h * s->out_w,
                           .n = s->out_channels,
                           .k = s->in_channels,
                           .a = x,
                           .a_row = s->in_channels,
                           .packed = packed,
                           .bias = bias,
                           .c = out,
                           .c_row = s->out_channels,
                           .relu = relu};
    return nj_gemm_rows(ctx, &product);
  }
  if (nj_winograd_suits(plan))
    return nj_winograd_run(ctx, plan, x, xs, packed, bias, relu, out);
  conv_job job = {.plan = plan,
                  .kernels = nj_ctx_kernels(ctx),
                  .ctx = ctx,
                  .x = x,
                  .xs = xs,
                  .packed = packed,
                  .bias = bias,
                  .relu = relu,
                  .y = out};
  NJ_TRY(plan_tasks(&job));
  nj_status st =
      nj_parallel(ctx, s->batch * job.groups * job.blocks * job.panel_blocks, conv_task, &job);
  nj_free(ctx, job.runs);
  return st;
}
