#include "kernels/padded_rows.h"
#include "base/int.h"

#include <string.h>

/* The columns of a padded row that hold input: from `*begin`, `*count` of them, `*first` being the
 * input column of the first. */
static void inside(const nj_window *w, int64_t *begin, int64_t *first, int64_t *count) {
  int64_t s = w->spread_w;
  int64_t skip = w->pad_w < 0 ? (-w->pad_w + s - 1) / s : 0; /* input columns cut off */
  *first = skip;
  *begin = w->pad_w + skip * s;
  int64_t fit = *begin < w->width ? (w->width - *begin + s - 1) / s : 0;
  *count = nj_max_i64(0, nj_min_i64(fit, w->in_w - skip));
}

static void copy_row(const nj_window *w, const float *from, float *to, int64_t count) {
  int64_t c_n = w->channels, step = w->spread_w * w->pitch;
  if (w->stride.channel == 1 && w->stride.x == c_n && step == c_n) {
    memcpy(to, from, (size_t)(count * c_n) * sizeof *to);
  } else if (w->stride.channel == 1) {
    for (int64_t i = 0; i < count; i++)
      memcpy(to + i * step, from + i * w->stride.x, (size_t)c_n * sizeof *to);
  } else {
    for (int64_t c = 0; c < c_n; c++)
      for (int64_t i = 0; i < count; i++)
        to[i * step + c] = from[i * w->stride.x + c * w->stride.channel];
  }
}

void nj_pad_rows(const nj_window *w, int64_t row0, int64_t rows, float *to) {
  int64_t begin, first, count, row_size = w->width * w->pitch;
  inside(w, &begin, &first, &count);
  for (int64_t r = row0; r < row0 + rows; r++, to += row_size) {
    int64_t y = r - w->pad_h;
    if (y < 0 || y % w->spread_h != 0 || y / w->spread_h >= w->in_h || count == 0) {
      memset(to, 0, (size_t)row_size * sizeof *to);
      continue;
    }
    const float *from = w->x + y / w->spread_h * w->stride.y + first * w->stride.x;
    if (w->spread_w > 1) {
      memset(to, 0, (size_t)row_size * sizeof *to);
    } else {
      int64_t end = (begin + count) * w->pitch;
      memset(to, 0, (size_t)(begin * w->pitch) * sizeof *to);
      memset(to + end, 0, (size_t)(row_size - end) * sizeof *to);
    }
    copy_row(w, from, to + begin * w->pitch, count);
  }
}
