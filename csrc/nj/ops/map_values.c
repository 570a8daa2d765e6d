#include "ops/map_values.h"

#include "kernels/kernels.h"
#include "tensor/autograd.h"
#include "tensor/iter.h"

typedef struct {
  const nj_map_kernels *f32;
  int f;
  double p, q; /* q: of one input only */
} call;

static void run_f32(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  c->f32->binary[c->f](data[1], stride[1], data[2], stride[2], data[0], n, c->p, 0);
}

static void run_f64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  nj_map_double.binary[c->f](data[1], stride[1], data[2], stride[2], data[0], n, c->p, 0);
}

static void run_i64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  nj_map_int.binary[c->f](data[1], stride[1], data[2], stride[2], data[0], n, c->p, 0);
}

nj_status nj_map_into(nj_ctx *ctx, const char *op, nj_map_binary f, const nj_tensor *a,
                      const nj_tensor *b, double p, nj_tensor *y) {
  nj_dtype compute = nj_compute_dtype(y->dtype);
  call c = {nj_ctx_kernels(ctx)->map, (int)f, p, 0};
  nj_iter it;
  NJ_TRY(nj_iter_init(&it, ctx, op, 3, (const nj_tensor *[]){y, a, b}));
  return nj_iter_run(&it, (nj_dtype[]){compute, compute, compute},
                     compute == NJ_F32   ? run_f32
                     : compute == NJ_F64 ? run_f64
                                         : run_i64,
                     &c);
}

nj_status nj_map_values(nj_ctx *ctx, const char *op, nj_map_binary f, nj_tensor *a, nj_tensor *b,
                        double p, nj_tensor **out) {
  nj_dtype dtype = nj_dtype_promote(a->dtype, b->dtype);
  if (!nj_dtype_is_float(dtype) && !nj_map_int.binary[f])
    dtype = NJ_F32;
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  NJ_TRY(nj_broadcast_shape(ctx, op, a, b, &ndim, shape));
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty_result(ctx, dtype, ndim, shape, 2, (nj_tensor *[]){a, b}, &y));
  return nj_finish(nj_map_into(ctx, op, f, a, b, p, y), y, out);
}

/* ---- one input ---- */

static void forward_f32(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  if (stride[1])
    c->f32->unary[c->f](data[1], data[0], n, c->p, c->q);
  else {
    float y, *to = data[0];
    c->f32->unary[c->f](data[1], &y, 1, c->p, c->q);
    for (int64_t i = 0; i < n; i++)
      to[i] = y;
  }
}

static void forward_f64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  if (stride[1])
    nj_map_double.unary[c->f](data[1], data[0], n, c->p, c->q);
  else
    for (int64_t i = 0; i < n; i++)
      nj_map_double.unary[c->f](data[1], (double *)data[0] + i, 1, c->p, c->q);
}

static void forward_i64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  if (stride[1])
    nj_map_int.unary[c->f](data[1], data[0], n, c->p, c->q);
  else
    for (int64_t i = 0; i < n; i++)
      nj_map_int.unary[c->f](data[1], (int64_t *)data[0] + i, 1, c->p, c->q);
}

static nj_iter_fn forward_in(nj_dtype dtype) {
  return dtype == NJ_F32 ? forward_f32 : dtype == NJ_F64 ? forward_f64 : forward_i64;
}

nj_status nj_map_unary_into(nj_ctx *ctx, const char *op, nj_map_unary f, const nj_tensor *x,
                            double p, double q, nj_tensor *y) {
  nj_dtype compute = nj_compute_dtype(y->dtype);
  call c = {nj_ctx_kernels(ctx)->map, (int)f, p, q};
  nj_iter it;
  NJ_TRY(nj_iter_init(&it, ctx, op, 2, (const nj_tensor *[]){y, x}));
  return nj_iter_run(&it, (nj_dtype[]){compute, compute}, forward_in(compute), &c);
}
