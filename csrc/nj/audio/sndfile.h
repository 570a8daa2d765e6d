/* Opening what libsndfile reads, with errors that say what is wrong. */
#ifndef NJ_AUDIO_SNDFILE_H
#define NJ_AUDIO_SNDFILE_H

#include <sndfile.h>

#include "audio/fault.h"
#include "audio/info.h"

typedef struct {
  const unsigned char *bytes;
  sf_count_t size, at;
} nj_byte_stream;

/* An open file. `stream` is used when the source is bytes: the struct must not move. */
typedef struct {
  SNDFILE *file;
  SF_INFO header;
  nj_byte_stream stream;
} nj_sound;

/* Fills info (frames -1 when unknown) and sound, which the caller closes. */
nj_status nj_sound_open(const nj_audio_source *source, const char *operation, nj_sound *sound,
                        nj_audio_info *info, nj_fault *fault);
void nj_sound_close(nj_sound *sound);
const char *nj_audio_source_name(const nj_audio_source *source);

#endif
