/* Sound files and bytes to mono float32 samples, by libsndfile: WAV, FLAC, Ogg Vorbis and Opus,
 * MP3, AIFF, CAF and what else it reads.
 *
 * Rules:
 *  - nothing is allocated because a header says so: memory grows as samples arrive;
 *  - channels are averaged (or one is taken); integers are scaled to [-1, 1), floats are kept;
 *  - NaN and infinite samples become 0 and are counted;
 *  - a file that ends before its header says is refused, unless `partial` asks for what is there;
 *  - the same bytes and options give the same samples, on any thread. */
#ifndef NJ_AUDIO_DECODE_H
#define NJ_AUDIO_DECODE_H

#include "audio/fault.h"
#include "audio/info.h"
#include "audio/samples.h"
#include "base/option.h"
#include "tensor/tensor.h"

typedef struct {
  int64_t rate;       /* of the result in Hz; 0: the file's own */
  double from, to;    /* seconds of the file; `to` beyond the end means the end */
  int channel;        /* 0: the mean of all channels; k: the k-th, from 1 */
  double max_seconds; /* of the result; more is refused */
  int partial;        /* take what is there of a file that was cut */
  /* Asked about every 2^16 frames; non-zero ends the call with EINTR. May be NULL. */
  int (*stop)(void *data);
  void *stop_data;
} nj_audio_decode_options;

#define NJ_DECODE_MAX_SECONDS 14400.0
/* The whole file, at its own rate, all channels, at most NJ_DECODE_MAX_SECONDS. */
nj_audio_decode_options nj_audio_decode_default_options(void);
extern const nj_option_table nj_audio_decode_option_table;

/* What a file says of itself. Errors: as nj_audio_decode. */
nj_status nj_audio_probe(nj_ctx *ctx, const nj_audio_source *source, nj_audio_info *info);

/* A tensor (samples) of float32. `info` may be NULL. Errors: ENOTFOUND (no such file; `from` beyond
 * the end), EIO (cannot be read), EFORMAT (empty, damaged, cut, no sound), EUNSUPPORTED (a format,
 * rate or length out of range), EARG (options), ENOMEM, EINTR. */
nj_status nj_audio_decode(nj_ctx *ctx, const nj_audio_source *source,
                          const nj_audio_decode_options *options, nj_audio_info *info,
                          nj_tensor **out);

/* The same on any thread: samples (its ctx set, else empty) gets the result, fault the error. */
nj_status nj_audio_decode_samples(const nj_audio_source *source,
                                  const nj_audio_decode_options *options, nj_audio_info *info,
                                  nj_samples *samples, nj_fault *fault);

/* The same piece by piece, for what is too long to be held whole. Any thread; the ctx only gives
 * memory. The source's text and info must outlive the decoder; info is filled at once, but for
 * `replaced` and `cut`. Errors: as nj_audio_decode. */
typedef struct nj_audio_decoder nj_audio_decoder;
nj_status nj_audio_decoder_open(nj_ctx *ctx, const nj_audio_source *source,
                                const nj_audio_decode_options *options, nj_audio_info *info,
                                nj_audio_decoder **out, nj_fault *fault);
/* Appends to samples what the next 2^16 samples of the file become (none, perhaps); *ended is 1
 * once that was all. After EINTR one may go on; after another error only close. */
nj_status nj_audio_decoder_read(nj_audio_decoder *d, nj_samples *samples, int *ended,
                                nj_fault *fault);
void nj_audio_decoder_close(nj_audio_decoder *d); /* NULL is fine */

/* n sources on the pool. out[i] is NULL where faults[i] tells why. Errors: EINTR. */
nj_status nj_audio_decode_many(nj_ctx *ctx, int64_t n, const nj_audio_source *sources,
                               const nj_audio_decode_options *options, nj_audio_info *infos,
                               nj_tensor **out, nj_fault *faults);

#endif
