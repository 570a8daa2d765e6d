#include "audio/sndfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static sf_count_t stream_length(void *data) { return ((nj_byte_stream *)data)->size; }
static sf_count_t stream_tell(void *data) { return ((nj_byte_stream *)data)->at; }

static sf_count_t stream_seek(sf_count_t offset, int whence, void *data) {
  nj_byte_stream *s = data;
  sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : s->size, at;
  if (__builtin_add_overflow(base, offset, &at) || at < 0 || at > s->size)
    return -1;
  return s->at = at;
}

static sf_count_t stream_read(void *to, sf_count_t count, void *data) {
  nj_byte_stream *s = data;
  if (count > s->size - s->at)
    count = s->size - s->at;
  if (count <= 0)
    return 0;
  memcpy(to, s->bytes + s->at, (size_t)count);
  s->at += count;
  return count;
}

static sf_count_t stream_write(const void *from, sf_count_t count, void *data) {
  (void)from, (void)count, (void)data;
  return 0;
}

/* Does the file begin as a format that libsndfile knows? Then it is damaged rather than foreign. */
static int looks_like_sound(const unsigned char *head, size_t n) {
  static const char *const magic[] = {"RIFF", "RIFX", "RF64", "fLaC", "OggS", "FORM",
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

static int chunk_was_cut(SNDFILE *file) {
  char log[4096];
  int n = sf_command(file, SFC_GET_LOG_INFO, log, (int)sizeof log);
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
  return 0;
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

nj_status nj_sound_open(const nj_audio_source *source, const char *operation, nj_sound *sound,
                        nj_audio_info *info, nj_fault *fault) {
  const char *name = nj_audio_source_name(source);
  unsigned char head[16] = {0};
  size_t n = source->size < sizeof head ? source->size : sizeof head;
  *sound = (nj_sound){.stream = {source->bytes, (sf_count_t)source->size, 0}};
  if (source->path)
    NJ_TRY(look_at_file(source, operation, head, &n, fault));
  else if (n)
    memcpy(head, source->bytes, n);
  if (n == 0)
    return nj_fault_set(fault, NJ_EFORMAT, "%s: '%s' is empty (0 bytes)", operation, name);
  if (source->path) {
    sound->file = sf_open(source->path, SFM_READ, &sound->header);
  } else {
    SF_VIRTUAL_IO io = {stream_length, stream_seek, stream_read, stream_write, stream_tell};
    sound->file = sf_open_virtual(&io, SFM_READ, &sound->header, &sound->stream);
  }
  if (!sound->file)
    return nj_fault_set(fault, NJ_EFORMAT, "%s: '%s' %s (libsndfile: %s)", operation, name,
                        looks_like_sound(head, n) ? "is damaged or of an unknown kind"
                                                  : "is not a sound file",
                        sf_strerror(NULL));
  nj_status st = check_header(sound, operation, name, fault);
  if (st) {
    nj_sound_close(sound);
    return st;
  }
  int unknown = sound->header.frames == SF_COUNT_MAX;
  *info = (nj_audio_info){
      .rate = sound->header.samplerate,
      .channels = sound->header.channels,
      .frames = unknown ? -1 : sound->header.frames,
      .format = format_name(sound->header.format),
      .encoding = encoding_name(sound->header.format),
      /* A whole Ogg stream ends with a page that tells its length. */
      .cut = (unknown && (sound->header.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG) ||
             chunk_was_cut(sound->file),
  };
  return NJ_OK;
}

void nj_sound_close(nj_sound *sound) {
  if (sound->file)
    sf_close(sound->file);
  sound->file = NULL;
}
