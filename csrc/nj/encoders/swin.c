#include "encoders/swin.h"

#include <stdio.h>

#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "ops/shape.h"
#include "tensor/flow.h"

#define HIDDEN_SCORE (-100.0) /* the reference code's, where -inf would be meant */
#define EPS 1e-5
#define LONGEST_PREFIX 96

/* ---- orders ---- */

/* Row and column of the k-th token, window by window. */
static void place(const nj_swin_stage *s, int64_t k, int64_t *row, int64_t *column) {
  int64_t n = s->window * s->window, across = s->resolution / s->window;
  int64_t window = k / n, inside = k % n;
  *row = window / across * s->window + inside / s->window;
  *column = window % across * s->window + inside % s->window;
}

static nj_status make_order(nj_ctx *ctx, nj_swin_stage *s, int shifted) {
  int64_t size = s->resolution, tokens = size * size, shift = shifted ? s->window / 2 : 0;
  NJ_TRY(nj_empty(ctx, NJ_I64, 1, &tokens, &s->order[shifted]));
  NJ_TRY(nj_empty(ctx, NJ_I64, 1, &tokens, &s->inverse[shifted]));
  for (int64_t k = 0; k < tokens; k++) {
    int64_t row, column;
    place(s, k, &row, &column);
    int64_t token = (row + shift) % size * size + (column + shift) % size;
    NJ_I64_DATA(s->order[shifted])[k] = token;
    NJ_I64_DATA(s->inverse[shifted])[token] = k;
  }
  return NJ_OK;
}

/* After the shift the last window of a row holds what was at both its ends: 0 for what lies before
 * it, 1 and 2 for its two parts. */
static int64_t part_of(const nj_swin_stage *s, int64_t at) {
  return at < s->resolution - s->window ? 0 : at < s->resolution - s->window / 2 ? 1 : 2;
}

static nj_status make_mask(nj_ctx *ctx, nj_swin_stage *s) {
  int64_t n = s->window * s->window, windows = s->resolution * s->resolution / n;
  NJ_TRY(nj_empty(ctx, NJ_F32, 4, (int64_t[]){windows, 1, n, n}, &s->mask));
  float *data = NJ_F32_DATA(s->mask);
  for (int64_t w = 0; w < windows; w++)
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) {
        int64_t row, column, other_row, other_column;
        place(s, w * n + i, &row, &column);
        place(s, w * n + j, &other_row, &other_column);
        int same = part_of(s, row) == part_of(s, other_row) &&
                   part_of(s, column) == part_of(s, other_column);
        *data++ = same ? 0.0f : (float)HIDDEN_SCORE;
      }
  return NJ_OK;
}

static nj_status make_offsets(nj_ctx *ctx, nj_swin_stage *s) {
  int64_t side = s->window, n = side * side;
  NJ_TRY(nj_empty(ctx, NJ_I64, 2, (int64_t[]){n, n}, &s->offsets));
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      int64_t down = i / side - j / side + side - 1, right = i % side - j % side + side - 1;
      NJ_I64_DATA(s->offsets)[i * n + j] = down * (2 * side - 1) + right;
    }
  return NJ_OK;
}

/* Of each 2x2 square: upper left, lower left, upper right, lower right. */
static nj_status make_merge_order(nj_ctx *ctx, nj_swin_stage *s) {
  int64_t size = s->resolution, tokens = size * size;
  NJ_TRY(nj_empty(ctx, NJ_I64, 1, &tokens, &s->merge_order));
  int64_t *to = NJ_I64_DATA(s->merge_order);
  for (int64_t row = 0; row < size; row += 2)
    for (int64_t column = 0; column < size; column += 2)
      for (int64_t k = 0; k < 4; k++)
        *to++ = (row + k % 2) * size + column + k / 2;
  return NJ_OK;
}

int nj_swin_shifts(const nj_swin_stage *stage, int64_t index) {
  return index % 2 == 1 && stage->resolution > stage->window;
}

nj_status nj_swin_prepare(nj_ctx *ctx, nj_swin_stage *stage) {
  if (stage->window > stage->resolution)
    stage->window = stage->resolution;
  if (stage->resolution % stage->window)
    return nj_fail(ctx, NJ_EARG, "htsat: windows of %lld tokens do not divide a side of %lld",
                   (long long)stage->window, (long long)stage->resolution);
  if (stage->width % stage->heads)
    return nj_fail(ctx, NJ_EARG, "htsat: %lld heads do not divide a width of %lld",
                   (long long)stage->heads, (long long)stage->width);
  NJ_TRY(make_order(ctx, stage, 0));
  NJ_TRY(make_offsets(ctx, stage));
  if (stage->resolution % 2 == 0)
    NJ_TRY(make_merge_order(ctx, stage));
  if (!nj_swin_shifts(stage, 1))
    return NJ_OK;
  NJ_TRY(make_order(ctx, stage, 1));
  return make_mask(ctx, stage);
}

void nj_swin_clear(nj_swin_stage *stage) {
  nj_tensor **const all[] = {&stage->order[0],   &stage->order[1], &stage->inverse[0],
                             &stage->inverse[1], &stage->mask,     &stage->offsets,
                             &stage->merge_order};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    nj_release(*all[i]);
    *all[i] = NULL;
  }
}

/* ---- parameters ---- */

static const char *join(char *to, const char *prefix, const char *name) {
  snprintf(to, LONGEST_PREFIX, "%s.%s", prefix, name);
  return to;
}

nj_status nj_swin_add_block(nj_params *p, const char *prefix, const nj_swin_stage *s) {
  char name[LONGEST_PREFIX];
  int64_t table[] = {(2 * s->window - 1) * (2 * s->window - 1), s->heads};
  NJ_TRY(nj_params_add_layer_norm(p, join(name, prefix, "norm1"), s->width));
  NJ_TRY(nj_params_add(p, join(name, prefix, "attn"), "relative_position_bias_table", NJ_INIT_BERT,
                       0, 2, table));
  NJ_TRY(nj_params_add_linear(p, join(name, prefix, "attn.qkv"), s->width, 3 * s->width,
                              NJ_INIT_BERT));
  NJ_TRY(
      nj_params_add_linear(p, join(name, prefix, "attn.proj"), s->width, s->width, NJ_INIT_BERT));
  NJ_TRY(nj_params_add_layer_norm(p, join(name, prefix, "norm2"), s->width));
  NJ_TRY(nj_params_add_linear(p, join(name, prefix, "mlp.fc1"), s->width, s->hidden, NJ_INIT_BERT));
  return nj_params_add_linear(p, join(name, prefix, "mlp.fc2"), s->hidden, s->width, NJ_INIT_BERT);
}

nj_status nj_swin_add_merge(nj_params *p, const char *prefix, int64_t width) {
  char name[LONGEST_PREFIX];
  NJ_TRY(nj_params_add(p, join(name, prefix, "reduction"), "weight", NJ_INIT_BERT, 0, 2,
                       (int64_t[]){2 * width, 4 * width}));
  return nj_params_add_layer_norm(p, join(name, prefix, "norm"), 4 * width);
}

/* ---- forward ---- */

nj_status nj_swin_norm(nj_ctx *ctx, const nj_params *params, const char *prefix, nj_tensor *x,
                       nj_tensor **out) {
  return nj_layer_norm(ctx, x, nj_param_of(params, "%s.weight", prefix),
                       nj_param_of(params, "%s.bias", prefix), EPS, out);
}

static nj_status linear(nj_ctx *ctx, const nj_params *params, const char *prefix, const char *name,
                        nj_tensor *x, nj_tensor **out) {
  return nj_linear(ctx, x, nj_param_of(params, "%s.%s.weight", prefix, name),
                   nj_param_of(params, "%s.%s.bias", prefix, name), out);
}

/* What is added to the scores: (heads, N, N), or (windows, heads, N, N) when shifted. */
static nj_status score_bias(nj_ctx *ctx, const nj_params *params, const char *prefix,
                            const nj_swin_stage *s, int shifted, nj_tensor **out) {
  nj_flow f = nj_flow_begin(nj_param_of(params, "%s.attn.relative_position_bias_table", prefix));
  NJ_FLOW(f, nj_index_select(ctx, f.x, 0, s->offsets, &f.next)); /* (N, N, heads) */
  NJ_FLOW(f, nj_permute(ctx, f.x, (int[]){2, 0, 1}, &f.next));
  if (shifted)
    NJ_FLOW(f, nj_add(ctx, f.x, s->mask, &f.next));
  return nj_flow_end(&f, out);
}

/* Tokens (B, L, 3 C), window by window, to attended ones (B, L, C). */
static nj_status attend(nj_ctx *ctx, const nj_swin_stage *s, nj_tensor *qkv, nj_tensor *bias,
                        nj_tensor **out) {
  int64_t n = s->window * s->window, batch = qkv->shape[0], tokens = qkv->shape[1];
  const int64_t split[] = {batch, tokens / n, n, 3, s->heads, s->width / s->heads};
  const int64_t joined[] = {batch, tokens, s->width};
  nj_tensor *parts = NULL, *six = NULL, *of[3] = {NULL};
  nj_status st = nj_reshape(ctx, qkv, 6, split, &six);
  if (!st) /* (3, B, windows, heads, N, d) */
    st = nj_permute(ctx, six, (int[]){3, 0, 1, 4, 2, 5}, &parts);
  for (int i = 0; i < 3 && !st; i++)
    st = nj_select(ctx, parts, 0, i, &of[i]);
  nj_flow f = nj_flow_begin(qkv);
  f.status = st;
  NJ_FLOW(f, nj_attention(ctx, of[0], of[1], of[2], bias, NULL, &f.next));
  NJ_FLOW(f, nj_transpose(ctx, f.x, 2, 3, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 3, joined, &f.next));
  nj_release(six);
  nj_release(parts);
  for (int i = 0; i < 3; i++)
    nj_release(of[i]);
  return nj_flow_end(&f, out);
}

static nj_status window_attention(nj_ctx *ctx, const nj_params *params, const char *prefix,
                                  const nj_swin_stage *s, int shifted, nj_tensor *x,
                                  nj_tensor **out) {
  nj_tensor *bias = NULL;
  NJ_TRY(score_bias(ctx, params, prefix, s, shifted, &bias));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_index_select(ctx, f.x, 1, s->order[shifted], &f.next));
  NJ_FLOW(f, linear(ctx, params, prefix, "attn.qkv", f.x, &f.next));
  NJ_FLOW(f, attend(ctx, s, f.x, bias, &f.next));
  NJ_FLOW(f, linear(ctx, params, prefix, "attn.proj", f.x, &f.next));
  NJ_FLOW(f, nj_index_select(ctx, f.x, 1, s->inverse[shifted], &f.next));
  nj_release(bias);
  return nj_flow_end(&f, out);
}

/* x + branch, the branch of some clips left out and that of the others scaled up. */
static nj_status join_branch(nj_ctx *ctx, nj_tensor *x, nj_tensor *branch, double drop_path,
                             nj_rng *rng, nj_tensor **out) {
  if (!(drop_path > 0))
    return nj_add(ctx, x, branch, out);
  nj_tensor *ones = NULL, *kept = NULL;
  nj_status st = nj_full(ctx, NJ_F32, 3, (int64_t[]){x->shape[0], 1, 1}, 1.0, &ones);
  if (!st)
    st = nj_dropout(ctx, ones, drop_path, 1, rng, &kept);
  nj_flow f = nj_flow_begin(branch);
  f.status = st;
  NJ_FLOW(f, nj_mul(ctx, f.x, kept, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, x, &f.next));
  nj_release(ones);
  nj_release(kept);
  return nj_flow_end(&f, out);
}

nj_status nj_swin_block(nj_ctx *ctx, const nj_params *params, const char *prefix,
                        const nj_swin_stage *stage, int shifted, nj_tensor *x, double drop_path,
                        nj_rng *rng, nj_tensor **out) {
  char name[LONGEST_PREFIX];
  nj_tensor *middle = NULL;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_swin_norm(ctx, params, join(name, prefix, "norm1"), f.x, &f.next));
  NJ_FLOW(f, window_attention(ctx, params, prefix, stage, shifted, f.x, &f.next));
  NJ_FLOW(f, join_branch(ctx, x, f.x, drop_path, rng, &f.next));
  if (!f.status)
    middle = nj_retain(f.x);
  NJ_FLOW(f, nj_swin_norm(ctx, params, join(name, prefix, "norm2"), f.x, &f.next));
  NJ_FLOW(f, linear(ctx, params, prefix, "mlp.fc1", f.x, &f.next));
  NJ_FLOW(f, nj_gelu(ctx, f.x, &f.next));
  NJ_FLOW(f, linear(ctx, params, prefix, "mlp.fc2", f.x, &f.next));
  NJ_FLOW(f, join_branch(ctx, middle, f.x, drop_path, rng, &f.next));
  nj_release(middle);
  return nj_flow_end(&f, out);
}

nj_status nj_swin_values(nj_ctx *ctx, const nj_params *params, const char *prefix,
                         const nj_swin_stage *stage, nj_tensor *x, double drop_path, nj_rng *rng,
                         nj_tensor **out) {
  char name[LONGEST_PREFIX];
  nj_tensor *middle = NULL;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_swin_norm(ctx, params, join(name, prefix, "norm1"), f.x, &f.next));
  NJ_FLOW(f, linear(ctx, params, prefix, "attn.qkv", f.x, &f.next));
  NJ_FLOW(f, nj_narrow(ctx, f.x, 2, 2 * stage->width, stage->width, &f.next));
  NJ_FLOW(f, linear(ctx, params, prefix, "attn.proj", f.x, &f.next));
  NJ_FLOW(f, join_branch(ctx, x, f.x, drop_path, rng, &f.next));
  if (!f.status)
    middle = nj_retain(f.x);
  NJ_FLOW(f, nj_swin_norm(ctx, params, join(name, prefix, "norm2"), f.x, &f.next));
  NJ_FLOW(f, join_branch(ctx, middle, f.x, drop_path, rng, &f.next));
  nj_release(middle);
  return nj_flow_end(&f, out);
}

nj_status nj_swin_merge(nj_ctx *ctx, const nj_params *params, const char *prefix,
                        const nj_swin_stage *stage, nj_tensor *x, nj_tensor **out) {
  char name[LONGEST_PREFIX];
  const int64_t merged[] = {x->shape[0], x->shape[1] / 4, 4 * stage->width};
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_index_select(ctx, f.x, 1, stage->merge_order, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 3, merged, &f.next));
  NJ_FLOW(f, nj_swin_norm(ctx, params, join(name, prefix, "norm"), f.x, &f.next));
  NJ_FLOW(f,
          nj_linear(ctx, f.x, nj_param_of(params, "%s.reduction.weight", prefix), NULL, &f.next));
  return nj_flow_end(&f, out);
}
