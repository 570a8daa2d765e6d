#include "audio/mp3_part.h"

#include <string.h>

#define SEARCHED 4096 /* bytes between tags and the first frame */
#define CHAIN 10      /* so many frames in a row are a stream even without a tag */

typedef struct {
  int64_t length; /* bytes */
  int64_t tag;    /* where "Xing" or "Info" would be, from the frame's begin */
  int rate, mpeg1;
} frame_header;

/* 0: these four bytes do not begin a layer III frame. */
static int read_frame(const unsigned char h[4], frame_header *f) {
  static const int rates[3] = {44100, 48000, 32000};
  static const int kbits1[15] = {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
  static const int kbits2[15] = {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
  int version = h[1] >> 3 & 3, layer = h[1] >> 1 & 3, kbits = h[2] >> 4, rate = h[2] >> 2 & 3;
  if (h[0] != 0xff || (h[1] & 0xe0) != 0xe0 || version == 1 || layer != 1 || kbits == 0 ||
      kbits == 15 || rate == 3)
    return 0;
  int mono = h[3] >> 6 == 3, guarded = !(h[1] & 1);
  f->mpeg1 = version == 3;
  f->rate = f->mpeg1 ? rates[rate] : version == 2 ? rates[rate] / 2 : rates[rate] / 4;
  f->length =
      (f->mpeg1 ? 144000 * kbits1[kbits] : 72000 * kbits2[kbits]) / f->rate + (h[2] >> 1 & 1);
  f->tag = 4 + (guarded ? 2 : 0) + (f->mpeg1 ? mono ? 17 : 32 : mono ? 9 : 17);
  return 1;
}

int nj_mp3_begins(const unsigned char *head, int64_t n) {
  frame_header f;
  return n >= 4 && (memcmp(head, "ID3", 3) == 0 || read_frame(head, &f));
}

/* Follows at most n frames of one kind from `at`; returns how many, and where they end. */
static int64_t follow(const nj_byte_stream *s, int64_t at, int64_t n, int64_t *end) {
  unsigned char h[4];
  frame_header f, first = {0};
  int64_t found = 0;
  for (*end = at; found < n; found++, *end += f.length) {
    if (nj_byte_stream_peek(s, *end, h, 4) < 4 || !read_frame(h, &f))
      break;
    if (found && (f.rate != first.rate || f.mpeg1 != first.mpeg1))
      break;
    first = f;
  }
  return found;
}

static int64_t skip_id3(const nj_byte_stream *s, int64_t at) {
  unsigned char h[10];
  while (nj_byte_stream_peek(s, at, h, 10) == 10 && memcmp(h, "ID3", 3) == 0 && h[6] < 128 &&
         h[7] < 128 && h[8] < 128 && h[9] < 128)
    at += 10 + (h[5] & 0x10 ? 10 : 0) + (h[6] << 21 | h[7] << 14 | h[8] << 7 | h[9]);
  return at;
}

/* The first frame at `at` or a little behind it, followed by another one or the end; negative: none. */
static int64_t find_frame(const nj_byte_stream *s, int64_t at) {
  unsigned char window[SEARCHED + 4];
  int64_t n = nj_byte_stream_peek(s, at, window, (int64_t)sizeof window), end;
  frame_header f;
  for (int64_t i = 0; i + 4 <= n; i++)
    if (read_frame(window + i, &f) &&
        (follow(s, at + i, 2, &end) == 2 || at + i + f.length >= s->end))
      return at + i;
  return -1;
}

typedef struct {
  int tagged;
  int64_t frames;  /* 0: not said */
  int64_t size;    /* bytes from the first frame on; 0: not said */
  int64_t size_at; /* where that is said */
} tag;

static uint32_t big_endian(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static tag read_tag(const nj_byte_stream *s, int64_t frame) {
  unsigned char h[64] = {0};
  frame_header f;
  tag t = {0};
  if (nj_byte_stream_peek(s, frame, h, (int64_t)sizeof h) < 4 || !read_frame(h, &f))
    return t;
  const unsigned char *p = h + f.tag;
  if (memcmp(p, "Xing", 4) != 0 && memcmp(p, "Info", 4) != 0)
    return t;
  uint32_t flags = big_endian(p + 4);
  int64_t at = f.tag + 8;
  t.tagged = 1;
  if (flags & 1) {
    t.frames = big_endian(h + at);
    at += 4;
  }
  if (flags & 2) {
    t.size = big_endian(h + at);
    t.size_at = frame + at;
  }
  return t;
}

/* The first frame of a stream of its own at `at`, with a tag or followed by many; 0: none. */
static int64_t find_part(const nj_byte_stream *s, int64_t at) {
  int64_t end, frame = find_frame(s, skip_id3(s, at));
  if (frame < 0 || (!read_tag(s, frame).tagged && follow(s, frame, CHAIN, &end) < CHAIN))
    return 0;
  return frame;
}

int64_t nj_mp3_limit_part(nj_byte_stream *s) {
  char last[3] = "";
  if (nj_byte_stream_peek(s, s->end - 128, last, 3) == 3 && memcmp(last, "TAG", 3) == 0)
    s->end -= 128; /* ID3v1, which libmpg123 does not count either */
  int64_t frame = find_frame(s, skip_id3(s, s->begin)), next = 0, end;
  if (frame < 0)
    return 0;
  tag t = read_tag(s, frame);
  if (!t.tagged)
    return 0;
  end = frame + t.size;
  if (!t.size && t.frames)
    follow(s, frame, t.frames + 1, &end);
  if (end > frame && end < s->end)
    next = find_part(s, end);
  if (next)
    s->end = end;
  int64_t size = s->end - frame;
  if (t.size && t.size != size && size <= UINT32_MAX) {
    s->patch_at = t.size_at;
    for (int i = 0; i < 4; i++)
      s->patch[i] = (unsigned char)(size >> (24 - 8 * i));
  }
  return next;
}

int64_t nj_mp3_count_samples(const nj_byte_stream *s) {
  int64_t frame = find_frame(s, skip_id3(s, s->begin)), end;
  unsigned char h[4];
  frame_header f;
  if (frame < 0 || read_tag(s, frame).tagged || nj_byte_stream_peek(s, frame, h, 4) < 4 ||
      !read_frame(h, &f))
    return 0;
  int64_t count = follow(s, frame, INT64_MAX, &end);
  return (count - (end > s->end)) * (f.mpeg1 ? 1152 : 576);
}
