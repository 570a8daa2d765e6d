/* Random tensors. Number i of a tensor depends on the generator's state and i alone, so the values
 * are the same for any number of threads; the generator advances past all that was used. Floats are
 * float32 or float64 (EDTYPE else). */
#ifndef NJ_OPS_RANDOM_H
#define NJ_OPS_RANDOM_H

#include "base/rng.h"
#include "tensor/tensor.h"

/* Uniform in [low, high): low + (high - low) * u, u of 24 random bits (float32) or 53. */
nj_status nj_rand(nj_ctx *ctx, nj_rng *rng, nj_dtype dtype, int ndim, const int64_t *shape,
                  double low, double high, nj_tensor **out);
/* Normal, by Box and Muller. */
nj_status nj_randn(nj_ctx *ctx, nj_rng *rng, nj_dtype dtype, int ndim, const int64_t *shape,
                   double mean, double deviation, nj_tensor **out);
/* Whole numbers in [low, high]; any dtype that holds them (EARG else). 64 random bits each are
 * scaled down, so no value is favoured by more than 2^-64 of the range's size. */
nj_status nj_randint(nj_ctx *ctx, nj_rng *rng, nj_dtype dtype, int ndim, const int64_t *shape,
                     int64_t low, int64_t high, nj_tensor **out);
/* 0 … n-1 in random order (Fisher-Yates), int64. Errors: EARG (n negative). */
nj_status nj_randperm(nj_ctx *ctx, nj_rng *rng, int64_t n, nj_tensor **out);
/* 1 with the probability given for each element, else 0; in p's dtype. Errors: EARG (a probability
 * outside [0, 1] or NaN). */
nj_status nj_bernoulli(nj_ctx *ctx, nj_rng *rng, nj_tensor *p, nj_tensor **out);
/* k draws for each row of non-negative weights (…, n): int64 (…, k), 0-based. Without replacement
 * each index comes at most once. Errors: EARG (a weight negative or not finite, a row of zeros, or fewer
 * positive weights than k without replacement), ESHAPE (0-dimensional). */
nj_status nj_multinomial(nj_ctx *ctx, nj_rng *rng, nj_tensor *weights, int64_t k, int replacement,
                         nj_tensor **out);
/* Each element becomes 0 with probability p, else is divided by 1 - p. x itself when not training or
 * p is 0; zeros when p is 1. Differentiable. Errors: EARG (p outside [0, 1]). */
nj_status nj_dropout(nj_ctx *ctx, nj_tensor *x, double p, int training, nj_rng *rng,
                     nj_tensor **out);

/* In place. */
nj_status nj_uniform_(nj_ctx *ctx, nj_tensor *x, nj_rng *rng, double low, double high);
nj_status nj_normal_(nj_ctx *ctx, nj_tensor *x, nj_rng *rng, double mean, double deviation);

#endif
