/* One step of an optimiser over n parameters, everything in one pass over memory. */
#ifndef NJ_KERNELS_OPTIM_H
#define NJ_KERNELS_OPTIM_H

#include <stdint.h>

/* Factors worked out once per step (see ops/optim.c). */
typedef struct {
  double shrink; /* parameters are multiplied by it first: decoupled weight decay */
  double decay;  /* times the parameter is added to the gradient: L2 weight decay */
  double beta1, beta2;
  double step_size;  /* lr over the first moment's bias correction */
  double root_scale; /* 1 / sqrt of the second moment's bias correction */
  double eps;
  double grad_scale; /* the gradient is multiplied by it before anything else */
} nj_adam_factors;

typedef struct {
  double lr, decay, momentum, take; /* take = 1 - dampening, 1 in the first step */
  int nesterov;
  double grad_scale;
} nj_sgd_factors;

/* adam(p, g, m, v, vmax, n, f)  vmax may be NULL
 * sgd(p, g, buffer, n, f)       buffer may be NULL: no momentum
 * sumsq(x, n)                   the sum of squares, in double */
#define NJ_OPTIM_TABLE(T)                                                                    \
  void (*adam)(T * p, const T *g, T *m, T *v, T *vmax, int64_t n, const nj_adam_factors *f); \
  void (*sgd)(T * p, const T *g, T *buffer, int64_t n, const nj_sgd_factors *f);             \
  double (*sumsq)(const T *x, int64_t n);

typedef struct nj_optim_kernels {
  NJ_OPTIM_TABLE(float)
} nj_optim_kernels;

typedef struct nj_optim_kernels_double {
  NJ_OPTIM_TABLE(double)
} nj_optim_kernels_double;

extern const nj_optim_kernels_double nj_optim_double;

#endif
