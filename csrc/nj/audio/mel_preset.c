/* The front-ends of published models. Facts from: qiuqiangkong/audioset_tagging_cnn and torchlibrosa
 * (PANNs), RetroCirce/HTS-Audio-Transformer, LAION-AI/CLAP, microsoft/CLAP configs,
 * xieh97/dcase2023-audio-retrieval preprocessing/audio_logmel.py, XinhaoMei/ACT settings and
 * data_handling, fschmid56/EfficientAT models/preprocess.py,
 * topel/audioset-convnext-inf pytorch/convnext.py. */
#include <math.h>
#include <string.h>

#include "audio/mel.h"

/* torchlibrosa's defaults, and PANNs' numbers at 32 kHz. */
static const nj_mel_options panns = {
    .rate = 32000,
    .bank_rate = 32000,
    .n_fft = 1024,
    .win_length = 1024,
    .hop = 320,
    .window = NJ_WINDOW_HANN,
    .periodic = 1,
    .center = 1,
    .pad = NJ_MEL_PAD_REFLECT,
    .power = 2,
    .mels = 64,
    .fmin = 50,
    .fmax = 14000,
    .scale = NJ_MEL_SLANEY,
    .area_norm = 1,
    .log = NJ_MEL_DB,
    .amin = 1e-10,
    .ref = 1,
    .eps = 1e-10,
    .mul = 1,
};

static const char *const names[] = {"panns",        "htsat",      "panns16k",   "panns8k", "laion",
                                    "laion_fusion", "msclap2022", "msclap2023", "dcase",   "act",
                                    "efficientat",  "convnext",   NULL};

const char *const *nj_mel_preset_names(void) { return names; }

static void set_time(nj_mel_options *o, int64_t rate, int window, int hop) {
  o->rate = o->bank_rate = rate;
  o->n_fft = o->win_length = window;
  o->hop = hop;
}

/* librosa.feature.melspectrogram over the whole band. */
static void set_librosa(nj_mel_options *o) {
  o->fmin = 0;
  o->fmax = (double)o->rate / 2;
}

static void set_efficientat(nj_mel_options *o) {
  o->win_length = 800;
  o->periodic = 0;
  o->preemphasis = 0.97;
  o->mels = 128;
  o->fmin = 0;
  o->fmax = 15000;
  o->scale = NJ_MEL_KALDI;
  o->area_norm = 0;
  o->log = NJ_MEL_LN;
  o->eps = 1e-5;
  o->add = 4.5;
  o->mul = 0.2;
}

int nj_mel_preset(const char *name, nj_mel_options *o) {
  *o = panns;
  if (strcmp(name, "panns") == 0 || strcmp(name, "htsat") == 0)
    return 1;
  if (strcmp(name, "panns16k") == 0) {
    set_time(o, 16000, 512, 160);
    o->fmax = 8000;
  } else if (strcmp(name, "panns8k") == 0) {
    set_time(o, 8000, 256, 80);
    o->fmax = 4000;
  } else if (strcmp(name, "laion") == 0 || strcmp(name, "laion_fusion") == 0) {
    set_time(o, 48000, 1024, 480);
    o->quantize = 1;
    if (name[5]) { /* the fusion path takes its mel from torchaudio */
      o->scale = NJ_MEL_HTK;
      o->area_norm = 0;
    }
  } else if (strcmp(name, "msclap2022") == 0 || strcmp(name, "msclap2023") == 0) {
    set_time(o, 44100, 1024, 320);
    if (name[9] ==
        '3') /* HTS-AT there takes its bank from its own settings, whatever it is given */
      o->bank_rate = 32000;
  } else if (strcmp(name, "dcase") == 0) {
    set_time(o, 44100, 2048, 882);
    o->win_length = 1764; /* 40 ms, in the next power of two */
    set_librosa(o);
    o->pad = NJ_MEL_PAD_ZERO;
    o->log = NJ_MEL_LN;
    o->eps = 2.220446049250313e-16;
  } else if (strcmp(name, "act") == 0) {
    set_time(o, 32000, 1024, 640);
    set_librosa(o);
    o->top_db = 80;
    o->drop_last = 1;
  } else if (strcmp(name, "efficientat") == 0) {
    set_efficientat(o);
  } else if (strcmp(name, "convnext") == 0) {
    o->mels = 224;
  } else {
    return 0;
  }
  return 1;
}

nj_mel_options nj_mel_default_options(void) { return panns; }

#define O nj_mel_options
static const char *const windows[] = {"hann", "hamming", "blackman", "rectangular", NULL};
static const char *const pads[] = {"reflect", "zero", NULL};
static const char *const scales[] = {"slaney", "htk", "kaldi", NULL};
static const char *const norms[] = {"none", "slaney", NULL};
static const char *const logs[] = {"db", "ln", "log10", "none", NULL};
static const char *const fills[] = {"none", "pad", "repeat", "repeat_pad", NULL};
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "rate", rate, 1, INT32_MAX, 0),
    NJ_OPTION_RANGE(O, "n_fft", n_fft, 0, INT32_MAX, 0),
    NJ_OPTION_RANGE(O, "win_length", win_length, 0, INT32_MAX, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "hop", hop, 0, INT32_MAX, 0),
    NJ_OPTION_ENUM(O, "window", window, windows, 0),
    NJ_OPTION_FLAG(O, "periodic", periodic, 0),
    NJ_OPTION_FLAG(O, "center", center, 0),
    NJ_OPTION_ENUM(O, "pad", pad, pads, 0),
    NJ_OPTION_RANGE(O, "power", power, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "mels", mels, 0, INT32_MAX, 0),
    NJ_OPTION_RANGE(O, "fmin", fmin, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "fmax", fmax, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "bank_rate", bank_rate, 1, INT32_MAX, NJ_OPTION_DERIVED),
    NJ_OPTION_ENUM(O, "scale", scale, scales, 0),
    NJ_OPTION_ENUM(O, "norm", area_norm, norms, 0),
    NJ_OPTION_ENUM(O, "log", log, logs, 0),
    NJ_OPTION_RANGE(O, "amin", amin, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "ref", ref, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "eps", eps, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "top_db", top_db, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "preemphasis", preemphasis, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "add", add, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "mul", mul, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_FLAG(O, "quantize", quantize, 0),
    NJ_OPTION_FLAG(O, "drop_last", drop_last, 0),
    NJ_OPTION_ENUM(O, "fill", fill, fills, 0),
    NJ_OPTION_RANGE(O, "duration", duration, -HUGE_VAL, HUGE_VAL, 0),
    NJ_OPTION_RANGE(O, "gap", gap, -HUGE_VAL, HUGE_VAL, 0),
};
NJ_OPTION_TABLE(mel, items, NULL)
#undef O
