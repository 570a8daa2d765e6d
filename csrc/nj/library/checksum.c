/* Checksums of rows: a hash of each column's type, size and bytes. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "library/catalogue_internal.h"

static void add_number(nj_hash *hash, uint64_t value) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++)
    bytes[i] = (uint8_t)(value >> (8 * i));
  nj_hash_add(hash, bytes, sizeof bytes);
}

static int64_t end(nj_hash *hash) {
  uint8_t out[16];
  uint64_t sum = 0;
  nj_hash_end(hash, out);
  for (int i = 0; i < 8; i++)
    sum |= (uint64_t)out[i] << (8 * i);
  return (int64_t)sum;
}

static void add_column(nj_hash *hash, sqlite3_stmt *statement, int column) {
  int type = sqlite3_column_type(statement, column);
  add_number(hash, (uint64_t)type);
  if (type == SQLITE_INTEGER) {
    add_number(hash, (uint64_t)sqlite3_column_int64(statement, column));
  } else if (type == SQLITE_FLOAT) {
    double value = sqlite3_column_double(statement, column);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_number(hash, bits);
  } else if (type != SQLITE_NULL) {
    const void *bytes = sqlite3_column_blob(statement, column);
    size_t count = (size_t)sqlite3_column_bytes(statement, column);
    add_number(hash, count);
    if (count)
      nj_hash_add(hash, bytes, count);
  }
}

int64_t nj_catalogue_sum(sqlite3_stmt *statement, int first, int count) {
  nj_hash hash;
  nj_hash_begin(&hash, 0x6e6a6c62, (uint64_t)count);
  for (int i = 0; i < count; i++)
    add_column(&hash, statement, first + i);
  return end(&hash);
}

int64_t nj_catalogue_blob_sum(const void *bytes, size_t count) {
  nj_hash hash;
  nj_hash_begin(&hash, 0x6e6a6c62, 0);
  if (count)
    nj_hash_add(&hash, bytes, count);
  return end(&hash);
}

int nj_catalogue_finite(const void *bytes, size_t count) {
  const char *at = bytes;
  for (size_t i = 0; i + sizeof(float) <= count; i += sizeof(float)) {
    float value;
    memcpy(&value, at + i, sizeof value); /* SQLite's blobs have no alignment */
    if (!isfinite(value))
      return 0;
  }
  return 1;
}
