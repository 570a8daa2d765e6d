#include "hci/tokens.h"

#include <string.h>

static nj_status check(nj_ctx *ctx, const char *op, const char *name, const nj_tensor *x,
                       const nj_tensor *mask, const nj_tensor *weights) {
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: %ss must be float32 or float64, got %s", op, name,
                   nj_dtype_name(x->dtype));
  if (x->ndim != 3)
    return nj_fail(ctx, NJ_ESHAPE, "%s: expected %ss of shape (items, tokens, width), got %s", op,
                   name, NJ_SHAPE_OF(x));
  if (mask && nj_dtype_is_float(mask->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: %s_mask must be of an integer dtype (0 is padding), got %s",
                   op, name, nj_dtype_name(mask->dtype));
  if (weights && weights->dtype != x->dtype)
    return nj_fail(ctx, NJ_EDTYPE, "%s: %s_weights must be %s like the tokens, got %s", op, name,
                   nj_dtype_name(x->dtype), nj_dtype_name(weights->dtype));
  const nj_tensor *beside[] = {mask, weights};
  static const char *const what[] = {"mask", "weights"};
  for (int i = 0; i < 2; i++) {
    const nj_tensor *b = beside[i];
    if (b && (b->ndim != 2 || b->shape[0] != x->shape[0] || b->shape[1] != x->shape[1]))
      return nj_fail(ctx, NJ_ESHAPE, "%s: %s_%s must be (%lld, %lld) for %ss of shape %s, got %s",
                     op, name, what[i], (long long)x->shape[0], (long long)x->shape[1], name,
                     NJ_SHAPE_OF(x), NJ_SHAPE_OF(b));
  }
  return NJ_OK;
}

/* Fills first, place, total and longest. mask: contiguous int64, or NULL. */
static nj_status number(nj_tokens *t, const int64_t *mask) {
  t->first = nj_calloc(t->ctx, (size_t)t->items + 1, sizeof *t->first);
  t->place = nj_calloc(t->ctx, (size_t)t->items * (size_t)t->places, sizeof *t->place);
  if (!t->first || !t->place)
    return NJ_ENOMEM;
  for (int64_t i = 0; i < t->items; i++) {
    for (int64_t p = i * t->places; p < (i + 1) * t->places; p++)
      if (!mask || mask[p] != 0)
        t->place[t->total++] = p;
    t->first[i + 1] = t->total;
    if (nj_tokens_count(t, i) > t->longest)
      t->longest = nj_tokens_count(t, i);
  }
  return NJ_OK;
}

#define FILL_WEIGHTS(T)                                                  \
  do {                                                                   \
    const T *from = given ? nj_data(given) : NULL;                       \
    T *to = t->weight;                                                   \
    for (int64_t i = 0; i < t->items; i++)                               \
      for (int64_t k = t->first[i]; k < t->first[i + 1]; k++)            \
        to[k] = from ? from[t->place[k]] : 1 / (T)nj_tokens_count(t, i); \
  } while (0)

static nj_status weigh(nj_tokens *t, const nj_tensor *given) {
  t->weight = nj_calloc(t->ctx, (size_t)t->total, nj_dtype_size(t->x->dtype));
  if (!t->weight)
    return NJ_ENOMEM;
  if (t->x->dtype == NJ_F32)
    FILL_WEIGHTS(float);
  else
    FILL_WEIGHTS(double);
  return NJ_OK;
}

nj_status nj_tokens_read(nj_ctx *ctx, const char *op, const char *name, nj_tensor *x,
                         nj_tensor *mask, nj_tensor *weights, nj_tokens *out) {
  *out = (nj_tokens){.ctx = ctx};
  NJ_TRY(check(ctx, op, name, x, mask, weights));
  out->items = x->shape[0];
  out->places = x->shape[1];
  out->width = x->shape[2];
  nj_tensor *valid = NULL, *given = NULL;
  nj_status st = nj_as_contiguous(x, &out->x);
  if (!st && mask)
    st = nj_as(mask, NJ_I64, &valid);
  if (!st && weights)
    st = nj_as_contiguous(weights, &given);
  if (!st)
    st = number(out, valid ? NJ_I64_DATA(valid) : NULL);
  if (!st)
    st = weigh(out, given);
  nj_release(valid);
  nj_release(given);
  return st;
}

void nj_tokens_free(nj_tokens *t) {
  if (!t->ctx)
    return;
  nj_free(t->ctx, t->first);
  nj_free(t->ctx, t->place);
  nj_free(t->ctx, t->weight);
  nj_release(t->x);
  *t = (nj_tokens){0};
}

void nj_tokens_gather(const nj_tokens *t, int64_t begin, int64_t end, void *out) {
  size_t row = (size_t)t->width * nj_dtype_size(t->x->dtype);
  const char *from = nj_data(t->x);
  for (int64_t k = begin; k < end; k++)
    memcpy((char *)out + (size_t)(k - begin) * row, from + (size_t)t->place[k] * row, row);
}

nj_status nj_tokens_cut(const nj_tokens *t, int64_t limit, int64_t **starts, int64_t *n) {
  int64_t *cut = nj_calloc(t->ctx, (size_t)t->items + 1, sizeof *cut), runs = 0;
  if (!cut)
    return NJ_ENOMEM;
  for (int64_t i = 0; i < t->items; i++)
    if (i == 0 || t->first[i + 1] - t->first[cut[runs - 1]] > limit)
      cut[runs++] = i;
  cut[runs] = t->items;
  *starts = cut;
  *n = runs;
  return NJ_OK;
}
