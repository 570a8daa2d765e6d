#include "audio/byte_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int64_t copy(const nj_byte_stream *s, int64_t at, unsigned char *to, int64_t n) {
  if (s->bytes) {
    memcpy(to, s->bytes + at, (size_t)n);
    return n;
  }
  int64_t done = 0;
  while (done < n) {
    ssize_t got = pread(s->file, to + done, (size_t)(n - done), at + done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      break;
    done += got;
  }
  return done;
}

int64_t nj_byte_stream_peek(const nj_byte_stream *s, int64_t at, void *to, int64_t n) {
  if (n > s->end - at)
    n = s->end - at;
  if (at < 0 || n <= 0)
    return 0;
  n = copy(s, at, to, n);
  for (int i = 0; s->patch_at >= 0 && i < 4; i++) {
    int64_t k = s->patch_at + i - at;
    if (k >= 0 && k < n)
      ((unsigned char *)to)[k] = s->patch[i];
  }
  return n;
}

static sf_count_t stream_length(void *data) {
  const nj_byte_stream *s = data;
  return s->end - s->begin;
}

static sf_count_t stream_tell(void *data) { return ((nj_byte_stream *)data)->at; }

static sf_count_t stream_seek(sf_count_t offset, int whence, void *data) {
  nj_byte_stream *s = data;
  sf_count_t size = s->end - s->begin, at;
  sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : size;
  if (__builtin_add_overflow(base, offset, &at) || at < 0 || at > size)
    return -1;
  return s->at = at;
}

static sf_count_t stream_read(void *to, sf_count_t count, void *data) {
  nj_byte_stream *s = data;
  int64_t got = nj_byte_stream_peek(s, s->begin + s->at, to, count);
  s->at += got;
  return got;
}

static sf_count_t stream_write(const void *from, sf_count_t count, void *data) {
  (void)from, (void)count, (void)data;
  return 0;
}

SNDFILE *nj_byte_stream_open(nj_byte_stream *s, SF_INFO *header) {
  SF_VIRTUAL_IO io = {stream_length, stream_seek, stream_read, stream_write, stream_tell};
  s->at = 0;
  return sf_open_virtual(&io, SFM_READ, header, s);
}
