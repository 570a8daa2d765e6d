/* Where sound comes from, and what it says of itself. */
#ifndef NJ_AUDIO_INFO_H
#define NJ_AUDIO_INFO_H

#include <stddef.h>
#include <stdint.h>

/* A file by its path, or (path NULL) bytes in memory. `name` is how messages call it; NULL: the
 * path, or "(bytes)". */
typedef struct {
  const char *path;
  const void *bytes;
  size_t size;
  const char *name;
} nj_audio_source;

typedef struct {
  int64_t rate;
  int channels;
  int64_t frames;       /* as the header says; -1 when it does not */
  const char *format;   /* "WAV", "FLAC", "OGG", … static text */
  const char *encoding; /* "PCM_16", "FLOAT", "VORBIS", … static text */
  int64_t replaced;     /* NaN and infinite samples that became 0 (decoding only) */
  int cut;              /* the file ends before its header says */
  int cancelled;        /* channels cancel each other: the first was taken (decoding only) */
  int too_long;         /* what was asked for is longer than max_seconds */
} nj_audio_info;

#endif
