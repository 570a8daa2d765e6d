/* nightjar's C interface: the header to read first. Link with what `pkg-config --cflags --libs nightjar` says.
 *
 * The log-mels of a sound file:
 *
 *     #include <nightjar.h>
 *     #include <stdio.h>
 *
 *     int main(int argc, char **argv) {
 *       nj_ctx *ctx = NULL;
 *       nj_mel *front_end = NULL;
 *       nj_tensor *wave = NULL, *rows = NULL;
 *       nj_sound_options options = nj_sound_default_options();
 *       options.rate = 32000;
 *       if (argc != 2 || nj_ctx_new(NULL, &ctx))
 *         return 2;
 *       nj_status st = nj_sound_read(ctx, argv[1], &options, &wave);
 *       if (!st)
 *         st = nj_mel_from_preset(ctx, "panns", &front_end);
 *       if (!st)
 *         st = nj_mel_apply(ctx, front_end, wave, &rows);
 *       if (st)
 *         fprintf(stderr, "%s: %s\n", nj_status_name(st), nj_ctx_error(ctx));
 *       else
 *         printf("%lld frames of %lld bands\n", (long long)nj_tensor_size(rows, 0),
 *                (long long)nj_tensor_size(rows, 1));
 *       nj_release(rows);
 *       nj_release(wave);
 *       nj_mel_release(front_end);
 *       nj_ctx_release(ctx);
 *       return st ? 1 : 0;
 *     }
 *
 * Rules that hold for every function:
 *   - It returns an nj_status, NJ_OK being 0, or cannot fail. After a failure nj_ctx_error has the text,
 *     which begins with the function's subject and says what was expected and what came.
 *   - Results come by pointer and belong to the caller, who releases them; on failure they are untouched.
 *     Arguments stay the caller's. Releasing NULL does nothing.
 *   - Everything made in a context holds a reference to it, so the order of releases does not matter.
 *   - A context, and what was made in it, is used by one thread at a time; contexts in different threads work
 *     at once. Nothing prints, exits or aborts.
 *   - Shapes are written (rows, columns), row-major; dimensions count from 0.
 *
 * Tiers: what stands under STABLE keeps its meaning and its binary layout until the next major version; what
 * stands under EXPERIMENTAL may change with any release. Option structs may grow at their end, so begin with
 * their nj_…_default_options(). */
#ifndef NIGHTJAR_H
#define NIGHTJAR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ==== STABLE: versions and statuses ==== */

#define NJ_VERSION "0.1.0"

/* NJ_VERSION of the library that is linked. */
const char *nj_version(void);

typedef enum {
  NJ_OK = 0,
  /* the caller's mistakes */
  NJ_EARG = -1,
  NJ_ESHAPE = -2,
  NJ_EDTYPE = -3,
  NJ_EINDEX = -4,
  NJ_EGRAD = -5,
  NJ_ESTATE = -6,
  /* what can happen to a correct program */
  NJ_ENOMEM = -7,
  NJ_EINTR = -8,
  NJ_EIO = -9,
  NJ_ENOTFOUND = -10,
  NJ_EFORMAT = -11,
  NJ_EUNSUPPORTED = -12,
  NJ_EBUSY = -13
} nj_status;

/* "ENOMEM" and the like; "EUNKNOWN" for a value that is no status. */
const char *nj_status_name(nj_status status);
/* The general text of a status: "out of memory". */
const char *nj_status_text(nj_status status);

/* ==== STABLE: contexts ==== */

/* Memory accounts, a thread pool, and the text of the last error. */
typedef struct nj_ctx nj_ctx;

typedef enum { NJ_LOG_DEBUG, NJ_LOG_INFO, NJ_LOG_WARN } nj_log_level;

typedef struct {
  size_t memory_limit; /* bytes; 0: no limit */
  int threads;         /* workers of the pool including the caller; 0: one per core */
  const char *isa;     /* "portable", "avx2", "avx512"; NULL: the best the CPU has */
  /* Polled on the calling thread about every 10 ms of work; non-zero ends the running call with
   * NJ_EINTR. May be NULL. */
  int (*should_stop)(void *data);
  void *should_stop_data;
  /* Receives messages; may be called from the calling thread only. May be NULL. */
  void (*log)(void *data, nj_log_level level, const char *text);
  void *log_data;
} nj_ctx_options;

/* No limit, a thread per core, the best instruction set, no callbacks. */
nj_ctx_options nj_ctx_default_options(void);
/* Makes a context with one reference; what `options` point to must outlive it. options NULL: the defaults.
 * Errors: EARG (an instruction set that is unknown or that this CPU lacks; threads outside 0 to 256), ENOMEM;
 * there is no context then to ask for a text. */
nj_status nj_ctx_new(const nj_ctx_options *options, nj_ctx **out);
/* Gives back the caller's reference; the last one, that of the context or of something made in it, frees all. */
void nj_ctx_release(nj_ctx *ctx);
/* The text of the last failure; valid until the next. */
const char *nj_ctx_error(const nj_ctx *ctx);

/* ==== STABLE: tensors ==== */

/* Numbers of one type in up to 8 dimensions; reference-counted. */
typedef struct nj_tensor nj_tensor;

typedef enum { NJ_U8, NJ_I32, NJ_I64, NJ_F32, NJ_F64 } nj_dtype;

/* Makes a tensor of `ndim` dimensions with sizes `shape`. data: row-major values of the dtype, which are
 * copied; NULL: zeros. Errors: EARG (more than 8 dimensions, a negative size, too many elements), ENOMEM. */
nj_status nj_tensor_new(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape,
                        const void *data, nj_tensor **out);
nj_dtype nj_tensor_dtype(const nj_tensor *x);
int nj_tensor_ndim(const nj_tensor *x);
/* The size of a dimension, 0 … ndim - 1; -1 outside of them. */
int64_t nj_tensor_size(const nj_tensor *x, int dim);
/* The number of elements. */
int64_t nj_numel(const nj_tensor *x);
/* Copies all elements, row-major, converted to `dtype`, into `values`, which holds `count` of them. Errors:
 * ESHAPE (count is not nj_numel), ENOMEM. */
nj_status nj_tensor_read(nj_tensor *x, nj_dtype dtype, void *values, size_t count);
nj_tensor *nj_retain(nj_tensor *x); /* a further reference; gives x */
void nj_release(nj_tensor *x);

/* (…, n, k) × (…, k, m) → (…, n, m); float dtypes, leading dimensions broadcast. Errors: ESHAPE, EDTYPE,
 * ENOMEM, EINTR. */
nj_status nj_matmul(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);

/* ==== STABLE: sounds ==== */

typedef struct {
  int64_t rate;       /* of the result in Hz; 0: the file's own */
  double from, to;    /* seconds of the file; `to` beyond the end means the end */
  int channel;        /* 0: the mean of all channels; k: the k-th, from 1 */
  double max_seconds; /* of the result; more is refused */
} nj_sound_options;

/* The whole file at its own rate, the mean of its channels, at most four hours. */
nj_sound_options nj_sound_default_options(void);
/* A sound file (WAV, FLAC, Ogg, Opus, MP3, AIFF …) → float32 (samples). options NULL: the defaults. Errors:
 * ENOTFOUND, EIO, EFORMAT (empty, damaged, no sound), EUNSUPPORTED (a format, rate or length out of range),
 * EARG (options), ENOMEM, EINTR. */
nj_status nj_sound_read(nj_ctx *ctx, const char *path, const nj_sound_options *options,
                        nj_tensor **out);

/* A log-mel front-end; read-only, so threads may share it. */
typedef struct nj_mel nj_mel;

/* The settings of a published model: "panns", "laion", "efficientat", … (docs/audio.md lists them). Errors: EARG
 * (no such preset), ENOMEM. */
nj_status nj_mel_from_preset(nj_ctx *ctx, const char *preset, nj_mel **out);
void nj_mel_release(nj_mel *front_end);
/* The sample rate in Hz that waves must have. */
int64_t nj_mel_rate(const nj_mel *front_end);
/* wave (samples) → float32 (frames, bands), or (B, samples) → (B, frames, bands). Errors: ESHAPE, EDTYPE,
 * ENOMEM, EINTR. */
nj_status nj_mel_apply(nj_ctx *ctx, const nj_mel *front_end, nj_tensor *wave, nj_tensor **out);

/* ==== STABLE: words ==== */

/* A tokeniser: text to token ids. Read-only, so threads may share it. */
typedef struct nj_tokenizer nj_tokenizer;

/* WordPiece with uncased BERT's rules, of a file with one token a line. Errors: ENOTFOUND, EIO, EFORMAT (not
 * UTF-8, a token twice, no "[UNK]"), ENOMEM. */
nj_status nj_wordpiece_open(nj_ctx *ctx, const char *path, nj_tokenizer **out);
void nj_tokenizer_free(nj_tokenizer *tokenizer);
/* n texts → ids, int64 (n, longest), padded at the end, and mask, uint8 of the same shape, 1 where a row has a
 * token. Texts are cut to `max` tokens with [CLS] and [SEP] among them; 0: not at all. Errors: EARG (max below 3;
 * rows differ in length and there is no "[PAD]"), ENOMEM, EINTR. */
nj_status nj_tokenize(nj_tokenizer *tokenizer, size_t n, const char *const *texts, int64_t max,
                      nj_tensor **ids, nj_tensor **mask);

/* ==== EXPERIMENTAL: weights ==== */

/* An open file of named tensors: safetensors or a torch checkpoint. */
typedef struct nj_archive nj_archive;

/* Errors: ENOTFOUND, EIO, EFORMAT (what and where), EUNSUPPORTED (another kind of file, named), ENOMEM. */
nj_status nj_archive_open(nj_ctx *ctx, const char *path, nj_archive **out);
void nj_archive_close(nj_archive *archive);
size_t nj_archive_count(const nj_archive *archive);
/* The name of a tensor, 0 … count - 1, valid while the archive is open; NULL outside of them. */
const char *nj_archive_name(const nj_archive *archive, size_t i);
/* A tensor by its name; 16-bit floats are widened to float32. Errors: ENOTFOUND, EFORMAT, ENOMEM. */
nj_status nj_archive_tensor(nj_archive *archive, const char *name, nj_tensor **out);

/* ==== EXPERIMENTAL: models and search ====
 *
 * Loading a model and searching a sound library are in Lua so far (docs/embedding.md). Their place is here. */

#ifdef __cplusplus
}
#endif

#endif
