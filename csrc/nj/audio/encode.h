/* Writing sound files, by libsndfile. */
#ifndef NJ_AUDIO_ENCODE_H
#define NJ_AUDIO_ENCODE_H

#include "tensor/tensor.h"

/* Writes x, (samples) or (channels, samples) of a float dtype, at `rate` Hz. The format follows the
 * path's ending: .wav .flac .ogg .opus .aiff .caf .mp3. `encoding` (NULL: the first that fits) is one
 * of "pcm16", "pcm24", "pcm32", "float", "double", "vorbis", "opus", "mp3". Values beyond [-1, 1]
 * are clipped by integer encodings, NaN and infinities are written as 0. The file appears under its
 * name only when it is whole. Errors: ESHAPE, EDTYPE, EARG (an ending, encoding or rate that does
 * not go), EIO, ENOMEM, EINTR. */
nj_status nj_audio_write(nj_ctx *ctx, const char *path, nj_tensor *x, int64_t rate,
                         const char *encoding);

#endif
