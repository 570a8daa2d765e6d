/* The kernels of pool.h, written once over a vector vocabulary (see row_body.h). ROW is the job. */

static T factor_of(const ROW *row, int64_t x) {
  int64_t count = row->divisor ? row->divisor : row->rows * (row->end[x] - row->begin[x]);
  return 1 / (T)count;
}

static void average(const ROW *row) {
  int64_t n = row->channels;
  for (int64_t x = 0; x < row->width; x++) {
    const T *in = row->in + row->begin[x] * n;
    T *out = row->out + x * n, factor = factor_of(row, x);
    int64_t c = 0, columns = row->end[x] - row->begin[x];
    for (; c + LANES <= n; c += LANES) {
      V sum = F(set)(0);
      for (int64_t r = 0; r < row->rows; r++)
        for (int64_t i = 0; i < columns; i++)
          sum = sum + F(load)(in + r * row->row_size + i * n + c);
      F(store)(out + c, sum * F(set)(factor));
    }
    for (; c < n; c++) {
      T sum = 0;
      for (int64_t r = 0; r < row->rows; r++)
        for (int64_t i = 0; i < columns; i++)
          sum += in[r * row->row_size + i * n + c];
      out[c] = sum * factor;
    }
  }
}

static void largest(const ROW *row, int64_t *index) {
  int64_t n = row->channels;
  for (int64_t x = 0; x < row->width; x++) {
    T *out = row->out + x * n;
    int64_t *at = index + x * n, first = row->begin[x] * n;
    for (int64_t c = 0; c < n; c++) {
      out[c] = row->in[first + c];
      at[c] = first + c;
    }
    for (int64_t r = 0; r < row->rows; r++)
      for (int64_t i = row->begin[x]; i < row->end[x]; i++) {
        const T *in = row->in + r * row->row_size + i * n;
        for (int64_t c = 0; c < n; c++) {
          int take = in[c] > out[c] || (in[c] != in[c] && out[c] == out[c]);
          out[c] = take ? in[c] : out[c];
          at[c] = take ? r * row->row_size + i * n + c : at[c];
        }
      }
  }
}

static void average_grad(const ROW *row, T *gx) {
  int64_t n = row->channels;
  for (int64_t x = 0; x < row->width; x++) {
    const T *g = row->in + x * n;
    T factor = factor_of(row, x);
    for (int64_t i = row->begin[x]; i < row->end[x]; i++) {
      T *to = gx + i * n;
      int64_t c = 0;
      for (; c + LANES <= n; c += LANES)
        F(store)(to + c, F(load)(to + c) + F(load)(g + c) * F(set)(factor));
      for (; c < n; c++)
        to[c] += g[c] * factor;
    }
  }
}

TABLE = {.average = average, .largest = largest, .average_grad = average_grad};
