#include "audio/samples.h"

nj_status nj_samples_reserve(nj_samples *s, int64_t more) {
  if (more <= s->room - s->length)
    return NJ_OK;
  if (more > INT64_MAX / 8 - s->length)
    return NJ_ENOMEM;
  int64_t room = s->length + more;
  if (room < s->room + s->room / 2)
    room = s->room + s->room / 2;
  float *data = nj_realloc(s->ctx, s->data, (size_t)room * sizeof *data);
  if (!data && room > s->length + more) {
    room = s->length + more;
    data = nj_realloc(s->ctx, s->data, (size_t)room * sizeof *data);
  }
  if (!data)
    return NJ_ENOMEM;
  s->data = data;
  s->room = room;
  return NJ_OK;
}

void nj_samples_trim(nj_samples *s) {
  if (!s->data || s->room == s->length)
    return;
  float *data = nj_realloc(s->ctx, s->data, (size_t)s->length * sizeof *data);
  if (data) {
    s->data = data;
    s->room = s->length;
  }
}

void nj_samples_free(nj_samples *s) {
  nj_free(s->ctx, s->data);
  s->data = NULL;
  s->length = s->room = 0;
}

/* The owner of a tensor's memory: keeps the context for the moment of the release. */
typedef struct {
  nj_ctx *ctx;
  float *data;
} owner;

static void release_owner(void *p) {
  owner *o = p;
  nj_ctx *ctx = o->ctx;
  nj_free(ctx, o->data);
  nj_free(ctx, o);
  nj_ctx_release(ctx);
}

nj_status nj_samples_to_tensor(nj_samples *s, int ndim, const int64_t *shape, nj_tensor **out) {
  nj_ctx *ctx = s->ctx;
  owner *o = NULL;
  if (s->data || nj_samples_reserve(s, 1) == NJ_OK)
    o = nj_alloc(ctx, sizeof *o);
  if (!o) {
    nj_samples_free(s);
    return NJ_ENOMEM;
  }
  *o = (owner){nj_ctx_retain(ctx), s->data};
  s->data = NULL;
  s->length = s->room = 0;
  return nj_from_memory(ctx, NJ_F32, ndim, shape, o->data, release_owner, o, out);
}
