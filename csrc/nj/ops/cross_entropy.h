/* Cross-entropy of logits against classes or probabilities; float32 and float64. */
#ifndef NJ_OPS_CROSS_ENTROPY_H
#define NJ_OPS_CROSS_ENTROPY_H

#include "base/option.h"
#include "tensor/tensor.h"

typedef enum { NJ_REDUCTION_MEAN, NJ_REDUCTION_SUM, NJ_REDUCTION_NONE } nj_reduction;

typedef struct {
  double smoothing; /* in [0, 1]: the target becomes (1 - s) target + s / classes */
  int base;         /* what the first class is called: 0, or 1 as in Lua */
  int has_ignore;
  int64_t ignore; /* rows with this class (counted from base) add nothing */
  nj_reduction reduction;
} nj_cross_entropy_options;

/* No smoothing, classes from 0, none ignored, the mean. */
nj_cross_entropy_options nj_cross_entropy_default_options(void);
extern const nj_option_table nj_cross_entropy_option_table;

/* logits (classes) or (N, classes, …); targets are int32 or int64 classes of the shape without the
 * class dimension, or probabilities of the logits' shape and dtype. Row by row
 *   loss = - sum over classes of target * log_softmax(logits),
 * where a target of zero adds nothing, even against -inf. The mean is over the rows not ignored
 * (none: NaN). Differentiable in the logits and in probabilities. options NULL: none, base 0, mean.
 * Errors: ESHAPE, EDTYPE, EINDEX (a class out of range), EARG (options). */
nj_status nj_cross_entropy(nj_ctx *ctx, nj_tensor *logits, nj_tensor *targets,
                           const nj_cross_entropy_options *options, nj_tensor **out);

#endif
