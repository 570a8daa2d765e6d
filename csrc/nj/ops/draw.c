#include "ops/draw.h"

#include "base/parallel.h"
#include "kernels/draw.h"
#include "kernels/kernels.h"
#include "kernels/philox.h"

#define GRAIN 16384

enum { PIECE = 256 }; /* elements drawn at a time: their words stay in the first cache */

typedef struct {
  const nj_philox_kernels *philox;
  void (*make)(const uint32_t *words, int64_t n, double factor, float *out);
  nj_rng rng;
  uint64_t words_each;
  double factor;
  float *out;
} row;

/* The generator may stand anywhere, so a piece begins with up to three words that are not its own. */
static nj_status run(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const row *r = arg;
  uint32_t words[4 * PIECE + 8];
  while (begin < end) {
    int64_t n = end - begin < PIECE ? end - begin : PIECE;
    uint64_t first = r->rng.counter + (uint64_t)begin * r->words_each, lead = first % 4;
    uint64_t blocks = (lead + (uint64_t)n * r->words_each + 3) / 4;
    r->philox->words(&r->rng, first / 4, (int64_t)blocks, words);
    r->make(words + lead, n, r->factor, r->out + begin);
    begin += n;
  }
  return NJ_OK;
}

static nj_status draw(nj_ctx *ctx, row *r, nj_rng *rng, int64_t n) {
  r->philox = nj_ctx_kernels(ctx)->philox;
  r->rng = *rng;
  rng->counter += (uint64_t)n * r->words_each;
  return nj_parallel_range(ctx, n, GRAIN, run, r);
}

nj_status nj_draw_normals(nj_ctx *ctx, nj_rng *rng, double scale, int64_t n, float *out) {
  row r = {
      .make = nj_ctx_kernels(ctx)->draw->normals, .words_each = 4, .factor = scale, .out = out};
  return draw(ctx, &r, rng, n);
}

nj_status nj_draw_uniforms(nj_ctx *ctx, nj_rng *rng, double bound, int64_t n, float *out) {
  row r = {
      .make = nj_ctx_kernels(ctx)->draw->uniforms, .words_each = 2, .factor = bound, .out = out};
  return draw(ctx, &r, rng, n);
}
