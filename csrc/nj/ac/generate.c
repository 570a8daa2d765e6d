#include "ac/generate.h"

#include <math.h>
#include <string.h>

#include "ac/generate_cache.h"
#include "ac/generate_internal.h"
#include "base/alloc.h"
#include "base/parallel.h"
#include "kernels/kernels.h"
#include "ops/shape.h"

nj_generate_options nj_generate_default_options(void) {
  return (nj_generate_options){.method = NJ_GENERATE_GREEDY,
                               .n = 1,
                               .beam = 5,
                               .groups = 1,
                               .diversity = 0.5,
                               .length_penalty = 1,
                               .p = 0.9,
                               .temperature = 1,
                               .bos = -1,
                               .eos = -1};
}

static void derive(void *options, uint64_t given) {
  nj_generate_options *o = options;
  if (!nj_option_given(&nj_generate_option_table, given, "beam") && o->n > o->beam)
    o->beam = o->n;
  if (!nj_option_given(&nj_generate_option_table, given, "k"))
    o->k = o->method == NJ_GENERATE_TOP_K ? 50 : 0;
}

#define O nj_generate_options
static const char *const methods[] = {"greedy", "beam", "nucleus", "top_k", NULL};
static const nj_option items[] = {
    NJ_OPTION_ENUM(O, "method", method, methods, 0),
    NJ_OPTION_RANGE(O, "n", n, 1, 1e9, 0),
    NJ_OPTION_RANGE(O, "beam", beam, 1, 1e9, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "groups", groups, 1, 1e9, 0),
    NJ_OPTION_RANGE(O, "diversity", diversity, 0, 1e6, 0),
    NJ_OPTION_RANGE(O, "k", k, 1, 1e9, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "p", p, 0, 1, 0),
    NJ_OPTION_RANGE(O, "length_penalty", length_penalty, 0, 100, 0),
    NJ_OPTION_RANGE(O, "temperature", temperature, 0, 1e6, 0),
    NJ_OPTION_RANGE(O, "min", min, 0, 1e9, 0),
    NJ_OPTION_RANGE(O, "max", max, 1, 1e9, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "no_repeat", no_repeat, 0, 1e9, 0),
    NJ_OPTION_FLAG(O, "renormalize", renormalize, 0),
    NJ_OPTION_FLAG(O, "narrowing", narrowing, 0),
    NJ_OPTION_RANGE(O, "bos", bos, 0, 1e9, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "eos", eos, 0, 1e9, NJ_OPTION_REQUIRED),
};
NJ_OPTION_TABLE(generate, items, derive)
#undef O

void nj_captions_free(nj_captions *captions) {
  if (!captions)
    return;
  nj_ctx *ctx = captions->ctx;
  nj_free(ctx, captions->captions);
  nj_free(ctx, captions->counts);
  nj_free(ctx, captions->ids);
  nj_free(ctx, captions);
  nj_ctx_release(ctx);
}

/* ---- checks ---- */

#define MOST_HYPOTHESES 4096

static nj_status check_numbers(nj_ctx *ctx, const nj_generate_options *o) {
  if (!(o->p > 0 && o->p <= 1))
    return nj_fail(ctx, NJ_EARG, "generate: p must be in (0, 1], got %g", o->p);
  if (!(o->temperature > 0 && isfinite(o->temperature)))
    return nj_fail(ctx, NJ_EARG, "generate: the temperature must be above 0, got %g",
                   o->temperature);
  if (!(o->diversity >= 0 && isfinite(o->diversity)))
    return nj_fail(ctx, NJ_EARG, "generate: the diversity must be at least 0, got %g",
                   o->diversity);
  if (!(o->length_penalty >= 0 && o->length_penalty <= 100))
    return nj_fail(ctx, NJ_EARG, "generate: the length penalty must be in [0, 100], got %g",
                   o->length_penalty);
  if (o->no_repeat < 0 || o->k < 0)
    return nj_fail(ctx, NJ_EARG, "generate: no_repeat and k must be at least 0");
  if (o->method == NJ_GENERATE_TOP_K && o->k < 1)
    return nj_fail(ctx, NJ_EARG, "generate: top_k needs k of at least 1");
  return NJ_OK;
}

static nj_status check_counts(nj_ctx *ctx, const nj_generate_options *o) {
  if (o->n < 1 || o->n > MOST_HYPOTHESES)
    return nj_fail(ctx, NJ_EARG, "generate: n must be in [1, %d], got %lld", MOST_HYPOTHESES,
                   (long long)o->n);
  if (o->method == NJ_GENERATE_GREEDY && o->n > 1)
    return nj_fail(ctx, NJ_EARG,
                   "generate: greedy choice gives one caption a clip, not %lld; use beam, nucleus "
                   "or top_k",
                   (long long)o->n);
  if (o->method != NJ_GENERATE_BEAM)
    return NJ_OK;
  if (o->beam < 1 || o->beam > MOST_HYPOTHESES)
    return nj_fail(ctx, NJ_EARG, "generate: beam must be in [1, %d], got %lld", MOST_HYPOTHESES,
                   (long long)o->beam);
  if (o->groups < 1 || o->beam % o->groups)
    return nj_fail(ctx, NJ_EARG, "generate: %lld groups do not divide a beam of %lld",
                   (long long)o->groups, (long long)o->beam);
  if (o->n > o->beam)
    return nj_fail(ctx, NJ_EARG,
                   "generate: %lld captions need a beam of at least as many, got %lld",
                   (long long)o->n, (long long)o->beam);
  return NJ_OK;
}

static nj_status check_tokens(nj_ctx *ctx, const nj_decoder *net, const char *what,
                              const int64_t *tokens, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (tokens[i] < 0 || tokens[i] >= net->options.vocabulary)
      return nj_fail(ctx, NJ_EINDEX, "generate: %s %lld is outside the vocabulary of %lld (from 0)",
                     what, (long long)tokens[i], (long long)net->options.vocabulary);
  return NJ_OK;
}

static nj_status check_options(const nj_decoder *net, const nj_generate_options *o, int64_t *max) {
  nj_ctx *ctx = net->base.ctx;
  int64_t positions = net->options.positions;
  if (net->options.dtype != NJ_F32)
    return nj_fail(ctx, NJ_EDTYPE, "generate: only float32 decoders generate, this one is %s",
                   nj_dtype_name(net->options.dtype));
  if (net->options.vocabulary > INT32_MAX)
    return nj_fail(ctx, NJ_EARG, "generate: the vocabulary is too large");
  NJ_TRY(check_numbers(ctx, o));
  NJ_TRY(check_counts(ctx, o));
  NJ_TRY(check_tokens(ctx, net, "bos", &o->bos, 1));
  NJ_TRY(check_tokens(ctx, net, "eos", &o->eos, 1));
  NJ_TRY(check_tokens(ctx, net, "forbidden token", o->forbid, o->n_forbid));
  NJ_TRY(check_tokens(ctx, net, "token in once", o->once, o->n_once));
  *max = o->max ? o->max : positions < 30 ? positions : 30;
  if (*max < 1 || *max > positions)
    return nj_fail(ctx, NJ_EARG,
                   "generate: max must be in [1, %lld], the decoder's positions, got "
                   "%lld",
                   (long long)positions, (long long)*max);
  if (o->min < 0 || o->min >= *max)
    return nj_fail(ctx, NJ_EARG,
                   "generate: min must be in [0, %lld], below max, as the end counts as a token; "
                   "got %lld",
                   (long long)*max - 1, (long long)o->min);
  return NJ_OK;
}

/* ---- results ---- */

static nj_status make_captions(nj_ctx *ctx, int64_t clips, int64_t n, int64_t max,
                               nj_captions **out) {
  nj_captions *c = nj_calloc(ctx, 1, sizeof *c);
  if (!c)
    return NJ_ENOMEM;
  *c = (nj_captions){.ctx = nj_ctx_retain(ctx), .clips = clips, .n = n};
  /* n and max are bounded: their product with a size cannot overflow */
  c->captions = nj_calloc(ctx, (size_t)clips, (size_t)n * sizeof *c->captions);
  c->counts = nj_calloc(ctx, (size_t)clips, sizeof *c->counts);
  c->ids = nj_calloc(ctx, (size_t)clips, (size_t)(n * max) * sizeof *c->ids);
  if (!c->captions || !c->counts || !c->ids) {
    nj_captions_free(c);
    return NJ_ENOMEM;
  }
  for (int64_t i = 0; i < clips * n; i++)
    c->captions[i].ids = c->ids + i * max;
  *out = c;
  return NJ_OK;
}

static int is_known(const nj_caption *list, int64_t n, const int64_t *history, int64_t length) {
  for (int64_t i = 0; i < n; i++)
    if (list[i].length == length &&
        memcmp(list[i].ids, history, (size_t)length * sizeof *history) == 0)
      return 1;
  return 0;
}

void nj_generation_finish(nj_generation *gen, int64_t clip, int64_t row, int64_t token, double sum,
                          int finished) {
  nj_captions *c = gen->captions;
  int64_t at = gen->first_clip + clip, *n = &c->counts[at];
  nj_caption *list = c->captions + at * c->n;
  int64_t *history = gen->history + row * gen->max, length = gen->step;
  if (token >= 0)
    history[length++] = token;
  double score = length ? sum / pow((double)length, gen->options->length_penalty) : sum;
  /* groups may come to the same caption; samples may too, and then it counts twice */
  if (gen->options->method == NJ_GENERATE_BEAM && is_known(list, *n, history, length))
    return;
  if (*n == c->n && !(score > list[*n - 1].score))
    return;
  if (*n < c->n)
    ++*n;
  nj_caption new = {list[*n - 1].ids, length, sum, score, finished};
  memcpy(new.ids, history, (size_t)length * sizeof *history);
  int64_t place = *n - 1;
  for (; place > 0 && score > list[place - 1].score; place--)
    list[place] = list[place - 1];
  list[place] = new;
}

/* ---- a block of clips ---- */

static nj_status make_block(nj_generation *s) {
  nj_ctx *ctx = s->ctx;
  size_t rows = (size_t)(s->clips * s->width);
  s->first = nj_calloc(ctx, (size_t)s->clips + 1, sizeof *s->first);
  s->tokens = nj_calloc(ctx, rows, sizeof *s->tokens);
  s->history = nj_calloc(ctx, rows, (size_t)s->max * sizeof *s->history);
  s->past = nj_calloc(ctx, rows, (size_t)s->max * sizeof *s->past);
  s->row_clip = nj_calloc(ctx, rows, sizeof *s->row_clip);
  s->group = nj_calloc(ctx, rows, sizeof *s->group);
  s->sums = nj_calloc(ctx, rows, sizeof *s->sums);
  s->choices = nj_calloc(ctx, rows, sizeof *s->choices);
  s->n_choices = nj_calloc(ctx, (size_t)s->clips, sizeof *s->n_choices);
  return s->first && s->tokens && s->history && s->past && s->row_clip && s->group && s->sums &&
                 s->choices && s->n_choices
             ? NJ_OK
             : NJ_ENOMEM;
}

static void free_block(nj_generation *s) {
  nj_free(s->ctx, s->first);
  nj_free(s->ctx, s->tokens);
  nj_free(s->ctx, s->history);
  nj_free(s->ctx, s->past);
  nj_free(s->ctx, s->row_clip);
  nj_free(s->ctx, s->group);
  nj_free(s->ctx, s->sums);
  nj_free(s->ctx, s->choices);
  nj_free(s->ctx, s->n_choices);
}

/* Every clip begins with bos: once for each group, or for each sample. */
static void begin_block(nj_generation *s) {
  const nj_generate_options *o = s->options;
  int64_t each = o->method == NJ_GENERATE_BEAM ? o->groups : o->n;
  s->step = 0;
  s->n_rows = s->clips * each;
  for (int64_t b = 0; b <= s->clips; b++)
    s->first[b] = b * each;
  for (int64_t i = 0; i < s->n_rows; i++) {
    s->tokens[i] = o->bos;
    s->row_clip[i] = (int32_t)(i / each);
    s->group[i] = (int32_t)(i % each);
  }
}

static nj_status choose(void *argument, int64_t clip, int worker) {
  (void)worker;
  nj_generation *s = argument;
  s->n_choices[clip] = 0;
  if (s->first[clip] == s->first[clip + 1])
    return NJ_OK;
  int beam = s->options->method == NJ_GENERATE_BEAM;
  float *scores = nj_calloc(s->ctx, (size_t)s->vocabulary, 2 * sizeof *scores);
  if (!scores)
    return NJ_ENOMEM;
  nj_status st = beam ? nj_generation_beam(s, clip, scores)
                      : nj_generation_sample(s, clip, scores, (int32_t *)(scores + s->vocabulary));
  nj_free(s->ctx, scores);
  return st;
}

/* Rows of the next step out of what was chosen. `next` is a block to write them to; the two change
 * places. */
static void advance(nj_generation *s, nj_generation *next) {
  int64_t n = 0, max = s->max;
  for (int64_t b = 0; b < s->clips; b++) {
    next->first[b] = n;
    for (int64_t i = 0; i < s->n_choices[b]; i++, n++) {
      const nj_choice *c = &s->choices[b * s->width + i];
      memcpy(next->history + n * max, s->history + c->row * max,
             (size_t)s->step * sizeof *s->history);
      memcpy(next->past + n * max, s->past + c->row * max, (size_t)s->step * sizeof *s->past);
      next->history[n * max + s->step] = next->tokens[n] = c->token;
      next->past[n * max + s->step] = (int32_t)c->row;
      next->row_clip[n] = (int32_t)b;
      next->group[n] = c->group;
      next->sums[n] = c->sum;
    }
  }
  next->first[s->clips] = n;
  next->n_rows = n;
  next->step = s->step + 1;
  nj_generation swapped = *s;
  *s = *next;
  *next = swapped;
}

static nj_status generate_block(nj_generation *s, nj_generation *next, nj_decoder_cache *cache) {
  begin_block(s);
  while (s->n_rows > 0 && s->step < s->max) {
    nj_decoder_rows rows = {s->n_rows, s->tokens, s->row_clip, s->past, s->max};
    nj_tensor *logits = NULL, *flat = NULL;
    NJ_TRY(nj_decoder_cache_step(cache, &rows, &logits));
    nj_status st = nj_as_contiguous(logits, &flat);
    nj_release(logits);
    NJ_TRY(st);
    s->logits = nj_data(flat);
    st = nj_parallel(s->ctx, s->clips, choose, s);
    nj_release(flat);
    NJ_TRY(st);
    advance(s, next);
  }
  return NJ_OK;
}

static nj_status run_block(const nj_generation *base, nj_decoder *net, nj_tensor *memory,
                           nj_tensor *mask) {
  nj_generation s = *base, next = *base;
  nj_tensor *some = NULL, *seen = NULL;
  nj_decoder_cache *cache = NULL;
  nj_status st = nj_narrow(s.ctx, memory, 0, s.first_clip, s.clips, &some);
  if (!st && mask)
    st = nj_narrow(s.ctx, mask, 0, s.first_clip, s.clips, &seen);
  if (!st)
    st = nj_decoder_cache_new(net, some, seen, s.max, &cache);
  if (!st)
    st = make_block(&s);
  if (!st)
    st = make_block(&next);
  if (!st)
    st = generate_block(&s, &next, cache);
  free_block(&s);
  free_block(&next);
  nj_decoder_cache_free(cache);
  nj_release(some);
  nj_release(seen);
  return st;
}

/* Clips that go through the decoder together: as many as keep a step's products in the cache and what
 * is remembered below 256 MiB. Which clips share a block changes no result. */
static int64_t block_size(const nj_decoder *net, const nj_generation *s) {
  const nj_decoder_options *o = &net->options;
  double remembered = 12.0 * (double)o->width * (double)o->layers * (double)s->max;
  double rows = 512;
  if (rows * (double)o->vocabulary > 0x1p22)
    rows = 0x1p22 / (double)o->vocabulary;
  if (rows * remembered > 0x1p28)
    rows = 0x1p28 / remembered;
  int64_t clips = (int64_t)(rows / (double)s->width);
  return clips > 1 ? clips : 1;
}

static nj_status run_blocks(nj_generation *s, nj_decoder *net, nj_tensor *memory, nj_tensor *mask) {
  int64_t clips = memory->shape[0], size = block_size(net, s);
  for (int64_t first = 0; first < clips; first += size) {
    s->first_clip = first;
    s->clips = clips - first < size ? clips - first : size;
    NJ_TRY(run_block(s, net, memory, mask));
  }
  return NJ_OK;
}

static nj_status mark_once(nj_ctx *ctx, const nj_decoder *net, const nj_generate_options *o,
                           uint8_t **out) {
  if (!o->n_once)
    return NJ_OK;
  *out = nj_calloc(ctx, (size_t)net->options.vocabulary, 1);
  for (size_t i = 0; *out && i < o->n_once; i++)
    (*out)[o->once[i]] = 1;
  return *out ? NJ_OK : NJ_ENOMEM;
}

nj_status nj_decoder_generate(nj_decoder *net, nj_tensor *memory, nj_tensor *mask,
                              const nj_generate_options *options, nj_rng *rng, nj_captions **out) {
  nj_ctx *ctx = net->base.ctx;
  int sampled = options->method == NJ_GENERATE_NUCLEUS || options->method == NJ_GENERATE_TOP_K;
  nj_generation s = {.ctx = ctx,
                     .options = options,
                     .vocabulary = net->options.vocabulary,
                     .row = nj_ctx_kernels(ctx)->row,
                     .width = options->method == NJ_GENERATE_BEAM ? options->beam : options->n};
  NJ_TRY(check_options(net, options, &s.max));
  NJ_TRY(nj_decoder_check_memory(net, "generate", memory, mask));
  if (sampled)
    s.rng = *rng;
  uint8_t *once = NULL;
  nj_captions *captions = NULL;
  nj_status st = make_captions(ctx, memory->shape[0], options->n, s.max, &captions);
  if (!st)
    st = mark_once(ctx, net, options, &once);
  s.once = once;
  s.captions = captions;
  int recording = nj_grad_enabled(ctx);
  nj_set_grad_enabled(ctx, 0);
  if (!st)
    st = run_blocks(&s, net, memory, mask);
  nj_set_grad_enabled(ctx, recording);
  nj_free(ctx, once);
  if (st) {
    nj_captions_free(captions);
    return st;
  }
  if (sampled)
    rng->counter += 2 * (uint64_t)(memory->shape[0] * options->n * s.max);
  *out = captions;
  return NJ_OK;
}
