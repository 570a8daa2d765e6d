/* The backward walk. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "kernels/kernels.h"
#include "kernels/map.h"
#include "tensor/autograd.h"
#include "tensor/iter.h"

/* Nodes and leaves reached from a root. */
typedef struct {
  nj_ctx *ctx;
  uint64_t walk;
  nj_node **nodes;
  size_t n_nodes, node_room;
  nj_leaf **leaves;
  size_t n_leaves, leaf_room;
} reached;

static nj_status reach_node(reached *r, nj_node *node) {
  if (node->walk == r->walk)
    return NJ_OK;
  node->walk = r->walk;
  NJ_RESERVE(r->ctx, r->nodes, r->node_room, r->n_nodes + 1);
  r->nodes[r->n_nodes++] = node;
  return NJ_OK;
}

static nj_status reach_leaf(reached *r, nj_leaf *leaf) {
  if (leaf->walk == r->walk)
    return NJ_OK;
  leaf->walk = r->walk;
  NJ_RESERVE(r->ctx, r->leaves, r->leaf_room, r->n_leaves + 1);
  r->leaves[r->n_leaves++] = leaf;
  return NJ_OK;
}

static int later_first(const void *a, const void *b) {
  const nj_node *p = *(nj_node *const *)a, *q = *(nj_node *const *)b;
  return p->sequence < q->sequence ? 1 : p->sequence > q->sequence ? -1 : 0;
}

/* Breadth-first; the list of nodes is its own queue. */
static nj_status reach_all(reached *r, nj_node *root) {
  NJ_TRY(reach_node(r, root));
  for (size_t at = 0; at < r->n_nodes; at++) {
    nj_node *node = r->nodes[at];
    for (int i = 0; i < node->n_inputs; i++) {
      if (node->inputs[i].node)
        NJ_TRY(reach_node(r, node->inputs[i].node));
      else if (node->inputs[i].leaf)
        NJ_TRY(reach_leaf(r, node->inputs[i].leaf));
    }
  }
  qsort(r->nodes, r->n_nodes, sizeof *r->nodes, later_first);
  return NJ_OK;
}

static void add_run(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const nj_map_kernels *kernels = arg;
  if (kernels)
    kernels->binary[NJ_MAP_ADD](data[1], stride[1], data[2], stride[2], data[0], n, 0, 0);
  else
    nj_map_double.binary[NJ_MAP_ADD](data[1], stride[1], data[2], stride[2], data[0], n, 0, 0);
}

/* sum = a + b, of whatever layouts; sum may be a. */
static nj_status add(nj_tensor *sum, const nj_tensor *a, const nj_tensor *b) {
  nj_iter it;
  NJ_TRY(nj_iter_init(&it, sum->ctx, "backward", 3, (const nj_tensor *[]){sum, a, b}));
  const nj_map_kernels *single = sum->dtype == NJ_F32 ? nj_ctx_kernels(sum->ctx)->map : NULL;
  return nj_iter_run(&it, (nj_dtype[]){sum->dtype, sum->dtype, sum->dtype}, add_run, single);
}

/* Nobody else can see x's memory, and no two of its elements share it. */
static int is_ours(const nj_tensor *x) {
  return atomic_load(&x->refs) == 1 && atomic_load(&x->storage->refs) == 1 && nj_is_contiguous(x);
}

/* Replaces *x by a contiguous copy unless nobody else can see its memory. */
static nj_status own(nj_tensor **x) {
  nj_tensor *shared = *x, *copy = NULL;
  if (is_ours(shared))
    return NJ_OK;
  NJ_TRY(nj_empty_like(shared, &copy));
  nj_status st = nj_finish(nj_copy_values(copy, shared), copy, x);
  if (!st)
    nj_release(shared);
  return st;
}

/* *slot += grad. Takes the reference to grad. A first gradient is kept as it came and may be shared
 * with other readers, so the sum goes into memory of our own. */
static nj_status gather(nj_tensor **slot, nj_tensor *grad) {
  if (!*slot) {
    *slot = grad;
    return NJ_OK;
  }
  nj_tensor *so_far = *slot, *sum = NULL;
  nj_status st = NJ_OK;
  if (is_ours(so_far)) {
    st = add(so_far, so_far, grad);
  } else {
    st = nj_empty_result(so_far->ctx, so_far->dtype, so_far->ndim, so_far->shape, 2,
                         (nj_tensor *[]){so_far, grad}, &sum);
    if (!st)
      st = add(sum, so_far, grad);
    if (!st) {
      nj_release(so_far);
      *slot = sum;
    } else {
      nj_release(sum);
    }
  }
  nj_release(grad);
  return st;
}

static nj_status check_saved(nj_node *node) {
  if (node->freed)
    return nj_fail(node->ctx, NJ_EGRAD,
                   "backward: the graph of '%s' was freed by an earlier "
                   "backward; pass {retain_graph = true} to the first",
                   node->op);
  for (int i = 0; i < NJ_NODE_SAVED; i++)
    if (node->saved[i] && node->saved[i]->storage->version != node->saved_version[i])
      return nj_fail(node->ctx, NJ_EGRAD,
                     "backward: a tensor that '%s' needs was written to in "
                     "place after it was recorded",
                     node->op);
  return NJ_OK;
}

static nj_status check_gradient(nj_node *node, int input, const nj_tensor *grad) {
  const nj_node *from = node->inputs[input].node;
  if (from && (grad->ndim != from->ndim || grad->dtype != from->dtype ||
               memcmp(grad->shape, from->shape, (size_t)from->ndim * sizeof *from->shape) != 0))
    return nj_fail(node->ctx, NJ_ESHAPE,
                   "backward: '%s' gave its input %d a %s gradient of shape "
                   "%s, expected %s %s",
                   node->op, input + 1, nj_dtype_name(grad->dtype), NJ_SHAPE_OF(grad),
                   nj_dtype_name(from->dtype),
                   nj_shape_text(from->ndim, from->shape, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT));
  return NJ_OK;
}

/* Runs one node's backward and hands its gradients on. */
static nj_status step(nj_node *node, int retain_graph) {
  nj_ctx *ctx = node->ctx;
  if (!node->grad)
    return NJ_OK; /* zero: nothing flowed here */
  NJ_TRY(check_saved(node));
  nj_tensor **grads = nj_calloc(ctx, (size_t)node->n_inputs, sizeof *grads);
  if (!grads)
    return NJ_ENOMEM;
  nj_status st = node->backward(ctx, node, node->grad, grads);
  for (int i = 0; i < node->n_inputs; i++) {
    if (!grads[i])
      continue;
    if (!st && nj_needs(node, i))
      st = check_gradient(node, i, grads[i]);
    if (st || !nj_needs(node, i)) {
      nj_release(grads[i]);
      continue;
    }
    nj_edge edge = node->inputs[i];
    st = gather(edge.node ? &edge.node->grad : &edge.leaf->arriving, grads[i]);
  }
  nj_free(ctx, grads);
  nj_release(node->grad);
  node->grad = NULL;
  if (!st && !retain_graph) {
    for (int i = 0; i < NJ_NODE_SAVED; i++) {
      nj_release(node->saved[i]);
      node->saved[i] = NULL;
    }
    node->freed = 1;
  }
  return st;
}

static nj_status deliver(nj_leaf *leaf) {
  nj_tensor *arriving = leaf->arriving;
  leaf->arriving = NULL;
  if (!arriving)
    return NJ_OK;
  if (leaf->hook) {
    nj_status st = leaf->hook(leaf->hook_data, &arriving);
    if (st) {
      nj_release(arriving);
      return st;
    }
  }
  NJ_TRY(gather(&leaf->grad, arriving));
  return own(&leaf->grad); /* two leaves may have been given the same tensor */
}

static nj_status seed_gradient(nj_ctx *ctx, nj_tensor *root, nj_tensor *grad, nj_tensor **out) {
  if (!grad) {
    if (nj_numel(root) != 1)
      return nj_fail(ctx, NJ_ESHAPE,
                     "backward: a tensor of shape %s needs a gradient to start "
                     "from; only a single element does not",
                     NJ_SHAPE_OF(root));
    return nj_full(ctx, root->dtype, root->ndim, root->shape, 1.0, out);
  }
  if (!nj_same_shape(root, grad))
    return nj_fail(ctx, NJ_ESHAPE, "backward: gradient of shape %s for a tensor of shape %s",
                   NJ_SHAPE_OF(grad), NJ_SHAPE_OF(root));
  if (grad->dtype != root->dtype)
    return nj_fail(ctx, NJ_EDTYPE, "backward: %s gradient for a %s tensor",
                   nj_dtype_name(grad->dtype), nj_dtype_name(root->dtype));
  return nj_detach(grad, out);
}

static void forget(reached *r) {
  for (size_t i = 0; i < r->n_nodes; i++) {
    nj_release(r->nodes[i]->grad);
    r->nodes[i]->grad = NULL;
  }
  for (size_t i = 0; i < r->n_leaves; i++) {
    nj_release(r->leaves[i]->arriving);
    r->leaves[i]->arriving = NULL;
  }
  nj_free(r->ctx, r->nodes);
  nj_free(r->ctx, r->leaves);
}

static nj_status walk(reached *r, nj_tensor *root, nj_tensor *seed, int retain_graph) {
  if (root->leaf) {
    NJ_TRY(reach_leaf(r, root->leaf));
    root->leaf->arriving = nj_retain(seed);
  } else {
    NJ_TRY(reach_all(r, root->node));
    root->node->grad = nj_retain(seed);
  }
  for (size_t i = 0; i < r->n_nodes; i++) {
    NJ_TRY(nj_poll(r->ctx));
    NJ_TRY(step(r->nodes[i], retain_graph));
  }
  for (size_t i = 0; i < r->n_leaves; i++)
    NJ_TRY(deliver(r->leaves[i]));
  return NJ_OK;
}

nj_status nj_backward(nj_ctx *ctx, nj_tensor *root, nj_tensor *grad, int retain_graph) {
  if (!nj_requires_grad(root))
    return nj_fail(ctx, NJ_EGRAD,
                   "backward: this tensor does not require grad, and nothing it was "
                   "computed from does");
  nj_tensor *seed = NULL;
  NJ_TRY(seed_gradient(ctx, root, grad, &seed));
  reached r = {.ctx = ctx, .walk = nj_ctx_next_sequence(ctx)};
  int recording = nj_grad_enabled(ctx);
  nj_set_grad_enabled(ctx, 0);
  nj_status st = walk(&r, root, seed, retain_graph);
  nj_set_grad_enabled(ctx, recording);
  forget(&r);
  nj_release(seed);
  return st;
}
