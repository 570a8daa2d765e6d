/* The kernels of channel.h, written once over a vector vocabulary (see row_body.h): a strip of one
 * vector of channels at a time, down the rows, four rows in flight. */

#define INLINE static inline __attribute__((always_inline))

/* With n_tail > 0 only the first n_tail lanes exist. */
INLINE V take(const T *p, int64_t n_tail) { return n_tail ? F(load_n)(p, n_tail, 0) : F(load)(p); }

INLINE void put(T *p, V v, int64_t n_tail) {
  if (n_tail)
    F(store_n)(p, v, n_tail);
  else
    F(store)(p, v);
}

/* The sum of four running sums, in a fixed order. */
INLINE V four(const V s[4]) { return (s[0] + s[1]) + (s[2] + s[3]); }

/* ---- y = (x - mean) * a + b ---- */

INLINE void affine_strip(const T *x, int64_t rows, int64_t n, V mean, V a, V b, const int relu,
                         T *y, int64_t n_tail) {
  for (int64_t r = 0; r < rows; r++) {
    V v = (take(x + r * n, n_tail) - mean) * a + b;
    put(y + r * n, relu ? CLAMP(v) : v, n_tail);
  }
}

static void affine(const T *x, int64_t rows, int64_t n, const T *mean, const T *a, const T *b,
                   int relu, T *y) {
  for (int64_t c = 0; c < n; c += LANES) {
    int64_t n_tail = n - c < LANES ? n - c : 0;
    V m = take(mean + c, n_tail), va = take(a + c, n_tail), vb = take(b + c, n_tail);
    if (relu && !n_tail)
      affine_strip(x + c, rows, n, m, va, vb, 1, y + c, 0);
    else if (!n_tail)
      affine_strip(x + c, rows, n, m, va, vb, 0, y + c, 0);
    else
      affine_strip(x + c, rows, n, m, va, vb, relu, y + c, n_tail);
  }
}

/* ---- mean and squared deviations ---- */

INLINE void moments_strip(const T *x, int64_t rows, int64_t n, T *mean, T *m2, int64_t n_tail) {
  V s[4] = {F(set)(0), F(set)(0), F(set)(0), F(set)(0)};
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4)
    for (int j = 0; j < 4; j++)
      s[j] = s[j] + take(x + (r + j) * n, n_tail);
  for (; r < rows; r++)
    s[0] = s[0] + take(x + r * n, n_tail);
  V m = four(s) * F(set)(1 / (T)rows);
  s[0] = s[1] = s[2] = s[3] = F(set)(0);
  for (r = 0; r + 4 <= rows; r += 4)
    for (int j = 0; j < 4; j++) {
      V d = take(x + (r + j) * n, n_tail) - m;
      s[j] = s[j] + d * d;
    }
  for (; r < rows; r++) {
    V d = take(x + r * n, n_tail) - m;
    s[0] = s[0] + d * d;
  }
  put(mean, m, n_tail);
  put(m2, four(s), n_tail);
}

static void moments(const T *x, int64_t rows, int64_t n, T *mean, T *m2) {
  int64_t c = 0;
  for (; c + LANES <= n; c += LANES)
    moments_strip(x + c, rows, n, mean + c, m2 + c, 0);
  if (c < n)
    moments_strip(x + c, rows, n, mean + c, m2 + c, n - c);
}

/* ---- gradients ---- */

/* g where the clamped result was positive. */
#define PASS(g, x, relu) ((relu) ? F(sel)(((x)-mean) * a + b > F(set)(0), g, F(set)(0)) : (g))

INLINE void sums_strip(const T *x, const T *g, int64_t rows, int64_t n, V mean, V a, V b,
                       const int relu, T *sum_g, T *sum_gx, int64_t n_tail) {
  V s[4] = {F(set)(0), F(set)(0), F(set)(0), F(set)(0)}, sx[4] = {s[0], s[0], s[0], s[0]};
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4)
    for (int j = 0; j < 4; j++) {
      V vx = take(x + (r + j) * n, n_tail), vg = take(g + (r + j) * n, n_tail);
      vg = PASS(vg, vx, relu);
      s[j] = s[j] + vg;
      sx[j] = sx[j] + vg * (vx - mean);
    }
  for (; r < rows; r++) {
    V vx = take(x + r * n, n_tail), vg = take(g + r * n, n_tail);
    vg = PASS(vg, vx, relu);
    s[0] = s[0] + vg;
    sx[0] = sx[0] + vg * (vx - mean);
  }
  put(sum_g, four(s), n_tail);
  put(sum_gx, four(sx), n_tail);
}

static void grad_sums(const T *x, const T *g, int64_t rows, int64_t n, const T *mean, const T *a,
                      const T *b, int relu, T *sum_g, T *sum_gx) {
  for (int64_t c = 0; c < n; c += LANES) {
    int64_t n_tail = n - c < LANES ? n - c : 0;
    V m = take(mean + c, n_tail), va = take(a + c, n_tail), vb = take(b + c, n_tail);
    if (relu && !n_tail)
      sums_strip(x + c, g + c, rows, n, m, va, vb, 1, sum_g + c, sum_gx + c, 0);
    else if (!n_tail)
      sums_strip(x + c, g + c, rows, n, m, va, vb, 0, sum_g + c, sum_gx + c, 0);
    else
      sums_strip(x + c, g + c, rows, n, m, va, vb, relu, sum_g + c, sum_gx + c, n_tail);
  }
}

INLINE void grad_strip(const T *x, const T *g, int64_t rows, int64_t n, V mean, V a, V b,
                       const int relu, V c0, V c1, T *gx, int64_t n_tail) {
  for (int64_t r = 0; r < rows; r++) {
    V vx = take(x + r * n, n_tail), vg = take(g + r * n, n_tail);
    vg = PASS(vg, vx, relu);
    put(gx + r * n, (a * vg - c0) - (vx - mean) * c1, n_tail);
  }
}

static void grad(const T *x, const T *g, int64_t rows, int64_t n, const T *mean, const T *a,
                 const T *b, int relu, const T *c0, const T *c1, T *gx) {
  for (int64_t c = 0; c < n; c += LANES) {
    int64_t n_tail = n - c < LANES ? n - c : 0;
    V m = take(mean + c, n_tail), va = take(a + c, n_tail), vb = take(b + c, n_tail);
    V k0 = take(c0 + c, n_tail), k1 = take(c1 + c, n_tail);
    if (relu && !n_tail)
      grad_strip(x + c, g + c, rows, n, m, va, vb, 1, k0, k1, gx + c, 0);
    else if (!n_tail)
      grad_strip(x + c, g + c, rows, n, m, va, vb, 0, k0, k1, gx + c, 0);
    else
      grad_strip(x + c, g + c, rows, n, m, va, vb, relu, k0, k1, gx + c, n_tail);
  }
}

TABLE = {.affine = affine, .moments = moments, .grad_sums = grad_sums, .grad = grad};
