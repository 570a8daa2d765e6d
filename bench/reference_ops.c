/* Straightforward loops over elements, rows and columns, for bench/ops.lua: what one would write
 * without thinking, built with -O3 for the machine. See reference.c for the conventions. */
#include "reference.h"

#include <math.h>
#include <string.h>

/* ---- one loop over n elements: name(n) ---- */

#define LOOP(name, expression)                        \
  static int run_##name(lua_State *L) {               \
    work *w = of(L);                                  \
    const float *a = w->buffer[0], *b = w->buffer[1]; \
    float *y = w->buffer[2];                          \
    (void)b;                                          \
    for (long i = 0; i < w->size[0]; i++)             \
      y[i] = expression;                              \
    return 0;                                         \
  }                                                   \
  static int name(lua_State *L) { return elements(L, run_##name); }

static int elements(lua_State *L, lua_CFunction run) {
  work *w = new_work(L, 1);
  for (int i = 0; i < 3; i++)
    buffer(L, w, i, w->size[0]);
  lua_pushcclosure(L, run, 1);
  return 1;
}

LOOP(add, a[i] + b[i])
LOOP(exponential, expf(a[i]))
LOOP(logarithm, logf(fabsf(a[i])))
LOOP(hyperbolic, tanhf(a[i]))
LOOP(sigmoid, 1 / (1 + expf(-a[i])))
LOOP(gelu, 0.5f * a[i] * (1 + erff(a[i] * 0.70710678f)))
LOOP(relu, a[i] > 0 ? a[i] : 0)
LOOP(choose, a[i] > 0 ? a[i] : b[i])

/* ---- matrices: name(rows, columns) ---- */

static int matrix(lua_State *L, lua_CFunction run) {
  work *w = new_work(L, 2);
  for (int i = 0; i < 3; i++)
    buffer(L, w, i, w->size[0] * w->size[1]);
  lua_pushcclosure(L, run, 1);
  return 1;
}

#define MATRIX(name) \
  static int name(lua_State *L) { return matrix(L, run_##name); }

static int run_add_row(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < cols; c++)
      w->buffer[2][r * cols + c] = w->buffer[0][r * cols + c] + w->buffer[1][c];
  return 0;
}
MATRIX(add_row)

static int run_add_column(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < cols; c++)
      w->buffer[2][r * cols + c] = w->buffer[0][r * cols + c] + w->buffer[1][r];
  return 0;
}
MATRIX(add_column)

static int run_transpose(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < cols; c++)
      w->buffer[2][c * rows + r] = w->buffer[0][r * cols + c];
  return 0;
}
MATRIX(transpose)

static int run_sum(lua_State *L) {
  work *w = of(L);
  float sum = 0;
  for (long i = 0; i < w->size[0] * w->size[1]; i++)
    sum += w->buffer[0][i];
  w->buffer[2][0] = sum;
  return 0;
}
MATRIX(sum)

static int run_sum_rows(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++) {
    float sum = 0;
    for (long c = 0; c < cols; c++)
      sum += w->buffer[0][r * cols + c];
    w->buffer[2][r] = sum;
  }
  return 0;
}
MATRIX(sum_rows)

static int run_sum_columns(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  memset(w->buffer[2], 0, (size_t)cols * sizeof(float));
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < cols; c++)
      w->buffer[2][c] += w->buffer[0][r * cols + c];
  return 0;
}
MATRIX(sum_columns)

static int run_max_rows(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++) {
    const float *x = w->buffer[0] + r * cols;
    long best = 0;
    for (long c = 1; c < cols; c++)
      if (x[c] > x[best])
        best = c;
    w->buffer[1][r] = (float)best;
    w->buffer[2][r] = x[best];
  }
  return 0;
}
MATRIX(max_rows)

static int run_variance_rows(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++) {
    const float *x = w->buffer[0] + r * cols;
    float mean = 0, sum = 0;
    for (long c = 0; c < cols; c++)
      mean += x[c];
    mean /= (float)cols;
    for (long c = 0; c < cols; c++)
      sum += (x[c] - mean) * (x[c] - mean);
    w->buffer[2][r] = sum / (float)(cols - 1);
  }
  return 0;
}
MATRIX(variance_rows)

static int compare_floats(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static int run_sort_rows(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  memcpy(w->buffer[2], w->buffer[0], (size_t)(rows * cols) * sizeof(float));
  for (long r = 0; r < rows; r++)
    qsort(w->buffer[2] + r * cols, (size_t)cols, sizeof(float), compare_floats);
  return 0;
}
MATRIX(sort_rows)

/* ---- AdamW over n parameters: adam(n) ---- */

static int run_adam(lua_State *L) {
  work *w = of(L);
  float *p = w->buffer[0], *m = w->buffer[2], *v = w->buffer[3];
  const float *g = w->buffer[1];
  for (long i = 0; i < w->size[0]; i++) {
    p[i] *= 1 - 1e-3f * 0.01f;
    m[i] = 0.9f * m[i] + 0.1f * g[i];
    v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
    p[i] -= 1e-3f / 0.1f * m[i] / (sqrtf(v[i] / 0.001f) + 1e-8f);
  }
  return 0;
}

static int adam(lua_State *L) {
  work *w = new_work(L, 1);
  for (int i = 0; i < 4; i++)
    buffer(L, w, i, w->size[0]);
  for (long i = 0; i < w->size[0]; i++)
    w->buffer[3][i] = fabsf(w->buffer[3][i]);
  lua_pushcclosure(L, run_adam, 1);
  return 1;
}

void reference_open_ops(lua_State *L) {
  static const luaL_Reg functions[] = {{"add", add},
                                       {"exp", exponential},
                                       {"log", logarithm},
                                       {"tanh", hyperbolic},
                                       {"sigmoid", sigmoid},
                                       {"gelu", gelu},
                                       {"relu", relu},
                                       {"where", choose},
                                       {"add_row", add_row},
                                       {"add_column", add_column},
                                       {"transpose", transpose},
                                       {"sum", sum},
                                       {"sum_rows", sum_rows},
                                       {"sum_columns", sum_columns},
                                       {"max_rows", max_rows},
                                       {"variance_rows", variance_rows},
                                       {"sort_rows", sort_rows},
                                       {"adam", adam},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
