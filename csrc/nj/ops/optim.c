#include "ops/optim.h"

#include <math.h>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/optim.h"
#include "tensor/autograd.h"

nj_adam_options nj_adam_default_options(void) {
  return (nj_adam_options){.lr = 1e-3,
                           .beta1 = 0.9,
                           .beta2 = 0.999,
                           .eps = 1e-8,
                           .bias_correction = 1,
                           .step = 1,
                           .grad_scale = 1};
}

static const nj_option adam_items[] = {
    NJ_OPTION_RANGE(nj_adam_options, "lr", lr, 0, HUGE_VAL, 0),
    NJ_OPTION_RANGE(nj_adam_options, "beta1", beta1, 0, 1, 0),
    NJ_OPTION_RANGE(nj_adam_options, "beta2", beta2, 0, 1, 0),
    NJ_OPTION_RANGE(nj_adam_options, "eps", eps, 0, HUGE_VAL, 0),
    NJ_OPTION_RANGE(nj_adam_options, "weight_decay", weight_decay, 0, HUGE_VAL, 0),
    NJ_OPTION_FLAG(nj_adam_options, "decoupled", decoupled, 0),
    NJ_OPTION_FLAG(nj_adam_options, "bias_correction", bias_correction, 0),
    NJ_OPTION_RANGE(nj_adam_options, "step", step, 1, 0x1p63, 0),
    NJ_OPTION_RANGE(nj_adam_options, "grad_scale", grad_scale, -HUGE_VAL, HUGE_VAL, 0),
};
NJ_OPTION_TABLE(adam, adam_items, NULL)

nj_sgd_options nj_sgd_default_options(void) {
  return (nj_sgd_options){.lr = 1e-3, .step = 1, .grad_scale = 1};
}

#define GRAIN 65536

enum { MOST_STATES = 3 };

/* Parameter, gradient and state as contiguous arrays. */
typedef struct {
  nj_ctx *ctx;
  nj_tensor *param, *grad;     /* contiguous; param may be a copy */
  char *data[2 + MOST_STATES]; /* param, grad, states; NULL where there is none */
  int64_t size;
  const nj_adam_factors *adam;
  const nj_sgd_factors *sgd;
} work;

static nj_status check_one(nj_ctx *ctx, const char *op, const char *what, const nj_tensor *param,
                           const nj_tensor *x, int contiguous) {
  if (!nj_same_shape(param, x))
    return nj_fail(ctx, NJ_ESHAPE, "%s: the parameter has shape %s, its %s %s", op,
                   NJ_SHAPE_OF(param), what, NJ_SHAPE_OF(x));
  if (x->dtype != param->dtype)
    return nj_fail(ctx, NJ_EDTYPE, "%s: the parameter is %s, its %s %s", op,
                   nj_dtype_name(param->dtype), what, nj_dtype_name(x->dtype));
  if (contiguous && !nj_is_contiguous(x))
    return nj_fail(ctx, NJ_EARG, "%s: the %s must be contiguous", op, what);
  return NJ_OK;
}

static const nj_option sgd_items[] = {
    NJ_OPTION_RANGE(nj_sgd_options, "lr", lr, 0, HUGE_VAL, 0),
    NJ_OPTION_RANGE(nj_sgd_options, "momentum", momentum, 0, HUGE_VAL, 0),
    NJ_OPTION_RANGE(nj_sgd_options, "dampening", dampening, 0, 1, 0),
    NJ_OPTION_RANGE(nj_sgd_options, "weight_decay", weight_decay, 0, HUGE_VAL, 0),
    NJ_OPTION_FLAG(nj_sgd_options, "nesterov", nesterov, 0),
    NJ_OPTION_RANGE(nj_sgd_options, "step", step, 1, 0x1p63, 0),
    NJ_OPTION_RANGE(nj_sgd_options, "grad_scale", grad_scale, -HUGE_VAL, HUGE_VAL, 0),
};
NJ_OPTION_TABLE(sgd, sgd_items, NULL)

static nj_status begin(nj_ctx *ctx, const char *op, nj_tensor *param, nj_tensor *grad, int n,
                       nj_tensor *const *states, work *w) {
  *w = (work){.ctx = ctx};
  if (!nj_dtype_is_float(param->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: parameters are float32 or float64, got %s", op,
                   nj_dtype_name(param->dtype));
  NJ_TRY(check_one(ctx, op, "gradient", param, grad, 0));
  for (int i = 0; i < n; i++)
    if (states[i])
      NJ_TRY(check_one(ctx, op, "state", param, states[i], 1));
  NJ_TRY(nj_as_contiguous(param, &w->param));
  nj_status st = nj_as_contiguous(grad, &w->grad);
  if (st) {
    nj_release(w->param);
    return st;
  }
  w->size = (int64_t)nj_dtype_size(param->dtype);
  w->data[0] = nj_data(w->param);
  w->data[1] = nj_data(w->grad);
  for (int i = 0; i < n; i++)
    w->data[2 + i] = states[i] ? nj_data(states[i]) : NULL;
  return NJ_OK;
}

/* Where array k of the work begins for parameter `at`. */
static void *part(const work *w, int k, int64_t at) {
  return w->data[k] ? w->data[k] + at * w->size : NULL;
}

static nj_status finish(work *w, nj_status st, nj_range_fn run, nj_tensor *param, int n,
                        nj_tensor *const *states) {
  if (!st)
    st = nj_parallel_range(w->ctx, nj_numel(param), GRAIN, run, w);
  if (!st && w->param != param)
    st = nj_copy_values(param, w->param);
  nj_mark_written(param);
  for (int i = 0; i < n; i++)
    if (states[i])
      nj_mark_written(states[i]);
  nj_release(w->param);
  nj_release(w->grad);
  return st;
}

static nj_status run_adam(void *arg, int64_t from, int64_t to, int worker) {
  (void)worker;
  const work *w = arg;
  if (w->size == sizeof(float))
    nj_ctx_kernels(w->ctx)->optim->adam(part(w, 0, from), part(w, 1, from), part(w, 2, from),
                                        part(w, 3, from), part(w, 4, from), to - from, w->adam);
  else
    nj_optim_double.adam(part(w, 0, from), part(w, 1, from), part(w, 2, from), part(w, 3, from),
                         part(w, 4, from), to - from, w->adam);
  return NJ_OK;
}

nj_status nj_adam_step_(nj_ctx *ctx, nj_tensor *param, nj_tensor *grad, nj_tensor *m, nj_tensor *v,
                        nj_tensor *vmax, const nj_adam_options *o) {
  if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1))
    return nj_fail(ctx, NJ_EARG, "adam: betas must be in [0, 1), got %g and %g", o->beta1,
                   o->beta2);
  if (o->step < 1)
    return nj_fail(ctx, NJ_EARG, "adam: step counts from 1, got %lld", (long long)o->step);
  double correction1 = o->bias_correction ? 1 - pow(o->beta1, (double)o->step) : 1;
  double correction2 = o->bias_correction ? 1 - pow(o->beta2, (double)o->step) : 1;
  nj_adam_factors f = {
      .shrink = o->decoupled ? 1 - o->lr * o->weight_decay : 1,
      .decay = o->decoupled ? 0 : o->weight_decay,
      .beta1 = o->beta1,
      .beta2 = o->beta2,
      .step_size = o->lr / correction1,
      .root_scale = 1 / sqrt(correction2),
      .eps = o->eps,
      .grad_scale = o->grad_scale,
  };
  work w;
  nj_tensor *states[] = {m, v, vmax};
  NJ_TRY(begin(ctx, "adam", param, grad, 3, states, &w));
  w.adam = &f;
  return finish(&w, NJ_OK, run_adam, param, 3, states);
}

static nj_status run_sgd(void *arg, int64_t from, int64_t to, int worker) {
  (void)worker;
  const work *w = arg;
  if (w->size == sizeof(float))
    nj_ctx_kernels(w->ctx)->optim->sgd(part(w, 0, from), part(w, 1, from), part(w, 2, from),
                                       to - from, w->sgd);
  else
    nj_optim_double.sgd(part(w, 0, from), part(w, 1, from), part(w, 2, from), to - from, w->sgd);
  return NJ_OK;
}

nj_status nj_sgd_step_(nj_ctx *ctx, nj_tensor *param, nj_tensor *grad, nj_tensor *buffer,
                       const nj_sgd_options *o) {
  if (o->momentum != 0 && !buffer)
    return nj_fail(ctx, NJ_EARG, "sgd: momentum needs a buffer");
  if (o->step < 1)
    return nj_fail(ctx, NJ_EARG, "sgd: step counts from 1, got %lld", (long long)o->step);
  int first = o->step == 1;
  nj_sgd_factors f = {
      .lr = o->lr,
      .decay = o->weight_decay,
      .momentum = o->momentum,
      .take = first ? 1 : 1 - o->dampening,
      .nesterov = o->nesterov,
      .grad_scale = o->grad_scale,
  };
  work w;
  NJ_TRY(begin(ctx, "sgd", param, grad, 1, &buffer, &w));
  w.sgd = &f;
  return finish(&w, NJ_OK, run_sgd, param, 1, &buffer);
}

/* ---- the norm of all gradients ---- */

typedef struct {
  nj_ctx *ctx;
  const nj_tensor *x; /* contiguous */
  double *partial;    /* one per block */
} squares;

static nj_status run_squares(void *arg, int64_t from, int64_t to, int worker) {
  (void)worker;
  const squares *s = arg;
  if (s->x->dtype == NJ_F32)
    s->partial[from / GRAIN] =
        nj_ctx_kernels(s->ctx)->optim->sumsq(NJ_F32_DATA(s->x) + from, to - from);
  else
    s->partial[from / GRAIN] = nj_optim_double.sumsq(NJ_F64_DATA(s->x) + from, to - from);
  return NJ_OK;
}

static nj_status add_squares(nj_ctx *ctx, nj_tensor *grad, double *total) {
  nj_tensor *x = NULL;
  NJ_TRY(nj_as(grad, grad->dtype == NJ_F32 ? NJ_F32 : NJ_F64, &x));
  int64_t blocks = (nj_numel(x) + GRAIN - 1) / GRAIN;
  squares s = {ctx, x, nj_alloc(ctx, (size_t)blocks * sizeof(double))};
  nj_status st =
      s.partial ? nj_parallel_range(ctx, nj_numel(x), GRAIN, run_squares, &s) : NJ_ENOMEM;
  for (int64_t i = 0; !st && i < blocks; i++)
    *total += s.partial[i];
  nj_free(ctx, s.partial);
  nj_release(x);
  return st;
}

nj_status nj_grad_norm(nj_ctx *ctx, int n, nj_tensor *const *grads, double *out) {
  double total = 0;
  for (int i = 0; i < n; i++)
    if (grads[i])
      NJ_TRY(add_squares(ctx, grads[i], &total));
  *out = sqrt(total);
  return NJ_OK;
}
