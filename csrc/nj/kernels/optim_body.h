/* The kernels of optim.h over a vector vocabulary; see row_body.h for what the including file
 * defines. */

#define K(c) F(set)((T)(c))

typedef struct {
  V p, m, v, vmax;
} state;

static inline V adam_vector(state *s, V g, int keep_max, const nj_adam_factors *f) {
  g = g * K(f->grad_scale) + s->p * K(f->decay);
  s->m = s->m * K(f->beta1) + g * K(1 - f->beta1);
  s->v = s->v * K(f->beta2) + g * g * K(1 - f->beta2);
  V second = s->v;
  if (keep_max)
    second = s->vmax = F(max)(s->vmax, s->v);
  V update = s->m / (F(sqrt)(second) * K(f->root_scale) + K(f->eps));
  return s->p * K(f->shrink) - update * K(f->step_size);
}

static void adam(T *p, const T *g, T *m, T *v, T *vmax, int64_t n, const nj_adam_factors *f) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    state s = {F(load)(p + i), F(load)(m + i), F(load)(v + i), vmax ? F(load)(vmax + i) : K(0)};
    F(store)(p + i, adam_vector(&s, F(load)(g + i), vmax != NULL, f));
    F(store)(m + i, s.m);
    F(store)(v + i, s.v);
    if (vmax)
      F(store)(vmax + i, s.vmax);
  }
  if (i < n) {
    int64_t c = n - i;
    state s = {F(load_n)(p + i, c, 0), F(load_n)(m + i, c, 0), F(load_n)(v + i, c, 0),
               vmax ? F(load_n)(vmax + i, c, 0) : K(0)};
    F(store_n)(p + i, adam_vector(&s, F(load_n)(g + i, c, 0), vmax != NULL, f), c);
    F(store_n)(m + i, s.m, c);
    F(store_n)(v + i, s.v, c);
    if (vmax)
      F(store_n)(vmax + i, s.vmax, c);
  }
}

static inline V sgd_vector(V p, V g, V *buffer, const nj_sgd_factors *f) {
  g = g * K(f->grad_scale) + p * K(f->decay);
  if (buffer) {
    *buffer = *buffer * K(f->momentum) + g * K(f->take);
    g = f->nesterov ? g + *buffer * K(f->momentum) : *buffer;
  }
  return p - g * K(f->lr);
}

static void sgd(T *p, const T *g, T *buffer, int64_t n, const nj_sgd_factors *f) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    V b = buffer ? F(load)(buffer + i) : K(0);
    F(store)(p + i, sgd_vector(F(load)(p + i), F(load)(g + i), buffer ? &b : NULL, f));
    if (buffer)
      F(store)(buffer + i, b);
  }
  if (i < n) {
    int64_t c = n - i;
    V b = buffer ? F(load_n)(buffer + i, c, 0) : K(0);
    F(store_n)
    (p + i, sgd_vector(F(load_n)(p + i, c, 0), F(load_n)(g + i, c, 0), buffer ? &b : NULL, f), c);
    if (buffer)
      F(store_n)(buffer + i, b, c);
  }
}

static double sumsq(const T *x, int64_t n) {
  double s[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++)
      s[k] += (double)x[i + k] * (double)x[i + k];
  for (; i < n; i++)
    s[0] += (double)x[i] * (double)x[i];
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

TABLE = {.adam = adam, .sgd = sgd, .sumsq = sumsq};
