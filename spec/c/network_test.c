/* Networks and their tables of options: tables fit their structs, defaults are allowed values, every kind
 * builds, and making one leaves nothing behind when memory runs out anywhere. */
#include <stdlib.h>

#include "ac/caption_pool.h"
#include "ac/decoder.h"
#include "ac/interaction.h"
#include "base/alloc.h"
#include "ctest.h"
#include "encoders/bert.h"
#include "encoders/convnet.h"
#include "encoders/convnext.h"
#include "encoders/gpt2.h"
#include "encoders/htsat.h"
#include "encoders/mobilenet.h"
#include "encoders/resnet.h"
#include "encoders/vit.h"
#include "hci/aggregator.h"
#include "hci/codebook.h"
#include "hci/token_weights.h"
#include "kernels/kernels.h"
#include "nn/projection.h"

static const nj_network_kind *const kinds[] = {
    &nj_convnet_network,    &nj_resnet_network,      &nj_mobilenet_network,
    &nj_convnext_network,   &nj_htsat_network,       &nj_vit_network,
    &nj_bert_network,       &nj_gpt2_network,        &nj_projection_network,
    &nj_decoder_network,    &nj_interaction_network, &nj_caption_pool_network,
    &nj_aggregator_network, &nj_codebook_network,    &nj_token_weights_network,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const nj_option *find(const nj_option_table *table, const char *key) {
  for (size_t i = 0; i < table->n; i++)
    if (strcmp(table->items[i].key, key) == 0)
      return &table->items[i];
  return NULL;
}

static void set(const nj_option_table *table, void *options, const char *key, int64_t value) {
  const nj_option *o = find(table, key);
  if (o && o->kind == NJ_OPTION_I64)
    memcpy((char *)options + o->at, &value, sizeof value);
}

static void set_list(const nj_option_table *table, void *options, const char *key, int n,
                     const int64_t *values) {
  const nj_option *o = find(table, key);
  if (!o || o->kind != NJ_OPTION_SIZES)
    return;
  memcpy((char *)options + o->at, values, (size_t)n * sizeof *values);
  if (o->count_at)
    memcpy((char *)options + o->count_at, &n, sizeof n);
}

/* The smallest options that each kind can be made with, in a block to free. */
static void *small_options(const nj_network_kind *kind) {
  const nj_option_table *t = kind->options;
  void *o = calloc(1, t->size);
  t->defaults(o);
  int windowed = kind == &nj_htsat_network, resnet = kind == &nj_resnet_network;
  set(t, o, "vocabulary", 7);
  set(t, o, "width", 4);
  set(t, o, "layers", 1);
  set(t, o, "heads", 2);
  set(t, o, "hidden", 6);
  set(t, o, "feed_forward", 6);
  set(t, o, "memory_width", 4);
  set(t, o, "positions", 5);
  set(t, o, "mels", windowed || resnet ? 32 : kind == &nj_mobilenet_network ? 8 : 32);
  set(t, o, "side", 64);
  set(t, o, "window", 2);
  set(t, o, "input", 3);
  set(t, o, "output", 2);
  set(t, o, "tokens", 2);
  set(t, o, "codes", 5);
  set(t, o, "classes", 3);
  set(t, o, "channels", 8);
  set_list(t, o, "channels", 2, (int64_t[]){2, 3});
  set_list(t, o, "depths", 4, (int64_t[]){1, 1, 1, 1});
  set_list(t, o, "widths", 4, (int64_t[]){2, 2, 2, 2});
  set_list(t, o, "blocks", 4, (int64_t[]){1, 1, 1, 1});
  set_list(t, o, "heads", 4, (int64_t[]){1, 1, 1, 1});
  return o;
}

static size_t bytes_of(const nj_option *o) {
  switch (o->kind) {
  case NJ_OPTION_I64:
  case NJ_OPTION_NUMBER:
  case NJ_OPTION_TEXT:
    return 8;
  case NJ_OPTION_SIZES:
    return (size_t)o->count * 8;
  default:
    return sizeof(int);
  }
}

TEST(option_tables_fit_their_structs) {
  for (int k = 0; k < KINDS; k++) {
    const nj_option_table *t = kinds[k]->options;
    CHECK(strcmp(t->name, kinds[k]->name) == 0);
    CHECK(t->n <= 64 && kinds[k]->options_at + t->size <= kinds[k]->size);
    for (size_t i = 0; i < t->n; i++) {
      CHECK(t->items[i].at + bytes_of(&t->items[i]) <= t->size);
      CHECK(find(t, t->items[i].key) == &t->items[i]); /* no key twice */
      for (size_t j = 0; j < i; j++)
        CHECK(t->items[i].at >= t->items[j].at + bytes_of(&t->items[j]) ||
              t->items[j].at >= t->items[i].at + bytes_of(&t->items[i]));
    }
  }
}

TEST(defaults_lie_within_their_bounds) {
  for (int k = 0; k < KINDS; k++) {
    const nj_option_table *t = kinds[k]->options;
    void *options = calloc(1, t->size);
    t->defaults(options);
    for (size_t i = 0; i < t->n; i++) {
      const nj_option *o = &t->items[i];
      double value = 0;
      if (o->flags & (NJ_OPTION_REQUIRED | NJ_OPTION_DERIVED | NJ_OPTION_SPARSE))
        continue;
      if (o->kind == NJ_OPTION_I64)
        value = (double)*(const int64_t *)(const void *)((char *)options + o->at);
      else if (o->kind == NJ_OPTION_INT)
        value = *(const int *)(const void *)((char *)options + o->at);
      else if (o->kind == NJ_OPTION_NUMBER)
        value = *(const double *)(const void *)((char *)options + o->at);
      else
        continue;
      if (!(value >= o->low && value <= o->high))
        ctest_fail(t->name, (int)i, o->key);
    }
    free(options);
  }
}

TEST(networks_leave_nothing_behind_wherever_memory_ends) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  nj_rng rng = nj_rng_make(1, 2);
  for (int k = 0; k < KINDS; k++) {
    void *options = small_options(kinds[k]);
    nj_network *net = NULL;
    nj_status st = NJ_ENOMEM;
    int64_t n = 0;
    for (; st == NJ_ENOMEM && n < 4000; n += 1 + n / 12) { /* every one at first, then fewer */
      nj_memory_fail_after(ctx, n);
      st = nj_network_new(ctx, kinds[k], options, &rng, &net);
      nj_memory_fail_after(ctx, -1);
      if (st)
        CHECK_INT(nj_memory_get(ctx).live, 0);
    }
    if (st)
      ctest_fail(kinds[k]->name, (int)st, nj_ctx_error(ctx));
    CHECK(!st && n > 1);
    CHECK(net->kind == kinds[k] && !net->training);
    CHECK(memcmp(nj_network_options(net), options, kinds[k]->options->size) == 0);
    nj_network_free(net);
    CHECK_INT(nj_memory_get(ctx).live, 0);
    free(options);
  }
  nj_network_free(NULL);
  nj_ctx_release(ctx);
}

TEST(audio_encoders_keep_what_their_tables_promise) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  for (int k = 0; k < KINDS; k++) {
    const nj_audio_encoder *audio = kinds[k]->audio;
    if (!audio)
      continue;
    void *options = small_options(kinds[k]);
    nj_network *net = NULL;
    CHECK_OK(nj_network_new(ctx, kinds[k], options, NULL, &net));
    int64_t mels =
        *(const int64_t *)(const void *)((char *)options + find(kinds[k]->options, "mels")->at);
    int64_t T = audio->longest ? audio->longest(net) : 64;
    nj_tensor *x = NULL, *pooled = NULL;
    CHECK_OK(nj_zeros(ctx, NJ_F32, 3, (int64_t[]){2, T, mels}, &x));
    nj_audio_output out = {0};
    CHECK_OK(audio->forward(net, &(nj_audio_input){.x = x}, &out));
    CHECK_INT(out.frames->shape[2], audio->width(net));
    CHECK_INT(out.clip->shape[1], audio->width(net));
    CHECK_INT(out.frames->shape[1], audio->frames(net, T));
    CHECK_INT(NJ_I64_DATA(out.lengths)[0], audio->frames(net, T));
    CHECK(audio->stride(net) >= 1 && audio->frames(net, 0) == 0);
    CHECK_OK(audio->pool(ctx, out.frames, NULL, &pooled));
    CHECK(nj_same_shape(pooled, out.clip));
    nj_release(x);
    nj_release(pooled);
    nj_release(out.frames);
    nj_release(out.clip);
    nj_release(out.lengths);
    nj_network_free(net);
    CHECK_INT(nj_memory_get(ctx).live, 0);
    free(options);
  }
  nj_ctx_release(ctx);
}
