/* MP3 files that were joined end to end ("cat a.mp3 b.mp3"). The tag that encoders put into the first
 * frame tells how long their own stream is; decoders stop there, and lose what follows. */
#ifndef NJ_AUDIO_MP3_PART_H
#define NJ_AUDIO_MP3_PART_H

#include "audio/byte_stream.h"

/* 1 if bytes begin as a layer III frame or an ID3v2 tag do (n >= 4). */
int nj_mp3_begins(const unsigned char *head, int64_t n);

/* Limits the stream, which begins at a part, to this part, and returns where the next one begins; 0:
 * it is the last. The size in the part's tag is patched where it is wrong, since libmpg123 writes a
 * warning to the terminal then. */
int64_t nj_mp3_limit_part(nj_byte_stream *s);

/* Samples for each channel of a stream without a tag, by its frames; 0: it has a tag. */
int64_t nj_mp3_count_samples(const nj_byte_stream *s);

#endif
