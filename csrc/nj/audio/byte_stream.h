/* A range of bytes, in memory or of a file, that libsndfile reads as if it were a whole file. Four of
 * them may be read as others, where a header has to be put right. */
#ifndef NJ_AUDIO_BYTE_STREAM_H
#define NJ_AUDIO_BYTE_STREAM_H

#include <sndfile.h>
#include <stdint.h>

typedef struct {
  const unsigned char *bytes; /* NULL: of the file */
  int file;                   /* a descriptor, which the stream does not own */
  int64_t begin, end;         /* the range */
  int64_t at;                 /* from begin on */
  int64_t patch_at;           /* of all the bytes; negative: none */
  unsigned char patch[4];
} nj_byte_stream;

/* Copies up to n bytes from `at` (of all bytes, up to the range's end); returns how many. */
int64_t nj_byte_stream_peek(const nj_byte_stream *s, int64_t at, void *to, int64_t n);
/* sf_open_virtual; NULL on error (sf_strerror). The stream must not move while the file is open. */
SNDFILE *nj_byte_stream_open(nj_byte_stream *s, SF_INFO *header);

#endif
