#include "nn/network.h"

#include <string.h>

#include "base/alloc.h"

static void *options_of(const nj_network *net) {
  return (char *)(uintptr_t)net + net->kind->options_at;
}

const void *nj_network_options(const nj_network *net) { return options_of(net); }

nj_status nj_network_new(nj_ctx *ctx, const nj_network_kind *kind, const void *options, nj_rng *rng,
                         nj_network **out) {
  nj_network *net = nj_calloc(ctx, 1, kind->size);
  if (!net)
    return NJ_ENOMEM;
  net->kind = kind;
  net->ctx = nj_ctx_retain(ctx);
  net->params = (nj_params){.ctx = ctx, .rng = rng};
  memcpy(options_of(net), options, kind->options->size);
  if (kind->dtype_at)
    memcpy(&net->params.dtype, (const char *)net + kind->dtype_at, sizeof net->params.dtype);
  nj_status st = kind->build(net);
  net->params.rng = NULL;
  if (st) {
    nj_network_free(net);
    return st;
  }
  *out = net;
  return NJ_OK;
}

void nj_network_free(nj_network *net) {
  if (!net)
    return;
  nj_ctx *ctx = net->ctx;
  if (net->kind->clear)
    net->kind->clear(net);
  nj_params_free(&net->params);
  nj_free(ctx, net);
  nj_ctx_release(ctx);
}

nj_status nj_network_frames(const nj_network *net, int64_t batch, const nj_tensor *lengths,
                            int64_t T, nj_tensor **out) {
  nj_tensor *left = NULL;
  NJ_TRY(nj_empty(net->ctx, NJ_I64, 1, &batch, &left));
  for (int64_t i = 0; i < batch; i++)
    NJ_I64_DATA(left)
  [i] = net->kind->audio->frames(net, lengths ? (int64_t)nj_get(lengths, &i) : T);
  *out = left;
  return NJ_OK;
}
