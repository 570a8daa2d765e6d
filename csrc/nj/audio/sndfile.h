/* Opening what libsndfile reads, with errors that say what is wrong. */
#ifndef NJ_AUDIO_SNDFILE_H
#define NJ_AUDIO_SNDFILE_H

#include <sndfile.h>

#include "audio/byte_stream.h"
#include "audio/fault.h"
#include "audio/info.h"

/* An open file. `stream` may be in use: the struct must not move. MP3 files that were joined are read
 * part by part, from the beginning only (header.seekable is 0). */
typedef struct {
  SNDFILE *file;
  SF_INFO header;
  nj_byte_stream stream;
  int64_t size; /* of all bytes of the stream's source */
  int64_t next; /* where the next part begins */
  int parts;    /* behind the open one */
  int cut;      /* MP3 in WAV: the file ends before the header says */
} nj_sound;

/* Fills info (frames -1 when unknown) and sound, which the caller closes. */
nj_status nj_sound_open(const nj_audio_source *source, const char *operation, nj_sound *sound,
                        nj_audio_info *info, nj_fault *fault);
/* sf_readf_float over all parts: frames read; 0 at the end. */
int64_t nj_sound_frames(nj_sound *sound, float *to, int64_t frames);
void nj_sound_close(nj_sound *sound);
const char *nj_audio_source_name(const nj_audio_source *source);

#endif
