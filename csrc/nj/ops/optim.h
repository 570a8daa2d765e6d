/* Optimiser steps, in place, in one pass over memory.
 *
 * param and its state tensors have one shape and one dtype (float32 or float64); state tensors
 * must be contiguous. Nothing is recorded, whatever param requires, and param's storage counts the write.
 * Errors: ESHAPE, EDTYPE, EARG (values out of range). */
#ifndef NJ_OPS_OPTIM_H
#define NJ_OPS_OPTIM_H

#include "base/option.h"
#include "tensor/tensor.h"

typedef struct {
  double lr, beta1, beta2, eps;
  double weight_decay;
  int decoupled;       /* AdamW: param *= 1 - lr * weight_decay; else it joins the gradient */
  int bias_correction; /* 0 for BERT's Adam */
  int64_t step;        /* 1 in the first call */
  double grad_scale;   /* of clipping or accumulation; 1: none */
} nj_adam_options;

/* lr 0.001, betas 0.9 and 0.999, eps 1e-8, bias correction, no decay, the first step. */
nj_adam_options nj_adam_default_options(void);
extern const nj_option_table nj_adam_option_table;

/* Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019), with vmax AMSGrad (Reddi et al.
 * 2018):
 *   m = beta1 m + (1 - beta1) g           v = beta2 v + (1 - beta2) g^2
 *   param -= lr / (1 - beta1^step) * m / (sqrt(v / (1 - beta2^step)) + eps) */
nj_status nj_adam_step_(nj_ctx *ctx, nj_tensor *param, nj_tensor *grad, nj_tensor *m, nj_tensor *v,
                        nj_tensor *vmax, const nj_adam_options *options);

typedef struct {
  double lr, momentum, dampening, weight_decay;
  int nesterov;
  int64_t step; /* 1 in the first call: the buffer begins as the gradient, without dampening */
  double grad_scale;
} nj_sgd_options;

/* lr 0.001, the first step, nothing else. */
nj_sgd_options nj_sgd_default_options(void);
extern const nj_option_table nj_sgd_option_table;

/* buffer = momentum * buffer + (1 - dampening) * g; param -= lr * buffer. buffer may be NULL when
 * momentum is 0. */
nj_status nj_sgd_step_(nj_ctx *ctx, nj_tensor *param, nj_tensor *grad, nj_tensor *buffer,
                       const nj_sgd_options *options);

/* The L2 norm of all elements of n tensors (NULLs count for nothing), accumulated in double. */
nj_status nj_grad_norm(nj_ctx *ctx, int n, nj_tensor *const *grads, double *out);

#endif
