/* The named tensors of a network, in a fixed order: parameters (trained) and buffers (running
 * statistics). Names are those of the reference code, so that checkpoints map without a table. */
#ifndef NJ_NN_PARAMS_H
#define NJ_NN_PARAMS_H

#include "base/rng.h"
#include "tensor/tensor.h"

typedef struct {
  char *name;
  nj_tensor *tensor;
  int trainable; /* 0: a buffer */
} nj_param;

typedef struct {
  nj_ctx *ctx;
  nj_param *items;
  size_t n, room;
  nj_rng *rng;    /* while the network is being made */
  nj_dtype dtype; /* of what is added: NJ_F64, for gradient checks, or 0 for float32 */
} nj_params;

void nj_params_free(nj_params *params);
/* The tensor of that name, or NULL. */
nj_tensor *nj_params_find(const nj_params *params, const char *name);

/* How a fresh parameter is filled. */
typedef enum {
  NJ_INIT_ZEROS,
  NJ_INIT_ONES,
  NJ_INIT_XAVIER, /* U(-a, a), a = sqrt(6 / (fan_in + fan_out)): PANNs' init_layer */
  NJ_INIT_LINEAR, /* U(-a, a), a = 1 / sqrt(fan_in): torch.nn.Linear's default, weight and bias */
  NJ_INIT_NORMAL, /* N(0, 1): torch.nn.Embedding's default */
  NJ_INIT_BERT,   /* N(0, 0.02): BERT's initializer_range */
  NJ_INIT_HE_OUT, /* N(0, 2 / fan_out), the fan being out times the field: torchvision's MobileNets */
  NJ_INIT_SMALL   /* N(0, 0.01), bias 0: their linear layers */
} nj_init;

/* Adds a leaf called "prefix.name" (or "name" when prefix is empty) that requires grad. fan_in serves
 * NJ_INIT_LINEAR's bias; 0 takes it from the shape. */
nj_status nj_params_add(nj_params *params, const char *prefix, const char *name, nj_init init,
                        int64_t fan_in, int ndim, const int64_t *shape);
/* Adds a buffer filled with `value`. */
nj_status nj_params_add_buffer(nj_params *params, const char *prefix, const char *name,
                               double value, int ndim, const int64_t *shape);

/* The usual groups. Shapes: linear weight (out, in); norm weight, bias (width). */
nj_status nj_params_add_linear(nj_params *params, const char *prefix, int64_t in, int64_t out,
                               nj_init init);
nj_status nj_params_add_layer_norm(nj_params *params, const char *prefix, int64_t width);
nj_status nj_params_add_batch_norm(nj_params *params, const char *prefix, int64_t width);

/* Requires-grad on or off for every parameter whose name begins with prefix ("" for all); gives how
 * many there were. */
nj_status nj_params_freeze(nj_params *params, const char *prefix, int frozen, size_t *count);

/* Reads parameters by name while a forward pass walks a network:
 *   nj_tensor *w = nj_param_of(params, "conv_block%d.conv1.weight", i);   NULL when there is none */
nj_tensor *nj_param_of(const nj_params *params, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
