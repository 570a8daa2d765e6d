/* Elementwise functions on values, for other operations and their backward functions: nothing is
 * recorded. */
#ifndef NJ_OPS_MAP_VALUES_H
#define NJ_OPS_MAP_VALUES_H

#include "kernels/map.h"
#include "tensor/tensor.h"

/* y = f(a, b) with parameter p, in the promoted dtype. */
nj_status nj_map_values(nj_ctx *ctx, const char *op, nj_map_binary f, nj_tensor *a, nj_tensor *b,
                        double p, nj_tensor **out);
/* The same written into y, whose dtype is the one computed in (y may be a or b itself). */
nj_status nj_map_into(nj_ctx *ctx, const char *op, nj_map_binary f, const nj_tensor *a,
                      const nj_tensor *b, double p, nj_tensor *y);
/* y = f(x) with parameters p and q; y may be x. */
nj_status nj_map_unary_into(nj_ctx *ctx, const char *op, nj_map_unary f, const nj_tensor *x,
                            double p, double q, nj_tensor *y);

#endif
