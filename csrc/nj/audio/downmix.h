/* Interleaved channels to one, and whether their mean is the sound at all: where channels cancel each other
 * (a lead that was wired the wrong way round: right = -left) it is near silence. */
#ifndef NJ_AUDIO_DOWNMIX_H
#define NJ_AUDIO_DOWNMIX_H

#include <stdint.h>

/* The mean of n channels that have nothing to do with each other has 1/n of their mean energy. Channels
 * cancel when it has less than this part of that: 20 dB less. */
#define NJ_DOWNMIX_CANCELLED 0.01
#define NJ_DOWNMIX_QUIET 1e-7 /* mean square; quieter windows (-70 dB) settle nothing */

typedef struct {
  double mix, all; /* energies of the mean, and of all channels */
  int settled;     /* a window that is not quiet had channels that do not cancel */
} nj_downmix_look;

/* Takes in a window of frames; samples that are not finite count as 0. */
void nj_downmix_look_at(nj_downmix_look *look, const float *raw, int64_t frames, int channels);
int nj_downmix_cancels(const nj_downmix_look *look, int channels);
/* pick: 0: the mean; k: the k-th channel. */
void nj_downmix(const float *raw, int64_t frames, int channels, int pick, float *mono);

#endif
