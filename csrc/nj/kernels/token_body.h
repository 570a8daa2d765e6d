/* The kernels of token.h, written once over a vector vocabulary (see row_body.h); BLOCK and MEANS
 * are the structures' names. */

#define LOW ((T)-INFINITY)
/* Columns c … c + LANES - 1 of a row, `fill` after the last. */
static inline V part_of(const T *row, int64_t c, int64_t columns, T fill) {
  return c + LANES <= columns ? F(load)(row + c) : F(load_n)(row + c, columns - c, fill);
}

static inline void put_part(T *to, int64_t c, int64_t columns, V v) {
  if (c + LANES <= columns)
    F(store)(to + c, v);
  else
    F(store_n)(to + c, v, columns - c);
}

/* ---- maxima ---- */

static uint16_t first_place(const T *row, int64_t columns, T best) {
  for (int64_t c = 0; c < columns; c++)
    if (row[c] == best || row[c] != row[c])
      return (uint16_t)c;
  return 0;
}

static void row_max(const BLOCK *block, T *max, uint16_t *at) {
  for (int64_t r = 0; r < block->rows; r++) {
    const T *row = block->e + r * block->e_row;
    V most = part_of(row, 0, block->columns, LOW);
    for (int64_t c = LANES; c < block->columns; c += LANES)
      most = F(max)(most, part_of(row, c, block->columns, LOW));
    max[r] = F(across_max)(most);
    if (at)
      at[r] = first_place(row, block->columns, max[r]);
  }
}

static void column_places(const BLOCK *block, const T *max, uint16_t *at) {
  for (int64_t c = 0; c < block->columns; c++)
    at[c] = UINT16_MAX;
  for (int64_t r = block->rows - 1; r >= 0; r--) {
    const T *row = block->e + r * block->e_row;
    for (int64_t c = 0; c < block->columns; c++)
      at[c] = row[c] == max[c] || row[c] != row[c] ? (uint16_t)r : at[c];
  }
}

static void column_max(const BLOCK *block, T *max, uint16_t *at) {
  for (int64_t c = 0; c < block->columns; c += LANES) {
    const T *e = block->e;
    V most = part_of(e, c, block->columns, LOW);
    for (int64_t r = 1; r < block->rows; r++)
      most = F(max)(most, part_of(e += block->e_row, c, block->columns, LOW));
    put_part(max, c, block->columns, most);
  }
  if (at)
    column_places(block, max, at);
}

/* ---- means weighted by attention ---- */

static void row_mean(const BLOCK *block, T sharpness, const MEANS *means) {
  row_max(block, means->max, NULL);
  V s = F(set)(sharpness);
  for (int64_t r = 0; r < block->rows; r++) {
    const T *row = block->e + r * block->e_row;
    V max = F(set)(means->max[r]), sum = F(set)(0), total = sum;
    for (int64_t c = 0; c < block->columns; c += LANES) {
      V a = F(exp)((part_of(row, c, block->columns, LOW) - max) * s);
      sum = sum + a;
      total = total + a * part_of(row, c, block->columns, 0);
    }
    means->sum[r] = F(across_sum)(sum);
    means->value[r] = F(across_sum)(total) / means->sum[r];
  }
}

static void column_mean(const BLOCK *block, T sharpness, const MEANS *means) {
  column_max(block, means->max, NULL);
  V s = F(set)(sharpness);
  for (int64_t c = 0; c < block->columns; c += LANES) {
    V max = part_of(means->max, c, block->columns, 0), sum = F(set)(0), total = sum;
    for (int64_t r = 0; r < block->rows; r++) {
      V e = part_of(block->e + r * block->e_row, c, block->columns, 0);
      V a = F(exp)((e - max) * s);
      sum = sum + a;
      total = total + a * e;
    }
    put_part(means->sum, c, block->columns, sum);
    put_part(means->value, c, block->columns, total / sum);
  }
}

/* d value / d e = a / sum * (1 + (e - value) * sharpness) */
static inline V slope(V e, V max, V sum, V value, V s) {
  return F(exp)((e - max) * s) / sum * (F(set)(1) + (e - value) * s);
}

static void mean_grad(const BLOCK *block, T sharpness, const MEANS *rows, const T *row_grad,
                      const MEANS *columns, const T *column_grad, T *g) {
  V s = F(set)(sharpness);
  int64_t n = block->columns;
  for (int64_t r = 0; r < block->rows; r++) {
    int64_t at = r * block->e_row;
    for (int64_t c = 0; c < n; c += LANES) {
      V e = part_of(block->e + at, c, n, 0), sum = F(set)(0);
      if (rows)
        sum = slope(e, F(set)(rows->max[r]), F(set)(rows->sum[r]), F(set)(rows->value[r]), s) *
              F(set)(row_grad[r]);
      if (columns)
        sum = sum + slope(e, part_of(columns->max, c, n, 0), part_of(columns->sum, c, n, 1),
                          part_of(columns->value, c, n, 0), s) *
                        part_of(column_grad, c, n, 0);
      put_part(g + at, c, n, sum);
    }
  }
}

TABLE = {.row_max = row_max,
         .column_max = column_max,
         .row_mean = row_mean,
         .column_mean = column_mean,
         .mean_grad = mean_grad};
