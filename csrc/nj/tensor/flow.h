/* A value passed through operations one after the other, freeing each intermediate:
 *
 *   nj_flow f = nj_flow_begin(x);
 *   NJ_FLOW(f, nj_linear(ctx, f.x, w, b, &f.next));
 *   NJ_FLOW(f, nj_relu(ctx, f.x, &f.next));
 *   return nj_flow_end(&f, out);
 *
 * After a failure the remaining steps are skipped and nj_flow_end reports it. */
#ifndef NJ_TENSOR_FLOW_H
#define NJ_TENSOR_FLOW_H

#include "tensor/tensor.h"

typedef struct {
  nj_status status;
  nj_tensor *x;    /* the value so far */
  nj_tensor *next; /* where a step puts its result */
} nj_flow;

static inline nj_flow nj_flow_begin(nj_tensor *x) { return (nj_flow){NJ_OK, nj_retain(x), NULL}; }

static inline void nj_flow_advance(nj_flow *f) {
  if (f->status == NJ_OK) {
    nj_release(f->x);
    f->x = f->next;
  }
  f->next = NULL;
}

#define NJ_FLOW(f, step)       \
  do {                         \
    if ((f).status == NJ_OK) { \
      (f).status = (step);     \
      nj_flow_advance(&(f));   \
    }                          \
  } while (0)

static inline nj_status nj_flow_end(nj_flow *f, nj_tensor **out) {
  if (f->status == NJ_OK)
    *out = f->x;
  else
    nj_release(f->x);
  return f->status;
}

#endif
