/* Ranks against a definition that looks at every pair, and resampled statistics by hand. */
#include <math.h>

#include "ctest.h"
#include "nj.h"
#include "stats/rank.h"
#include "stats/bootstrap.h"

static nj_ctx *fresh(void) {
  nj_ctx_options options = nj_ctx_default_options();
  options.threads = 2;
  nj_ctx *ctx = NULL;
  return nj_ctx_new(&options, &ctx) == NJ_OK ? ctx : NULL;
}

static nj_tensor *ints(nj_ctx *ctx, int64_t n, const int64_t *values) {
  nj_tensor *x = NULL;
  if (nj_empty(ctx, NJ_I64, 1, &n, &x) != NJ_OK)
    return NULL;
  for (int64_t i = 0; i < n; i++)
    NJ_I64_DATA(x)[i] = values[i];
  return x;
}

static double expected_rank(const float *row, int64_t n, int64_t item, nj_ties ties) {
  double greater = 0, equal_before = 0, equal = 0;
  for (int64_t j = 0; j < n; j++) {
    greater += row[j] > row[item];
    equal += j != item && row[j] == row[item];
    equal_before += j < item && row[j] == row[item];
  }
  switch (ties) {
  case NJ_TIES_STABLE:
    return greater + equal_before;
  case NJ_TIES_OPTIMISTIC:
    return greater;
  case NJ_TIES_PESSIMISTIC:
    return greater + equal;
  default:
    return greater + equal / 2;
  }
}

/* Rankers that know little tie much (BM25 gives 0 to all that shares no word). Under MEAN a row of
 * equal scores must be worth chance, neither first nor last. */
TEST(equal_scores_rank_as_chance) {
  enum { COLUMNS = 11 };
  nj_ctx *ctx = fresh();
  CHECK(ctx);
  nj_tensor *scores = NULL, *ranks = NULL;
  CHECK_OK(nj_zeros(ctx, NJ_F32, 2, (int64_t[]){1, COLUMNS}, &scores));
  for (int64_t item = 0; item < COLUMNS; item++) {
    nj_tensor *starts = ints(ctx, 2, (int64_t[]){0, 1}), *list = ints(ctx, 1, &item);
    CHECK_OK(nj_ranks(ctx, scores, starts, list, NJ_TIES_MEAN, &ranks));
    CHECK(NJ_F64_DATA(ranks)[0] == (COLUMNS - 1) / 2.0);
    nj_release(ranks);
    nj_release(starts);
    nj_release(list);
  }
  nj_release(scores);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

/* Every item of every row asked for, scores with many ties. */
TEST(ranks_agree_with_their_definition) {
  enum { ROWS = 70, COLUMNS = 31 };
  nj_ctx *ctx = fresh();
  CHECK(ctx);
  nj_tensor *scores = NULL;
  CHECK_OK(nj_empty(ctx, NJ_F32, 2, (int64_t[]){ROWS, COLUMNS}, &scores));
  nj_rng rng = nj_rng_make(3, 0);
  int64_t offsets[ROWS + 1], items[ROWS * COLUMNS];
  for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
    NJ_F32_DATA(scores)[i] = (float)nj_rng_below(&rng, 9);
    items[i] = (i * 7) % COLUMNS;
  }
  for (int64_t row = 0; row <= ROWS; row++)
    offsets[row] = row * COLUMNS;
  nj_tensor *starts = ints(ctx, ROWS + 1, offsets), *list = ints(ctx, ROWS * COLUMNS, items);
  for (int ties = NJ_TIES_STABLE; ties <= NJ_TIES_MEAN; ties++) {
    nj_tensor *ranks = NULL;
    CHECK_OK(nj_ranks(ctx, scores, starts, list, (nj_ties)ties, &ranks));
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
      const float *row = NJ_F32_DATA(scores) + i / COLUMNS * COLUMNS;
      CHECK(nj_get(ranks, &i) == expected_rank(row, COLUMNS, items[i], (nj_ties)ties));
    }
    nj_release(ranks);
  }
  nj_release(scores);
  nj_release(starts);
  nj_release(list);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(ranks_refuse_what_has_no_rank) {
  nj_ctx *ctx = fresh();
  CHECK(ctx);
  nj_tensor *scores = NULL, *ranks = NULL;
  CHECK_OK(nj_zeros(ctx, NJ_F64, 2, (int64_t[]){2, 3}, &scores));
  nj_tensor *starts = ints(ctx, 3, (int64_t[]){0, 1, 2});
  nj_tensor *good = ints(ctx, 2, (int64_t[]){0, 2}), *bad = ints(ctx, 2, (int64_t[]){0, 3});
  nj_tensor *backwards = ints(ctx, 3, (int64_t[]){0, 2, 1});
  CHECK_INT(nj_ranks(ctx, scores, starts, bad, NJ_TIES_STABLE, &ranks), NJ_EINDEX);
  CHECK_TEXT(nj_ctx_error(ctx), "ranks: relevant item 4 is outside 1 to 3");
  CHECK_INT(nj_ranks(ctx, scores, backwards, good, NJ_TIES_STABLE, &ranks), NJ_EINDEX);
  CHECK_INT(nj_ranks(ctx, starts, starts, good, NJ_TIES_STABLE, &ranks), NJ_ESHAPE);
  NJ_F64_DATA(scores)[4] = NAN;
  CHECK_INT(nj_ranks(ctx, scores, starts, good, NJ_TIES_STABLE, &ranks), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "ranks: the score in row 2, column 2 is nan");
  CHECK(ranks == NULL);
  nj_release(scores);
  nj_release(starts);
  nj_release(good);
  nj_release(bad);
  nj_release(backwards);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

/* A resample of clusters drawn (2, 0, 1) times: values 1, 5, 9 with 5 in the cluster left out. */
TEST(resampled_statistics_by_hand) {
  nj_ctx *ctx = fresh();
  CHECK(ctx);
  nj_tensor *counts = NULL, *values = NULL, *sums = NULL, *sizes = NULL, *out = NULL;
  CHECK_OK(nj_zeros(ctx, NJ_I32, 2, (int64_t[]){1, 3}, &counts));
  int32_t *drawn = nj_data(counts);
  drawn[0] = 2;
  drawn[2] = 1;
  CHECK_OK(nj_empty(ctx, NJ_F64, 1, (int64_t[]){3}, &values));
  for (int i = 0; i < 3; i++)
    NJ_F64_DATA(values)[i] = 1 + 4 * i;
  nj_tensor *clusters = ints(ctx, 3, (int64_t[]){0, 1, 2});
  CHECK_OK(nj_bootstrap_median(ctx, values, clusters, counts, &out)); /* 1 1 9 */
  CHECK(NJ_F64_DATA(out)[0] == 1);
  nj_release(out);
  drawn[2] = 2; /* 1 1 9 9 */
  CHECK_OK(nj_bootstrap_median(ctx, values, clusters, counts, &out));
  CHECK(NJ_F64_DATA(out)[0] == 5);
  nj_release(out);
  CHECK_OK(nj_full(ctx, NJ_F64, 2, (int64_t[]){3, 1}, 6, &sums));
  CHECK_OK(nj_full(ctx, NJ_F64, 2, (int64_t[]){3, 1}, 2, &sizes));
  NJ_F64_DATA(sums)[0] = 0;
  CHECK_OK(nj_bootstrap_mean(ctx, sums, sizes, counts, &out)); /* 12 / 8 */
  CHECK(NJ_F64_DATA(out)[0] == 1.5);
  nj_release(out);
  /* ranking: item 2 (relevant), 0, 1 (relevant, never drawn): positions 1 and 2 of item 2 */
  nj_tensor *order = NULL, *relevant = NULL;
  CHECK_OK(nj_empty(ctx, NJ_I64, 2, (int64_t[]){1, 3}, &order));
  CHECK_OK(nj_zeros(ctx, NJ_U8, 2, (int64_t[]){1, 3}, &relevant));
  NJ_I64_DATA(order)[0] = 0;
  NJ_I64_DATA(order)[1] = 2;
  NJ_I64_DATA(order)[2] = 1;
  ((uint8_t *)nj_data(relevant))[1] = ((uint8_t *)nj_data(relevant))[2] = 1;
  CHECK_OK(nj_bootstrap_ap(ctx, order, relevant, clusters, counts, &out)); /* (1/3 + 2/4) / 2 */
  CHECK(fabs(NJ_F64_DATA(out)[0] - (1.0 / 3 + 0.5) / 2) < 1e-15);
  nj_tensor *all[] = {counts, values, sums, sizes, out, clusters, order, relevant};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    nj_release(all[i]);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(resample_counts_sum_to_the_number_of_clusters) {
  nj_ctx *ctx = fresh();
  CHECK(ctx);
  nj_rng rng = nj_rng_make(1, 0), again = rng;
  nj_tensor *a = NULL, *b = NULL;
  CHECK_OK(nj_bootstrap_counts(ctx, &rng, 50, 200, &a));
  CHECK_OK(nj_bootstrap_counts(ctx, &again, 50, 200, &b));
  CHECK_INT(memcmp(nj_data(a), nj_data(b), 50 * 200 * sizeof(int32_t)), 0);
  int64_t first = 0;
  for (int64_t row = 0; row < 200; row++) {
    int64_t total = 0;
    for (int64_t c = 0; c < 50; c++)
      total += ((int32_t *)nj_data(a))[row * 50 + c];
    CHECK_INT(total, 50);
    first += ((int32_t *)nj_data(a))[row * 50];
  }
  CHECK(first > 140 && first < 260); /* expected 200, standard deviation 14 */
  nj_release(a);
  nj_release(b);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

/* Every allocation of every function fails once: an error each time, and nothing stays behind. */
TEST(ranks_and_resamples_survive_failing_memory) {
  nj_ctx *ctx = fresh();
  CHECK(ctx);
  nj_tensor *wide = NULL, *scores = NULL, *sums = NULL, *counts = NULL, *order = NULL, *mask = NULL;
  nj_rng rng = nj_rng_make(4, 0);
  CHECK_OK(nj_zeros(ctx, NJ_F64, 2, (int64_t[]){3, 4}, &wide));
  CHECK_OK(nj_alias(wide, 2, (int64_t[]){2, 3}, (int64_t[]){1, 4}, 0, &scores)); /* strided */
  CHECK_OK(nj_alias(wide, 2, (int64_t[]){3, 2}, (int64_t[]){4, 2}, 0, &sums));
  CHECK_OK(nj_bootstrap_counts(ctx, &rng, 3, 5, &counts));
  CHECK_OK(nj_zeros(ctx, NJ_I64, 2, (int64_t[]){2, 3}, &order));
  CHECK_OK(nj_zeros(ctx, NJ_U8, 2, (int64_t[]){2, 3}, &mask));
  nj_tensor *starts = ints(ctx, 3, (int64_t[]){0, 1, 2}), *items = ints(ctx, 2, (int64_t[]){0, 2});
  nj_tensor *clusters = ints(ctx, 3, (int64_t[]){0, 1, 2});
  nj_tensor *values = NULL;
  CHECK_OK(nj_alias(wide, 1, (int64_t[]){3}, (int64_t[]){2}, 0, &values));
  size_t before = nj_memory_get(ctx).live;
  for (int which = 0; which < 5; which++) {
    nj_status st = NJ_ENOMEM;
    for (int64_t after = 0; st == NJ_ENOMEM; after++) {
      CHECK(after < 20);
      nj_tensor *out = NULL;
      nj_memory_fail_after(ctx, after);
      switch (which) {
      case 0:
        st = nj_ranks(ctx, scores, starts, items, NJ_TIES_MEAN, &out);
        break;
      case 1:
        st = nj_bootstrap_counts(ctx, &rng, 3, 5, &out);
        break;
      case 2:
        st = nj_bootstrap_mean(ctx, sums, sums, counts, &out);
        break;
      case 3:
        st = nj_bootstrap_median(ctx, values, clusters, counts, &out);
        break;
      default:
        st = nj_bootstrap_ap(ctx, order, mask, clusters, counts, &out);
      }
      nj_memory_fail_after(ctx, -1);
      CHECK(st == NJ_OK || st == NJ_ENOMEM);
      CHECK((out == NULL) == (st != NJ_OK));
      nj_release(out);
      CHECK_INT(nj_memory_get(ctx).live, before);
    }
  }
  nj_tensor *all[] = {wide, scores, sums, counts, order, mask, starts, items, clusters, values};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    nj_release(all[i]);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}
