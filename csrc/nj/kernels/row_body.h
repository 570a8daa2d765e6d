/* The kernels of row.h, written once over a vector vocabulary. The including file defines
 *   T  the element      V  a vector of LANES of them      F(name)  the vocabulary's function
 *   TABLE  what is defined, as in: const nj_row_kernels_double nj_row_double
 * Included by isa/row.c (float, once per instruction set) and by row_double.c. */

#define BLOCK 2048 /* numbers added in four running vectors before pairwise addition takes over */
#define BLOCK_ROWS 64 /* the same going down columns */
#define DEPTH 40      /* pairwise levels: more than any row needs */

/* ---- pairwise addition: partial results are kept like the digits of a binary counter ---- */

typedef struct {
  T part[DEPTH];
  uint64_t count;
} pairwise;

static inline void pairwise_add(pairwise *p, T value) {
  int level = 0;
  for (uint64_t c = p->count; c & 1; c >>= 1, level++)
    value = p->part[level] + value;
  p->part[level] = value;
  p->count++;
}

static inline T pairwise_total(const pairwise *p) {
  T total = 0;
  int level = 0, first = 1;
  for (uint64_t c = p->count; c; c >>= 1, level++)
    if (c & 1) {
      total = first ? p->part[level] : p->part[level] + total;
      first = 0;
    }
  return total;
}

/* ---- rows ---- */

static inline V v_add(V a, V b) { return a + b; }
static inline V v_mul(V a, V b) { return a * b; }
static inline V v_square(V x) { return x * x; }

/* FULL(o) is the vector at offset o, PART(o, c) the one whose first c lanes count. */
#define ROW_BLOCK(name, parameters, combine, across, start, FULL, PART) \
  static T block_##name parameters {                                    \
    V s0 = F(set)(start), s1 = s0, s2 = s0, s3 = s0;                    \
    int64_t i = 0;                                                      \
    for (; i + 4 * LANES <= n; i += 4 * LANES) {                        \
      s0 = combine(s0, FULL(i));                                        \
      s1 = combine(s1, FULL(i + LANES));                                \
      s2 = combine(s2, FULL(i + 2 * LANES));                            \
      s3 = combine(s3, FULL(i + 3 * LANES));                            \
    }                                                                   \
    for (; i + LANES <= n; i += LANES)                                  \
      s0 = combine(s0, FULL(i));                                        \
    if (i < n)                                                          \
      s1 = combine(s1, PART(i, n - i));                                 \
    return F(across)(combine(combine(s0, s1), combine(s2, s3)));        \
  }

#define X_FULL(o) F(load)(x + (o))
#define X_ZERO(o, c) F(load_n)(x + (o), c, 0)
#define X_ONE(o, c) F(load_n)(x + (o), c, 1)
#define X_LOW(o, c) F(load_n)(x + (o), c, (T)-INFINITY)
#define X_HIGH(o, c) F(load_n)(x + (o), c, (T)INFINITY)
#define SQUARE_FULL(o) v_square(X_FULL(o))
#define SQUARE_PART(o, c) v_square(X_ZERO(o, c))
#define ABS_FULL(o) F(abs)(X_FULL(o))
#define ABS_PART(o, c) F(abs)(X_ZERO(o, c))
#define CENTERED_FULL(o) v_square(X_FULL(o) - F(set)(m))
#define CENTERED_PART(o, c) v_square(F(load_n)(x + (o), c, m) - F(set)(m))
#define DOT_FULL(o) (F(load)(a + (o)) * F(load)(b + (o)))
#define DOT_PART(o, c) (F(load_n)(a + (o), c, 0) * F(load_n)(b + (o), c, 0))

ROW_BLOCK(sum, (const T *x, int64_t n), v_add, across_sum, 0, X_FULL, X_ZERO)
ROW_BLOCK(sumsq, (const T *x, int64_t n), v_add, across_sum, 0, SQUARE_FULL, SQUARE_PART)
ROW_BLOCK(sumabs, (const T *x, int64_t n), v_add, across_sum, 0, ABS_FULL, ABS_PART)
ROW_BLOCK(centered, (const T *x, int64_t n, T m), v_add, across_sum, 0, CENTERED_FULL,
          CENTERED_PART)
ROW_BLOCK(dot, (const T *a, const T *b, int64_t n), v_add, across_sum, 0, DOT_FULL, DOT_PART)
ROW_BLOCK(prod, (const T *x, int64_t n), v_mul, across_prod, 1, X_FULL, X_ONE)
ROW_BLOCK(max, (const T *x, int64_t n), F(max), across_max, (T)-INFINITY, X_FULL, X_LOW)
ROW_BLOCK(min, (const T *x, int64_t n), F(min), across_min, (T)INFINITY, X_FULL, X_HIGH)

/* The whole row, CALL(o, count) being the sum of one block. */
#define ROW_PAIRWISE(name, parameters, CALL)                    \
  static T row_##name parameters {                              \
    if (n <= BLOCK)                                             \
      return CALL(0, n);                                        \
    pairwise p;                                                 \
    p.count = 0;                                                \
    for (int64_t o = 0; o < n; o += BLOCK)                      \
      pairwise_add(&p, CALL(o, n - o < BLOCK ? n - o : BLOCK)); \
    return pairwise_total(&p);                                  \
  }
#define CALL_SUM(o, count) block_sum(x + (o), count)
#define CALL_SUMSQ(o, count) block_sumsq(x + (o), count)
#define CALL_SUMABS(o, count) block_sumabs(x + (o), count)
#define CALL_CENTERED(o, count) block_centered(x + (o), count, m)
#define CALL_DOT(o, count) block_dot(a + (o), b + (o), count)
ROW_PAIRWISE(sum, (const T *x, int64_t n), CALL_SUM)
ROW_PAIRWISE(sumsq, (const T *x, int64_t n), CALL_SUMSQ)
ROW_PAIRWISE(sumabs, (const T *x, int64_t n), CALL_SUMABS)
ROW_PAIRWISE(centered, (const T *x, int64_t n, T m), CALL_CENTERED)
ROW_PAIRWISE(dot, (const T *a, const T *b, int64_t n), CALL_DOT)

/* The first place of the best value, or of a NaN if that is the best. */
static int64_t first_place(const T *x, int64_t n, T best) {
  V wanted = F(set)(best);
  int is_nan = best != best;
  for (int64_t i = 0; i < n; i += LANES) {
    int64_t count = n - i < LANES ? n - i : LANES;
    V v = count < LANES ? F(load_n)(x + i, count, best) : F(load)(x + i);
    unsigned found = is_nan ? F(mask_bits)(v != v) : F(mask_bits)(v == wanted);
    if (found)
      return i + __builtin_ctz(found);
  }
  return 0;
}

#define ROW_ARG(name, find) \
  static int64_t row_##name(const T *x, int64_t n) { return first_place(x, n, find(x, n)); }
ROW_ARG(argmax, block_max)
ROW_ARG(argmin, block_min)

/* ---- columns ---- */

/* WIDTH vectors side by side, down all rows; with count > 0 only the first count lanes of the one
 * vector exist. AT(o, k) is vector k of the row that begins at offset o. */
#define COLUMN_STRIP(name, parameters, combine, start, AT)                    \
  static inline __attribute__((always_inline)) void strip_##name parameters { \
    V part[DEPTH][4], s[4];                                                   \
    uint64_t done = 0;                                                        \
    for (int64_t row = 0; row < rows; row += BLOCK_ROWS, done++) {            \
      int64_t end = rows - row < BLOCK_ROWS ? rows : row + BLOCK_ROWS;        \
      for (int k = 0; k < width; k++)                                         \
        s[k] = F(set)(start);                                                 \
      for (int64_t r = row; r < end; r++)                                     \
        for (int k = 0; k < width; k++)                                       \
          s[k] = combine(s[k], AT(r * ld, k));                                \
      int level = 0;                                                          \
      for (uint64_t c = done; c & 1; c >>= 1, level++)                        \
        for (int k = 0; k < width; k++)                                       \
          s[k] = combine(part[level][k], s[k]);                               \
      for (int k = 0; k < width; k++)                                         \
        part[level][k] = s[k];                                                \
    }                                                                         \
    for (int k = 0; k < width; k++) {                                         \
      V total = F(set)(start);                                                \
      int level = 0, first = 1;                                               \
      for (uint64_t c = done; c; c >>= 1, level++)                            \
        if (c & 1) {                                                          \
          total = first ? part[level][k] : combine(part[level][k], total);    \
          first = 0;                                                          \
        }                                                                     \
      if (count)                                                              \
        F(store_n)(out, total, count);                                        \
      else                                                                    \
        F(store)(out + k * LANES, total);                                     \
    }                                                                         \
  }

#define LOAD_AT(p, o, k) (count ? F(load_n)((p) + (o), count, 0) : F(load)((p) + (o) + (k)*LANES))
#define X_AT(o, k) LOAD_AT(x, o, k)
#define SQUARE_AT(o, k) v_square(X_AT(o, k))
#define ABS_AT(o, k) F(abs)(X_AT(o, k))
#define CENTERED_AT(o, k) v_square(X_AT(o, k) - LOAD_AT(m, 0, k))
#define DOT_AT(o, k) (LOAD_AT(a, o, k) * LOAD_AT(b, o, k))
#define STRIP_TAIL int64_t rows, int64_t ld, T *out, const int width, int64_t count
COLUMN_STRIP(sum, (const T *x, STRIP_TAIL), v_add, 0, X_AT)
COLUMN_STRIP(sumsq, (const T *x, STRIP_TAIL), v_add, 0, SQUARE_AT)
COLUMN_STRIP(sumabs, (const T *x, STRIP_TAIL), v_add, 0, ABS_AT)
COLUMN_STRIP(prod, (const T *x, STRIP_TAIL), v_mul, 1, X_AT)
COLUMN_STRIP(max, (const T *x, STRIP_TAIL), F(max), (T)-INFINITY, X_AT)
COLUMN_STRIP(min, (const T *x, STRIP_TAIL), F(min), (T)INFINITY, X_AT)
COLUMN_STRIP(centered, (const T *x, const T *m, STRIP_TAIL), v_add, 0, CENTERED_AT)
COLUMN_STRIP(dot, (const T *a, const T *b, STRIP_TAIL), v_add, 0, DOT_AT)

#define COLUMN_BODY(CALL)                       \
  int64_t j = 0;                                \
  for (; j + 4 * LANES <= cols; j += 4 * LANES) \
    CALL(4, 0);                                 \
  for (; j + LANES <= cols; j += LANES)         \
    CALL(1, 0);                                 \
  if (j < cols)                                 \
  CALL(1, cols - j)

#define COLUMN(name)                                                                      \
  static void column_##name(const T *x, int64_t rows, int64_t ld, int64_t cols, T *out) { \
    COLUMN_BODY(COLUMN_CALL_##name);                                                      \
  }
#define COLUMN_CALL_sum(width, count) strip_sum(x + j, rows, ld, out + j, width, count)
#define COLUMN_CALL_sumsq(width, count) strip_sumsq(x + j, rows, ld, out + j, width, count)
#define COLUMN_CALL_sumabs(width, count) strip_sumabs(x + j, rows, ld, out + j, width, count)
#define COLUMN_CALL_prod(width, count) strip_prod(x + j, rows, ld, out + j, width, count)
#define COLUMN_CALL_max(width, count) strip_max(x + j, rows, ld, out + j, width, count)
#define COLUMN_CALL_min(width, count) strip_min(x + j, rows, ld, out + j, width, count)
COLUMN(sum)
COLUMN(sumsq)
COLUMN(sumabs)
COLUMN(prod)
COLUMN(max)
COLUMN(min)

static void column_centered(const T *x, int64_t rows, int64_t ld, int64_t cols, const T *m,
                            T *out) {
#define CALL(width, count) strip_centered(x + j, m + j, rows, ld, out + j, width, count)
  COLUMN_BODY(CALL);
#undef CALL
}

static void column_dot(const T *a, const T *b, int64_t rows, int64_t ld, int64_t cols, T *out) {
#define CALL(width, count) strip_dot(a + j, b + j, rows, ld, out + j, width, count)
  COLUMN_BODY(CALL);
#undef CALL
}

/* ---- softmax ---- */

/* Runs BODY(LOAD, STORE, offset, count) for every whole vector of the row and for its tail. */
#define MAP_ROW(BODY)                       \
  do {                                      \
    int64_t i = 0;                          \
    for (; i + LANES <= n; i += LANES) {    \
      BODY(F(load), F(store), i, LANES)     \
    }                                       \
    if (i < n) {                            \
      BODY(LOAD_TAIL, STORE_TAIL, i, n - i) \
    }                                       \
  } while (0)
#define LOAD_TAIL(p) F(load_n)(p, n - i, 0)
#define STORE_TAIL(p, v) F(store_n)(p, v, n - i)

/* sum(exp(x - m)), pairwise over blocks; keeps the exponentials in y when keep is set. */
static inline __attribute__((always_inline)) T exp_block(const T *x, T *y, int64_t n, T m,
                                                         const int keep) {
  V s0 = F(set)(0), s1 = s0, shift = F(set)(m);
  int64_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    V e0 = F(exp)(F(load)(x + i) - shift), e1 = F(exp)(F(load)(x + i + LANES) - shift);
    if (keep) {
      F(store)(y + i, e0);
      F(store)(y + i + LANES, e1);
    }
    s0 = s0 + e0;
    s1 = s1 + e1;
  }
  for (; i < n; i += LANES) {
    int64_t count = n - i < LANES ? n - i : LANES;
    V e0 = F(exp)((count < LANES ? F(load_n)(x + i, count, (T)-INFINITY) : F(load)(x + i)) - shift);
    if (keep && count < LANES)
      F(store_n)(y + i, e0, count);
    else if (keep)
      F(store)(y + i, e0);
    s0 = s0 + e0;
  }
  return F(across_sum)(s0 + s1);
}

static inline __attribute__((always_inline)) T exp_sum(const T *x, T *y, int64_t n, T m,
                                                       const int keep) {
  if (n <= BLOCK)
    return exp_block(x, y, n, m, keep);
  pairwise p;
  p.count = 0;
  for (int64_t o = 0; o < n; o += BLOCK)
    pairwise_add(&p, exp_block(x + o, keep ? y + o : y, n - o < BLOCK ? n - o : BLOCK, m, keep));
  return pairwise_total(&p);
}

static T row_softmax(const T *x, T *y, int64_t n) {
  T m = block_max(x, n), sum = exp_sum(x, y, n, m, 1);
  V factor = F(set)(1 / sum);
#define BODY(LOAD, STORE, o, c) STORE(y + (o), LOAD(y + (o)) * factor);
  MAP_ROW(BODY);
#undef BODY
  return m == (T)-INFINITY ? m : m + F(log_scalar)(sum);
}

static T row_logsumexp(const T *x, int64_t n) {
  T m = block_max(x, n);
  if (m == (T)-INFINITY || m == (T)INFINITY)
    return m;
  return m + F(log_scalar)(exp_sum(x, NULL, n, m, 0));
}

static T row_log_softmax(const T *x, T *y, int64_t n) {
  T m = block_max(x, n), log_sum = F(log_scalar)(exp_sum(x, NULL, n, m, 0));
  V shift = F(set)(m), rest = F(set)(log_sum);
#define BODY(LOAD, STORE, o, c) STORE(y + (o), (LOAD(x + (o)) - shift) - rest);
  MAP_ROW(BODY);
#undef BODY
  return m == (T)-INFINITY ? m : m + log_sum;
}

static void row_softmax_grad(const T *y, const T *g, T *gx, int64_t n) {
  V inner = F(set)(row_dot(y, g, n));
#define BODY(LOAD, STORE, o, c) STORE(gx + (o), LOAD(y + (o)) * (LOAD(g + (o)) - inner));
  MAP_ROW(BODY);
#undef BODY
}

static void row_log_softmax_grad(const T *y, const T *g, T *gx, int64_t n) {
  V sum = F(set)(row_sum(g, n));
#define BODY(LOAD, STORE, o, c) STORE(gx + (o), LOAD(g + (o)) - F(exp)(LOAD(y + (o))) * sum);
  MAP_ROW(BODY);
#undef BODY
}

/* ---- layer norm ---- */

static void row_mean_var(const T *x, int64_t n, T *mean, T *var) {
  T m = row_sum(x, n) / (T)n;
  *mean = m;
  *var = row_centered(x, n, m) / (T)n;
}

static void row_scale(const T *x, int64_t n, T mean, T rstd, const T *w, const T *b, T *y) {
  V m = F(set)(mean), r = F(set)(rstd);
#define BODY_PLAIN(LOAD, STORE, o, c) STORE(y + (o), (LOAD(x + (o)) - m) * r);
#define BODY_W(LOAD, STORE, o, c) STORE(y + (o), (LOAD(x + (o)) - m) * r * LOAD(w + (o)));
#define BODY_B(LOAD, STORE, o, c) STORE(y + (o), (LOAD(x + (o)) - m) * r + LOAD(b + (o)));
#define BODY_WB(LOAD, STORE, o, c) \
  STORE(y + (o), (LOAD(x + (o)) - m) * r * LOAD(w + (o)) + LOAD(b + (o)));
  if (w && b)
    MAP_ROW(BODY_WB);
  else if (w)
    MAP_ROW(BODY_W);
  else if (b)
    MAP_ROW(BODY_B);
  else
    MAP_ROW(BODY_PLAIN);
#undef BODY_PLAIN
#undef BODY_W
#undef BODY_B
#undef BODY_WB
}

/* With h = (x - mean) * rstd and d = g * w: gx = rstd * (d - mean(d) - h * mean(d * h)). */
static void row_layer_norm_grad(const T *x, const T *g, int64_t n, T mean, T rstd, const T *w,
                                T *gx) {
  V m = F(set)(mean), r = F(set)(rstd), one = F(set)(1);
  V sum_d = F(set)(0), sum_dh = sum_d;
#define BODY(LOAD, STORE, o, c)                    \
  V d = LOAD(g + (o)) * (w ? LOAD(w + (o)) : one); \
  sum_d = sum_d + d;                               \
  sum_dh = sum_dh + d * ((LOAD(x + (o)) - m) * r);
  MAP_ROW(BODY);
#undef BODY
  V mean_d = F(set)(F(across_sum)(sum_d) / (T)n), mean_dh = F(set)(F(across_sum)(sum_dh) / (T)n);
#define BODY(LOAD, STORE, o, c)                    \
  V d = LOAD(g + (o)) * (w ? LOAD(w + (o)) : one); \
  STORE(gx + (o), r * ((d - mean_d) - ((LOAD(x + (o)) - m) * r) * mean_dh));
  MAP_ROW(BODY);
#undef BODY
}

static void row_layer_norm_grad_params(const T *x, const T *g, int64_t n, T mean, T rstd, T *gw,
                                       T *gb) {
  V m = F(set)(mean), r = F(set)(rstd);
#define BODY_W(LOAD, STORE, o, c) \
  STORE(gw + (o), LOAD(gw + (o)) + LOAD(g + (o)) * ((LOAD(x + (o)) - m) * r));
#define BODY_B(LOAD, STORE, o, c) STORE(gb + (o), LOAD(gb + (o)) + LOAD(g + (o)));
  if (gw)
    MAP_ROW(BODY_W);
  if (gb)
    MAP_ROW(BODY_B);
#undef BODY_W
#undef BODY_B
}

TABLE = {
    .reduce = {row_sum, row_sumsq, row_sumabs, block_prod, block_max, block_min},
    .column = {column_sum, column_sumsq, column_sumabs, column_prod, column_max, column_min},
    .centered = row_centered,
    .column_centered = column_centered,
    .dot = row_dot,
    .column_dot = column_dot,
    .argmax = row_argmax,
    .argmin = row_argmin,
    .softmax = row_softmax,
    .log_softmax = row_log_softmax,
    .logsumexp = row_logsumexp,
    .softmax_grad = row_softmax_grad,
    .log_softmax_grad = row_log_softmax_grad,
    .mean_var = row_mean_var,
    .scale = row_scale,
    .layer_norm_grad = row_layer_norm_grad,
    .layer_norm_grad_params = row_layer_norm_grad_params,
};
