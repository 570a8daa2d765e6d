#include "tensor/autograd.h"

#include <string.h>

int nj_requires_grad(const nj_tensor *x) { return x->node != NULL || x->leaf != NULL; }

nj_status nj_set_requires_grad(nj_tensor *x, int requires_grad) {
  if (requires_grad && !nj_dtype_is_float(x->dtype))
    return nj_fail(x->ctx, NJ_EDTYPE,
                   "requires_grad: only float32 and float64 tensors have "
                   "gradients, this one is %s",
                   nj_dtype_name(x->dtype));
  if (x->node)
    return requires_grad ? NJ_OK
                         : nj_fail(x->ctx, NJ_EGRAD,
                                   "requires_grad: this tensor was computed by "
                                   "'%s'; use detach() to cut it off",
                                   x->node->op);
  if (!requires_grad) {
    nj_leaf_release(x->leaf);
    x->leaf = NULL;
  } else if (!x->leaf) {
    x->leaf = nj_calloc(x->ctx, 1, sizeof *x->leaf);
    if (!x->leaf)
      return NJ_ENOMEM;
    atomic_init(&x->leaf->refs, 1);
    x->leaf->ctx = nj_ctx_retain(x->ctx);
  }
  return NJ_OK;
}

int nj_will_record(nj_ctx *ctx, int n_inputs, nj_tensor *const *inputs) {
  if (!nj_grad_enabled(ctx))
    return 0;
  for (int i = 0; i < n_inputs; i++)
    if (inputs[i] && nj_requires_grad(inputs[i]))
      return 1;
  return 0;
}

static void retain_edge(nj_edge *edge, const nj_tensor *input) {
  if (!input)
    return;
  if (input->node) {
    edge->node = input->node;
    atomic_fetch_add_explicit(&edge->node->refs, 1, memory_order_relaxed);
  } else if (input->leaf) {
    edge->leaf = input->leaf;
    atomic_fetch_add_explicit(&edge->leaf->refs, 1, memory_order_relaxed);
  }
}

nj_status nj_record(nj_ctx *ctx, nj_tensor *y, const char *op, nj_backward_fn backward,
                    int n_inputs, nj_tensor *const *inputs, nj_node **out) {
  *out = NULL;
  if (!nj_dtype_is_float(y->dtype) || !nj_will_record(ctx, n_inputs, inputs))
    return NJ_OK;
  nj_node *node = nj_calloc(ctx, 1, sizeof *node);
  nj_edge *edges = node ? nj_calloc(ctx, (size_t)n_inputs, sizeof *edges) : NULL;
  if (!edges) {
    nj_free(ctx, node);
    return NJ_ENOMEM;
  }
  atomic_init(&node->refs, 1);
  node->ctx = nj_ctx_retain(ctx);
  node->op = op;
  node->backward = backward;
  node->n_inputs = n_inputs;
  node->inputs = edges;
  for (int i = 0; i < n_inputs; i++)
    retain_edge(&edges[i], inputs[i]);
  node->sequence = nj_ctx_next_sequence(ctx);
  node->dtype = y->dtype;
  node->ndim = y->ndim;
  memcpy(node->shape, y->shape, sizeof node->shape);
  y->node = node;
  *out = node;
  return NJ_OK;
}

nj_status nj_save(nj_node *node, int slot, nj_tensor *x) {
  if (!x)
    return NJ_OK;
  NJ_TRY(nj_detach(x, &node->saved[slot]));
  node->saved_version[slot] = x->storage->version;
  return NJ_OK;
}

int nj_needs(const nj_node *node, int input) {
  return node->inputs[input].node != NULL || node->inputs[input].leaf != NULL;
}

nj_status nj_check_inplace(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *source) {
  if (x->node)
    return nj_fail(ctx, NJ_EGRAD,
                   "%s: cannot write in place to the result of '%s', which autograd "
                   "recorded; use detach() or clone()",
                   op, x->node->op);
  if (!nj_grad_enabled(ctx))
    return NJ_OK;
  if (x->leaf)
    return nj_fail(ctx, NJ_EGRAD,
                   "%s: cannot write in place to a tensor that requires grad; wrap "
                   "the call in nj.no_grad",
                   op);
  if (source && nj_requires_grad(source))
    return nj_fail(ctx, NJ_EGRAD,
                   "%s: the source requires grad, and in-place writes are not "
                   "recorded; use the out-of-place form, or detach()",
                   op);
  return NJ_OK;
}

void nj_mark_written(nj_tensor *x) { x->storage->version++; }

void nj_leaf_release(nj_leaf *leaf) {
  if (!leaf || atomic_fetch_sub_explicit(&leaf->refs, 1, memory_order_acq_rel) != 1)
    return;
  nj_ctx *ctx = leaf->ctx;
  nj_release(leaf->grad);
  nj_release(leaf->arriving);
  if (leaf->hook_free)
    leaf->hook_free(leaf->hook_data);
  nj_free(ctx, leaf);
  nj_ctx_release(ctx);
}

static void drop_saved(nj_node *node) {
  for (int i = 0; i < NJ_NODE_SAVED; i++) {
    nj_release(node->saved[i]);
    node->saved[i] = NULL;
  }
}

/* Graphs may be a million nodes deep, so the dead are chained instead of being freed by recursion. */
static void drop_node(nj_node *node, nj_node **dead) {
  if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1)
    return;
  node->next_dead = *dead;
  *dead = node;
}

void nj_node_release(nj_node *node) {
  if (!node)
    return;
  nj_node *dead = NULL;
  drop_node(node, &dead);
  while (dead) {
    nj_node *gone = dead;
    dead = gone->next_dead;
    for (int i = 0; i < gone->n_inputs; i++) {
      if (gone->inputs[i].node)
        drop_node(gone->inputs[i].node, &dead);
      nj_leaf_release(gone->inputs[i].leaf);
    }
    drop_saved(gone);
    nj_release(gone->grad);
    if (gone->free_extra)
      gone->free_extra(gone->extra);
    nj_ctx *ctx = gone->ctx;
    nj_free(ctx, gone->inputs);
    nj_free(ctx, gone);
    nj_ctx_release(ctx);
  }
}
