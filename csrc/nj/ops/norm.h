/* Normalisation, differentiable; float32 and float64. */
#ifndef NJ_OPS_NORM_H
#define NJ_OPS_NORM_H

#include "base/option.h"
#include "tensor/tensor.h"

/* (x - mean) / sqrt(var + eps) * w + b over the last dimension, var biased; w and b (n) may be
 * NULL. A row has the same bits wherever it lies. Errors: ESHAPE, EDTYPE. */
nj_status nj_layer_norm(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b, double eps,
                        nj_tensor **out);

typedef struct {
  int training;    /* normalise by the batch, and update the running statistics */
  double momentum; /* running = (1 - momentum) * running + momentum * batch */
  double eps;
  int channel_dim; /* which dimension of x has the channels */
  int relu;        /* clamp the result at zero, in the same pass */
} nj_batch_norm_options;

/* Evaluation, momentum 0.1, eps 1e-5, channels in dimension 1, no relu. */
nj_batch_norm_options nj_batch_norm_default_options(void);
extern const nj_option_table nj_batch_norm_option_table;

/* (x - mean) / sqrt(var + eps) * w + b per channel, w and b (C) or NULL. While training, mean and
 * biased variance are the batch's, and running_mean and running_var (C; NULL: not kept) are updated
 * in place, the variance unbiased, as PyTorch does; else they are the running ones (NULL: the
 * batch's). The result has the channels innermost in memory. Statistics are summed in fixed blocks:
 * the same bits for any number of threads. Errors: ESHAPE (also: one value per channel while
 * training), EDTYPE, EGRAD (running statistics that require grad). */
nj_status nj_batch_norm(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b,
                        nj_tensor *running_mean, nj_tensor *running_var,
                        const nj_batch_norm_options *options, nj_tensor **out);

/* x / max(norm of x along dim, eps). */
nj_status nj_normalize(nj_ctx *ctx, nj_tensor *x, int dim, double eps, nj_tensor **out);

#endif
