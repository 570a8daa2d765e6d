#include "audio/sndfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio/mp3_part.h"
#include "audio/resample.h"

static const struct {
  int code;
  const char *name;
} format_names[] = {
    {SF_FORMAT_WAV, "WAV"},   {SF_FORMAT_WAVEX, "WAV"}, {SF_FORMAT_AIFF, "AIFF"},
    {SF_FORMAT_AU, "AU"},     {SF_FORMAT_RAW, "RAW"},   {SF_FORMAT_W64, "W64"},
    {SF_FORMAT_FLAC, "FLAC"}, {SF_FORMAT_CAF, "CAF"},   {SF_FORMAT_OGG, "OGG"},
    {SF_FORMAT_RF64, "RF64"}, {SF_FORMAT_VOC, "VOC"},   {SF_FORMAT_NIST, "NIST"},
    {SF_FORMAT_SVX, "SVX"},   {SF_FORMAT_MAT4, "MAT4"}, {SF_FORMAT_MAT5, "MAT5"},
    {SF_FORMAT_MPC2K, "MPC"}, {SF_FORMAT_MPEG, "MP3"},  {SF_FORMAT_IRCAM, "IRCAM"},
    {SF_FORMAT_PAF, "PAF"},   {SF_FORMAT_PVF, "PVF"},   {SF_FORMAT_XI, "XI"},
    {SF_FORMAT_HTK, "HTK"},   {SF_FORMAT_SDS, "SDS"},   {SF_FORMAT_AVR, "AVR"},
    {SF_FORMAT_SD2, "SD2"},   {SF_FORMAT_WVE, "WVE"},
};

static const struct {
  int code;
  const char *name;
} encoding_names[] = {
    {SF_FORMAT_PCM_S8, "PCM_S8"},      {SF_FORMAT_PCM_U8, "PCM_U8"},
    {SF_FORMAT_PCM_16, "PCM_16"},      {SF_FORMAT_PCM_24, "PCM_24"},
    {SF_FORMAT_PCM_32, "PCM_32"},      {SF_FORMAT_FLOAT, "FLOAT"},
    {SF_FORMAT_DOUBLE, "DOUBLE"},      {SF_FORMAT_ULAW, "ULAW"},
    {SF_FORMAT_ALAW, "ALAW"},          {SF_FORMAT_IMA_ADPCM, "IMA_ADPCM"},
    {SF_FORMAT_MS_ADPCM, "MS_ADPCM"},  {SF_FORMAT_GSM610, "GSM610"},
    {SF_FORMAT_VORBIS, "VORBIS"},      {SF_FORMAT_OPUS, "OPUS"},
    {SF_FORMAT_ALAC_16, "ALAC_16"},    {SF_FORMAT_ALAC_20, "ALAC_20"},
    {SF_FORMAT_ALAC_24, "ALAC_24"},    {SF_FORMAT_ALAC_32, "ALAC_32"},
    {SF_FORMAT_MPEG_LAYER_I, "MP1"},   {SF_FORMAT_MPEG_LAYER_II, "MP2"},
    {SF_FORMAT_MPEG_LAYER_III, "MP3"},
};

static const char *format_name(int format) {
  for (size_t i = 0; i < sizeof format_names / sizeof *format_names; i++)
    if (format_names[i].code == (format & SF_FORMAT_TYPEMASK))
      return format_names[i].name;
  return "other";
}

static const char *encoding_name(int format) {
  for (size_t i = 0; i < sizeof encoding_names / sizeof *encoding_names; i++)
    if (encoding_names[i].code == (format & SF_FORMAT_SUBMASK))
      return encoding_names[i].name;
  return "other";
}

const char *nj_audio_source_name(const nj_audio_source *source) {
  return source->name ? source->name : source->path ? source->path : "(bytes)";
}

/* Does the file begin as a format that libsndfile knows? Then it is damaged rather than foreign. */
static int looks_like_sound(const unsigned char *head, size_t n) {
  static const char *const magic[] = {"RIFF", "RIFX", "RF64", "BW64", "fLaC", "OggS", "FORM",
                                      "caff", "riff", ".snd", "ID3",  "NIST", "Crea"};
  for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
    if (n >= strlen(magic[i]) && memcmp(head, magic[i], strlen(magic[i])) == 0)
      return 1;
  return n >= 2 && head[0] == 0xff && (head[1] & 0xe0) == 0xe0;
}

/* What can be said before libsndfile looks: *head gets the first bytes. */
static nj_status look_at_file(const nj_audio_source *source, const char *operation,
                              unsigned char head[16], size_t *n, nj_fault *fault) {
  const char *name = nj_audio_source_name(source);
  struct stat about;
  if (stat(source->path, &about) != 0)
    return nj_fault_set(fault, errno == ENOENT || errno == ENOTDIR ? NJ_ENOTFOUND : NJ_EIO,
                        "%s: cannot open '%s': %s", operation, name, strerror(errno));
  if (!S_ISREG(about.st_mode)) /* reading a pipe or a device could wait forever */
    return nj_fault_set(fault, NJ_EIO, "%s: '%s' is %s, not a file", operation, name,
                        S_ISDIR(about.st_mode) ? "a directory" : "a pipe or device");
  FILE *file = fopen(source->path, "rb");
  if (!file)
    return nj_fault_set(fault, NJ_EIO, "%s: cannot open '%s': %s", operation, name,
                        strerror(errno));
  *n = fread(head, 1, 16, file);
  int failed = ferror(file);
  fclose(file);
  if (failed)
    return nj_fault_set(fault, NJ_EIO, "%s: cannot read '%s'", operation, name);
  return NJ_OK;
}

/* libsndfile notes "data : 441000 (should be 49956)" when a chunk claims more than the file has. A
 * claim of (almost) 2^32 or 2^31 is how streaming writers say that they did not know. */
static int is_streamed(unsigned long long claimed) {
  return claimed >= 0xffffff00u || (claimed >= 0x7fff0000u && claimed <= 0x80000000u);
}

/* Of RF64 it notes what the ds64 chunk claims, whatever the file has. */
static int rf64_was_cut(const nj_sound *sound, const char *log) {
  unsigned long long claimed;
  long long block;
  const char *size = strstr(log, "Data size : "), *align = strstr(log, "Block Align   : ");
  if ((sound->header.format & SF_FORMAT_TYPEMASK) != SF_FORMAT_RF64 || !size || !align ||
      sscanf(size, "Data size : %llu", &claimed) != 1 ||
      sscanf(align, "Block Align   : %lld", &block) != 1 || block < 1 || claimed >= 1ull << 62)
    return 0;
  return claimed / (unsigned long long)block > (unsigned long long)sound->header.frames + 64;
}

static int chunk_was_cut(const nj_sound *sound) {
  char log[4096];
  int n = sf_command(sound->file, SFC_GET_LOG_INFO, log, (int)sizeof log);
  if (n <= 0)
    return 0;
  log[sizeof log - 1] = 0;
  for (const char *line = log; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    unsigned long long claimed, there;
    char chunk[8];
    if (sscanf(line, " %4[A-Za-z] : %llu (should be %llu)", chunk, &claimed, &there) == 3 &&
        (strcmp(chunk, "data") == 0 || strcmp(chunk, "SSND") == 0) && !is_streamed(claimed) &&
        claimed >= there + 64)
      return 1;
  }
  return rf64_was_cut(sound, log);
}

static nj_status check_header(const nj_sound *sound, const char *operation, const char *name,
                              nj_fault *fault) {
  const SF_INFO *h = &sound->header;
  if (h->channels < 1 || h->channels > 1024)
    return nj_fault_set(fault, NJ_EFORMAT, "%s: '%s' claims %d channels", operation, name,
                        h->channels);
  if (h->samplerate < NJ_RATE_MIN || h->samplerate > NJ_RATE_MAX)
    return nj_fault_set(fault, NJ_EUNSUPPORTED,
                        "%s: '%s' claims a sample rate of %d Hz; %d to %d Hz can be read",
                        operation, name, h->samplerate, NJ_RATE_MIN, NJ_RATE_MAX);
  if (h->frames < 0)
    return nj_fault_set(fault, NJ_EFORMAT, "%s: '%s' claims %lld frames", operation, name,
                        (long long)h->frames);
  return NJ_OK;
}

/* What people have and libsndfile does not read. */
static const char *foreign_kind(const unsigned char *head, size_t n) {
  if (n >= 8 && memcmp(head + 4, "ftyp", 4) == 0)
    return "MP4 (AAC or ALAC)";
  if (n >= 4 && memcmp(head, "\x30\x26\xb2\x75", 4) == 0)
    return "WMA";
  if (n >= 4 && memcmp(head, "\x1a\x45\xdf\xa3", 4) == 0)
    return "Matroska or WebM";
  if (n >= 2 && head[0] == 0xff && (head[1] & 0xf6) == 0xf0)
    return "AAC";
  return NULL;
}

static nj_status cannot_open(const char *operation, const char *name, const unsigned char *head,
                             size_t n, nj_fault *fault) {
  const char *kind = foreign_kind(head, n);
  if (kind)
    return nj_fault_set(fault, NJ_EUNSUPPORTED,
                        "%s: '%s' is %s, which is not read; convert it, for example by "
                        "ffmpeg -i x.m4a x.flac",
                        operation, name, kind);
  return nj_fault_set(fault, NJ_EFORMAT, "%s: '%s' %s (libsndfile: %s)", operation, name,
                      looks_like_sound(head, n) ? "is damaged or of an unknown kind"
                                                : "is not a sound file",
                      sf_strerror(NULL));
}

/* Makes a stream of the source. Errors: EIO. */
static nj_status open_stream(const nj_audio_source *source, const char *operation, nj_sound *sound,
                             nj_fault *fault) {
  struct stat about;
  sound->stream = (nj_byte_stream){.bytes = source->bytes, .file = -1, .patch_at = -1};
  sound->size = (int64_t)source->size;
  if (source->path) {
    sound->stream.file = open(source->path, O_RDONLY | O_CLOEXEC);
    if (sound->stream.file < 0 || fstat(sound->stream.file, &about) != 0)
      return nj_fault_set(fault, NJ_EIO, "%s: cannot open '%s': %s", operation,
                          nj_audio_source_name(source), strerror(errno));
    sound->stream.bytes = NULL;
    sound->size = about.st_size;
  }
  sound->stream.end = sound->size;
  return NJ_OK;
}

/* Opens the next part; 0 if it does not go on with the same rate and channels. */
static int open_next(nj_sound *sound) {
  SF_INFO header = {0};
  sf_close(sound->file);
  sound->stream.begin = sound->next;
  sound->stream.end = sound->size;
  sound->stream.patch_at = -1;
  sound->next = nj_mp3_limit_part(&sound->stream);
  sound->file = nj_byte_stream_open(&sound->stream, &header);
  int fits = sound->file && header.samplerate == sound->header.samplerate &&
             header.channels == sound->header.channels;
  sound->header.frames = fits ? header.frames : 0;
  return fits;
}

/* Counts the parts that go on as the first one does, and their frames; then begins again. */
static void count_parts(nj_sound *sound, nj_audio_info *info) {
  int64_t begin = sound->stream.begin, second = sound->next, end = sound->stream.end,
          patch_at = sound->stream.patch_at;
  unsigned char patch[4];
  memcpy(patch, sound->stream.patch, sizeof patch);
  int parts = 0;
  while (sound->next) {
    if (!open_next(sound)) {
      info->cut = 1;
      break;
    }
    parts++;
    int known = info->frames >= 0 && sound->header.frames < SF_COUNT_MAX - info->frames;
    info->frames = known ? info->frames + sound->header.frames : -1;
  }
  if (sound->file)
    sf_close(sound->file);
  sound->stream.begin = begin;
  sound->stream.end = end;
  sound->stream.patch_at = patch_at;
  memcpy(sound->stream.patch, patch, sizeof patch);
  sound->file = nj_byte_stream_open(&sound->stream, &sound->header);
  sound->header.seekable = 0;
  sound->next = second;
  sound->parts = parts;
}

int64_t nj_sound_frames(nj_sound *sound, float *to, int64_t frames) {
  int64_t got = sf_readf_float(sound->file, to, frames);
  while (got <= 0 && sound->parts > 0) {
    sound->parts--;
    if (!open_next(sound)) /* it was changed since it was opened */
      return sound->parts = 0;
    got = sf_readf_float(sound->file, to, frames);
  }
  return got;
}

static uint32_t little_endian(const unsigned char *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Limits the stream of a WAV file to the MP3 frames that it holds; 0: it holds others. libsndfile by
 * itself guesses their number from the rate of the first one, and stops there. */
static int limit_to_mp3(nj_byte_stream *s, int *cut) {
  unsigned char h[10];
  int mp3 = 0;
  for (int64_t at = 12; nj_byte_stream_peek(s, at, h, 10) == 10;) {
    int64_t size = little_endian(h + 4);
    if (memcmp(h, "fmt ", 4) == 0)
      mp3 = h[8] == 0x55 && h[9] == 0;
    if (memcmp(h, "data", 4) == 0) {
      if (!mp3)
        return 0;
      *cut = !is_streamed((unsigned long long)size) && size > s->end - at - 8;
      s->begin = at + 8;
      s->end = s->begin + size < s->end ? s->begin + size : s->end;
      return 1;
    }
    at += 8 + size + (size & 1);
  }
  return 0;
}

/* Opens with libsndfile. BW64 is RF64 by another name. */
static nj_status open_file(const nj_audio_source *source, const char *operation,
                           const unsigned char *head, size_t n, nj_sound *sound, nj_fault *fault) {
  int bw64 = n >= 4 && memcmp(head, "BW64", 4) == 0, mp3 = nj_mp3_begins(head, (int64_t)n);
  int wav = n >= 4 && memcmp(head, "RIFF", 4) == 0;
  if (source->path && !bw64 && !mp3 && !wav) {
    sound->file = sf_open(source->path, SFM_READ, &sound->header);
    return NJ_OK;
  }
  NJ_TRY(open_stream(source, operation, sound, fault));
  if (wav && limit_to_mp3(&sound->stream, &sound->cut)) {
    sound->size = sound->stream.end;
    mp3 = 1;
  }
  if (bw64) {
    sound->stream.patch_at = 0;
    memcpy(sound->stream.patch, "RF64", 4);
  }
  if (mp3)
    sound->next = nj_mp3_limit_part(&sound->stream);
  sound->file = nj_byte_stream_open(&sound->stream, &sound->header);
  return NJ_OK;
}

static void fill_info(nj_sound *sound, nj_audio_info *info) {
  int type = sound->header.format & SF_FORMAT_TYPEMASK;
  int unknown = sound->header.frames == SF_COUNT_MAX;
  *info = (nj_audio_info){
      .rate = sound->header.samplerate,
      .channels = sound->header.channels,
      .frames = unknown ? -1 : sound->header.frames,
      .format = format_name(sound->header.format),
      .encoding = encoding_name(sound->header.format),
      /* A whole Ogg stream ends with a page that tells its length. */
      .cut = sound->cut || (unknown && type == SF_FORMAT_OGG) || chunk_was_cut(sound),
  };
  /* Of MP3 without a tag libsndfile guesses the length from the rate of the first frame, and stops
   * there: what lies behind is not to be lost in silence. */
  int64_t counted = type == SF_FORMAT_MPEG ? nj_mp3_count_samples(&sound->stream) : 0;
  if (counted > 0 && !unknown) {
    info->cut |= counted > sound->header.frames + 4608;
    info->frames = info->cut || counted < info->frames ? counted : info->frames;
  }
}

nj_status nj_sound_open(const nj_audio_source *source, const char *operation, nj_sound *sound,
                        nj_audio_info *info, nj_fault *fault) {
  const char *name = nj_audio_source_name(source);
  unsigned char head[16] = {0};
  size_t n = source->size < sizeof head ? source->size : sizeof head;
  *sound = (nj_sound){.stream.file = -1};
  if (source->path)
    NJ_TRY(look_at_file(source, operation, head, &n, fault));
  else if (n)
    memcpy(head, source->bytes, n);
  if (n == 0)
    return nj_fault_set(fault, NJ_EFORMAT, "%s: '%s' is empty (0 bytes)", operation, name);
  nj_status st = open_file(source, operation, head, n, sound, fault);
  if (!st && !sound->file)
    st = cannot_open(operation, name, head, n, fault);
  if (!st)
    st = check_header(sound, operation, name, fault);
  if (!st) {
    fill_info(sound, info);
    if (sound->next)
      count_parts(sound, info);
    if (!sound->file)
      st = cannot_open(operation, name, head, n, fault);
  }
  if (st)
    nj_sound_close(sound);
  return st;
}

void nj_sound_close(nj_sound *sound) {
  if (sound->file)
    sf_close(sound->file);
  sound->file = NULL;
  if (sound->stream.file >= 0)
    close(sound->stream.file);
  sound->stream.file = -1;
}
