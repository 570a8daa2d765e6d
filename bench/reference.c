/* What `make bench` compares with: OpenBLAS and libsndfile called directly, and straightforward C
 * loops, built for the machine they run on. A Lua module: each function takes sizes and gives a function that does
 * the work once, on its own buffers of ones. */
#include "reference.h"

#include <cblas.h>
#include <math.h>
#include <sndfile.h>

static int work_gc(lua_State *L) {
  work *w = lua_touserdata(L, 1);
  for (int i = 0; i < BUFFERS; i++) {
    free(w->buffer[i]);
    w->buffer[i] = NULL;
  }
  return 0;
}

work *new_work(lua_State *L, int sizes) {
  long size[SIZES] = {0};
  for (int i = 0; i < sizes; i++)
    size[i] = (long)luaL_checkinteger(L, i + 1);
  work *w = lua_newuserdatauv(L, sizeof *w, 0);
  *w = (work){0};
  for (int i = 0; i < sizes; i++)
    w->size[i] = size[i];
  if (luaL_newmetatable(L, "nightjar.bench.work")) {
    lua_pushcfunction(L, work_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return w;
}

float *buffer(lua_State *L, work *w, int i, long count) {
  w->buffer[i] = malloc((size_t)count * sizeof(float));
  if (!w->buffer[i])
    luaL_error(L, "bench: out of memory");
  unsigned state = 1;
  for (long k = 0; k < count; k++) {
    state = state * 1664525u + 1013904223u;
    w->buffer[i][k] = (float)(state >> 8) / (float)(1 << 24) - 0.5f;
  }
  return w->buffer[i];
}

work *of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

/* ---- matrix product: OpenBLAS with `threads` of its own threads ---- */

static int run_gemm(lua_State *L) {
  work *w = of(L);
  int m = (int)w->size[0], n = (int)w->size[1], k = (int)w->size[2];
  int before = openblas_get_num_threads();
  if (w->size[3] != before)
    openblas_set_num_threads((int)w->size[3]);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, w->buffer[0], k, w->buffer[1],
              n, 0, w->buffer[2], n);
  if (w->size[3] != before)
    openblas_set_num_threads(before);
  return 0;
}

static int gemm(lua_State *L) { /* gemm(m, n, k, threads) */
  work *w = new_work(L, 4);
  buffer(L, w, 0, w->size[0] * w->size[2]);
  buffer(L, w, 1, w->size[2] * w->size[1]);
  buffer(L, w, 2, w->size[0] * w->size[1]);
  lua_pushcclosure(L, run_gemm, 1);
  return 1;
}

/* ---- convolution: channels first, seven loops ---- */

static int run_conv2d(lua_State *L) {
  work *w = of(L);
  const long *s = w->size;
  long B = s[0], C = s[1], H = s[2], W = s[3], O = s[4], K = s[5], stride = s[6], pad = s[7],
       G = s[8];
  long OH = (H + 2 * pad - K) / stride + 1, OW = (W + 2 * pad - K) / stride + 1;
  long CG = C / G, OG = O / G;
  const float *x = w->buffer[0], *weight = w->buffer[1];
  float *y = w->buffer[2];
  for (long b = 0; b < B; b++)
    for (long o = 0; o < O; o++) {
      float *plane = y + (b * O + o) * OH * OW;
      for (long i = 0; i < OH * OW; i++)
        plane[i] = 0;
      for (long c = 0; c < CG; c++) {
        const float *in = x + (b * C + o / OG * CG + c) * H * W;
        for (long p = 0; p < K; p++)
          for (long q = 0; q < K; q++) {
            float tap = weight[((o * CG + c) * K + p) * K + q];
            for (long i = 0; i < OH; i++) {
              long row = i * stride + p - pad;
              if (row < 0 || row >= H)
                continue;
              long first = pad > q ? (pad - q + stride - 1) / stride : 0;
              long last = (W - 1 + pad - q) / stride;
              if (last >= OW)
                last = OW - 1;
              for (long j = first; j <= last; j++)
                plane[i * OW + j] += tap * in[row * W + j * stride + q - pad];
            }
          }
      }
    }
  return 0;
}

static int conv2d(lua_State *L) { /* conv2d(B, C, H, W, out, kernel, stride, pad, groups) */
  work *w = new_work(L, 9);
  const long *s = w->size;
  long OH = (s[2] + 2 * s[7] - s[5]) / s[6] + 1, OW = (s[3] + 2 * s[7] - s[5]) / s[6] + 1;
  buffer(L, w, 0, s[0] * s[1] * s[2] * s[3]);
  buffer(L, w, 1, s[4] * (s[1] / s[8]) * s[5] * s[5]);
  buffer(L, w, 2, s[0] * s[4] * OH * OW);
  lua_pushcclosure(L, run_conv2d, 1);
  return 1;
}

/* ---- rows: softmax and layer norm ---- */

static int run_softmax(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++) {
    const float *x = w->buffer[0] + r * cols;
    float *y = w->buffer[1] + r * cols, top = x[0], sum = 0;
    for (long c = 1; c < cols; c++)
      top = x[c] > top ? x[c] : top;
    for (long c = 0; c < cols; c++)
      sum += y[c] = expf(x[c] - top);
    for (long c = 0; c < cols; c++)
      y[c] /= sum;
  }
  return 0;
}

static int run_layer_norm(lua_State *L) {
  work *w = of(L);
  long rows = w->size[0], cols = w->size[1];
  for (long r = 0; r < rows; r++) {
    const float *x = w->buffer[0] + r * cols;
    float *y = w->buffer[1] + r * cols, mean = 0, square = 0;
    for (long c = 0; c < cols; c++)
      mean += x[c];
    mean /= (float)cols;
    for (long c = 0; c < cols; c++)
      square += (x[c] - mean) * (x[c] - mean);
    float scale = 1 / sqrtf(square / (float)cols + 1e-5f);
    for (long c = 0; c < cols; c++)
      y[c] = (x[c] - mean) * scale;
  }
  return 0;
}

static int rows(lua_State *L, lua_CFunction run) {
  work *w = new_work(L, 2);
  buffer(L, w, 0, w->size[0] * w->size[1]);
  buffer(L, w, 1, w->size[0] * w->size[1]);
  lua_pushcclosure(L, run, 1);
  return 1;
}

static int softmax(lua_State *L) { return rows(L, run_softmax); } /* softmax(rows, columns) */
static int layer_norm(lua_State *L) { return rows(L, run_layer_norm); }

/* ---- log-mel: one frame after another, iterative radix-2 transform ---- */

static void fft(float *re, float *im, const float *cosine, const float *sine, long n) {
  for (long i = 1, j = 0; i < n; i++) {
    long bit = n >> 1;
    for (; j & bit; bit >>= 1)
      j ^= bit;
    j ^= bit;
    if (i < j) {
      float t = re[i];
      re[i] = re[j];
      re[j] = t;
      t = im[i];
      im[i] = im[j];
      im[j] = t;
    }
  }
  for (long half = 1; half < n; half <<= 1)
    for (long base = 0; base < n; base += 2 * half)
      for (long k = 0; k < half; k++) {
        float c = cosine[k * (n / (2 * half))], s = sine[k * (n / (2 * half))];
        long a = base + k, b = a + half;
        float tr = re[b] * c + im[b] * s, ti = im[b] * c - re[b] * s;
        re[b] = re[a] - tr;
        im[b] = im[a] - ti;
        re[a] += tr;
        im[a] += ti;
      }
}

static int run_mel(lua_State *L) {
  work *w = of(L);
  long samples = w->size[0], n = w->size[1], hop = w->size[2], mels = w->size[3];
  const float *wave = w->buffer[0], *bank = w->buffer[1];
  float *out = w->buffer[2], *re = w->buffer[3], *im = re + n, *cosine = im + n, *sine = cosine + n;
  for (long frame = 0; frame * hop + n <= samples; frame++) {
    for (long i = 0; i < n; i++) {
      re[i] = wave[frame * hop + i] * (0.5f - 0.5f * cosine[i]);
      im[i] = 0;
    }
    fft(re, im, cosine, sine, n);
    for (long i = 0; i <= n / 2; i++)
      re[i] = re[i] * re[i] + im[i] * im[i];
    for (long m = 0; m < mels; m++) {
      float sum = 0;
      for (long i = 0; i <= n / 2; i++)
        sum += bank[m * (n / 2 + 1) + i] * re[i];
      out[frame * mels + m] = 10 * log10f(sum > 1e-10f ? sum : 1e-10f);
    }
  }
  return 0;
}

static int mel(lua_State *L) { /* mel(samples, window, hop, mels); window a power of two */
  work *w = new_work(L, 4);
  const long *s = w->size;
  buffer(L, w, 0, s[0]);
  buffer(L, w, 1, s[3] * (s[1] / 2 + 1));
  buffer(L, w, 2, (s[0] / s[2] + 1) * s[3]);
  float *cosine = buffer(L, w, 3, 4 * s[1]) + 2 * s[1];
  for (long i = 0; i < s[1]; i++) {
    cosine[i] = cosf(6.2831853f * (float)i / (float)s[1]);
    cosine[s[1] + i] = sinf(6.2831853f * (float)i / (float)s[1]);
  }
  lua_pushcclosure(L, run_mel, 1);
  return 1;
}

/* ---- libsndfile alone: reads a file to floats ---- */

static int run_sndfile(lua_State *L) {
  static float chunk[65536];
  const char *path = lua_tostring(L, lua_upvalueindex(1));
  SF_INFO info = {0};
  SNDFILE *file = sf_open(path, SFM_READ, &info);
  if (!file)
    return luaL_error(L, "bench: %s: %s", path, sf_strerror(NULL));
  while (sf_read_float(file, chunk, 65536) > 0)
    ;
  sf_close(file);
  return 0;
}

static int sndfile(lua_State *L) { /* sndfile(path) */
  luaL_checkstring(L, 1);
  lua_pushcclosure(L, run_sndfile, 1);
  return 1;
}

int luaopen_bench_reference(lua_State *L);

__attribute__((visibility("default"))) int luaopen_bench_reference(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"gemm", gemm}, {"conv2d", conv2d},   {"softmax", softmax}, {"layer_norm", layer_norm},
      {"mel", mel},   {"sndfile", sndfile}, {NULL, NULL}};
  luaL_newlib(L, functions);
  reference_open_ops(L);
  lua_pushstring(L, openblas_get_config());
  lua_setfield(L, -2, "blas");
  return 1;
}
