/* Analysis windows, computed in double precision. */
#ifndef NJ_AUDIO_WINDOW_H
#define NJ_AUDIO_WINDOW_H

typedef enum {
  NJ_WINDOW_HANN,
  NJ_WINDOW_HAMMING,
  NJ_WINDOW_BLACKMAN,
  NJ_WINDOW_RECTANGULAR
} nj_window_kind;

/* `length` values in the middle of `n` (the rest zero; the odd one out goes to the right), as
 * torch.stft and librosa place a window shorter than the transform. A periodic window is that of
 * length + 1 without its last value. Computed like torch and SciPy: cosines of 2 pi i / span. */
void nj_window(nj_window_kind kind, int periodic, int length, int n, float *out);

#endif
