/* Convolution → batch norm → activation: the step that convolutional encoders are made of.
 *
 * When nothing is recorded or trained the norm is folded into the convolution: its weight times
 * gain / sqrt(var + eps), and a bias. The folded weight is kept until one of the five tensors that
 * it is made from is written to. */
#ifndef NJ_NN_CONV_NORM_H
#define NJ_NN_CONV_NORM_H

#include "nn/params.h"
#include "ops/conv.h"

typedef enum { NJ_ACTIVATE_NONE, NJ_ACTIVATE_RELU, NJ_ACTIVATE_HARDSWISH } nj_conv_activation;

typedef struct {
  nj_conv_options conv;
  nj_conv_activation activation;
  double eps, momentum; /* of the batch norm */
  int keep_apart;       /* never fold: for wide networks, whose weights would lie in memory twice */
  nj_tensor *from[5];   /* weight, gain, shift, running mean and variance; owned by the params */
  nj_tensor *folded_weight, *folded_bias;
  uint64_t folded_version[5]; /* of `from` */
} nj_conv_norm;

/* Adds "<conv>.weight" (out, in / groups, kernel_h, kernel_w), filled as `init` says, and batch
 * norm "<norm>.…" to params, and makes the unit that reads them: stride 1, padding that keeps the
 * size (kernels are odd), eps 1e-5, momentum 0.1. The other fields of `unit` and of unit->conv may
 * then be set. Errors: ENOMEM. */
nj_status nj_conv_norm_add(nj_conv_norm *unit, nj_params *params, const char *conv,
                           const char *norm, int64_t in, int64_t out, int64_t kernel_h,
                           int64_t kernel_w, int64_t groups, nj_init init);
/* Frees what was folded. */
void nj_conv_norm_free(nj_conv_norm *unit);

/* x (B, in, H, W) → (B, out, H', W'). Differentiable. While training the statistics are the batch's.
 * Errors: those of conv2d and batch_norm. */
nj_status nj_conv_norm_forward(nj_ctx *ctx, nj_conv_norm *unit, nj_tensor *x, int training,
                               nj_tensor **out);

#endif
