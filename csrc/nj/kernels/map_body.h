/* The kernels of map.h over a vector vocabulary; see row_body.h for what the including file
 * defines. */

#define K(c) F(set)((T)(c))
#define SEL(condition, a, b) F(sel)(condition, a, b)

static inline V gelu_tanh_slope(V x, V t) {
  V inner = K(0.79788456080286536) + K(0.10703222440890037) * (x * x);
  return K(0.5) + K(0.5) * t + K(0.5) * x * (K(1) - t * t) * inner;
}

static inline V silu_slope(V x, V s) { return s * (K(1) + x * (K(1) - s)); }

/* The remainder with the sign of b, as Lua's and Python's % have it. */
static inline V floored_mod(V a, V b) {
  V r = F(fmod)(a, b);
  return SEL((r != K(0)) & ((r < K(0)) != (b < K(0))), r + b, r);
}

/* ---- one operand ---- */

#define UNARY(NAME, name, saves, forward, derivative)                         \
  static inline V f_##name(V x, V p, V q) {                                   \
    (void)p, (void)q;                                                         \
    return forward;                                                           \
  }                                                                           \
  static void unary_##name(const T *x, T *y, int64_t n, double p, double q) { \
    V vp = K(p), vq = K(q);                                                   \
    int64_t i = 0;                                                            \
    for (; i + LANES <= n; i += LANES)                                        \
      F(store)(y + i, f_##name(F(load)(x + i), vp, vq));                      \
    if (i < n)                                                                \
      F(store_n)(y + i, f_##name(F(load_n)(x + i, n - i, 0), vp, vq), n - i); \
  }
NJ_MAP_UNARY_LIST(UNARY)

/* ---- two operands ---- */

/* Either may be one number for all. */
#define BINARY_LOOPS(name, function)                                                          \
  static void name(const T *a, int64_t sa, const T *b, int64_t sb, T *y, int64_t n, double p, \
                   double q) {                                                                \
    V vp = K(p), vq = K(q), va = K(0), vb = K(0);                                             \
    int64_t i = 0;                                                                            \
    if (n <= 0)                                                                               \
      return;                                                                                 \
    if (!sa)                                                                                  \
      va = F(set)(*a);                                                                        \
    if (!sb)                                                                                  \
      vb = F(set)(*b);                                                                        \
    if (sa && sb)                                                                             \
      for (; i + LANES <= n; i += LANES)                                                      \
        F(store)(y + i, function(F(load)(a + i), F(load)(b + i), vp, vq));                    \
    else if (sa)                                                                              \
      for (; i + LANES <= n; i += LANES)                                                      \
        F(store)(y + i, function(F(load)(a + i), vb, vp, vq));                                \
    else                                                                                      \
      for (; i + LANES <= n; i += LANES)                                                      \
        F(store)(y + i, function(va, sb ? F(load)(b + i) : vb, vp, vq));                      \
    if (i < n) {                                                                              \
      va = sa ? F(load_n)(a + i, n - i, 1) : va;                                              \
      vb = sb ? F(load_n)(b + i, n - i, 1) : vb;                                              \
      F(store_n)(y + i, function(va, vb, vp, vq), n - i);                                     \
    }                                                                                         \
  }

#define BINARY(NAME, name, expression)           \
  static inline V b_##name(V a, V b, V p, V q) { \
    (void)p, (void)q;                            \
    return expression;                           \
  }                                              \
  BINARY_LOOPS(binary_##name, b_##name)
NJ_MAP_BINARY_LIST(BINARY)

#define GRAD(NAME, name, saves, forward, derivative) \
  static inline V d_##name(V g, V v, V p, V q) {     \
    V x = v, y = v;                                  \
    (void)x, (void)y, (void)p, (void)q;              \
    return derivative;                               \
  }                                                  \
  BINARY_LOOPS(grad_##name, d_##name)
NJ_MAP_UNARY_LIST(GRAD)

/* ---- comparison and choice: left to the compiler's vectoriser ---- */

#define COMPARE(NAME, name, operator)                                                    \
  static void compare_##name(const T *a, int64_t sa, const T *b, int64_t sb, uint8_t *y, \
                             int64_t n) {                                                \
    if (sa && sb)                                                                        \
      for (int64_t i = 0; i < n; i++)                                                    \
        y[i] = a[i] operator b[i];                                                       \
    else if (sa)                                                                         \
      for (int64_t i = 0; i < n; i++)                                                    \
        y[i] = a[i] operator b[0];                                                       \
    else                                                                                 \
      for (int64_t i = 0; i < n; i++)                                                    \
        y[i] = a[0] operator b[i * sb];                                                  \
  }
NJ_MAP_COMPARE_LIST(COMPARE)

#define SELECT_LOOP(first, second)      \
  for (int64_t i = 0; i < n; i++) {     \
    T when = first, otherwise = second; \
    y[i] = c[i] ? when : otherwise;     \
  }

static void select_values(const uint8_t *c, int64_t sc, const T *a, int64_t sa, const T *b,
                          int64_t sb, T *y, int64_t n) {
  if (n <= 0)
    return;
  T all_a = *a, all_b = *b;
  if (sc && sa && sb)
    SELECT_LOOP(a[i], b[i])
  else if (sc && sa)
    SELECT_LOOP(a[i], all_b)
  else if (sc && sb)
    SELECT_LOOP(all_a, b[i])
  else
    for (int64_t i = 0; i < n; i++)
      y[i] = c[i * sc] ? a[i * sa] : b[i * sb];
}

TABLE = {
#define LINE(NAME, name, saves, forward, derivative) .unary[NJ_MAP_##NAME] = unary_##name,
    NJ_MAP_UNARY_LIST(LINE)
#undef LINE
#define LINE(NAME, name, saves, forward, derivative) .grad[NJ_MAP_##NAME] = grad_##name,
        NJ_MAP_UNARY_LIST(LINE)
#undef LINE
#define LINE(NAME, name, expression) .binary[NJ_MAP_##NAME] = binary_##name,
            NJ_MAP_BINARY_LIST(LINE)
#undef LINE
#define LINE(NAME, name, operator) .compare[NJ_MAP_##NAME] = compare_##name,
                NJ_MAP_COMPARE_LIST(LINE)
#undef LINE
                    .select = select_values,
};
