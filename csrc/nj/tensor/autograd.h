/* Reverse-mode automatic differentiation: a graph recorded as operations run.
 *
 *   node  one recorded operation: its inputs' edges, what it saved, its backward function
 *   leaf  where the gradient of a parameter gathers
 *
 * Edges point from results to inputs only, so reference counts suffice. Saved tensors are detached
 * aliases (no cycles) that remember their storage's version: writing in place to what backward
 * still needs is an error that names the operation. Walks are iterative; the order of backward is
 * the reverse of the order of recording, so gradients are summed in a fixed order.
 *
 * How an operation records itself:
 *
 *   nj_status nj_mul(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
 *     nj_tensor *y = NULL;
 *     NJ_TRY(forward(ctx, a, b, &y));
 *     nj_node *node = NULL;
 *     nj_status st = nj_record(ctx, y, "mul", mul_backward, 2, (nj_tensor *[]){a, b}, &node);
 *     if (node) { st = nj_save(node, 0, a); if (!st) st = nj_save(node, 1, b); }
 *     return nj_finish(st, y, out);
 *   }
 *
 *   static nj_status mul_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
 *     if (nj_needs(node, 0)) NJ_TRY(... grads[0] = sum_to_shape(grad * saved[1]));
 *     ...
 *   }
 */
#ifndef NJ_TENSOR_AUTOGRAD_H
#define NJ_TENSOR_AUTOGRAD_H

#include "tensor/tensor.h"

#define NJ_NODE_SAVED 8
#define NJ_NODE_INTS 24

typedef struct nj_node nj_node;

/* Fills grads[i], one reference each, for the inputs with nj_needs(node, i); others stay NULL, and
 * NULL for a needed input means zero. grad has the output's shape and dtype (maybe strided, never to be
 * written to). Runs with recording off. On failure what it put into grads is released by the caller. */
typedef nj_status (*nj_backward_fn)(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads);

typedef struct {
  nj_node *node;        /* either the input's maker … */
  struct nj_leaf *leaf; /* … or the leaf itself; both NULL: no gradient wanted */
} nj_edge;

struct nj_node {
  atomic_int refs;
  nj_ctx *ctx;
  const char *op; /* static text */
  uint64_t sequence;
  nj_backward_fn backward;
  int n_inputs;
  nj_edge *inputs;
  nj_tensor *saved[NJ_NODE_SAVED];
  uint64_t saved_version[NJ_NODE_SAVED];
  int64_t ints[NJ_NODE_INTS]; /* parameters an operation keeps for backward */
  double reals[4];
  nj_dtype dtype; /* of the output */
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  int freed;          /* saved tensors were given back by an earlier backward */
  nj_tensor *grad;    /* gathered during a walk */
  uint64_t walk;      /* the walk that last reached it */
  nj_node *next_dead; /* chain of nodes being freed */
  void *extra;        /* freed by free_extra, when set (custom operations) */
  void (*free_extra)(void *extra);
};

typedef struct nj_leaf {
  atomic_int refs;
  nj_ctx *ctx;
  nj_tensor *grad; /* NULL until something arrived */
  /* Called with each arriving gradient; may replace *grad (one reference for one). May be NULL. */
  nj_status (*hook)(void *data, nj_tensor **grad);
  void *hook_data;
  void (*hook_free)(void *data);
  nj_tensor *arriving; /* the sum of the walk so far */
  uint64_t walk;       /* the walk that last reached it */
} nj_leaf;

int nj_requires_grad(const nj_tensor *x);
/* Makes x a leaf that gathers gradients, or stops it. Errors: EDTYPE (not floating), EGRAD (x was
 * computed and recorded). */
nj_status nj_set_requires_grad(nj_tensor *x, int requires_grad);
/* 1 when an operation over these inputs would be recorded now. */
int nj_will_record(nj_ctx *ctx, int n_inputs, nj_tensor *const *inputs);

/* Makes a node for the fresh tensor y when recording is on and an input requires grad; else *node
 * stays NULL. Inputs may be NULL (optional arguments). `op` must outlive the node. */
nj_status nj_record(nj_ctx *ctx, nj_tensor *y, const char *op, nj_backward_fn backward,
                    int n_inputs, nj_tensor *const *inputs, nj_node **node);
/* Keeps a detached alias of x for backward (x may be NULL). y's own value may be saved too. */
nj_status nj_save(nj_node *node, int slot, nj_tensor *x);
int nj_needs(const nj_node *node, int input);

/* Gathers d root / d leaf into every leaf reached. `grad` NULL means ones, for a root of one
 * element. Frees what the graph saved unless retain_graph. Errors: EGRAD (nothing to do, freed
 * graph, something saved was overwritten), ESHAPE, EDTYPE, and whatever a backward function reports. */
nj_status nj_backward(nj_ctx *ctx, nj_tensor *root, nj_tensor *grad, int retain_graph);

/* Refuses a write to x in place when the graph would go wrong: x is recorded, or a leaf while
 * recording is on, or `source` (may be NULL) requires grad while recording is on. */
nj_status nj_check_inplace(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *source);
/* Counts a write to x's storage. Every in-place operation calls it after nj_check_inplace. */
void nj_mark_written(nj_tensor *x);

void nj_node_release(nj_node *node);
void nj_leaf_release(nj_leaf *leaf);

#endif
