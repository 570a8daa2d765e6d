/* Operations that write into an existing tensor. Every one refuses writes that would break the
 * autograd graph (nj_check_inplace), counts the write, and accepts views. What is read may overlap what is written:
 * it is then copied first. Errors: EGRAD; EARG for a tensor whose elements share memory (an expanded
 * one); ESHAPE; EDTYPE when floats would be written into integers. */
#ifndef NJ_OPS_INPLACE_H
#define NJ_OPS_INPLACE_H

#include "ops/elementwise.h"
#include "tensor/tensor.h"

/* dst = src, broadcast and converted (as nj_copy_values; floats to integers are allowed here). */
nj_status nj_copy_(nj_ctx *ctx, nj_tensor *dst, nj_tensor *src);
nj_status nj_fill_(nj_ctx *ctx, nj_tensor *x, double value);
nj_status nj_zero_(nj_ctx *ctx, nj_tensor *x);

/* x = x + alpha * y. For integers alpha must be whole. */
nj_status nj_add_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, double alpha);
nj_status nj_sub_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, double alpha);
nj_status nj_mul_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y);
nj_status nj_div_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y); /* floats only */
nj_status nj_pow_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y); /* floats only */
nj_status nj_maximum_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y);
nj_status nj_minimum_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y);
/* x = x + weight * (y - x). Floats only. */
nj_status nj_lerp_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, double weight);
nj_status nj_affine_(nj_ctx *ctx, nj_tensor *x, double scale, double shift); /* floats only */
nj_status nj_clamp_(nj_ctx *ctx, nj_tensor *x, double low, double high);
/* x = value where the mask, broadcast to x, is not 0. */
nj_status nj_masked_fill_(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, double value);

/* x = f(x) for every function of NJ_ELEMENTWISE_UNARY: nj_exp_, nj_relu_, … */
#define NJ_X(name, NAME) nj_status nj_##name##_(nj_ctx *ctx, nj_tensor *x);
NJ_ELEMENTWISE_UNARY(NJ_X)
#undef NJ_X

/* For other in-place operations. Whether x may be written: autograd allows it (source as in
 * nj_check_inplace) and no two elements share memory. */
nj_status nj_check_writable(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *source);
/* src itself (retained), or a copy when writing x would change what is yet to be read. */
nj_status nj_apart(const nj_tensor *x, nj_tensor *src, nj_tensor **out);

#endif
