#include "kernels/conv_arrange.h"

#include <string.h>

#include "base/alloc.h"
#include "base/int.h"
#include "base/parallel.h"

#define LINE 64 /* output channels of a task */

typedef struct {
  nj_ctx *ctx;
  int64_t taps, in, from_row, out, lines;
  const float *from;
  float *to;
} arrange_job;

/* Some input channels at a time, so that every row of the result is written in runs. */
static nj_status arrange_lines(void *argument, int64_t index, int worker) {
  (void)worker;
  const arrange_job *job = argument;
  int64_t taps = job->taps, in = job->in, out = job->out;
  int64_t group = index / job->lines, first = index % job->lines * LINE;
  int64_t n = nj_min_i64(LINE, out - first),
          step = nj_max_i64(1, 256 / taps); /* input channels of a run */
  const float *from = job->from + group * taps * in * job->from_row + first;
  float *to = job->to + (group * out + first) * in * taps;
  float *run = nj_alloc(job->ctx, (size_t)(step * taps * LINE) * sizeof *run);
  if (!run)
    return NJ_ENOMEM;
  for (int64_t c0 = 0; c0 < in; c0 += step) {
    int64_t count = nj_min_i64(step, in - c0) * taps;
    for (int64_t t = 0; t < taps; t++)
      for (int64_t c = c0; c < c0 + count / taps; c++)
        memcpy(run + ((c - c0) * taps + t) * LINE, from + (t * in + c) * job->from_row,
               (size_t)n * sizeof *run);
    for (int64_t j = 0; j < n; j++)
      for (int64_t i = 0; i < count; i++)
        to[j * in * taps + c0 * taps + i] = run[i * LINE + j];
  }
  nj_free(job->ctx, run);
  return NJ_OK;
}

nj_status nj_conv_arrange_weights(nj_ctx *ctx, int64_t groups, int64_t taps, int64_t in,
                                  int64_t from_row, int64_t out, const float *from, float *to) {
  arrange_job job = {ctx, taps, in, from_row, out, (out + LINE - 1) / LINE, from, to};
  return nj_parallel(ctx, groups * job.lines, arrange_lines, &job);
}
