---@meta nightjar
-- What nightjar offers, for editors (LuaLS) and for docs/reference: `make docs` turns this file
-- into pages, and spec/types_spec.lua compares it with what is really there.

---The namespace: `local nj = require "nightjar"`.
---@class nightjar
---@field _VERSION string "nightjar 0.1.0"
---@field version string "0.1.0"
---@field isa string the kernels in use: "avx512", "avx2" or "portable"; NIGHTJAR_ISA forces one
local nj = {}

---@class nightjar.MemoryOptions
---@field limit? integer bytes that tensors may hold; 0 lifts the limit
---@field reset_peak? boolean `peak` begins anew at `live`
---@field trim? boolean gives freed memory, kept for reuse, back to the system

---@class nightjar.MemoryReport
---@field live integer bytes in use
---@field peak integer the most that was in use
---@field cached integer bytes freed and kept for reuse
---@field limit integer 0: none
---@field allocations integer requests served so far

---The accounts of the memory outside of Lua's heap, after changing what the options ask for.
---@param options? nightjar.MemoryOptions
---@return nightjar.MemoryReport
function nj.memory(options) end

---A short name for strings and tensors: 32 hexadecimal digits (SipHash-2-4 of 128 bits), the same on every machine. It tells contents, types and shapes apart; it does not keep secrets.
---@param ... string|nightjar.Tensor
---@return string
function nj.digest(...) end

---@class nightjar.Option
---@field name string
---@field type "integer"|"number"|"boolean"|"string"|"integer[]"
---@field required boolean raises where it is missing
---@field default? any what is there when it is left out; nothing where it follows from other options
---@field derived? boolean true where the default follows from other options
---@field low? number the least that is allowed, of numbers and of entries
---@field high? number the most
---@field names? string[] what a string may be, the default of most first

---The options of a function of the C side, which checks them by this very list: "encoders.bert", "ac.decoder", "audio.mel", "Encoder:generate". What is no plain value (generators, tensors) is not in it.
---@param name? string without it, the names of all functions that are listed
---@return nightjar.Option[]|string[] options in order; or names in no order
function nj.options(name) end

---The number of threads that kernels use; results do not depend on it. The environment variable
---NIGHTJAR_THREADS sets the first value, else it is one per core.
---@param n? integer 1 to 256
---@return integer
function nj.threads(n) end

---A generator of random numbers: the n-th number is a function of seed, stream and n alone.
---@param seed integer
---@param stream? integer independent sequences under one seed; 0 when left out
---@return nightjar.Rng
function nj.rng(seed, stream) end

---Restarts the generator that is used where none is given.
---@param seed integer
function nj.seed(seed) end

---That generator itself, not a copy: what a checkpoint must keep.
---@return nightjar.Rng
function nj.default_rng() end

---A seeded generator of random numbers (Philox-4x32-10). Made by `nj.rng`.
---@class nightjar.Rng
local Rng = {}

---A number from [low, high), evenly.
---@param low? number 0 when left out
---@param high? number 1 when left out
---@return number
function Rng:uniform(low, high) end

---A number of the normal distribution.
---@param mean? number 0 when left out
---@param deviation? number 1 when left out
---@return number
function Rng:normal(mean, deviation) end

---An integer from low to high, both included, evenly.
---@param low integer
---@param high integer
---@return integer
function Rng:integer(low, high) end

---One item of a list.
---@param list any[]
---@return any item
---@return integer index
function Rng:choice(list) end

---Puts a list into random order, in place.
---@param list any[]
---@return any[] list
function Rng:shuffle(list) end

---Another generator, independent of this one and of its other children.
---@return nightjar.Rng
function Rng:split() end

---A copy that will draw the same numbers.
---@return nightjar.Rng
function Rng:clone() end

---Where the generator stands: three integers, for checkpoints.
---@return {seed: integer, stream: integer, counter: integer}
function Rng:state() end

---Goes back to a state.
---@param state {seed: integer, stream: integer, counter: integer}
---@return nightjar.Rng self
function Rng:restore(state) end

-- ---- tensors: construction ----

---@alias nightjar.Dtype "float32"|"float64"|"int32"|"int64"|"uint8"

---@class nightjar.TensorOptions
---@field dtype? nightjar.Dtype
---@field grad? boolean the tensor gathers gradients

---A number, or tables of them nested as deep as the tensor has dimensions.
---@alias nightjar.Nested number|boolean|nightjar.Nested[]

---A tensor of the values of a table, number or tensor (which is copied). float32 unless told
---otherwise; booleans make a uint8 mask. A ragged table is an error that names the place.
---@param value nightjar.Nested|nightjar.Tensor
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.tensor(value, options) end

---@class nightjar.BytesOptions: nightjar.TensorOptions
---@field shape? integer[] a vector when left out

---A tensor of bytes as `x:bytes()` gives them: the machine's representation, row-major.
---@param bytes string
---@param options? nightjar.BytesOptions
---@return nightjar.Tensor
function nj.frombytes(bytes, options) end

---Zeros: `nj.zeros(2, 3)` or `nj.zeros({ 2, 3 }, { dtype = "int64" })`.
---@param shape integer|integer[] a table, or the sizes one by one
---@param ... integer|nightjar.TensorOptions more sizes, then options
---@return nightjar.Tensor
function nj.zeros(shape, ...) end

---Ones; the shape as in `nj.zeros`.
---@param shape integer|integer[]
---@param ... integer|nightjar.TensorOptions
---@return nightjar.Tensor
function nj.ones(shape, ...) end

---Whatever the memory held; the shape as in `nj.zeros`.
---@param shape integer|integer[]
---@param ... integer|nightjar.TensorOptions
---@return nightjar.Tensor
function nj.empty(shape, ...) end

---One value everywhere.
---@param shape integer|integer[] a table, or one integer
---@param value number|boolean
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.full(shape, value, options) end

---Zeros in the shape and dtype of x.
---@param x nightjar.Tensor
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.zeros_like(x, options) end

---Ones in the shape and dtype of x.
---@param x nightjar.Tensor
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.ones_like(x, options) end

---Unset memory in the shape and dtype of x.
---@param x nightjar.Tensor
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.empty_like(x, options) end

---One value in the shape and dtype of x.
---@param x nightjar.Tensor
---@param value number
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.full_like(x, value, options) end

---Counts as Lua's `for` does, the last number included: `nj.arange(last)`,
---`nj.arange(first, last)`, `nj.arange(first, last, step)`, then options. int64 when all are
---integers, else float32.
---@param first number
---@param ... number|nightjar.TensorOptions
---@return nightjar.Tensor
function nj.arange(first, ...) end

---n numbers at even steps, both ends included.
---@param first number
---@param last number
---@param n integer
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.linspace(first, last, n, options) end

---Ones on the diagonal: `nj.eye(rows)` or `nj.eye(rows, columns)`, then options.
---@param rows integer
---@param ... integer|nightjar.TensorOptions
---@return nightjar.Tensor
function nj.eye(rows, ...) end

---A last dimension of `classes`, 1 at each place named and 0 elsewhere.
---@param index nightjar.Tensor|integer|integer[] 1-based
---@param classes integer
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function nj.one_hot(index, classes, options) end

---Tensors one after the other along a dimension. The dtype is the widest of all.
---@param tensors nightjar.Tensor[]
---@param dim? integer 1 when left out
---@return nightjar.Tensor
function nj.cat(tensors, dim) end

---Tensors of one shape along a new dimension.
---@param tensors nightjar.Tensor[]
---@param dim? integer its place in the result; 1 when left out
---@return nightjar.Tensor
function nj.stack(tensors, dim) end

---Each vector stretched over the grid of all of them, the i-th along dimension i.
---@param ... nightjar.Tensor vectors
---@return nightjar.Tensor ... as many
function nj.meshgrid(...) end

---Functions of networks that are no methods of tensors.
---@class nightjar.nn
nj.nn = {}

---@class nightjar.EmbeddingOptions
---@field padding? integer this row gets no gradient
---@field base? integer 0 for ids that count from 0, as vocabulary files do; 1 when left out

---Rows of a table by number.
---@param weight nightjar.Tensor (rows, …)
---@param ids nightjar.Tensor|integer|integer[] of any shape
---@param options? nightjar.EmbeddingOptions
---@return nightjar.Tensor the shape of ids, then that of a row
function nj.nn.embedding(weight, ids, options) end

---x · wᵀ + b. In float32 a row of the result has the same bits whatever the other rows, here and in
---every forward pass of `nj.nn`.
---@param x nightjar.Tensor (…, in)
---@param w nightjar.Tensor (out, in)
---@param b? nightjar.Tensor (out)
---@return nightjar.Tensor (…, out)
function nj.nn.linear(x, w, b) end

---@class nightjar.ConvOptions
---@field stride? integer|integer[] 1 when left out; {vertical, horizontal}, as the next two
---@field padding? integer|integer[] rows and columns of zeros added on either side; 0
---@field dilation? integer|integer[] 1
---@field groups? integer 1; as many as channels: depthwise
---@field relu? boolean clamp the result at zero in the same pass

---Two-dimensional convolution (cross-correlation). The result is channels-last in memory, as are
---those of pooling, batch_norm and elementwise functions of it, so that layers follow each other
---without copies.
---@param x nightjar.Tensor (B, C, H, W), of any strides
---@param w nightjar.Tensor (out, C / groups, kH, kW)
---@param b? nightjar.Tensor (out); may be left out before the options
---@param options? nightjar.ConvOptions
---@return nightjar.Tensor (B, out, H', W')
function nj.nn.conv2d(x, w, b, options) end

---@class nightjar.PoolOptions
---@field stride? integer|integer[] the kernel when left out
---@field padding? integer|integer[] at most half the kernel; 0

---@class nightjar.AveragePoolOptions: nightjar.PoolOptions
---@field count_padding? boolean padding counts as zeros (true) or not at all

---Means over windows; sizes are rounded down.
---@param x nightjar.Tensor (B, C, H, W)
---@param kernel integer|integer[]
---@param options? nightjar.AveragePoolOptions
---@return nightjar.Tensor
function nj.nn.avg_pool2d(x, kernel, options) end

---The largest of each window; NaN where there is one.
---@param x nightjar.Tensor (B, C, H, W)
---@param kernel integer|integer[]
---@param options? nightjar.PoolOptions
---@return nightjar.Tensor
function nj.nn.max_pool2d(x, kernel, options) end

---Means over h x w windows that cover the image.
---@param x nightjar.Tensor (B, C, H, W)
---@param h integer
---@param w integer
---@return nightjar.Tensor (B, C, h, w)
function nj.nn.adaptive_avg_pool2d(x, h, w) end

---@class nightjar.ResizeOptions
---@field mode? "nearest"|"bilinear"|"bicubic" bilinear when left out; bicubic has a = -0.75
---@field align_corners? boolean the corner pixels' centres stay where they are

---Images at another size, as PyTorch's interpolate gives them.
---@param x nightjar.Tensor (B, C, H, W)
---@param h integer
---@param w integer
---@param options? nightjar.ResizeOptions
---@return nightjar.Tensor (B, C, h, w)
function nj.nn.resize(x, h, w, options) end

---@class nightjar.EpsOptions
---@field eps? number

---Softmax over the entries whose mask is not 0. Entries under the mask are not read, get 0 and give no gradient; where nothing is seen all are 0.
---@param x nightjar.Tensor
---@param mask nightjar.Tensor broadcasts to x
---@param dim? integer the last when left out
---@return nightjar.Tensor
function nj.nn.masked_softmax(x, mask, dim) end

---x less the logarithm of the sum of exp over the entries whose mask is not 0; -inf elsewhere.
---@param x nightjar.Tensor
---@param mask nightjar.Tensor broadcasts to x
---@param dim? integer the last when left out
---@return nightjar.Tensor
function nj.nn.masked_log_softmax(x, mask, dim) end

---Sparsemax over the entries whose mask is not 0: the others are not read and get 0; where nothing is seen all are 0.
---@param x nightjar.Tensor
---@param mask nightjar.Tensor broadcasts to x
---@param dim? integer the last when left out
---@return nightjar.Tensor
function nj.nn.masked_sparsemax(x, mask, dim) end

---(x - mean) / sqrt(var + eps) * w + b over the last dimension.
---@param x nightjar.Tensor (…, n)
---@param w? nightjar.Tensor (n)
---@param b? nightjar.Tensor (n)
---@param options? nightjar.EpsOptions eps is 1e-5 when left out
---@return nightjar.Tensor
function nj.nn.layer_norm(x, w, b, options) end

---@class nightjar.BatchNormOptions
---@field mean? nightjar.Tensor (C) running mean; updated in place while training
---@field var? nightjar.Tensor (C) running variance; the same, by the unbiased one
---@field training? boolean normalise by the batch; false when left out
---@field momentum? number share of the batch in the running statistics; 0.1
---@field eps? number 1e-5
---@field dim? integer where the channels are; 2
---@field relu? boolean clamp the result at zero in the same pass

---(x - mean) / sqrt(var + eps) * w + b per channel.
---@param x nightjar.Tensor
---@param w? nightjar.Tensor (C)
---@param b? nightjar.Tensor (C)
---@param options? nightjar.BatchNormOptions
---@return nightjar.Tensor
function nj.nn.batch_norm(x, w, b, options) end

---@class nightjar.AttentionOptions
---@field mask? nightjar.Tensor broadcasts to (…, N, M): uint8, which keys are seen; else added
---@field scale? number of the scores; 1 / sqrt(D) when left out
---@field dropout? number of the weights; 0
---@field rng? nightjar.Rng for dropout

---softmax(q kᵀ scale + mask) v. A query that sees no key gets zeros.
---@param q nightjar.Tensor (…, N, D)
---@param k nightjar.Tensor (…, M, D)
---@param v nightjar.Tensor (…, M, E)
---@param options? nightjar.AttentionOptions
---@return nightjar.Tensor (…, N, E)
function nj.nn.attention(q, k, v, options) end

---@class nightjar.CrossEntropyOptions
---@field smoothing? number the target becomes (1 - s) target + s / classes; 0
---@field ignore? integer rows of this class have no part
---@field reduction? "mean"|"sum"|"none" mean over the rows that have a part, when left out
---@field base? integer what the first class is called, 0 or 1; 1 when left out

---Minus the log-probability of the targets, row by row.
---@param logits nightjar.Tensor (classes) or (N, classes, …)
---@param targets nightjar.Tensor int classes (N, …), or probabilities of the logits' shape
---@param options? nightjar.CrossEntropyOptions
---@return nightjar.Tensor
function nj.nn.cross_entropy(logits, targets, options) end

-- ---- sound in ----

---Sound files, waves and log-mels. A wave is a float32 tensor (samples), mono, full scale 1.
---@class nightjar.audio
nj.audio = {}

---@class nightjar.DecodeOptions
---@field rate? integer Hz of the result; the file's own when left out
---@field from? number seconds of the file where the result begins; 0 when left out
---@field to? number seconds of the file where it ends, or the file does
---@field channel? integer one channel; the mean of all when left out
---@field max_seconds? number of the result; more is an error; 14400 when left out
---@field partial? boolean takes what is there of a file that was cut

---@class nightjar.AudioInfo
---@field rate integer Hz
---@field channels integer
---@field frames? integer samples per channel; nil when the header does not say
---@field seconds? number
---@field format string "WAV", "FLAC", "OGG", "MP3", …
---@field encoding string "PCM_16", "FLOAT", "VORBIS", …
---@field cut boolean whether the file ends before its header says
---@field replaced? integer NaN and infinite samples that became 0 (only from decoding)
---@field cancelled? boolean whether the channels cancel each other, and the first was taken (only from decoding)

---A sound file as a wave: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and what else libsndfile reads.
---A range holds the samples that the whole file would have there. Errors: ENOTFOUND, EIO, EFORMAT
---(empty, damaged, cut), EUNSUPPORTED, ENOMEM.
---@param path string
---@param options? nightjar.DecodeOptions
---@return nightjar.Tensor? wave or nil, message, code
---@return nightjar.AudioInfo|string info
---@return string? code
function nj.audio.decode(path, options) end

---The same from the bytes of a file.
---@param bytes string
---@param options? nightjar.DecodeOptions
---@return nightjar.Tensor? wave or nil, message, code
---@return nightjar.AudioInfo|string info
---@return string? code
function nj.audio.decode_bytes(bytes, options) end

---Many files at once, on all threads.
---@param paths string[]
---@param options? nightjar.DecodeOptions
---@return (nightjar.Tensor|false)[] waves false where a file failed
---@return table<integer, string> errors messages by place in the list
function nj.audio.decode_many(paths, options) end

---What a file says of itself, without decoding it.
---@param path string
---@return nightjar.AudioInfo? info or nil, message, code
---@return string? message
---@return string? code
function nj.audio.info(path) end

---The same from the bytes of a file.
---@param bytes string
---@return nightjar.AudioInfo? info or nil, message, code
---@return string? message
---@return string? code
function nj.audio.info_bytes(bytes) end

---@class nightjar.WriteOptions
---@field encoding? "pcm16"|"pcm24"|"pcm32"|"float"|"double"|"vorbis"|"opus"|"mp3" the usual one of
---the format when left out

---Writes a sound file, whose format follows its ending: .wav .flac .ogg .opus .aiff .caf .mp3. It
---appears under its name when it is whole.
---@param path string
---@param wave nightjar.Tensor (samples) or (channels, samples)
---@param rate integer Hz
---@param options? nightjar.WriteOptions
---@return true? written or nil, message, code
---@return string? message
---@return string? code
function nj.audio.write(path, wave, rate, options) end

---Another sample rate, along the last dimension: ceil(samples * to / from) samples.
---@param wave nightjar.Tensor (…, samples)
---@param from integer Hz
---@param to integer Hz
---@return nightjar.Tensor
function nj.audio.resample(wave, from, to) end

---@class nightjar.SpecAugmentOptions
---@field time_stripes? integer 2 when left out
---@field time_width? integer each stripe covers 0 to time_width - 1 frames; 64 when left out
---@field freq_stripes? integer 2 when left out
---@field freq_width? integer 8 when left out
---@field value? number that stripes are filled with; 0 when left out
---@field lengths? nightjar.Tensor int64, one per item: stripes stay inside them
---@field rng? nightjar.Rng

---SpecAugment (Park et al., 2019) with the stripes of torchlibrosa, drawn for each item.
---Differentiable.
---@param x nightjar.Tensor (…, frames, bands)
---@param options? nightjar.SpecAugmentOptions
---@return nightjar.Tensor
function nj.audio.spec_augment(x, options) end

---A wave made louder or quieter.
---@param wave nightjar.Tensor (…, samples)
---@param db number
---@return nightjar.Tensor
function nj.audio.gain(wave, db) end

---@class nightjar.MixOptions
---@field offset? integer samples of the signal before the noise begins; 0 when left out
---@field loop? boolean repeats the noise to the end of the signal; true when left out

---Adds noise at a signal-to-noise ratio, measured over the samples where both are.
---@param signal nightjar.Tensor (samples)
---@param noise nightjar.Tensor (samples)
---@param snr number dB
---@param options? nightjar.MixOptions
---@return nightjar.Tensor mixture of the signal's length
---@return number gain what the noise was multiplied by; 1 where either is silent
function nj.audio.mix(signal, noise, snr, options) end

---@class nightjar.ShiftOptions
---@field roll? boolean what leaves at one end enters at the other; else zeros enter

---Moves a wave later, or earlier.
---@param wave nightjar.Tensor (…, samples)
---@param samples integer negative: earlier
---@param options? nightjar.ShiftOptions
---@return nightjar.Tensor
function nj.audio.shift(wave, samples, options) end

---@class nightjar.CropOptions
---@field rng? nightjar.Rng

---A piece from a random place; a shorter wave is put at a random place among zeros.
---@param wave nightjar.Tensor (…, samples)
---@param length integer samples
---@param options? nightjar.CropOptions
---@return nightjar.Tensor
---@return integer start the sample of the wave where the piece begins (0 or less: after zeros)
function nj.audio.crop(wave, length, options) end

---@class nightjar.MelOptions
---@field preset? "panns"|"htsat"|"panns16k"|"panns8k"|"laion"|"laion_fusion"|"msclap2022"|"msclap2023"|"dcase"|"act"|"efficientat"|"convnext"
---the settings of a published model, "panns" when left out; the other options change them
---@field rate? integer Hz that waves must have
---@field n_fft? integer samples transformed, 16 to 32768; powers of two are fastest
---@field win_length? integer samples under the window, centred in n_fft
---@field hop? integer samples from frame to frame
---@field window? "hann"|"hamming"|"blackman"|"rectangular"
---@field periodic? boolean a periodic window, else a symmetric one
---@field center? boolean frames are centred at multiples of hop; else the first begins at 0
---@field pad? "reflect"|"zero" what lies beyond the ends of a centred clip
---@field power? number of the magnitude: 1 or 2
---@field mels? integer
---@field fmin? number Hz
---@field fmax? number Hz, at most bank_rate / 2
---@field bank_rate? integer Hz that the bank takes waves to have; rate when left out, but 32000 for msclap2023
---@field scale? "slaney"|"htk"|"kaldi"
---@field norm? "none"|"slaney" the area of each triangle
---@field log? "db"|"ln"|"log10"|"none" 10 log10(max(x, amin)), ln(x + eps), log10(max(x, amin)), x
---@field amin? number
---@field ref? number of dB
---@field eps? number
---@field top_db? number lets nothing lie further below a clip's maximum; 0: off
---@field preemphasis? number y[n] = x[n+1] - preemphasis x[n]; 0: off
---@field add? number then (y + add) * mul
---@field mul? number
---@field quantize? boolean rounds samples to 16 bits first
---@field drop_last? boolean one frame less
---@field fill? "none"|"pad"|"repeat"|"repeat_pad" what becomes of a clip shorter than `duration`: zeros follow; it is
---repeated, and cut there; it is repeated as often as it fits in whole, then zeros
---@field duration? number seconds that clips are padded or repeated to; 0 (with "none"): not at all
---@field gap? number seconds of silence behind each repetition of a clip that is repeated (0)

---Makes a log-mel front-end.
---@param options nightjar.MelOptions
---@return nightjar.FrontEnd
function nj.audio.mel(options) end

---@class nightjar.RendererOptions
---@field sources (string|nightjar.Tensor)[] sound files and waves that items are made of
---@field front_end? nightjar.FrontEnd batches are log-mels; waves when left out
---@field rate? integer Hz; the front-end's when left out
---@field ahead? integer batches rendered before they are asked for, at most; 2 when left out
---@field jobs? integer threads; half of nj.threads() when left out
---@field cache_mb? number decoded files kept in memory, MiB; 256 when left out
---@field cache? "float"|"int16" how they are kept
---@field whole? number seconds; longer files are read range by range, uncached; 60 when left out
---@field partial? boolean takes what is there of files that were cut

---Renders batches of mixtures on threads of its own, ahead of whoever takes them. Results do not
---depend on the number of jobs, nor on what is in the cache.
---@param options nightjar.RendererOptions
---@return nightjar.Renderer
function nj.audio.renderer(options) end

---@class nightjar.ReaderOptions
---@field front_end? nightjar.FrontEnd tiles are log-mels; waves when left out
---@field rate? integer Hz; the front-end's when left out
---@field tile? integer samples of a tile, at most; 30 seconds when left out
---@field step? number samples from the beginning of a tile to that of the next (the k-th, from 0, begins at k * step, rounded); `tile` when left out
---@field ahead? integer files begun and not taken, at most; 16 when left out
---@field jobs? integer threads; nj.threads() when left out, at most 8; 0: files are read when asked for, on the calling thread
---@field memory_mb? number MiB of tiles that wait, at most; 32 when left out
---@field max_seconds? number of a file, a longer one is an error; 14400 when left out

---Reads files ahead on threads of its own, tile by tile: no file is held whole.
---@param options nightjar.ReaderOptions
---@return nightjar.Reader
function nj.audio.reader(options) end

---Turns waves into log-mels: `fe(wave)` is (frames, mels) for (samples) and (clips, frames, mels)
---for (clips, samples). Frames count from 1; the options are fields (`fe.rate`, `fe.hop`). A clip
---gives the same bits alone and in a batch. Not differentiable.
---@class nightjar.FrontEnd: nightjar.MelOptions
---@overload fun(wave: nightjar.Tensor): nightjar.Tensor
local FrontEnd = {}

---Clips of any lengths, padded with silence.
---@param waves nightjar.Tensor[] each (samples)
---@return nightjar.Tensor rows (clips, longest, mels)
---@return nightjar.Tensor lengths int64 (clips), in frames; those of what fills a clip up (`fill`) do not count
function FrontEnd:batch(waves) end

---Frames of a clip: 1 + floor(samples / hop) when centred, of the clip as it is filled up.
---@param samples integer
---@return integer
function FrontEnd:frames(samples) end

---The time at the centre of a frame.
---@param frame integer from 1
---@return number seconds
function FrontEnd:seconds(frame) end

---The value of every band of digital silence, which batches are padded with.
---@return number
function FrontEnd:silence() end

---Every option: `nj.audio.mel(fe:descriptor())` is an equal front-end.
---@return nightjar.MelOptions
function FrontEnd:descriptor() end

---The filter bank.
---@return nightjar.Tensor (mels, n_fft // 2 + 1)
function FrontEnd:bank() end

---@class nightjar.RenderPart
---@field source integer the number of a source
---@field onset? number seconds into the item; negative: the beginning is cut off
---@field from? number seconds of the source
---@field to? number seconds of the source
---@field duration? number seconds in the item
---@field loop? boolean repeats until the duration, or the item, ends
---@field level? number dB: root mean square that the range is brought to before the gain
---@field gain? number dB
---@field fade? number seconds of both fades
---@field fade_in? number seconds
---@field fade_out? number seconds

---@class nightjar.RenderNoise
---@field colour? "white"|"pink"|"brown"
---@field level? number dB, root mean square; -40 when left out
---@field snr? number dB below the parts, instead of a level
---@field seed? integer

---@class nightjar.RenderItem
---@field length number seconds
---@field parts? nightjar.RenderPart[]
---@field noise? nightjar.RenderNoise
---@field gain? number dB, of all
---@field peak? number the largest magnitude is brought to this
---@field limit? number and down to this where it is larger

---Renders batches ahead. Made by `nj.audio.renderer`; `local r <close>` ends it.
---@class nightjar.Renderer
local Renderer = {}

---Queues a batch.
---@param items nightjar.RenderItem[]
---@return nightjar.Renderer self
function Renderer:submit(items) end

---Waits for the oldest batch and takes it; nil when none is pending. An item that failed has a
---length of 0 and a message; a batch that found no memory is lost: nil, message, "ENOMEM".
---@return nightjar.Tensor? data (items, longest, mels) padded with silence, or waves (items, longest)
---@return nightjar.Tensor|string? lengths int64 (items), in frames or samples
---@return table<integer, string>|string? errors messages by item, nil when none failed
function Renderer:next() end

---The same at once, on the calling thread.
---@param items nightjar.RenderItem[]
---@return nightjar.Tensor? data or nil, message, code
---@return nightjar.Tensor|string? lengths
---@return table<integer, string>|string? errors
function Renderer:render(items) end

---One item as a wave.
---@param item nightjar.RenderItem
---@return nightjar.Tensor? wave or nil, message, code
---@return string? message
---@return string? code
function Renderer:wave(item) end

---Batches submitted and not taken.
---@return integer
function Renderer:pending() end

---What the cache did.
---@return { bytes: integer, decoded: integer, hits: integer, evicted: integer }
function Renderer:stats() end

---Ends the threads and gives everything back.
function Renderer:close() end

---Reads files ahead. Made by `nj.audio.reader`; `local r <close>` ends it.
---@class nightjar.Reader
local Reader = {}

---Queues a file.
---@param path string
---@return nightjar.Reader self
function Reader:submit(path) end

---The next tile of the oldest file, in the order in which files were queued. Behind its last tile nil and its samples, at the rate of the tiles; nil, message, code for a file that cannot be read, whatever tiles came before. Raises when no file is pending.
---@return nightjar.Tensor? tile (frames, mels), or a wave (samples)
---@return integer|string count frames (samples) of it that are the sound's own, not the filling's; or samples of the file; or a message
---@return string? code
function Reader:next() end

---Files whose end was not taken.
---@return integer
function Reader:pending() end

---Bytes of the tiles that wait.
---@return integer
function Reader:bytes() end

---Ends the threads and gives everything back.
function Reader:close() end

-- ---- tensors: indexing and shape ----

---Numbers of one type in up to 8 dimensions.
---
---Indices count from 1, or from -1 at the end; ranges include both ends. `t[2]` is a row, or the
---number of a vector; `t(2, 3)` a number; `t[{ {1, 3}, {}, -1 }]` takes a range
---`{first, last, step}`, a whole dimension `{}`, and one index; `t[mask]` and `t[indices]` take a
---uint8 mask over the leading dimensions or an int tensor. All but the last two are views that
---share storage. The same expressions can be assigned to. Where a number would lose the gradient,
---`t[i]` is a tensor of 0 dimensions.
---
---`#t` is the size of dimension 1; `==` compares identity (see `equal`); `..` writes a tensor of
---one element shortly; `local t <close>` frees it at the end of the block.
---@class nightjar.Tensor
---@field shape integer[] sizes, in a new table
---@field dtype nightjar.Dtype
---@field ndim integer
---@field grad nightjar.Tensor? what gathered in a leaf
---@field requires_grad boolean
---@field is_leaf boolean whether it was made directly, not computed
---@field grad_op string? the operation that computed it, when gradients flow through it
---@field is_contiguous boolean whether its elements lie one after the other
---@field strides integer[] in elements, in a new table
---@field [integer] any a row, or a number
---@overload fun(...: integer|integer[]|nightjar.Tensor): any
local Tensor = {}

---The size of a dimension, or all sizes.
---@param dim? integer
---@return integer|integer[]
function Tensor:size(dim) end

---How many elements there are.
---@return integer
function Tensor:numel() end

---A key for tables: equal for handles of one tensor, whatever values hold it.
---@return lightuserdata
function Tensor:id() end

---The values as nested tables: integers of integer dtypes, else floats.
---@return nightjar.Nested
function Tensor:totable() end

---The value of a tensor of one element.
---@return number
function Tensor:item() end

---As `item`.
---@return number
function Tensor:tonumber() end

---The values in row-major order, as the machine represents them.
---@return string
function Tensor:bytes() end

---Entries of dimension 1 with their numbers: `for i, row in x:rows() do`. `pairs(x)` does the same.
---@return fun(x: nightjar.Tensor, i: integer): integer?, any
---@return nightjar.Tensor
---@return integer
function Tensor:rows() end

---@class nightjar.FormatOptions
---@field width? integer columns of the terminal; 80 when left out
---@field threshold? integer larger tensors are summarised; 1000 when left out
---@field edge? integer entries shown at each end of a summarised dimension; 3 when left out
---@field digits? integer significant digits of the largest value; 4 when left out

---The text of `tostring`, to measure.
---@param options? nightjar.FormatOptions
---@return string
function Tensor:format(options) end

---Gives the memory back now rather than when the collector comes by; later use is an error.
function Tensor:free() end

---Zeros like this tensor.
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function Tensor:zeros_like(options) end

---Ones like this tensor.
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function Tensor:ones_like(options) end

---Unset memory like this tensor.
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function Tensor:empty_like(options) end

---One value in the shape of this tensor.
---@param value number
---@param options? nightjar.TensorOptions
---@return nightjar.Tensor
function Tensor:full_like(value, options) end

---Another shape of as many elements, in row-major order; one size may be -1. A view where the
---layout allows it.
---@param shape integer|integer[] a table, or the sizes one by one
---@param ... integer
---@return nightjar.Tensor
function Tensor:reshape(shape, ...) end

---As `reshape`, but an error where it would have to copy.
---@param shape integer|integer[]
---@param ... integer
---@return nightjar.Tensor view
function Tensor:view(shape, ...) end

---Stretches sizes of 1 to a shape, with new dimensions in front; -1 keeps a size.
---@param shape integer|integer[]
---@param ... integer
---@return nightjar.Tensor view
function Tensor:expand(shape, ...) end

---As `expand`, to the shape of another tensor.
---@param like nightjar.Tensor
---@return nightjar.Tensor view
function Tensor:expand_as(like) end

---Dimensions in another order: dimension i of the result is dims[i] of this.
---@param dims integer|integer[] a table, or one by one
---@param ... integer
---@return nightjar.Tensor view
function Tensor:permute(dims, ...) end

---Swaps two dimensions.
---@param dim0 integer
---@param dim1 integer
---@return nightjar.Tensor view
function Tensor:transpose(dim0, dim1) end

---Swaps the last two dimensions.
---@return nightjar.Tensor view
function Tensor:t() end

---Moves a dimension to another place; the others keep their order.
---@param from integer
---@param to integer
---@return nightjar.Tensor view
function Tensor:movedim(from, to) end

---A run of entries of a dimension.
---@param dim integer
---@param start integer
---@param length integer
---@return nightjar.Tensor view
function Tensor:narrow(dim, start, length) end

---One entry of a dimension, which is dropped.
---@param dim integer
---@param index integer
---@return nightjar.Tensor view
function Tensor:select(dim, index) end

---Entries first, first + step, … of a dimension; last is included.
---@param dim integer
---@param first integer
---@param last? integer the end when left out
---@param step? integer 1 when left out
---@return nightjar.Tensor view
function Tensor:slice(dim, first, last, step) end

---Drops a dimension of size 1, or all of them.
---@param dim? integer
---@return nightjar.Tensor view
function Tensor:squeeze(dim) end

---A new dimension of size 1.
---@param dim integer its place in the result
---@return nightjar.Tensor view
function Tensor:unsqueeze(dim) end

---Makes dimensions first to last one.
---@param first? integer 1 when left out
---@param last? integer the last when left out
---@return nightjar.Tensor
function Tensor:flatten(first, last) end

---Makes one dimension several; one size may be -1.
---@param dim integer
---@param sizes integer[]
---@return nightjar.Tensor
function Tensor:unflatten(dim, sizes) end

---Elements (i, i + offset) of two dimensions, as a new last one.
---@param offset? integer 0 when left out
---@param dim0? integer the last but one when left out
---@param dim1? integer the last when left out
---@return nightjar.Tensor view
function Tensor:diagonal(offset, dim0, dim1) end

---Windows along a dimension: that dimension counts them, a new last one runs inside them.
---@param dim integer
---@param size integer
---@param step? integer 1 when left out
---@return nightjar.Tensor view
function Tensor:unfold(dim, size, step) end

---A table of views of `size` entries each (the last may be smaller), or of the sizes listed.
---@param size integer|integer[]
---@param dim? integer 1 when left out
---@return nightjar.Tensor[]
function Tensor:split(size, dim) end

---A table of at most n views of equal size; the last may be smaller.
---@param n integer
---@param dim? integer 1 when left out
---@return nightjar.Tensor[]
function Tensor:chunk(n, dim) end

---Itself when its elements lie one after the other, else a copy that does.
---@return nightjar.Tensor
function Tensor:contiguous() end

---A copy with storage of its own.
---@return nightjar.Tensor
function Tensor:clone() end

---Itself when it has the dtype, else a converted copy. Towards integers values are cut and
---saturate, NaN becomes 0. The gradient comes back in this tensor's dtype.
---@param dtype nightjar.Dtype
---@return nightjar.Tensor
function Tensor:to(dtype) end

---To float32.
---@return nightjar.Tensor
function Tensor:float() end

---To float64.
---@return nightjar.Tensor
function Tensor:double() end

---To int32.
---@return nightjar.Tensor
function Tensor:int() end

---To int64.
---@return nightjar.Tensor
function Tensor:long() end

---To uint8.
---@return nightjar.Tensor
function Tensor:byte() end

---Reverses dimensions.
---@param dims integer|integer[] a table, or one by one
---@param ... integer
---@return nightjar.Tensor
function Tensor:flip(dims, ...) end

---Moves entries towards the end of a dimension; what falls off comes in at the front.
---@param shift integer
---@param dim? integer the last when left out
---@return nightjar.Tensor
function Tensor:roll(shift, dim) end

---Zeros above a diagonal of the last two dimensions.
---@param diagonal? integer 0, the main one, when left out; positive ones lie above
---@return nightjar.Tensor
function Tensor:tril(diagonal) end

---Zeros below a diagonal of the last two dimensions.
---@param diagonal? integer 0 when left out
---@return nightjar.Tensor
function Tensor:triu(diagonal) end

---Side by side, counts[i] times along dimension i.
---@param counts integer|integer[] a table, or one by one
---@param ... integer
---@return nightjar.Tensor
function Tensor:tile(counts, ...) end

---Each entry of a dimension several times in a row.
---@param count integer
---@param dim? integer 1 when left out
---@return nightjar.Tensor
function Tensor:repeat_interleave(count, dim) end

---@class nightjar.PadOptions
---@field mode? "constant"|"reflect"|"replicate"|"circular" constant when left out
---@field value? number the constant; 0 when left out

---Adds entries before and after dimensions.
---@param widths (integer|integer[])[] {before, after} or a number for both, for the last dimensions
---@param options? nightjar.PadOptions
---@return nightjar.Tensor
function Tensor:pad(widths, options) end

---Entries of a dimension by number; that dimension takes the shape of the index.
---@param dim integer
---@param index nightjar.Tensor|integer|integer[]
---@return nightjar.Tensor
function Tensor:index_select(dim, index) end

---Adds src to the entries of a dimension named by a vector, in a copy.
---@param dim integer
---@param index nightjar.Tensor|integer[]
---@param src nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:index_add(dim, index, src) end

---Element by element along a dimension: in two dimensions, `x:gather(2, index)` has
---x(i, index(i, j)) at (i, j). Sizes of the index are those of x, or 1, but for `dim`.
---@param dim integer
---@param index nightjar.Tensor
---@return nightjar.Tensor
function Tensor:gather(dim, index) end

---Adds src where `gather` would read, in a copy.
---@param dim integer
---@param index nightjar.Tensor
---@param src nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:scatter_add(dim, index, src) end

---A vector of the elements where a mask, stretched with x, is not 0.
---@param mask nightjar.Tensor
---@return nightjar.Tensor
function Tensor:masked_select(mask) end

---Places of the elements that are not 0: a vector of a vector's, else one row each.
---@return nightjar.Tensor int64
function Tensor:nonzero() end

-- ---- losses ----

---Losses of a batch's similarities: rows audio, columns text, pair i on the diagonal.
---@class nightjar.loss
nj.loss = {}

---A list of numbers or strings, or an integer tensor: equal for pairs of one clip.
---@alias nightjar.Ids (integer|number|string)[]|nightjar.Tensor

---@class nightjar.LossOptions
---@field temperature? number|nightjar.Tensor|nightjar.Temperature 0.07 when left out
---@field ids? nightjar.Ids the clip of each pair

---@class nightjar.NtXentOptions: nightjar.LossOptions
---@field same_clip? "mask"|"positives"|"negatives" what pairs of one clip are to each other: left out of the denominators ("mask", when left out), positives that share the target, or plain negatives
---@field reduction? "mean"|"sum" of the two directions; "mean" when left out
---@field direction? "both"|"audio_to_text"|"text_to_audio" "both" when left out
---@field positives? nightjar.Tensor (B, B) mask: clip j counts as clip i

---NT-Xent, or InfoNCE: each clip must pick its text among those of the batch, and each text its
---clip.
---@param S nightjar.Tensor (B, B) similarities before the temperature
---@param options? nightjar.NtXentOptions
---@return nightjar.Tensor loss of one element
function nj.loss.nt_xent(S, options) end

---The same as `nt_xent`.
---@param S nightjar.Tensor (B, B)
---@param options? nightjar.NtXentOptions
---@return nightjar.Tensor loss of one element
function nj.loss.info_nce(S, options) end

---@class nightjar.SoftNtXentOptions: nightjar.LossOptions
---@field audio_ids? (integer|number|string)[] the clip of each row, for a matrix that is not square
---@field text_ids? (integer|number|string)[] the clip of each column

---NT-Xent with the target of each anchor spread evenly over the pairs of its clip (WavCaps).
---@param S nightjar.Tensor (N, M) similarities before the temperature
---@param options nightjar.SoftNtXentOptions `ids`, or both `audio_ids` and `text_ids`
---@return nightjar.Tensor loss of one element
function nj.loss.soft_nt_xent(S, options) end

---The DCASE baseline's loss: pairs of one clip left out, the two directions summed.
---@param S nightjar.Tensor (B, B)
---@param options? nightjar.LossOptions
---@return nightjar.Tensor loss of one element
function nj.loss.dcase(S, options) end

---@class nightjar.HardNegativeOptions: nightjar.LossOptions
---@field beta? number how sharply hard negatives are preferred; 0.15 when left out

---InfoNCE with hard negatives weighted up, as in MGA-CLAP.
---@param S nightjar.Tensor (B, B)
---@param options? nightjar.HardNegativeOptions
---@return nightjar.Tensor loss of one element
function nj.loss.hard_negative(S, options) end

---@class nightjar.TripletOptions
---@field margin? number 0.2 when left out
---@field ids? nightjar.Ids the clip of each pair

---The hinge over all negatives of each row and each column, over B.
---@param S nightjar.Tensor (B, B) cosine similarities
---@param options? nightjar.TripletOptions
---@return nightjar.Tensor loss of one element
function nj.loss.triplet_sum(S, options) end

---The hinge over the hardest negative of each row and each column (VSE++), over B.
---@param S nightjar.Tensor (B, B) cosine similarities
---@param options? nightjar.TripletOptions
---@return nightjar.Tensor loss of one element
function nj.loss.triplet_max(S, options) end

---Polynomial weights of each positive and of its hardest negative, over B.
---@param S nightjar.Tensor (B, B) cosine similarities
---@param options? nightjar.TripletOptions
---@return nightjar.Tensor loss of one element
function nj.loss.triplet_weighted(S, options) end

---The loss of a name, to be called with (S, options).
---@param name string one of `nj.loss.names()`
---@return fun(S: nightjar.Tensor, options?: table): nightjar.Tensor
function nj.loss.get(name) end

---The names of all losses, sorted.
---@return string[]
function nj.loss.names() end

---Cosine similarity of every clip with every text.
---@param audio nightjar.Tensor (N, D)
---@param text nightjar.Tensor (M, D)
---@return nightjar.Tensor (N, M)
function nj.loss.cosine(audio, text) end

---WavCaps' regulariser: mean |a| / ‖a‖ + mean |t| / ‖t‖.
---@param audio nightjar.Tensor (B, D)
---@param text nightjar.Tensor (B, D)
---@return nightjar.Tensor loss of one element
function nj.loss.embed_reg(audio, text) end

---@class nightjar.DistillOptions
---@field temperature? number|nightjar.Tensor|nightjar.Temperature of the student; 0.07 when left out
---@field teacher_temperature? number|nightjar.Tensor|nightjar.Temperature as the student's when left out

---KL of what one similarity matrix says about a batch from what another says, both directions; the
---gradient stops at the teacher.
---@param student nightjar.Tensor (N, M) similarities before the temperature
---@param teacher nightjar.Tensor (N, M)
---@param options? nightjar.DistillOptions
---@return nightjar.Tensor scalar
function nj.loss.distill(student, teacher, options) end

---@class nightjar.TemperatureOptions
---@field initial? number 0.07 when left out
---@field form? "log"|"raw"|"absolute" S·exp(p) (when left out), S/p, or S/|p|
---@field max_scale? number the largest 1/temperature, for form "log"; none when left out
---@field dtype? "float32"|"float64"

---A learnable temperature.
---@param options? nightjar.TemperatureOptions
---@return nightjar.Temperature
function nj.loss.temperature(options) end

---A learnable temperature. Made by `nj.loss.temperature`.
---@class nightjar.Temperature
---@field form "log"|"raw"|"absolute"
---@field parameter nightjar.Tensor (1)
local Temperature = {}

---Its parameter, for optimisers and checkpoints.
---@return table[] one { name, tensor }
function Temperature:parameters() end

---The temperature as a number.
---@return number
function Temperature:value() end

---Similarities over the temperature.
---@param S nightjar.Tensor
---@return nightjar.Tensor
function Temperature:apply(S) end

-- ---- optimisers ----

---Optimisers. Parameters are a model (anything with a method `parameters`), a list of tensors, of
---`{ name, tensor }`, or of groups `{ params = …, lr = … }` with options of their own.
---@class nightjar.optim
nj.optim = {}

---@class nightjar.AdamOptions
---@field lr? number 1e-3 when left out
---@field beta1? number 0.9 when left out
---@field beta2? number 0.999 when left out
---@field eps? number 1e-8 when left out
---@field weight_decay? number 0 when left out (adamw: 0.01)
---@field amsgrad? boolean

---Adam; weight decay joins the gradient.
---@param parameters any
---@param options? nightjar.AdamOptions
---@return nightjar.Optimizer
function nj.optim.adam(parameters, options) end

---AdamW; weight decay apart from the gradient.
---@param parameters any
---@param options? nightjar.AdamOptions
---@return nightjar.Optimizer
function nj.optim.adamw(parameters, options) end

---@class nightjar.BertAdamOptions
---@field lr? number 1e-3 when left out
---@field beta1? number 0.9 when left out
---@field beta2? number 0.999 when left out
---@field eps? number 1e-6 when left out
---@field weight_decay? number 0.01 when left out
---@field max_grad_norm? number of each parameter's gradient; 1 when left out, 0 for none

---BERT's Adam: no bias correction, each parameter's gradient clipped on its own.
---@param parameters any
---@param options? nightjar.BertAdamOptions
---@return nightjar.Optimizer
function nj.optim.bert_adam(parameters, options) end

---@class nightjar.SgdOptions
---@field lr number
---@field momentum? number
---@field dampening? number
---@field weight_decay? number
---@field nesterov? boolean

---Stochastic gradient descent.
---@param parameters any
---@param options nightjar.SgdOptions
---@return nightjar.Optimizer
function nj.optim.sgd(parameters, options) end

---Clipping of gradients, between `backward` and the optimiser's step.
---@class nightjar.optim.clip
nj.optim.clip = {}

---The Euclidean norm of all gradients as one vector.
---@param source any an optimiser, a model or a list of tensors
---@return number
function nj.optim.clip.total_norm(source) end

---What gradients of a norm are multiplied by to be at most max_norm long.
---@param norm number
---@param max_norm number
---@return number
function nj.optim.clip.factor(norm, max_norm) end

---Scales all gradients so that their norm is at most max_norm.
---@param source any an optimiser, a model or a list of tensors
---@param max_norm number
---@return number norm before
function nj.optim.clip.norm(source, max_norm) end

---Brings every element of every gradient into [-limit, limit].
---@param source any an optimiser, a model or a list of tensors
---@param limit number
function nj.optim.clip.value(source, limit) end

---An optimiser. Made by the functions of `nj.optim`.
---@class nightjar.Optimizer
---@field kind string "adam", "adamw", "bert_adam" or "sgd"
---@field groups table[] each with `params`, `lr`, `base_lr` and the rest of its options
local Optimizer = {}

---Iterates over the parameters, { name, tensor }, and their groups.
---@return fun(): table?, table?
function Optimizer:parameters() end

---One update of every parameter that has a gradient.
---@param scale? number what gradients are multiplied by; 1 when left out
function Optimizer:step(scale) end

---Forgets all gradients.
function Optimizer:zero_grad() end

---The state, for checkpoints; tensors are shared, not copied.
---@return table
function Optimizer:state_dict() end

---Takes a state back.
---@param saved table
function Optimizer:load_state_dict(saved) end

-- ---- schedules ----

---Learning-rate schedules: a factor on every group's `base_lr`. Steps and epochs count from 1.
---@class nightjar.schedule
nj.schedule = {}

---@class nightjar.ScheduleOptions
---@field warmup? integer length of a linear rise; 0 when left out
---@field unit? "step"|"epoch" what is counted; "step" when left out

---@class nightjar.DecayOptions: nightjar.ScheduleOptions
---@field steps integer the whole length, warm-up included
---@field final? number the factor at the end; 0 when left out

---@class nightjar.StepScheduleOptions: nightjar.ScheduleOptions
---@field every? integer
---@field milestones? integer[] instead of `every`
---@field gamma? number 0.1 when left out

---@class nightjar.PlateauOptions: nightjar.ScheduleOptions
---@field mode? "max"|"min" which way the metric improves; "max" when left out
---@field factor? number 0.1 when left out
---@field patience? integer 10 when left out
---@field threshold? number relative change that counts; 1e-4 when left out
---@field cooldown? integer 0 when left out
---@field least? number the smallest factor; 0 when left out

---@class nightjar.BertWarmupOptions
---@field steps integer
---@field warmup? number a fraction of `steps`; 0.1 when left out
---@field unit? "step"|"epoch"

---Rises and stays.
---@param options? nightjar.ScheduleOptions
---@return nightjar.Schedule
function nj.schedule.constant(options) end

---Half a cosine down to `final`.
---@param options nightjar.DecayOptions
---@return nightjar.Schedule
function nj.schedule.cosine(options) end

---A straight line down to `final`.
---@param options nightjar.DecayOptions
---@return nightjar.Schedule
function nj.schedule.linear(options) end

---Multiplied by gamma every so often, or at milestones.
---@param options nightjar.StepScheduleOptions
---@return nightjar.Schedule
function nj.schedule.step(options) end

---Multiplied by a factor when a metric stops improving.
---@param options? nightjar.PlateauOptions
---@return nightjar.Schedule
function nj.schedule.plateau(options) end

---BertAdam's warm-up cosine, which begins at 0.
---@param options nightjar.BertWarmupOptions
---@return nightjar.Schedule
function nj.schedule.bert_warmup_cosine(options) end

---A schedule. Made by the functions of `nj.schedule`.
---@class nightjar.Schedule
---@field kind string
---@field unit "step"|"epoch"
local Schedule = {}

---The factor at a step or epoch.
---@param position integer
---@return number
function Schedule:factor(position) end

---Sets every group's lr.
---@param optimizer nightjar.Optimizer
---@param step integer the update about to be made
---@param epoch integer
---@return number factor
function Schedule:apply(optimizer, step, epoch) end

---Tells a plateau schedule a value of its metric; others ignore it.
---@param value number
function Schedule:observe(value) end

---The state, for checkpoints.
---@return table
function Schedule:state_dict() end

---Takes a state back.
---@param saved table
function Schedule:load_state_dict(saved) end

-- ---- training ----

---Training: `nj.train { … }` is `nj.train.run { … }`.
---@class nightjar.train
nj.train = {}

---@class nightjar.TrainOptions
---@field step fun(batch: any, info: {epoch: integer, batch: integer, step: integer}): nightjar.Tensor, table? the loss of a batch, and numbers for the log
---@field batches any a list, a function (epoch) giving an iterator, or a loader
---@field optimizer nightjar.Optimizer
---@field epochs? integer this, or `max_steps`
---@field max_steps? integer updates
---@field model? any with a method parameters, and optionally buffers and train(on)
---@field parameters? any more that checkpoints must hold
---@field schedule? nightjar.Schedule
---@field accumulate? integer batches averaged for one update; 1 when left out
---@field clip_grad? number|{norm: number?, value: number?}
---@field evaluate? fun(info: {epoch: integer, step: integer}): table|number called without recording
---@field evaluate_every? integer epochs; 1 when left out
---@field metric? string|fun(results: table): number which number, "text_to_audio.R@1" say; the loss when there is no `evaluate`
---@field mode? "max"|"min"
---@field keep_best? integer number of best checkpoints
---@field early_stop? {patience: integer, min_delta: number?}
---@field checkpoint? string folder
---@field checkpoint_every? integer updates, beside each epoch's end
---@field resume? boolean go on from the folder's last checkpoint, bit for bit
---@field overwrite? boolean begin anew although the folder holds a run
---@field rngs? table<string, nightjar.Rng> generators that `step` and `batches` draw from
---@field log? string path of a JSONL file
---@field log_every? integer updates; 1 when left out
---@field progress? nightjar.ProgressOption
---@field metadata? table<string, string> stored in the checkpoints

---@class nightjar.TrainResult
---@field steps integer
---@field epochs integer
---@field loss number? mean of the last epoch
---@field metric number? the last
---@field best {metric: number, path: string, epoch: integer, step: integer}[] best first
---@field stopped "epochs"|"max_steps"|"early_stop"
---@field resumed_from integer? a step
---@field checkpoint string? path of the last
---@field seconds number of all runs together

---Trains.
---@param options nightjar.TrainOptions
---@return nightjar.TrainResult
function nj.train.run(options) end

---Reads the weights and buffers of a checkpoint into a model.
---@param path string
---@param model any with a method parameters, or a list of { name, tensor }
---@return true? ok
---@return string? message
---@return string? code
function nj.train.load_weights(path, model) end

---What a frozen audio encoder makes of sound files, computed once and kept on disk. Frames and clip
---vectors are those of `model:audio`; each file has an entry of its own, in float16.
---@class nightjar.features
---@overload fun(dir: string, options: table): nightjar.FeatureStore?, string?, string?
nj.features = {}

---@class nightjar.FeatureOptions
---@field model? any whose audio tower is used: a nightjar.Model or a captioner; or
---@field encoder? nightjar.Encoder an audio encoder, with
---@field front_end? nightjar.FrontEnd by default that which goes with it
---@field max_seconds? number longer sounds are cut; 30 when left out
---@field dtype? "float16"|"float32" float16 when left out
---@field check? "stat"|"content" a file is known by its path, size and time (when left out) or by its bytes

---Opens a store, making its folder. Several encoders may share one. `nj.features(dir, options)` is the same.
---@param dir string
---@param options nightjar.FeatureOptions
---@return nightjar.FeatureStore?
---@return string? message
---@return string? code
function nj.features.open(dir, options) end

---The frames and vectors of all that a loader gives in its first epochs, in memory. Sets the encoder to inference.
---@param encoder any called with (mel, lengths), gives frames, clip and lengths
---@param loader nightjar.Loader without shuffling, where the order matters
---@param options? { epochs?: integer, progress?: nightjar.ProgressOption } epochs (1): of a loader that draws anew, variants of every sound
---@return nightjar.FeaturePool
function nj.features.collect(encoder, loader, options) end

---Several pools as one.
---@param list table[] pools, or tables with frames, clip, lengths and clips
---@return nightjar.FeaturePool
function nj.features.join(list) end

---What one file gave.
---@class nightjar.SoundFeatures
---@field frames nightjar.Tensor (N, C) as the head takes them
---@field clip nightjar.Tensor (C)
---@field tags? nightjar.Tensor (T) of a tagger
---@field step number seconds from frame to frame
---@field seconds number of the sound, as far as it was heard

---@class nightjar.FeatureBatch
---@field frames nightjar.Tensor (B, N, C)
---@field mask nightjar.Tensor uint8 (B, N)
---@field clip nightjar.Tensor (B, C)
---@field tags? nightjar.Tensor (B, T) of a tagger

---Features on disk. Made by `nj.features`.
---@class nightjar.FeatureStore
local FeatureStore = {}

---What the encoder makes of a sound file.
---@param path string
---@return nightjar.SoundFeatures?
---@return boolean|string hit_or_message whether it came from the disk
---@return string? code
function FeatureStore:get(path) end

---The features of a list of clips. Those whose sound cannot be read are left out and listed.
---@param clips nightjar.Clip[] with `path`, `id` and what else they have
---@param options? { memory_mb?: number, progress?: nightjar.ProgressOption } memory_mb: what stays in memory (512)
---@return nightjar.FeatureSet
function FeatureStore:all(clips, options) end

---Removes every entry, those of other encoders too.
---@return integer removed
function FeatureStore:clear() end

---What happened since the store was opened: `unwritten` is what went wrong when an entry could not be
---written, on a full disk say.
---@return { hits: integer, misses: integer, damaged: integer, unwritten: table? }
function FeatureStore:stats() end

---The features of a list of clips, read when they are asked for.
---@class nightjar.FeatureSet
---@field clips nightjar.Clip[] those whose sound could be read
---@field failures { id: string, message: string }[] the others
local FeatureSet = {}

---The features of one clip. Raises when its entry is gone and the sound cannot be read any more.
---@param i integer
---@return nightjar.SoundFeatures
function FeatureSet:get(i) end

---Some clips as head:audio takes them, padded to the longest.
---@param rows integer[]
---@return nightjar.FeatureBatch
function FeatureSet:take(rows) end

---One clip through a model's head, as model:audio gives a sound but without windows: for
---model:similarity.
---@param model nightjar.Model
---@param i integer
---@return { vector: nightjar.Tensor, levels: table, seconds: number }
function FeatureSet:encode(model, i) end

---The features of many clips in memory, frames padded to the longest.
---@class nightjar.FeaturePool
---@field frames nightjar.Tensor (N, T, C); nothing that means anything behind a clip's length
---@field clip nightjar.Tensor (N, C) the encoder's own vectors of the clips
---@field lengths nightjar.Tensor int64 (N)
---@field clips nightjar.Clip[]
local FeaturePool = {}

---Some clips as head:audio takes them.
---@param rows integer[]
---@return nightjar.FeatureBatch
function FeaturePool:take(rows) end

---Fine-tuning on sounds and captions of one's own, over the features of a frozen audio encoder.
---@class nightjar.finetune
---@overload fun(options: nightjar.FinetuneOptions): nightjar.Finetuned?, string?, string?
nj.finetune = {}

---@class nightjar.FinetuneOptions
---@field model? string|nightjar.Model a model, its file or its name, to go on with; or
---@field encoder? { name: string|table, checkpoint: string|table, prefix: string? } an encoder with weights of others, as nj.encoders.from takes them, to begin one with
---@field train nightjar.Dataset
---@field validation nightjar.Dataset chooses the best epoch, the weights of the levels and the calibration
---@field test? nightjar.Dataset unseen
---@field run string folder of checkpoints and log, and of the features when `features` is left out
---@field features? string folder of nj.features; several runs and encoders may share one
---@field out? string the model file to write
---@field dtype? "float32"|"float16" of that file
---@field vocabulary? integer|string|string[] of a new text encoder: the size of one learnt from the captions (2000), a vocab.txt or a list of words
---@field text? { width: integer?, layers: integer?, heads: integer?, feed_forward: integer?, dropout: number?, max: integer? } of a new text encoder: 128, 2, 4; with `encoder` there always is one, with `model` only if `text` or `vocabulary` is given
---@field hci? table levels of the head, as nj.head takes them; the model's when left out
---@field dim? integer width of the shared space; the model's when left out, 256 of a new one
---@field dropout? number of new projections; 0.1 when left out
---@field unfreeze? boolean trains the model's text encoder, too, at a fifth of the rate
---@field extend? boolean new words of the captions become tokens of a WordPiece vocabulary (true)
---@field keep? number how much what the model knows counts against what is new (1; 0: not at all)
---@field rehearse? string[] texts that are to stay where they are; else captions and words that the model knows
---@field epochs? integer 40 when left out
---@field batch? integer 64 when left out
---@field lr? number 1e-3, or 5e-4 where nothing is new
---@field weight_decay? number 0.02 when left out
---@field evaluate_every? integer epochs; 1 when left out
---@field patience? integer evaluations without a better one that are borne; 8 when left out
---@field fusion? table options of head:fit
---@field calibrate? boolean false: scores are not made probabilities
---@field max_seconds? number longer sounds are cut; 30 when left out
---@field check? "stat"|"content" as nj.features takes it
---@field memory_mb? number of features in memory; 1024 when left out
---@field bootstrap? integer resamples of the intervals; 1000 when left out
---@field seed? integer
---@field name? string of the model
---@field progress? nightjar.ProgressOption false: nothing is shown

---Fine-tunes. Raises what is wrong with the options. `nj.finetune(options)` is the same.
---@param options nightjar.FinetuneOptions
---@return nightjar.Finetuned? result
---@return string? message
---@return string? code
function nj.finetune.run(options) end

---What a model is worth on held-out clips.
---@class nightjar.Measured
---@field retrieval nightjar.Retrieval
---@field classes nightjar.Classification? how well each meaning finds its clips, where clips share meanings
---@field recall number mean of R@1, R@5 and R@10 both ways
---@field score number what the best epoch is chosen by: classes' mAP, or recall
local Measured = {}

---The numbers as plain tables, for JSON.
---@return table
function Measured:plain() end

---What came of fine-tuning. Prints as tables.
---@class nightjar.Finetuned
---@field model nightjar.Model
---@field before table<"validation"|"test", nightjar.Measured>
---@field after table<"validation"|"test", nightjar.Measured>
---@field best { epoch: integer, score: number } epoch 0: no epoch was better, the weights are as they were
---@field steps integer
---@field resumed_from integer?
---@field seconds { features: number, training: number }
---@field features { hits: integer, misses: integer, damaged: integer, unwritten: table? }
---@field clips table<"train"|"validation"|"test", integer>
---@field failures { id: string, message: string }[] clips that could not be read
---@field uncaptioned integer clips left out as nothing is said of them
---@field out string?
local Finetuned = {}

---The numbers as plain tables, for JSON.
---@return table
function Finetuned:plain() end

---Logs of one JSON object a line.
---@class nightjar.log
nj.log = {}

---Opens a log; with `keep`, after that many lines of an existing one.
---@param path string
---@param options? {keep: integer?}
---@return nightjar.Log? log
---@return string? message
---@return string? code
function nj.log.open(path, options) end

---Reads a log back; a last line that was cut is left out.
---@param path string
---@return table[]? entries
---@return string? message
---@return string? code
function nj.log.read(path) end

---A log. Made by `nj.log.open`.
---@class nightjar.Log
---@field path string
---@field lines integer
local Log = {}

---Writes an entry.
---@param entry table
---@return nightjar.Log
function Log:write(entry) end

---Closes the file.
function Log:close() end

---Progress of long work: `nj.progress { … }` is `nj.progress.new { … }`.
---@class nightjar.progress
nj.progress = {}

---@class nightjar.ProgressOptions
---@field total? integer
---@field label? string
---@field stream? file* io.stderr when left out
---@field terminal? boolean draw a bar; whether the stream is a terminal when left out
---@field every? number seconds between plain lines; 10 when left out
---@field start? integer done before
---@field clock? fun(): number

---Starts a bar on a terminal, plain lines elsewhere.
---@param options? nightjar.ProgressOptions
---@return nightjar.Progress
function nj.progress.new(options) end

---Seconds as 0:07, 12:30 or 1:02:03.
---@param seconds number
---@return string
function nj.progress.duration(seconds) end

---The option `progress` of every function that takes long: nothing, a bar on standard error, or a function of what is done and the total, nil where that is not known.
---@alias nightjar.ProgressOption boolean|nightjar.Progress|fun(done: integer, total?: integer, ...: any)

---What a function of yours calls as its work goes on, whatever its option `progress` was.
---@param wanted nightjar.ProgressOption?
---@param options? table of the bar, as for `nj.progress.new`
---@return fun(done: integer, total?: integer, ...: any) report also `report:update(done, values)`, `report:message(text)`, `report:finish()`
function nj.progress.report(wanted, options) end

---A bar. Made by `nj.progress`.
---@class nightjar.Progress
local Progress = {}

---Tells how far the work is.
---@param done integer
---@param values? table<string, number|string> shown at the end of the line
---@return nightjar.Progress
function Progress:update(done, values) end

---Writes a line above the bar.
---@param text string
---@return nightjar.Progress
function Progress:message(text) end

---The line as it would be shown now.
---@return string
function Progress:text() end

---Shows the last state and ends the line.
---@return nightjar.Progress
function Progress:finish() end

---What tells files apart, the names that the system resolves, and new files in the place of old ones.
---@class nightjar.files
nj.files = {}

---@class nightjar.FileStat
---@field kind "file"|"directory"|"other"
---@field size integer bytes
---@field mtime integer nanoseconds since 1970, of the data
---@field changed integer nanoseconds since 1970, of the inode
---@field inode integer
---@field device integer

---What the system says of a file.
---@param path string
---@return nightjar.FileStat? stat
---@return string? message
---@return string? code
function nj.files.stat(path) end

---The absolute path without links, "." and "..".
---@param path string
---@return string? path
---@return string? message
---@return string? code
function nj.files.real(path) end

---32 hexadecimal digits, a hash of the file's bytes.
---@param path string
---@return string? digits
---@return string? message
---@return string? code
function nj.files.digest(path) end

---Nanoseconds since 1970, by the clock that stamps files.
---@return integer
function nj.files.now() end

---A file being written under a temporary name beside its target. Made by `nj.files.create`.
---Closed or collected without commit, it leaves nothing.
---@class nightjar.NewFile
local NewFile = {}

---Appends bytes.
---@param ... string|number
---@return true? ok
---@return string? message
---@return string? code
function NewFile:write(...) end

---Replaces bytes that were written before; what is written next goes to the end.
---@param at integer place of the first, from 0 on
---@param bytes string
---@return true? ok
---@return string? message
---@return string? code
function NewFile:patch(at, bytes) end

---Writes all to the disk and gives the file its name. On errors the old file stays and nothing is left
---of the new one; only when the folder cannot be synced in the end, the new one is there already, and a
---loss of power may take it back. Either way the object is closed.
---@return true? ok
---@return string? message
---@return string? code
function NewFile:commit() end

---Removes what was written; after commit, nothing.
function NewFile:discard() end

---Begins a file that takes the place of another whole or not at all, also at a loss of power. It is
---written as "NAME.nightjar-0.part" beside its target; what a killed writer left under such a name goes
---with the next writing to that target. Everything in nightjar that writes files does it in this way.
---A symbolic link stays and what it names is replaced; what is no regular file is refused, and so is a
---link of another user in a folder that everybody may write to. Permissions stay as they were.
---@param path string
---@return nightjar.NewFile? file
---@return string? message
---@return string? code
function nj.files.create(path) end

---What Lua's own library does not tell about the process.
---@class nightjar.system
nj.system = {}

---Seconds since some fixed moment; never jumps.
---@return number
function nj.system.clock() end

---Whether a file is a terminal.
---@param file file*
---@return boolean
function nj.system.is_terminal(file) end

---Width of a terminal in characters.
---@param file file*
---@return integer?
function nj.system.columns(file) end

---Bytes of the process in memory, where the system tells.
---@return integer?
function nj.system.resident() end

---Returns when a file's bytes, or a folder's names, are on the disk.
---@param path string
---@return true? ok
---@return string? message
---@return string? code
function nj.system.sync(path) end

---string.format's text as it is in the C locale: numbers with a point, whatever os.setlocale says.
---@param format string
---@param ... any
---@return string
function nj.system.format(format, ...) end

---Sleeps; an interrupt raises.
---@param seconds number in [0, 1]
function nj.system.sleep(seconds) end

-- ---- BM25 ----

---BM25 over an inverted index. Made by `nj.bm25`.
---@class nightjar.Bm25
---@field documents integer
---@field words integer distinct ones
---@field mean_length number words a document
local Bm25 = {}

---An index of documents for BM25 (Robertson): the usual ranking by shared words, with
---idf = ln(1 + (N − n + ½) / (n + ½)). Nothing is stemmed and no word is left out.
---@param documents (string|string[])[] each a text, or several that count as one: the captions of a clip
---@param options? { k1?: number, b?: number, tokenize?: fun(text: string): string[] } k1: how soon repetitions stop counting, default 1.2; b: how much long documents are held back, default 0.75; tokenize: what words are, default runs of letters, digits and apostrophes in lower case
---@return nightjar.Bm25
function nj.bm25(documents, options) end

---Scores of every document for every query; 0 where no word is shared.
---@param queries string[]
---@return nightjar.Tensor (queries, documents) float32
function Bm25:scores(queries) end

---The best documents for one query, those that share at least one word with it; ties by number.
---@param query string
---@param k? integer at most so many, default 10
---@return { document: integer, score: number }[]
function Bm25:search(query, k) end

-- ---- metrics ----

---Metrics. Scores of retrieval are (texts, clips), greater is better.
---@class nightjar.metrics
nj.metrics = {}

---How clips with equal scores are ranked.
---@alias nightjar.Ties "stable"|"optimistic"|"pessimistic"|"mean"

---@class nightjar.MetricOptions
---@field ties? nightjar.Ties "stable" when left out: the lower index first
---@field bootstrap? integer resamples of clips; 1000 when left out, 0 for no intervals
---@field confidence? number 0.95 when left out
---@field seed? integer of the resamples; 1 when left out

---@class nightjar.RetrievalOptions: nightjar.MetricOptions
---@field clip_of? integer[]|nightjar.Tensor the clip (column) of each text (row)
---@field captions_per_clip? integer instead: texts sorted by clip, so many each

---Retrieval in one direction: fields "R@1", "R@5", "R@10", "R@50" and "mAP@10" too, in percent.
---@class nightjar.RetrievalDirection
---@field median_rank integer
---@field mean_rank number
---@field queries integer
---@field gallery integer
---@field ci table<string, number[]>? { low, high } of each number
---@field chance table<string, number> what ranking at random would score
---@field ranks number[]? 0-based rank of each query's best item

---What `nj.metrics.retrieval` found; prints as a table.
---@class nightjar.Retrieval
---@field clips integer
---@field captions integer
---@field text_to_audio nightjar.RetrievalDirection
---@field audio_to_text nightjar.RetrievalDirection
---@field dcase {text_to_audio: nightjar.RetrievalDirection, audio_to_text: nightjar.RetrievalDirection}
local Retrieval = {}

---The numbers as plain tables, for JSON.
---@return table
function Retrieval:plain() end

---Measures retrieval in both directions, by both definitions, with intervals and chance.
---@param scores nightjar.Tensor|number[][] (texts, clips)
---@param options? nightjar.RetrievalOptions
---@return nightjar.Retrieval
function nj.metrics.retrieval(scores, options) end

---@class nightjar.RelevanceOptions: nightjar.MetricOptions
---@field relevant (integer|integer[])[] for each query its relevant items (1-based columns), not empty
---@field clusters? any[] for each query the name of its cluster: these are resampled

---What `nj.metrics.relevance` found; prints as a table. Also R@1, R@5, R@10, mAP@10 and mAP@16, percent.
---@class nightjar.Relevance
---@field mAP number percent
---@field mean_rank number of the best relevant item, 1-based
---@field ci table<string, number[]>?
---@field chance table<string, number>
---@field queries integer
---@field gallery integer
---@field relevant number the mean number of relevant items
---@field clusters integer
---@field ranks number[] 0-based, of the best relevant item, one a query
local Relevance = {}

---The numbers as plain tables, for JSON.
---@return table
function Relevance:plain() end

---Measures a ranking of items for queries that may have several relevant ones: R@k, mAP, mAP@10, mAP@16.
---@param scores nightjar.Tensor|number[][] (queries, items), greater is better
---@param options nightjar.RelevanceOptions
---@return nightjar.Relevance
function nj.metrics.relevance(scores, options) end

---@class nightjar.ClassificationOptions: nightjar.MetricOptions
---@field labels (integer|integer[])[]|nightjar.Tensor class (row) of each clip (column), or a list of them
---@field clusters? any[] the recording of each clip: these are resampled
---@field names? string[] of the classes

---What `nj.metrics.classification` found; prints as a table.
---@class nightjar.Classification
---@field mAP number percent, over the classes
---@field accuracy number? percent; "accuracy@5" too
---@field ap number[] of each class
---@field ci table<string, number[]>?
---@field chance table<string, number>
---@field clips integer
---@field classes integer
---@field confusion integer[][]? of single-label clips: how many of a class (row) score highest for a class (column)
local Classification = {}

---What is taken for what most often, the most first.
---@param k? integer how many pairs at most (10)
---@return { class: integer, taken_for: integer, clips: integer, of: integer, name: string?, taken_for_name: string? }[]
function Classification:confusions(k) end

---The numbers as plain tables, for JSON.
---@return table
function Classification:plain() end

---Measures how the caption of a class finds its clips, and how clips find their class.
---@param scores nightjar.Tensor|number[][] (classes, clips)
---@param options nightjar.ClassificationOptions
---@return nightjar.Classification
function nj.metrics.classification(scores, options) end

---0-based ranks of the relevant items of each query.
---@param scores nightjar.Tensor|number[][] (queries, items)
---@param relevant (integer|integer[])[] relevant items of each query
---@param options? {ties: nightjar.Ties?}
---@return number[][]
function nj.metrics.ranks(scores, relevant, options) end

---Average precision of each query, in [0, 1].
---@param scores nightjar.Tensor|number[][] (queries, items)
---@param relevant (integer|integer[])[] relevant items of each query
---@param options? {ties: nightjar.Ties?, cutoff: integer?}
---@return number[]
function nj.metrics.average_precision(scores, relevant, options) end

---Whether words point at the right seconds. Rates are percent.
---@class nightjar.Alignment
---@field pointing number phrases whose best frame lies where their sound is
---@field AP number frame-level average precision, the mean over phrases
---@field chance {pointing: number, AP: number} of a random order of the frames
---@field ci {pointing: number[], AP: number[]}
---@field phrases integer that count
---@field skipped integer that sound in all frames or in none
---@field clips integer
local Alignment = {}

---Numbers alone, for JSON.
---@return table
function Alignment:plain() end

---Judges maps of phrases over time by known seconds.
---@param phrases table[] `scores` of every frame, `times` ({ from, to } of every frame, seconds), `intervals` ({ from, to } in which the phrase's sound is), `clip` (what resampling draws)
---@param options? table `bootstrap` (1000), `confidence` (0.95), `seed`
---@return nightjar.Alignment
function nj.metrics.alignment(phrases, options) end
---How much captions agree with references, word by word: each against the reference that it agrees with best, means over clips in percent.
---@param captions string[] one of each clip
---@param references string[][] of each clip
---@return {n: integer, word_f1: number, bigram_f1: number, exact: number, words: number, distinct: integer}
function nj.metrics.captions(captions, references) end

---What ranking at random scores, computed for n relevant items among N; rates are fractions.
---@class nightjar.metrics.chance
nj.metrics.chance = {}

---P(no relevant item in the first k).
---@param items integer
---@param relevant integer
---@param k integer
---@return number
function nj.metrics.chance.none_in_first(items, relevant, k) end

---P(a relevant item in the first k).
---@param items integer
---@param relevant integer
---@param k integer
---@return number
function nj.metrics.chance.hit(items, relevant, k) end

---Expected share of the relevant items in the first k.
---@param items integer
---@param k integer
---@return number
function nj.metrics.chance.recall(items, k) end

---Expected average precision.
---@param items integer
---@param relevant integer
---@param cutoff? integer
---@return number
function nj.metrics.chance.average_precision(items, relevant, cutoff) end

---Expected rank, from 1, of the best relevant item.
---@param items integer
---@param relevant integer
---@return number
function nj.metrics.chance.mean_rank(items, relevant) end

---Median rank, from 1, of the best relevant item over queries.
---@param items integer
---@param queries table<integer, integer> number of relevant items to number of queries
---@return integer
function nj.metrics.chance.median_rank(items, queries) end

-- ---- tensors: products and rows ----

---The matrix product, as in NumPy: (…, m, k) · (…, k, n), leading dimensions broadcast; a vector
---loses its dimension again. `x:mm(y)` is the same.
---@param y nightjar.Tensor
---@return nightjar.Tensor
function Tensor:matmul(y) end

---Another name of `matmul`.
---@param y nightjar.Tensor
---@return nightjar.Tensor
function Tensor:mm(y) end

---exp(x) over the sum of exp(x) along a dimension. A row of nothing but -inf becomes NaN.
---@param dim? integer the last when left out
---@return nightjar.Tensor
function Tensor:softmax(dim) end

---The logarithm of softmax.
---@param dim? integer the last when left out
---@return nightjar.Tensor
function Tensor:log_softmax(dim) end

---The nearest point of the simplex, softmax's sparse relative: max(x - t, 0) with the t that makes it add up to 1.
---@param dim? integer the last when left out
---@return nightjar.Tensor
function Tensor:sparsemax(dim) end

---x over its length along a dimension, or over eps where that is larger.
---@param dim? integer the last when left out
---@param options? nightjar.EpsOptions eps is 1e-12 when left out
---@return nightjar.Tensor
function Tensor:normalize(dim, options) end

-- ---- tensors: elementwise ----

----x.
---@return nightjar.Tensor
function Tensor:neg() end

---|x|.
---@return nightjar.Tensor
function Tensor:abs() end

----1, 0 or 1; NaN of NaN.
---@return nightjar.Tensor
function Tensor:sign() end

---e^x.
---@return nightjar.Tensor
function Tensor:exp() end

---e^x - 1, exact near 0.
---@return nightjar.Tensor
function Tensor:expm1() end

---The natural logarithm.
---@return nightjar.Tensor
function Tensor:log() end

---ln(1 + x), exact near 0.
---@return nightjar.Tensor
function Tensor:log1p() end

---The logarithm to base 2.
---@return nightjar.Tensor
function Tensor:log2() end

---The logarithm to base 10.
---@return nightjar.Tensor
function Tensor:log10() end

---The square root.
---@return nightjar.Tensor
function Tensor:sqrt() end

---1 / sqrt(x).
---@return nightjar.Tensor
function Tensor:rsqrt() end

---x * x.
---@return nightjar.Tensor
function Tensor:square() end

---1 / x.
---@return nightjar.Tensor
function Tensor:reciprocal() end

---The sine of radians.
---@return nightjar.Tensor
function Tensor:sin() end

---The cosine of radians.
---@return nightjar.Tensor
function Tensor:cos() end

---The hyperbolic tangent.
---@return nightjar.Tensor
function Tensor:tanh() end

---1 / (1 + e^-x).
---@return nightjar.Tensor
function Tensor:sigmoid() end

---The error function.
---@return nightjar.Tensor
function Tensor:erf() end

---x where positive, else 0.
---@return nightjar.Tensor
function Tensor:relu() end

---x times the normal distribution function of x.
---@return nightjar.Tensor
function Tensor:gelu() end

---GELU's approximation by tanh (GPT-2's).
---@return nightjar.Tensor
function Tensor:gelu_tanh() end

---x * sigmoid(x).
---@return nightjar.Tensor
function Tensor:silu() end

---x * clamp(x + 3, 0, 6) / 6.
---@return nightjar.Tensor
function Tensor:hardswish() end

---clamp(x + 3, 0, 6) / 6.
---@return nightjar.Tensor
function Tensor:hardsigmoid() end

---ln(1 + e^x).
---@return nightjar.Tensor
function Tensor:softplus() end

---The next integer below.
---@return nightjar.Tensor
function Tensor:floor() end

---The next integer above.
---@return nightjar.Tensor
function Tensor:ceil() end

---The nearest integer, halves to even.
---@return nightjar.Tensor
function Tensor:round() end

---The integer part.
---@return nightjar.Tensor
function Tensor:trunc() end

---`neg` in place.
---@return nightjar.Tensor self
function Tensor:neg_() end

---`abs` in place.
---@return nightjar.Tensor self
function Tensor:abs_() end

---`sign` in place.
---@return nightjar.Tensor self
function Tensor:sign_() end

---`exp` in place.
---@return nightjar.Tensor self
function Tensor:exp_() end

---`expm1` in place.
---@return nightjar.Tensor self
function Tensor:expm1_() end

---`log` in place.
---@return nightjar.Tensor self
function Tensor:log_() end

---`log1p` in place.
---@return nightjar.Tensor self
function Tensor:log1p_() end

---`log2` in place.
---@return nightjar.Tensor self
function Tensor:log2_() end

---`log10` in place.
---@return nightjar.Tensor self
function Tensor:log10_() end

---`sqrt` in place.
---@return nightjar.Tensor self
function Tensor:sqrt_() end

---`rsqrt` in place.
---@return nightjar.Tensor self
function Tensor:rsqrt_() end

---`square` in place.
---@return nightjar.Tensor self
function Tensor:square_() end

---`reciprocal` in place.
---@return nightjar.Tensor self
function Tensor:reciprocal_() end

---`sin` in place.
---@return nightjar.Tensor self
function Tensor:sin_() end

---`cos` in place.
---@return nightjar.Tensor self
function Tensor:cos_() end

---`tanh` in place.
---@return nightjar.Tensor self
function Tensor:tanh_() end

---`sigmoid` in place.
---@return nightjar.Tensor self
function Tensor:sigmoid_() end

---`erf` in place.
---@return nightjar.Tensor self
function Tensor:erf_() end

---`relu` in place.
---@return nightjar.Tensor self
function Tensor:relu_() end

---`gelu` in place.
---@return nightjar.Tensor self
function Tensor:gelu_() end

---`gelu_tanh` in place.
---@return nightjar.Tensor self
function Tensor:gelu_tanh_() end

---`silu` in place.
---@return nightjar.Tensor self
function Tensor:silu_() end

---`hardswish` in place.
---@return nightjar.Tensor self
function Tensor:hardswish_() end

---`hardsigmoid` in place.
---@return nightjar.Tensor self
function Tensor:hardsigmoid_() end

---`softplus` in place.
---@return nightjar.Tensor self
function Tensor:softplus_() end

---`floor` in place.
---@return nightjar.Tensor self
function Tensor:floor_() end

---`ceil` in place.
---@return nightjar.Tensor self
function Tensor:ceil_() end

---`round` in place.
---@return nightjar.Tensor self
function Tensor:round_() end

---`trunc` in place.
---@return nightjar.Tensor self
function Tensor:trunc_() end

---x + y. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:add(other) end

---x - y. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:sub(other) end

---x * y, element by element. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:mul(other) end

---x / y; float32 of two integers. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:div(other) end

---x ^ y. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:pow(other) end

---The larger of each pair; NaN wins. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:maximum(other) end

---The smaller of each pair; NaN wins. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:minimum(other) end

---The angle in radians whose tangent is self / other, in the right quadrant. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:atan2(other) end

---The remainder with x's sign, as C has it. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:fmod(other) end

---The remainder with y's sign, as Lua's %. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:mod(other) end

---The quotient rounded down, as Lua's //; no gradient. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:floor_div(other) end

---x * scale + shift in one pass. Integers become float32.
---@param scale number
---@param shift? number 0 when left out
---@return nightjar.Tensor
function Tensor:affine(scale, shift) end

---Between low and high; nil bounds nothing, NaN stays NaN.
---@param low? number
---@param high? number
---@return nightjar.Tensor
function Tensor:clamp(low, high) end

---x where positive, else slope * x.
---@param slope? number 0.01 when left out
---@return nightjar.Tensor
function Tensor:leaky_relu(slope) end

---Where x == y: a uint8 mask. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:eq(other) end

---Where x ~= y: a uint8 mask. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:ne(other) end

---Where x < y: a uint8 mask. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:lt(other) end

---Where x <= y: a uint8 mask. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:le(other) end

---Where x > y: a uint8 mask. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:gt(other) end

---Where x >= y: a uint8 mask. Shapes broadcast.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:ge(other) end

---A uint8 mask of where both are not 0.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:logical_and(other) end

---A uint8 mask of where one or both are not 0.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:logical_or(other) end

---A uint8 mask of where one and only one is not 0.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor
function Tensor:logical_xor(other) end

---A uint8 mask of where x is 0.
---@return nightjar.Tensor
function Tensor:logical_not() end

---A uint8 mask of where x is NaN.
---@return nightjar.Tensor
function Tensor:isnan() end

---A uint8 mask of where x is infinite.
---@return nightjar.Tensor
function Tensor:isinf() end

---A uint8 mask of where x is neither NaN nor infinite.
---@return nightjar.Tensor
function Tensor:isfinite() end

---x, with `value` where the mask is not 0.
---@param mask nightjar.Tensor uint8; broadcasts to x
---@param value number
---@return nightjar.Tensor
function Tensor:masked_fill(mask, value) end

---Whether shapes and all elements are equal. NaN equals nothing.
---@param other nightjar.Tensor
---@return boolean
function Tensor:equal(other) end

---@class nightjar.CloseOptions
---@field rtol? number relative tolerance; 1e-5 when left out
---@field atol? number absolute tolerance; 1e-8 when left out
---@field equal_nan? boolean NaN is close to NaN

---Whether |x - y| <= atol + rtol * |y| everywhere.
---@param other nightjar.Tensor|number
---@param options? nightjar.CloseOptions
---@return boolean
function Tensor:allclose(other, options) end

---`x:equal(y)` as a function.
---@param x nightjar.Tensor
---@param y nightjar.Tensor
---@return boolean
function nj.equal(x, y) end

---`x:allclose(y)` as a function.
---@param x nightjar.Tensor
---@param y nightjar.Tensor|number
---@param options? nightjar.CloseOptions
---@return boolean
function nj.allclose(x, y, options) end

---Elements of a where cond is not 0, else of b. Shapes broadcast.
---@param cond nightjar.Tensor
---@param a nightjar.Tensor|number
---@param b nightjar.Tensor|number
---@return nightjar.Tensor
function nj.where(cond, a, b) end

---The larger of each pair; one of them may be a number.
---@param a nightjar.Tensor|number
---@param b nightjar.Tensor|number
---@return nightjar.Tensor
function nj.maximum(a, b) end

---The smaller of each pair; one of them may be a number.
---@param a nightjar.Tensor|number
---@param b nightjar.Tensor|number
---@return nightjar.Tensor
function nj.minimum(a, b) end

---The angle in radians of each point (x, y).
---@param y nightjar.Tensor|number
---@param x nightjar.Tensor|number
---@return nightjar.Tensor
function nj.atan2(y, x) end

-- ---- tensors: in place ----

---Copies the values of another tensor, broadcast and converted, or a number.
---@param from nightjar.Tensor|number
---@return nightjar.Tensor self
function Tensor:copy_(from) end

---Sets every element.
---@param value number
---@return nightjar.Tensor self
function Tensor:fill_(value) end

---Sets every element to 0.
---@return nightjar.Tensor self
function Tensor:zero_() end

---x = x + alpha * other.
---@param other nightjar.Tensor|number
---@param alpha? number 1 when left out
---@return nightjar.Tensor self
function Tensor:add_(other, alpha) end

---x = x - alpha * other.
---@param other nightjar.Tensor|number
---@param alpha? number 1 when left out
---@return nightjar.Tensor self
function Tensor:sub_(other, alpha) end

---`mul` in place.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor self
function Tensor:mul_(other) end

---`div` in place.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor self
function Tensor:div_(other) end

---`pow` in place.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor self
function Tensor:pow_(other) end

---`maximum` in place.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor self
function Tensor:maximum_(other) end

---`minimum` in place.
---@param other nightjar.Tensor|number
---@return nightjar.Tensor self
function Tensor:minimum_(other) end

---x = x + weight * (other - x).
---@param other nightjar.Tensor|number
---@param weight number
---@return nightjar.Tensor self
function Tensor:lerp_(other, weight) end

---x = x * scale + shift.
---@param scale number
---@param shift? number
---@return nightjar.Tensor self
function Tensor:affine_(scale, shift) end

---`clamp` in place.
---@param low? number
---@param high? number
---@return nightjar.Tensor self
function Tensor:clamp_(low, high) end

---`masked_fill` in place.
---@param mask nightjar.Tensor
---@param value number
---@return nightjar.Tensor self
function Tensor:masked_fill_(mask, value) end

-- ---- tensors: reductions, scans, order ----

---Dimensions count from 1, negative ones from the end; without any, all are reduced.
---@class nightjar.ReduceOptions
---@field keepdim? boolean reduced dimensions stay, with size 1

---The sum.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor
function Tensor:sum(dim, options) end

---The mean; integers give float32.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor
function Tensor:mean(dim, options) end

---The product.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor
function Tensor:prod(dim, options) end

---ln of the sum of e^x, without overflow.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor
function Tensor:logsumexp(dim, options) end

---@class nightjar.SpreadOptions: nightjar.ReduceOptions
---@field unbiased? boolean divides by n - 1; true when left out

---The variance.
---@param dim? integer|integer[]|nightjar.SpreadOptions one dimension, several, or the options
---@param options? nightjar.SpreadOptions
---@return nightjar.Tensor
function Tensor:var(dim, options) end

---The standard deviation.
---@param dim? integer|integer[]|nightjar.SpreadOptions one dimension, several, or the options
---@param options? nightjar.SpreadOptions
---@return nightjar.Tensor
function Tensor:std(dim, options) end

---@class nightjar.NormOptions: nightjar.ReduceOptions
---@field p? number math.huge for the largest magnitude; 2 when left out

---The p-norm.
---@param dim? integer|integer[]|nightjar.NormOptions one dimension, several, or the options
---@param options? nightjar.NormOptions
---@return nightjar.Tensor
function Tensor:norm(dim, options) end

---Whether every element is not 0: a boolean of the whole tensor, a uint8 tensor along dimensions.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return boolean|nightjar.Tensor
function Tensor:all(dim, options) end

---Whether an element is not 0: a boolean of the whole tensor, a uint8 tensor along dimensions.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return boolean|nightjar.Tensor
function Tensor:any(dim, options) end

---The largest element; along one dimension also the first index where it stands. NaN wins.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor values
---@return nightjar.Tensor? indices int64, from 1
function Tensor:max(dim, options) end

---The smallest element; along one dimension also the first index where it stands. NaN wins.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor values
---@return nightjar.Tensor? indices int64, from 1
function Tensor:min(dim, options) end

---The index, from 1, of the first largest element; without a dimension it counts through the flattened tensor.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor int64
function Tensor:argmax(dim, options) end

---The index, from 1, of the first smallest element; without a dimension it counts through the flattened tensor.
---@param dim? integer|integer[]|nightjar.ReduceOptions one dimension, several, or the options
---@param options? nightjar.ReduceOptions
---@return nightjar.Tensor int64
function Tensor:argmin(dim, options) end

---Sums of the elements up to each.
---@param dim integer
---@return nightjar.Tensor
function Tensor:cumsum(dim) end

---Products of the elements up to each.
---@param dim integer
---@return nightjar.Tensor
function Tensor:cumprod(dim) end

---@class nightjar.SortOptions
---@field descending? boolean

---Sorted along a dimension, stably; NaN counts as the largest.
---@param dim? integer|nightjar.SortOptions the last when left out
---@param options? nightjar.SortOptions
---@return nightjar.Tensor values
---@return nightjar.Tensor indices int64, from 1
function Tensor:sort(dim, options) end

---The indices that sort.
---@param dim? integer|nightjar.SortOptions the last when left out
---@param options? nightjar.SortOptions
---@return nightjar.Tensor indices int64, from 1
function Tensor:argsort(dim, options) end

---@class nightjar.TopkOptions
---@field largest? boolean true when left out

---The k largest (or smallest) along a dimension, best first.
---@param k integer
---@param dim? integer|nightjar.TopkOptions the last when left out
---@param options? nightjar.TopkOptions
---@return nightjar.Tensor values
---@return nightjar.Tensor indices int64, from 1
function Tensor:topk(k, dim, options) end

-- ---- tensors: random ----

---@class nightjar.RngOption
---@field rng? nightjar.Rng the generator to draw from; the default one when left out

---@class nightjar.WeightsOption
---@field rng? nightjar.Rng|false draws the weights; the default generator when left out, false leaves drawn weights zero, since they are about to be loaded

---@class nightjar.RandomOptions: nightjar.TensorOptions
---@field rng? nightjar.Rng

---@class nightjar.RandOptions: nightjar.RandomOptions
---@field low? number 0 when left out
---@field high? number 1 when left out

---@class nightjar.RandnOptions: nightjar.RandomOptions
---@field mean? number 0 when left out
---@field std? number 1 when left out

---Even numbers from [low, high).
---@param shape integer|integer[] as in `nj.zeros`
---@param ... integer|nightjar.RandOptions more sizes, then options
---@return nightjar.Tensor
function nj.rand(shape, ...) end

---Numbers of the normal distribution.
---@param shape integer|integer[] as in `nj.zeros`
---@param ... integer|nightjar.RandnOptions more sizes, then options
---@return nightjar.Tensor
function nj.randn(shape, ...) end

---Integers from low to high, both included; int64 unless told otherwise.
---@param low integer
---@param high integer
---@param shape integer|integer[] as in `nj.zeros`
---@param ... integer|nightjar.RandomOptions more sizes, then options
---@return nightjar.Tensor
function nj.randint(low, high, shape, ...) end

---1 to n in random order, int64.
---@param n integer
---@param options? nightjar.RngOption
---@return nightjar.Tensor
function nj.randperm(n, options) end

---1 with the probability that each element tells, else 0.
---@param options? nightjar.RngOption
---@return nightjar.Tensor
function Tensor:bernoulli(options) end

---@class nightjar.MultinomialOptions: nightjar.RngOption
---@field replacement? boolean an index may come more than once

---k indices, from 1, drawn in proportion to the elements of each row.
---@param k integer
---@param options? nightjar.MultinomialOptions
---@return nightjar.Tensor int64
function Tensor:multinomial(k, options) end

---@class nightjar.DropoutOptions: nightjar.RngOption
---@field training? boolean false: nothing is dropped; true when left out

---Zeroes elements with probability p and scales the rest by 1 / (1 - p).
---@param p number
---@param options? nightjar.DropoutOptions
---@return nightjar.Tensor
function Tensor:dropout(p, options) end

---Even numbers from [low, high) in place.
---@param low? number|nightjar.RngOption 0 when left out
---@param high? number|nightjar.RngOption 1 when left out
---@param options? nightjar.RngOption
---@return nightjar.Tensor self
function Tensor:uniform_(low, high, options) end

---Numbers of the normal distribution in place.
---@param mean? number|nightjar.RngOption 0 when left out
---@param std? number|nightjar.RngOption 1 when left out
---@param options? nightjar.RngOption
---@return nightjar.Tensor self
function Tensor:normal_(mean, std, options) end

-- ---- gradients ----

---Computes the gradients of the leaves that this tensor was made of, adding to their `grad`. Frees what the graph kept, unless told to retain it. A tensor of more than one element needs a gradient of its own shape.
---@param grad? nightjar.Tensor|{retain_graph: boolean?} what arrives here; ones when left out
---@param options? {retain_graph: boolean?}
function Tensor:backward(grad, options) end

---f(gradient) sees each gradient that arrives at this leaf, and may return another in its place. nil removes the hook.
---@param f? fun(grad: nightjar.Tensor): nightjar.Tensor?
---@return nightjar.Tensor self
function Tensor:register_hook(f) end

---Makes the tensor a leaf that gathers gradients, or stops it.
---@param wanted? boolean true when left out
---@return nightjar.Tensor self
function Tensor:requires_grad_(wanted) end

---Forgets the gradient gathered so far.
---@return nightjar.Tensor self
function Tensor:zero_grad() end

---The same values outside of the graph; the storage is shared.
---@return nightjar.Tensor
function Tensor:detach() end

---Calls f(...) without recording, and gives what it gives. f may not yield.
---@param f function
---@param ... any arguments of f
---@return any ...
function nj.no_grad(f, ...) end

---Calls f(...) and records, even inside `nj.no_grad`.
---@param f function
---@param ... any arguments of f
---@return any ...
function nj.enable_grad(f, ...) end

---Whether operations are recorded now.
---@return boolean
function nj.grad_enabled() end

---Differentiable operations written in Lua.
---@class nightjar.autograd
nj.autograd = {}

---@class nightjar.CustomOperation
---@field name? string for error messages
---@field forward fun(ctx: nightjar.autograd.Context, ...): nightjar.Tensor runs unrecorded
---@field backward fun(ctx: nightjar.autograd.Context, grad: nightjar.Tensor): ... one gradient or nil for each tensor argument, in order

---A function that is recorded as one operation:
---
---    local square = nj.autograd.custom {
---      forward = function(ctx, x) ctx:save(x) return x * x end,
---      backward = function(ctx, g) local x = ctx:saved() return 2 * x * g end,
---    }
---@param operation nightjar.CustomOperation
---@return fun(...): nightjar.Tensor
function nj.autograd.custom(operation) end

---What forward keeps for backward; fields of any other name may be set as well.
---@class nightjar.autograd.Context
local Context = {}

---Keeps up to 8 tensors, guarded against writes in place.
---@param ... nightjar.Tensor
function Context:save(...) end

---The tensors that were saved.
---@return nightjar.Tensor ...
function Context:saved() end

---`x:dropout` as a function.
---@param x nightjar.Tensor
---@param p number
---@param options? nightjar.DropoutOptions
---@return nightjar.Tensor
function nj.nn.dropout(x, p, options) end

-- ---- files of tensors ----

---Files of named tensors: safetensors, and torch checkpoints (.pth, .pt, .ckpt, .bin, .th).
---@class nightjar.store
nj.store = {}

---What a file holds, without reading the tensors.
---@param path string
---@return {container: string, metadata: table<string, string|number|boolean>, entries: {name: string, dtype: string, shape: integer[], bytes: integer}[]}?
---@return string? message
---@return string? code
function nj.store.info(path) end

---Reads a file: tensors by name, their names in the file's order, and its metadata. The file is
---mapped, and tensors are views of it where types allow (float16 and bfloat16 become float32, int16
---and int8 become int32, bool becomes uint8). Of a torch checkpoint, levels of the names are joined by
---"/", strides and shared storages are kept, and metadata holds the plain values beside the tensors;
---nothing in the file is run, and what is no tensor or plain container is refused by name.
---@param path string
---@return {tensors: table<string, nightjar.Tensor>, names: string[], metadata: table<string, string|number|boolean>}?
---@return string? message
---@return string? code
function nj.store.load(path) end

---@class nightjar.store.SaveOptions
---@field dtype? "float32"|"float16"|"bfloat16" how floats are stored; "float32", the default, leaves all as they are

---Writes a safetensors file, which appears whole or not at all. Also gives the names of float tensors
---that options.dtype could not hold (a value would become infinite), which are stored as they are.
---@param path string
---@param tensors table<string, nightjar.Tensor>
---@param metadata? table<string, string>
---@param options? nightjar.store.SaveOptions
---@return true?
---@return string[]|string kept or message
---@return string? code
function nj.store.save(path, tensors, metadata, options) end

---What the tensors of checkpoints tell about the models that they belong to.
---@class nightjar.families
nj.families = {}

---Tensors by name as recognise takes them.
---@param tensors table<string, nightjar.Tensor>
---@return {name: string, shape: integer[]}[] entries by name
function nj.families.entries(tensors) end

---The family of a checkpoint by the names and shapes of its tensors: PANNs, HTS-AT, EfficientAT, BERT,
---RoBERTa, GPT-2, LAION-CLAP, Hugging Face's ClapModel, WavCaps, MGA-CLAP, audio-text_retrieval, MS-CLAP.
---nil when it is none of them. `prefix` stands before the names; whole models have an audio and a text part.
---@param entries {name: string, shape: integer[]}[] as nj.store.info gives them
---@return {family: string, title: string, prefix: string, details: table?, audio: table?, text: table?}?
function nj.families.recognise(entries) end

-- ---- words in ----

---Unicode normalisation and tokenisation.
---@class nightjar.text
nj.text = {}

---@class nightjar.NormalizeOptions
---@field form? "none"|"NFC"|"NFD"|"NFKC"|"NFKD"
---@field clean? "none"|"wavcaps" what a data set's own code does to captions
---@field lower? boolean
---@field casefold? boolean
---@field strip_accents? boolean

---A text in a normal form. Bytes that are no UTF-8 become U+FFFD.
---@param text string
---@param options? nightjar.NormalizeOptions
---@return string
function nj.text.normalize(text, options) end

---@class nightjar.WordPieceOptions
---@field lower? boolean lower case and no accents, as "uncased" vocabularies want; true when left out
---@field strip_accents? boolean as `lower` when left out
---@field ideographs? boolean CJK characters become words; true when left out
---@field max_word? integer longer words are unknown
---@field prefix? string of pieces inside a word; "##" when left out
---@field pad? string|boolean a token, or false for none
---@field unk? string|boolean
---@field cls? string|boolean
---@field sep? string|boolean
---@field mask? string|boolean
---@field specials? string[] more tokens that are never split

---BERT's tokeniser, from vocab.txt or a list of tokens.
---@param vocabulary string|string[]
---@param options? nightjar.WordPieceOptions
---@return nightjar.Tokenizer?
---@return string? message
---@return string? code
function nj.text.wordpiece(vocabulary, options) end

---@class nightjar.BpeOptions
---@field prefix_space? boolean a space goes before the first word
---@field pad? string|boolean a token, or false for none
---@field unk? string|boolean
---@field cls? string|boolean
---@field sep? string|boolean
---@field mask? string|boolean
---@field specials? string[] more tokens that are never split

---GPT-2's and RoBERTa's byte-level tokeniser, from vocab.json and merges.txt or lists.
---@param vocabulary string|string[]
---@param merges string|string[]
---@param options? nightjar.BpeOptions
---@return nightjar.Tokenizer?
---@return string? message
---@return string? code
function nj.text.bpe(vocabulary, merges, options) end

---@class nightjar.TrainWordPieceOptions
---@field size? integer tokens of the vocabulary, at most
---@field min_frequency? integer of a pair that is joined
---@field alphabet? integer characters kept, the most frequent
---@field specials? string[] the first tokens
---@field lower? boolean
---@field strip_accents? boolean
---@field ideographs? boolean
---@field max_word? integer
---@field prefix? string

---Learns a WordPiece vocabulary from lines of text.
---@param lines string[]
---@param options? nightjar.TrainWordPieceOptions
---@return string[] tokens
function nj.text.train_wordpiece(lines, options) end

---A tokeniser. Ids count from 0, as vocabulary files do; positions in a text from 1.
---@class nightjar.Tokenizer
local Tokenizer = {}

---@class nightjar.EncodeOptions
---@field special? boolean adds [CLS] and [SEP]; true when left out
---@field parse? boolean special tokens written in the text count as such
---@field max? integer tokens; the rest is cut

---@class nightjar.Encoding
---@field ids integer[]
---@field tokens string[]
---@field offsets integer[][] {first, last} byte of each token in the text
---@field words integer[] the word that each token belongs to
---@field special integer[] 1 for added tokens

---Everything about the tokens of a text.
---@param text string
---@param options? nightjar.EncodeOptions
---@return nightjar.Encoding
function Tokenizer:encode(text, options) end

---The ids of a text.
---@param text string
---@param options? nightjar.EncodeOptions
---@return integer[]
function Tokenizer:ids(text, options) end

---The tokens of a text.
---@param text string
---@param options? nightjar.EncodeOptions
---@return string[]
function Tokenizer:tokens(text, options) end

---@class nightjar.BatchEncodeOptions: nightjar.EncodeOptions
---@field pad? "longest"|integer the width of the result

---Texts as tensors, encoded on the pool.
---@param texts string[]
---@param options? nightjar.BatchEncodeOptions
---@return nightjar.Tensor ids (B, N) int64
---@return nightjar.Tensor mask (B, N) uint8, 1 where there is a token
---@return nightjar.Tensor special (B, N) uint8
function Tokenizer:batch(texts, options) end

---@class nightjar.DecodeTextOptions
---@field special? boolean writes special tokens out; left out of the text when left out
---@field tidy? boolean of WordPiece: no space before punctuation and inside n't, 's and their like; true when left out

---The text of ids.
---@param ids integer[]|nightjar.Tensor
---@param options? nightjar.DecodeTextOptions special: keeps added tokens; tidy: spaces as people write them (true when left out)
---@return string
function Tokenizer:decode(ids, options) end

---The number of tokens.
---@return integer
function Tokenizer:size() end

---The id of a token.
---@param token string
---@return integer?
function Tokenizer:id(token) end

---The token of an id.
---@param id integer
---@return string?
function Tokenizer:token(id) end

---All tokens, by id from 0: the first is item 1.
---@return string[]
function Tokenizer:vocabulary() end

---The merges of a byte-level tokeniser; nil of WordPiece.
---@return string[]?
function Tokenizer:merges() end

---The ids of the special tokens that there are.
---@return {pad: integer?, unk: integer?, cls: integer?, sep: integer?, mask: integer?}
function Tokenizer:special_ids() end

---"wordpiece" or "bpe".
---@return string
function Tokenizer:kind() end

---The options that, with vocabulary and merges, make the same tokeniser again.
---@return table
function Tokenizer:options() end

-- ---- networks ----

---Networks, and what they are made of.
---@class nightjar.encoders
nj.encoders = {}

---@class nightjar.ConvnetOptions: nightjar.WeightsOption
---@field channels integer[] of each block, for example {64, 128, 256, 512}
---@field pool_time? integer[] of each block; 2 for all when left out
---@field pool_mel? integer[]
---@field mels? integer bands of the input; 64 when left out
---@field dropout? number after each block; 0.2 when left out
---@field time_stripes? integer of SpecAugment in training
---@field time_width? integer
---@field freq_stripes? integer
---@field freq_width? integer
---@field convolutions? integer of each block, 1 or 2; 2 when left out (CNN6 has 1)
---@field kernel? integer their size, odd; 3 when left out (CNN6 has 5)
---@field classes? integer of a classifier, fc1 and fc_audioset; none when left out
---@field frames? "plain"|"neighbours" neighbours: each frame's maximum and mean over itself and the two beside it, added, as MGA-CLAP has CNN14's; plain when left out
---@field kind? "convnet"

---A stack of PANNs' blocks of two 3×3 convolutions. `net(mel, lengths, {rng})` gives frames (B, N, C), clip (B, C) and the frames' lengths (B), of mel (B, T, bands).
---@param options nightjar.ConvnetOptions
---@return nightjar.Encoder
function nj.encoders.convnet(options) end

---@class nightjar.MobilenetOptions: nightjar.WeightsOption
---@field width? number of MobileNetV3-Large's channels; 0.4 is mn04, 1 when left out
---@field mels? integer bands of the input; 128 when left out
---@field classes? integer of the classifier, 0: none; 527 when left out
---@field strides? integer[] four of 1 or 2, those of EfficientAT's options; all 2 when left out
---@field dropout? number in the classifier; 0.2 when left out
---@field kind? "mobilenet"

---EfficientAT's MobileNetV3 under its parameters' names. `net(mel, lengths, {rng, hidden})` gives frames (B, N, C), clip (B, C), the frames' lengths (B) and, with hidden = true, the 17 stages (B, channels, bands', T').
---@param options nightjar.MobilenetOptions
---@return nightjar.Encoder
function nj.encoders.mobilenet(options) end

---@class nightjar.ResnetOptions: nightjar.WeightsOption
---@field width? integer channels of the first layer; 64 when left out
---@field blocks? integer[] of the four layers; {3, 4, 6, 3}, ResNet38's, when left out
---@field bottleneck? boolean blocks of 1×1, 3×3, 1×1, as ResNet54 has them
---@field channels? integer of frames and clips; 32 * width when left out
---@field mels? integer bands of the input; 64 when left out
---@field classes? integer of a classifier, fc1 and fc_audioset; none when left out
---@field dropout? number between stages; 0.2 when left out
---@field block_dropout? number inside blocks; 0.1 when left out
---@field time_stripes? integer of SpecAugment in training
---@field time_width? integer
---@field freq_stripes? integer
---@field freq_width? integer
---@field kind? "resnet"

---PANNs' ResNets under their parameters' names. Called as convnet is.
---@param options nightjar.ResnetOptions
---@return nightjar.Encoder
function nj.encoders.resnet(options) end

---@class nightjar.HtsatOptions: nightjar.WeightsOption
---@field width? integer channels of the first stage; 96 when left out
---@field depths? integer[] blocks of the four stages; {2, 2, 6, 2} when left out
---@field heads? integer[] of the four stages; {4, 8, 16, 32} when left out
---@field window? integer tokens of a window's side; 8 when left out
---@field mlp_ratio? number 4 when left out
---@field mels? integer bands of the input; 64 when left out
---@field side? integer of the image; 256 when left out
---@field patch? integer 4 when left out
---@field classes? integer of tscam_conv; none when left out
---@field drop_path? number of the last block in training; 0.1 when left out
---@field fit? "stretch"|"repeat"|"zero" how clips become as long as the image; stretch when left out
---@field frames? "tokens"|"values" of the last block; values: what it makes of each token by itself, without attention and feed-forward, as MGA-CLAP has it; tokens when left out
---@field fusion? "none"|"aff_2d" of several views of a clip that is longer than the image, as LAION-CLAP has it; none when left out
---@field dtype? "float32"|"float64" of parameters and log-mels; float64 for checking gradients
---@field time_stripes? integer of SpecAugment in training
---@field time_width? integer
---@field freq_stripes? integer
---@field freq_width? integer
---@field kind? "htsat"

---HTS-AT under its parameters' names. `net(mel, lengths, {rng, hidden})` gives frames (B, 32, C), clip (B, C), the frames' lengths (B) and, with hidden = true, the patches' tokens, the stages' and the map (B, C, 2, 32), which `net:logits` takes here. T is at most 1024. With `fusion` it also takes views (B, 4, T, M), the clip shrunk to T frames and three pieces of it, with the option `longer` (B): not 0 where they are fused (everywhere when left out), else the first counts alone.
---@param options nightjar.HtsatOptions
---@return nightjar.Encoder
function nj.encoders.htsat(options) end

---@class nightjar.ConvnextOptions: nightjar.WeightsOption
---@field depths? integer[] blocks of the four stages; {3, 3, 9, 3} when left out
---@field widths? integer[] channels of the four stages; {96, 192, 384, 768} when left out
---@field mels? integer bands of the input; 224 when left out
---@field classes? integer of the classifier, norm and head_audioset; none when left out
---@field patch? integer[] the first convolution's kernel and stride, frames and bands; {4, 4} when left out
---@field padding? integer of the first convolution, frames on both sides; 4 when left out
---@field drop_path? number of the last block in training; 0.1 when left out
---@field time_stripes? integer of SpecAugment in training
---@field time_width? integer
---@field freq_stripes? integer
---@field freq_width? integer 28 when left out
---@field dtype? "float32"|"float64" of parameters and log-mels; float64 for checking gradients
---@field kind? "convnext"

---ConvNeXt over log-mels under its parameters' names. `net(mel, lengths, {rng, hidden})` gives frames (B, N, C), clip (B, C), the frames' lengths (B) and, with hidden = true, the four stages (B, channels, T', bands').
---@param options nightjar.ConvnextOptions
---@return nightjar.Encoder
function nj.encoders.convnext(options) end

---@class nightjar.VitOptions: nightjar.RngOption
---@field width? integer 768 when left out
---@field layers? integer 12
---@field heads? integer 12
---@field hidden? integer of the feed-forward; 4 * width
---@field mels? integer bands of the input; 64
---@field patch? integer frames of a patch; 4
---@field positions? integer patches at most; 125
---@field classes? integer of mlp_head; none when left out
---@field scores? boolean frames and clips are scores of the classes
---@field dropout? number 0.2
---@field time_stripes? integer of SpecAugment in training
---@field time_width? integer
---@field freq_stripes? integer
---@field freq_width? integer
---@field dtype? "float32"|"float64" of parameters and log-mels; float64 for checking gradients
---@field kind? "vit"

---ACT's Vision Transformer under its parameters' names. `net(mel, lengths, {rng})` gives frames (B, N, C), the class token as clip (B, C) and the frames' lengths (B); `pool` is the mean of frames.
---@param options nightjar.VitOptions
---@return nightjar.Encoder
function nj.encoders.vit(options) end

---@class nightjar.BertOptions: nightjar.WeightsOption
---@field vocabulary? integer
---@field width? integer
---@field layers? integer
---@field heads? integer
---@field feed_forward? integer 4 * width when left out
---@field positions? integer
---@field types? integer
---@field dropout? number
---@field eps? number
---@field padding_id? integer
---@field roberta? boolean positions, types and eps as RoBERTa has them
---@field pooler? boolean with pooler.dense, which makes a sentence vector of the first word
---@field kind? "bert"

---A transformer of any size. `net(ids, mask, {rng, hidden, types, pooled})` gives words (B, N, D), with hidden = true every layer's, and with pooled = true the pooler's tanh of the first word (B, D).
---@param options nightjar.BertOptions
---@return nightjar.Encoder
function nj.encoders.bert(options) end

---@class nightjar.Gpt2Options: nightjar.WeightsOption
---@field vocabulary? integer 50257 when left out
---@field width? integer 768 when left out
---@field layers? integer 12 when left out
---@field heads? integer 12 when left out
---@field feed_forward? integer 4 * width when left out
---@field positions? integer 1024 when left out
---@field dropout? number while training; 0.1 when left out
---@field eps? number of LayerNorm; 1e-5 when left out
---@field dtype? "float32"|"float64" of the parameters; float64 serves gradient checks
---@field kind? "gpt2"

---GPT-2 as a text encoder: each word sees itself and those before it. `net(ids, mask, {rng, hidden})` gives words (B, N, D) and, with hidden = true, every layer's, the last one normalised.
---@param options nightjar.Gpt2Options
---@return nightjar.Encoder
function nj.encoders.gpt2(options) end

---@class nightjar.ProjectionOptions: nightjar.WeightsOption
---@field form? "linear"|"mlp"|"gated"|"norm_mlp" mlp when left out
---@field input integer
---@field output integer
---@field hidden? integer as output when left out
---@field dropout? number
---@field dtype? "float32"|"float64" of the parameters; float32 when left out
---@field kind? "projection"

---A head from one width to another. `net(x, {rng})` gives (…, output) of x (…, input).
---@param options nightjar.ProjectionOptions
---@return nightjar.Encoder
function nj.encoders.projection(options) end

---The mean over time of (B, N, C), of the first `lengths` frames only when they are given.
---@param x nightjar.Tensor
---@param lengths? nightjar.Tensor int64 (B)
---@return nightjar.Tensor (B, C)
function nj.encoders.mean_pool(x, lengths) end

---The paper's levels below clip and sentence: similarity of words and frames, phrases and segments, and what makes them.
---@class nightjar.hci
nj.hci = {}

---@class nightjar.AggregatorOptions: nightjar.WeightsOption
---@field kind? "cluster"|"dpc"|"window"|"attention" cluster when left out
---@field width integer of tokens
---@field tokens? integer how many outputs, or the most when there is a ratio
---@field ratio? number an item of n valid tokens gets max(ceil(ratio * n), 1) outputs
---@field heads? integer of self-attention; 4 when left out
---@field hidden? integer of the feed-forward; 4 * width when left out
---@field plain? boolean cluster, attention: without self-attention and feed-forward in front
---@field neighbours? integer dpc: how many nearest tokens make the density; 3 when left out
---@field seed? integer dpc: of what breaks ties; 0 when left out
---@field overlap? number window: how far each reaches into its neighbours, in windows; 0 when left out
---@field dropout? number while training; 0 when left out
---@field dtype? "float32"|"float64" of the parameters; float64 serves gradient checks

---From frames to segments, from words to phrases. `net(x, mask, {rng})` gives tokens (B, M, D), mask (B, M) and assignment (B, N, M), of x (B, N, D) and mask (B, N).
---@param options nightjar.AggregatorOptions
---@return nightjar.Encoder
function nj.hci.aggregator(options) end

---@class nightjar.TokenWeightsOptions: nightjar.WeightsOption
---@field width integer
---@field hidden? integer as width when left out
---@field dtype? "float32"|"float64" of the parameters
---@field kind? "token_weights"

---How much each token counts. `net(x, mask)` gives (B, N), adding up to 1 over the valid tokens, of x (B, N, D).
---@param options nightjar.TokenWeightsOptions
---@return nightjar.Encoder
function nj.hci.token_weights(options) end

---@class nightjar.CodebookOptions: nightjar.WeightsOption
---@field width integer of tokens and codes
---@field codes? integer 4096 when left out
---@field temperature? number the lower, the fewer codes have a share; 1000 · codes / 4096 when left out
---@field dtype? "float32"|"float64" of the parameters
---@field kind? "codebook"

---One vector of many tokens, as a sparse mixture of codes that both modalities share (MGA-CLAP). `net(x, mask, {floor})` gives vectors (B, D) and the codes' shares (B, codes) of x (B, N, D): sparsemax over codes of the best product of a code with any valid token, over √D · temperature. floor = true: no product counts as less than 0.
---@param options nightjar.CodebookOptions
---@return nightjar.Encoder
function nj.hci.codebook(options) end

---Auxiliary captions.
---@class nightjar.ac
nj.ac = {}

---@class nightjar.DecoderOptions: nightjar.WeightsOption
---@field vocabulary integer tokens that there are
---@field width? integer 128 when left out
---@field layers? integer 2
---@field heads? integer 4
---@field feed_forward? integer 4 * width
---@field memory_width? integer of the frames; width when left out, else a linear map is put in front
---@field positions? integer the most tokens of a caption; 64
---@field memory_activation? "none"|"relu" behind that linear map, which relu puts there at any width; none
---@field memory_dropout? number on frames, in front of the map and behind it; 0
---@field position? "sines"|"learned"
---@field frame_positions? boolean sines of their places are added to the frames, which attention alone would take as a set; false
---@field norm? "pre"|"post"
---@field dropout? number 0.1
---@field eps? number of LayerNorm; 1e-5
---@field dtype? "float32"|"float64" float64 for checking gradients; it cannot generate
---@field kind? "decoder"

---A Transformer decoder over a sound's frames, with the parameter names of torch.nn.TransformerDecoder. `net(ids, frames, mask, {rng, dropout})` gives logits (B, T, V) of what follows each token of ids (B, T), which count from 0; frames (B, N, C), mask (B, N) or nil.
---@param options nightjar.DecoderOptions
---@return nightjar.Encoder
function nj.ac.decoder(options) end

---@class nightjar.GenerateOptions: nightjar.RngOption
---@field bos integer the token that begins
---@field eos integer the token that ends
---@field method? "greedy"|"beam"|"nucleus"|"top_k" greedy when left out
---@field n? integer captions a clip; 1
---@field beam? integer live hypotheses; 5, or n where that is more
---@field groups? integer of a diverse beam; 1
---@field diversity? number what a token costs that another group chose in the same step; 0.5
---@field length_penalty? number captions are ranked by logprob / length ^ length_penalty; 1
---@field p? number of the nucleus; 0.9
---@field k? integer 50 for top_k
---@field temperature? number of sampling; 1
---@field min? integer the fewest tokens before the end; 0
---@field max? integer the most tokens, the end among them; 30, or the positions where they are fewer
---@field no_repeat? integer no run of so many tokens comes twice; 0: any may
---@field forbid? integer[] tokens that never come
---@field once? integer[] tokens that come once at most
---@field renormalize? boolean tokens that the rules forbid leave their probability to the rest; false
---@field narrowing? boolean each caption that ends leaves the beam one narrower; false

---@class nightjar.GeneratedCaption
---@field ids integer[] without bos, with eos where the caption ends by itself
---@field logprob number the sum over ids, as teacher forcing gives it
---@field mean number logprob / #ids
---@field score number what captions are ranked by
---@field finished boolean false: cut off at max, or where the rules left no token
-- ---- hierarchical cross-modal interaction ----

---@class nightjar.InteractOptions
---@field text_mask? nightjar.Tensor (Bt, Nw) of an integer dtype: 0 is padding; all tokens are there when left out
---@field clip_mask? nightjar.Tensor (Ba, Nf)
---@field text_weights? nightjar.Tensor (Bt, Nw) of the words, used as they are; differentiable
---@field clip_weights? nightjar.Tensor (Ba, Nf) of the frames
---@field kind? "max"|"attention" how a token's row of products becomes one number; max
---@field temperature? number of "attention"; 0.01
---@field direction? "both"|"text"|"clip" words looking for frames, frames looking for words, or half of each; both

---Similarity of every text with every clip by their tokens, never holding all the products. `max`: ½ (Σ_p ω_p max_q E_pq + Σ_q ω_q max_p E_pq) over valid tokens, E being the dot products of the inputs as they are (normalise them for cosines) and ω uniform when left out. An item without valid tokens scores 0. docs/hci.md has the formula of "attention".
---@param texts nightjar.Tensor (Bt, Nw, D)
---@param clips nightjar.Tensor (Ba, Nf, D)
---@param options? nightjar.InteractOptions
---@return nightjar.Tensor (Bt, Ba)
function nj.hci.interact(texts, clips, options) end
---The names of the architectures that nightjar has descriptors of.
---@return string[]
function nj.encoders.names() end

---@class nightjar.EncoderOfOptions
---@field checkpoint? string|table<string, nightjar.Tensor> a file, or tensors by name
---@field prefix? string of the names in it; found when left out
---@field partial? boolean tensors may be missing or have other shapes; those stay as drawn
---@field encoder? table options that replace the descriptor's
---@field rng? nightjar.Rng|false draws the weights; false leaves them zero

---@class nightjar.EncoderReport
---@field prefix string
---@field used string[]
---@field skipped {name: string, why: string}[]
---@field missing string[]
---@field mismatched string[]

---A network by the name of its architecture ("mn04", "cnn14", …) or by a descriptor, with the weights of a checkpoint if one is given. A checkpoint of another network is nil, message, "EFORMAT".
---@param what string|table
---@param options? nightjar.EncoderOfOptions
---@return nightjar.Encoder?
---@return {name: string, encoder: table, front_end: table, classes: string?, report: nightjar.EncoderReport?}|string about
---@return string? code
function nj.encoders.from(what, options) end
---@class nightjar.InteractionOptions: nightjar.WeightsOption
---@field width integer
---@field heads? integer 4 when left out
---@field layers? integer of the Transformer over frames; 4 when left out
---@field hidden? integer of its feed-forward; 4 * width when left out
---@field positions? integer the most frames it takes; 512 when left out
---@field dropout? number while training; 0.1 when left out
---@field captions? boolean enhance the captions too: a second result
---@field dtype? "float32"|"float64" of the parameters
---@field kind? "interaction"

---Frames and captions attend to one another. `net(frames, frame_mask, captions, caption_mask, {rng})` gives frames (B, N, D) and, with captions = true, captions (B, K, D); captions may be nil.
---@param options nightjar.InteractionOptions
---@return nightjar.Encoder
function nj.ac.interaction(options) end

---@class nightjar.CaptionPoolOptions: nightjar.WeightsOption
---@field kind? "mean"|"transformer" mean when left out
---@field width integer
---@field layers? integer 2 when left out
---@field heads? integer 4 when left out
---@field hidden? integer of the feed-forward; as width when left out
---@field positions? integer the most captions; 64 when left out
---@field norm? "post"|"pre" post when left out
---@field dropout? number while training; 0 when left out
---@field dtype? "float32"|"float64" of the parameters

---One vector of a clip's captions. `net(captions, mask, {rng})` gives (B, D) of captions (B, K, D).
---@param options nightjar.CaptionPoolOptions
---@return nightjar.Encoder
function nj.ac.caption_pool(options) end

---A network: call it with its input. In inference mode when made.
---@class nightjar.Encoder
local Encoder = {}

---What is trained, in a fixed order.
---@return {name: string, tensor: nightjar.Tensor}[]
function Encoder:parameters() end

---Running statistics.
---@return {name: string, tensor: nightjar.Tensor}[]
function Encoder:buffers() end

---Parameters and buffers by name; the tensors are the network's own.
---@return table<string, nightjar.Tensor>
function Encoder:state() end

---Copies tensors called prefix .. name into the network. Nothing changes when a shape differs.
---@param state table<string, nightjar.Tensor>
---@param prefix? string
---@return {loaded: string[], missing: string[], mismatched: string[]}
function Encoder:load(state, prefix) end

---Training mode: dropout, SpecAugment, batch statistics.
---@return nightjar.Encoder self
function Encoder:train() end

---Inference mode.
---@return nightjar.Encoder self
function Encoder:eval() end

---Whether it is in training mode.
---@return boolean
function Encoder:is_training() end

---Parameters whose names begin so need no gradients any more; all of them without a prefix.
---@param prefix? string
---@return integer how many
function Encoder:freeze(prefix) end

---Undoes `freeze`.
---@param prefix? string
---@return integer how many
function Encoder:unfreeze(prefix) end

---The options in full, as plain values: what rebuilds the network.
---@return table
function Encoder:descriptor() end

---The number of parameters.
---@return integer
function Encoder:size() end

---Audio encoders only: the output frames of so many input frames.
---@param length integer
---@return integer
function Encoder:frames(length) end

---Audio encoders only: input frames per output frame.
---@return integer
function Encoder:stride() end

---Audio encoders only: the channels of frames and clips.
---@return integer
function Encoder:width() end

---Audio encoders only: the most input frames that it takes, if there is a bound.
---@return integer?
function Encoder:longest() end

---Audio encoders only: the clip vector of frames (B, N, C), as the encoder pools its own.
---@param frames nightjar.Tensor
---@param lengths? nightjar.Tensor int64 (B)
---@return nightjar.Tensor (B, C)
function Encoder:pool(frames, lengths) end

---Audio encoders with a classifier only: scores of its classes before the sigmoid, and what the last layer reads.
---@param clip nightjar.Tensor (…, C); for htsat its last hidden tensor (B, C, 2, 32)
---@param options? nightjar.RngOption
---@return nightjar.Tensor (…, classes)
---@return nightjar.Tensor (…, hidden)
function Encoder:logits(clip, options) end

---Gives the memory back now, instead of when it is collected.
function Encoder:free() end

---Captions of clips, each clip's best first. Of a decoder only (`nj.ac.decoder`).
---@param memory nightjar.Tensor (B, N, C)
---@param mask? nightjar.Tensor (B, N), non-zero where a frame is valid
---@param options nightjar.GenerateOptions
---@return nightjar.GeneratedCaption[][]
function Encoder:generate(memory, mask, options) end

-- ---- data ----

---Data sets, scenes made of them, captions, and the loader that feeds a network.
---@class nightjar.data
nj.data = {}

---@class nightjar.Clip
---@field id string unique within its data set
---@field path? string nil only in a data set opened with missing = "keep"
---@field captions string[]
---@field label? string
---@field fold? integer
---@field licence? string
---@field duration? number seconds
---@field generated? string[] captions that a loader draws at `generated_rate`; see nj.data.augmentation
---@field generated_rate? number

---A named list of clips with their captions, all of one split.
---@class nightjar.Dataset
---@field name string
---@field split string
---@field clips nightjar.Clip[]
---@field missing nightjar.Clip[] clips that the captions name and that have no sound file
local Dataset = {}

---@class nightjar.data.dataset
nj.data.dataset = {}

---A data set from a list of clips.
---@param fields { name: string, split: string, clips: nightjar.Clip[], missing?: nightjar.Clip[] } any further fields are kept
---@return nightjar.Dataset
function nj.data.dataset.new(fields) end

---Walks over all (clip, caption) pairs in order:
---    for clip, caption, k in dataset:pairs() do … end
---k is the caption's number within its clip.
---@return fun(): nightjar.Clip?, string?, integer?
function Dataset:pairs() end

---A new data set of the clips for which `keep` is true. The clips themselves are shared.
---@param keep fun(clip: nightjar.Clip, index: integer): boolean
---@param name? string the new split's name; default: this one's
---@return nightjar.Dataset
function Dataset:subset(keep, name) end

---How much there is: { clips=, captions=, missing=, listed=, labels= }. `listed` counts the clips
---that the captions name, with or without a sound file.
---@return table<string, integer>
function Dataset:counts() end

---Every distinct caption once, in order of first appearance.
---@return string[]
function Dataset:texts() end

---One line: name, split, and the counts with what is missing.
---@return string
function Dataset:summary() end

---Opens ESC-50, or some of its folds: the upstream layout with meta/esc50.csv and audio/*.wav (or
---.ogg, .flac …). A clip's licence, author and URL are there when meta/attribution.csv is
---(filename, license, author, url, title_text).
---
---dataset.classes lists the labels that occur, each { label=, caption=, captions= }: the queries
---for an evaluation by class. A clip's own captions start with the same usual caption.
---@param root string
---@param options? { split?: "train"|"val"|"test"|"all", folds?: integer[], licences?: string[], strict?: boolean, captions?: integer|"all", titles?: boolean, seed?: integer, missing?: "drop"|"keep"|"error" } split: folds 1–3, 4, 5, or all (default); licences: keep only clips under these ("CC0", "CC-BY" …); strict: leave out clips whose recording also has clips in a lower fold that is not chosen (three clips of fold 5, four recordings in all); captions: how many a clip (default 5) or "all"; titles: add the uploader's title, cleaned, as one more; seed: chooses a clip's captions; missing as in nightjar.data.audiocaps
---@return nightjar.Dataset? dataset clip ids are file names without extension
---@return string? message
---@return string? code
function nj.data.esc50(root, options) end

---Opens a folder of sounds.
---
---With `csv` (a path, or a name inside the folder) every row names a file, relative to the folder
---and with or without its extension, and a caption; many rows may name one file. Rows may also name clips
---of videos, as AudioCaps has them (youtube_id, start_time). Without `csv` every
---sound file below the folder is a clip, and its caption is made of its name ("Dog_Bark-03.wav"
---gives "dog bark"), or of the folder's when the name says nothing ("rain/0001.wav" gives "rain").
---@param dir string
---@param options? { csv?: string, file_column?: string, caption_column?: string, label_column?: string, split_column?: string, separator?: string, split?: string, name?: string, outside?: boolean, extensions?: string[], missing?: "drop"|"keep"|"error" } the columns are guessed where not given (file, file_name, filename, fname, path …; caption, caption_1 … caption_n, text …); split_column: what nj.data.split goes by; separator: by the header line where not given; outside: the CSV may name files elsewhere; missing as in nightjar.data.audiocaps
---@return nightjar.Dataset? dataset clip ids are the paths below the folder; of a CSV, clips know their `line`, the first that names them, and their `split`
---@return string? message
---@return string? code
function nj.data.folder(dir, options) end

---Opens a manifest: JSON lines with `file` (relative to the manifest's folder, or to `root`), `captions` (a
---list) or `text`, and, if wanted, `set`, `label`, `split`, `license`, `duration`. Several lines may name one
---file: it has the captions of all.
---@param path string the manifest, or a folder that holds a manifest.jsonl
---@param options? { root?: string, split?: string, set?: string, name?: string, missing?: "drop"|"keep"|"error" } root: what file names are relative to; split, set: only the lines that say so; missing as in nightjar.data.audiocaps
---@return nightjar.Dataset? dataset clip ids are the file names; clips know their `line` and `set`
---@return string? message
---@return string? code
function nj.data.manifest(path, options) end

---Splits a data set. Clips that have a `split` (nj.data.folder's split_column) go where it says; of
---others a share is drawn, the same for the same ids and seed. Takes of one sound stay together: files of
---one folder whose names differ in a number behind the name alone ("door1.wav", "door_02b.wav"), unless all
---clips are such. What else was cut from one recording only a split column can say.
---@param set nightjar.Dataset
---@param options? { validation?: number, test?: number, seed?: integer, together?: boolean } shares, where nothing is given: 0.2 and 0; together: false lets takes of one sound go into different parts
---@return nightjar.Dataset? train
---@return nightjar.Dataset|string validation or message
---@return nightjar.Dataset|string test or code; each may be empty
function nj.data.split(set, options) end

---Opens one split of AudioCaps.
---
---The CSV is looked for as root/<split>.csv, root/dataset/<split>.csv, root/csv/<split>.csv; the
---sounds directly in root/<split>, root/audio/<split>, root/waveforms/<split>, root/wavs/<split>,
---root/audio and root, as <youtube_id>, Y<youtube_id>, <youtube_id>_<start> and the like, with any
---extension that a decoder may know.
---@param root string
---@param options { split: "train"|"val"|"test", csv?: string, audio?: string, missing?: "drop"|"keep"|"error" } csv, audio: the file and the folder, where they lie elsewhere; missing: what happens to clips without a sound file (default "drop": they are counted and listed in dataset.missing)
---@return nightjar.Dataset? dataset clip ids are "<youtube_id>_<start_time>"
---@return string? message
---@return string? code
function nj.data.audiocaps(root, options) end

---Opens one split of Clotho.
---
---The captions are looked for as clotho_captions_<split>.csv or <split>_captions.csv in root,
---root/csv and root/captions; the sounds directly in root/<split>, root/audio/<split>,
---root/clotho_audio_<split>, root/clotho_audio_<split>/<split> and
---root/clotho_audio_files/<split>.
---@param root string
---@param options { split: "development"|"validation"|"evaluation", csv?: string, audio?: string, column?: "raw_text"|"text", missing?: "drop"|"keep"|"error" } column: which text of the DCASE form is the caption, as written (default) or lower-case without punctuation; the others as in nightjar.data.audiocaps
---@return nightjar.Dataset? dataset
---@return string? message
---@return string? code
function nj.data.clotho(root, options) end

---Captions that were made elsewhere, by clip. Made by `nj.data.generated`; `merge` joins several.
---@class nightjar.Generated
---@field name string
---@field unmatched string[] names of the file that no clip of the data set has
---@field empty integer captions without a word, left out
---@field other_splits integer records that were passed over
local Generated = {}

---Reads captions that were made elsewhere.
---
---Files: CSV with a header (caption, or caption_1 … caption_n; or one caption a row), JSONL (an
---object a line), JSON (a list of objects; an object whose keys are file names; an object that
---holds either under `data`, `annotations` …). Captions may be a text, a list of texts, a list of
---objects { text=, logprob= }, or an object with one text for each source. Fields called
---"references" and the like are never taken for captions. Where all captions of a clip have
---log-probabilities they are sorted by them, the most probable first.
---
---A folder instead of a file: descriptions that a sound library has, from its CSV (option `csv`) or,
---without one, from its file names.
---
---Ids: those of `dataset`'s clips, found by file name with or without folder and extension; without a
---data set, "<split>/<file name>" when `split` is given or the file speaks of several splits, else
---the file name as it is written. Records of other splits than `split` (default: the data set's) are
---passed over.
---@param path string
---@param options? { format?: "csv"|"jsonl"|"json", file_field?: string, caption_field?: string, caption_fields?: string[], logprob_field?: string, split_field?: string, split?: string, dataset?: nightjar.Dataset, source?: string, records?: string, csv?: string } fields are guessed where not given; source: what captions are said to come from when the file does not say (default: the file's name without extension); records: the member of a JSON object that holds the records
---@return nightjar.Generated? set
---@return string? message names the file and the line
---@return string? code
function nj.data.generated(path, options) end

---The captions of a clip, a new list; empty when there are none.
---@param id string
---@return { text: string, logprob: number?, source: string }[]
function Generated:of(id) end

---The clips that have a record, in the order of the file.
---@return string[]
function Generated:ids() end

---Texts alone, for every clip of a list: what a batch of captions is made of.
---@param clips nightjar.Dataset|(nightjar.Clip|string)[] a data set, clips or ids
---@param options? { k?: integer, unique?: boolean, source?: string } k: at most so many a clip, from the first; unique: a text that a clip has already, but for case and punctuation, is left out; source: only captions of this source
---@return string[][] lists one for each clip, empty where there is no caption
function Generated:texts(clips, options) end

---A new set with the captions of this one and of others, in this order.
---@param ... nightjar.Generated
---@return nightjar.Generated
function Generated:merge(...) end

---How much there is: { clips=, captions=, least=, most= (captions a clip), logprobs= (captions that
---have one), sources = { [name] = captions } }.
---@return table
function Generated:counts() end

---Generated captions chosen as further training pairs. Prints what was kept, and why the rest was
---not. Made by `nj.data.augmentation`.
---@class nightjar.Augmentation
local Augmentation = {}

---Chooses generated captions for the clips of a data set. A caption is left out when its score is
---below `min_score`, when it is a near-duplicate of a caption that the clip has or of a better
---generated one, or when the clip has `best` better ones (of higher score; without scores, of higher
---log-probability; else earlier).
---@param data nightjar.Dataset
---@param captions nightjar.Generated read with this data set, or keyed by its clips' ids
---@param options? { scores?: function|nightjar.Tensor|table<string, number[]>, min_score?: number, measure?: "jaccard"|"edit"|"none", threshold?: number, best?: integer, rate?: number, seed?: integer } scores: how well each caption fits its sound: a function (clip, texts) that gives numbers, a tensor (clips, K) in the order of both, or lists by id; min_score: least score (default: none); measure, threshold: captions at least so alike (default 0.8 of Jaccard's index) are near-duplicates; best: at most so many a clip (default: all); rate: how often a generated caption is drawn instead of one of the clip's own (default 0.25)
---@return nightjar.Augmentation
function nj.data.augmentation(data, captions, options) end

---The captions kept for a clip, the best first.
---@param id string
---@return { text: string, score: number?, logprob: number?, source: string }[]
function Augmentation:of(id) end

---A caption for one epoch: with probability `rate` a generated one, else one of the clip's own. A
---function of (seed, epoch, id). A clip that has only one kind gives that.
---@param clip nightjar.Clip
---@param epoch integer
---@return string? text nil for a clip without any caption
---@return boolean? generated
function Augmentation:draw(clip, epoch) end

---The data set with the captions added; its clips are copies.
---@param options? { mode?: "mix"|"append" } mix (default): clips carry `generated` and `generated_rate`, and a loader with captions = "one" draws from them at that rate; append: they stand behind the clip's own captions, each a pair like any other
---@return nightjar.Dataset
function Augmentation:dataset(options) end

---What was kept and what was not: { clips=, with= (clips that have a kept one), captions=, kept=,
---unheard=, known=, repeated=, surplus=, dropped = { { id=, text=, source=, score=, reason=, like=
---(what it is a near-duplicate of), likeness= }, … } }. Prints as a table.
---@return table
function Augmentation:report() end

---@class nightjar.Scene: nightjar.Clip
---@field phrases table[] for each caption: {text, class, first, last, from, to, intervals}

---Seeded mixtures of one to four clips, with captions and the seconds that each phrase speaks of.
---@class nightjar.Scenes
local Scenes = {}

---Scene i.
---@param i integer any from 1
---@return nightjar.Scene? scene
---@return string? message a source that cannot be read
---@return string? code
function Scenes:get(i) end

---Scenes 1 to n as a data set, for evaluation: its clips are the scenes.
---@param n integer? default: the size
---@return nightjar.Dataset?
---@return string? message
---@return string? code
function Scenes:dataset(n) end

---The wave of scene i.
---@param i integer
---@param options? { rate?: integer } Hz, default 32000
---@return nightjar.Tensor? wave (samples)
---@return string? message
---@return string? code
function Scenes:render(i, options) end

---Writes scene i as a sound file, to listen to.
---@param i integer
---@param path string .wav, .flac …
---@param options? { rate?: integer }
---@return true? ok
---@return string? message
---@return string? code
function Scenes:write(i, path, options) end

---Scenes out of a data set whose clips have labels of the lexicon (ESC-50).
---@param set nightjar.Dataset
---@param options? { seed?: integer, size?: integer, sources?: number[], duration?: number, captions?: integer, style?: "plain"|"sentence", activity?: string|table } size: scenes in an epoch (default 1000); sources: weights of 1, 2, 3 and 4 sources (default 25, 35, 25, 15); duration: the longest scene in seconds (default 10); captions: how many a scene (default 5), all different; activity: a path where the activity of the clips is remembered, or a finder (see nightjar.data.activity)
---@return nightjar.Scenes
function nj.data.scenes(set, options) end

---Batches for a network, decoded and mixed on other threads.
---@class nightjar.Loader
local Loader = {}

---The batches of an epoch, from the one after the first `skip`.
---    for batch in loader:batches(3) do … end
---Without arguments: from where loader:state() stands. Only one iteration of a loader can be under
---way: beginning another ends it.
---@param epoch? integer from 1
---@param skip? integer default 0
---@return fun(): table? next
function Loader:batches(epoch, skip) end

---Where the loader stands: a plain table, to be stored with a checkpoint.
---@return { epoch: integer, batch: integer, items: integer, size: integer, seed: integer }
function Loader:state() end

---Puts the loader where another of the same data and options stood: loader:batches() goes on
---there.
---@param state table of loader:state()
---@return nightjar.Loader self
function Loader:restore(state) end

---Ends the loader's threads. A closed loader gives no more batches.
function Loader:close() end

---A loader over a data set, scenes, or a list of them.
---
---Options: batch; seed; shuffle (default true); last ("drop": a short last batch is left out, or
---"keep"); captions ("one": each clip once an epoch with a caption drawn for that epoch, or "all":
---every pair of clip and caption); fresh (scenes: every epoch has new ones); front_end (of
---nj.audio.mel; without one batches hold `wave`, and `rate` is needed); tokenizer (of nj.text) and
---max_tokens; max_seconds and crop, for longer clips; trim (true, a path or a finder of
---nightjar.data.activity: silence around clips is left out); augment { gain = {low, high}, noise =
---{low, high}, noise_rate = } in dB, noise as the ratio of signal to noise; on_error ("skip":
---items that cannot be read are left out, listed in loader.failures and warned of, or "raise");
---ahead (batches rendered in advance), jobs (threads), cache_mb and cache (decoded sound kept in
---memory).
---
---A batch: mel (B, T, M) float32 padded with silence, or wave (B, L); lengths (B) int64; captions,
---clip_ids, clips, caption_numbers: lists; groups: a list of strings, equal where items mean the
---same (a scene's group, else the label, else the id); with a tokenizer ids (B, N), mask and
---special as its method batch gives them; epoch, number.
---@param source nightjar.Dataset|nightjar.Scenes|table[]
---@param options table
---@return nightjar.Loader
function nj.data.loader(source, options) end

---Log-mels on disk, computed once.
---@class nightjar.Cache
local Cache = {}

---The log-mel of a sound file.
---@param path string
---@return nightjar.Tensor? mel (T, M)
---@return boolean|string hit_or_message whether it came from the disk
---@return string? code
function Cache:get(path) end

---Removes every entry.
---@return integer removed
function Cache:clear() end

---What the cache did since it was opened.
---@return { hits: integer, misses: integer, damaged: integer, unwritten: table? }
function Cache:stats() end

---Opens a cache, making its folder.
---@param dir string
---@param options table check: a file is known by its path, size and time (default), or by its bytes, which finds it under any name and takes longer
---@return nightjar.Cache?
---@return string? message
---@return string? code
function nj.data.cache(dir, options) end

---Captions from a grammar: what happens in a sound, said in many ways.
---@class nightjar.data.captions
nj.data.captions = {}

---One caption for a description, and its phrases: which characters speak of which event. Phrases
---are in the order of the text; every event has exactly one.
---@param description table see the top of this file
---@param rng nightjar.Rng advanced
---@param options? { style?: "plain"|"sentence" } plain (default): no capital, no full stop
---@return string text
---@return { text: string, class: string, event: table, first: integer, last: integer }[] phrases first and last are 1-based inclusive byte positions in the text
function nj.data.captions.describe(description, rng, options) end

---Several captions for a description, all different.
---@param description table
---@param n integer
---@param rng nightjar.Rng
---@param options? table as in captions.describe
---@return string[] texts n of them, or fewer when the grammar has no more to say
---@return table[] phrases one list for each text
function nj.data.captions.several(description, n, rng, options) end

---The classes the lexicon knows, sorted.
---@return string[]
function nj.data.captions.classes() end

---Every plain caption of a class, the usual one first: clauses, participles, names and tags.
---@param class string
---@return string[]
function nj.data.captions.of(class) end

---Lines with every word the grammar can say: what a tokeniser is trained on when there is no other
---text. Deterministic.
---@return string[]
function nj.data.captions.vocabulary() end

---Comma-separated values (RFC 4180).
---@class nightjar.data.csv
nj.data.csv = {}

---Rows of a file, one at a time.
---@class nightjar.CsvReader
local CsvReader = {}

---The next row: a table keyed by column name (an array when the reader has no columns) and the
---line it starts on. nil at the end; nil, message, code when the file is malformed.
---@return table<string|integer, string>? row
---@return integer|string|nil line_or_message
---@return string? code
function CsvReader:read() end

---Closes the file, if the reader opened one.
function CsvReader:close() end

---A reader over text that a function hands out piece by piece (nil or "" at the end, or nil and a
---message when reading failed).
---@param source fun(): string?, string?
---@param options? { header?: boolean, columns?: string[], required?: string[], separator?: string, max_field?: integer, name?: string } header: the first row names the columns (default true); columns: the names, for a file without a header; required: names that must be there; max_field: bytes a single field may have (default 1 MiB)
---@return table? reader
---@return string? message
---@return string? code
function nj.data.csv.reader(source, options) end

---A reader over a file. Options as in csv.reader.
---@param path string
---@param options? table
---@return table? reader
---@return string? message
---@return string? code "ENOTFOUND", "EIO" or "EFORMAT"
function nj.data.csv.open(path, options) end

---What separates the fields of a file, by its header line: a semicolon or a tab where the line has no comma outside quotes, as spreadsheets write where the comma is the decimal point; else a comma.
---@param path string
---@return string
function nj.data.csv.separator(path) end

---Every row of a file, and the column names. Options as in csv.reader.
---@param path string
---@param options? table
---@return table[]? rows
---@return string[]|string|nil columns_or_message
---@return string? code
function nj.data.csv.read(path, options) end

---Every row of a text, and the column names. Options as in csv.reader.
---@param text string
---@param options? table
---@return table[]? rows
---@return string[]|string|nil columns_or_message
---@return string? code
function nj.data.csv.parse(text, options) end

---One row as CSV text without a line break. Fields are turned into text by tostring.
---@param row any[] `row.n` or #row fields
---@param separator? string default ","
---@return string
function nj.data.csv.format(row, separator) end

---Writes a file: to a temporary name first, then renamed. Rows are arrays, or tables keyed by the
---names in `columns`, which then also make the header line.
---@param path string
---@param rows table[]
---@param options? { columns?: string[], separator?: string, header?: boolean }
---@return true? ok
---@return string? message
---@return string? code
function nj.data.csv.write(path, rows, options) end

-- ---- captioners ----

---Captioners: a decoder that writes what a sound holds, behind an audio encoder or behind frames. `nj.captioner(descriptor)` is `nj.captioner.new(descriptor)`.
---@class nightjar.captioner
---@overload fun(descriptor: nightjar.CaptionerDescriptor, options: nightjar.WeightsOption?): nightjar.Captioner
nj.captioner = {}

---@class nightjar.CaptionerDescriptor
---@field vocabulary string[] tokens, as nj.text.train_wordpiece gives them
---@field audio? table { front_end = {…}, encoder = {kind = …} } as in nj.model
---@field memory_width? integer of the frames, when there is no `audio`
---@field freeze_audio? boolean the encoder is not trained; false
---@field decoder? table options of nj.ac.decoder; frame_positions is true when left out
---@field max? integer tokens of a caption, its end among them; 30
---@field smoothing? number of labels; 0.1
---@field clip_frame? boolean the encoder's clip vector stands in front of its frames; false
---@field words? nightjar.CaptionerWords of a vocabulary of whole words; WordPiece when left out
---@field generation? nightjar.CaptionOptions how captions are found where a call does not say
---@field name? string
---@field provenance? table

---@class nightjar.CaptionerWords
---@field bos string the token that begins a caption
---@field eos string the token that ends it
---@field pad? string eos when left out
---@field unk? string eos when left out
---@field forbid? string[] tokens that no caption holds; bos, pad, unk and tasks' when left out
---@field repeatable? string[] what may come twice with repeat_words = false; articles, prepositions and the like when left out
---@field tasks? table<string, string> tokens by name that begin captions in bos's place
---@field task? string the one that does so where a call names none

---@class nightjar.Captioner
---@field tokenizer nightjar.Tokenizer
---@field vocabulary string[]
---@field decoder nightjar.Encoder
---@field audio_tower? table { front_end, encoder }
---@field max integer
local Captioner = {}

---Makes a captioner with fresh weights.
---@param descriptor nightjar.CaptionerDescriptor
---@param options? nightjar.WeightsOption of the initial weights
---@return nightjar.Captioner
function nj.captioner.new(descriptor, options) end

---@class nightjar.CaptionerCheckpointOptions
---@field vocabulary? string|string[] a path (one token a line, or JSON: a list, token to id, CoNeTTE's config.json), or the tokens; of Lightning's checkpoints it may be left out
---@field task? string what begins captions where a call does not say
---@field encoder? nightjar.Encoder that hears, for a checkpoint without an audio part, which takes frames otherwise
---@field audio? table options of the audio encoder that replace what the shapes say
---@field decoder? table options of nj.ac.decoder that replace what was found: heads, which no shape tells
---@field front_end? table options of nj.audio.mel that replace the family's
---@field partial? boolean tensors may be missing or have other shapes, and stay zero
---@field name? string

---Makes a captioner of the checkpoint of another captioning system: CoNeTTE, ACT.
---@param source string|table<string, nightjar.Tensor> a path, or tensors by name
---@param options? nightjar.CaptionerCheckpointOptions
---@return nightjar.Captioner?
---@return table|string report { family, title, prefix, used, skipped = {{ name, why }}, missing, mismatched, front_end = what is wrong with its filter bank, if anything }; or a message
---@return string? code
function nj.captioner.from_checkpoint(source, options) end

---Reads a captioner from its file, or one that comes with nightjar by its name. A checkpoint of another captioning system is read as from_checkpoint does.
---@param path string
---@param options? nightjar.CaptionerCheckpointOptions
---@return nightjar.Captioner?
---@return table|string? report of another's checkpoint; or a message
---@return string? code
function nj.captioner.load(path, options) end

---What rebuilds the captioner without its weights and its vocabulary.
---@return nightjar.CaptionerDescriptor
function Captioner:descriptor() end

---Writes the captioner to one safetensors file, whole or not at all.
---@param path string
---@param options? nightjar.store.SaveOptions "float16" halves the file; read back, weights are float32 again
---@return true? ok
---@return string? message
---@return string? code
function Captioner:save(path, options) end

---The networks with the prefixes of their parameters' names.
---@return {prefix: string, net: nightjar.Encoder}[]
function Captioner:parts() end

---Parameters to train, in a fixed order; not those of a frozen encoder.
---@return {name: string, tensor: nightjar.Tensor}[]
function Captioner:parameters() end

---Running statistics that training changes.
---@return {name: string, tensor: nightjar.Tensor}[]
function Captioner:buffers() end

---Every tensor by name, shared with the captioner.
---@return table<string, nightjar.Tensor>
function Captioner:state() end

---Copies tensors into the captioner. Raises when one is missing or has another shape.
---@param state table<string, nightjar.Tensor>
---@return nightjar.Captioner self
function Captioner:load_state(state) end

---Copies the audio encoder's weights from a retrieval model with the same one.
---@param model nightjar.Model
---@return nightjar.Captioner self
function Captioner:load_audio(model) end

---Training mode, or with false inference mode, in which a new captioner is. A frozen encoder stays in inference mode.
---@param on? boolean (true)
---@return nightjar.Captioner self
function Captioner:train(on) end

---Inference mode.
---@return nightjar.Captioner self
function Captioner:eval() end

---Frames of log-mels. Nothing is recorded of a frozen encoder.
---@param mel nightjar.Tensor (B, T, M)
---@param lengths? nightjar.Tensor int64 (B)
---@param rng? nightjar.Rng for dropout and SpecAugment
---@return nightjar.Tensor frames (B, N, C)
---@return nightjar.Tensor? mask (B, N)
function Captioner:listen(mel, lengths, rng) end

---@class nightjar.CaptionerBatch
---@field frames? nightjar.Tensor (B, N, C)
---@field frame_mask? nightjar.Tensor (B, N)
---@field mel? nightjar.Tensor (B, T, M), in place of frames
---@field lengths? nightjar.Tensor int64 (B)
---@field captions? string[]
---@field ids? nightjar.Tensor int64 (B, W), in place of captions

---@class nightjar.CaptionerLossOptions: nightjar.RngOption
---@field smoothing? number in place of the captioner's own
---@field dropout? number of the decoder, in place of its own
---@field task? string what begins the captions, of a captioner that has tasks

---The loss of a batch: the mean over tokens of the cross-entropy against smoothed labels.
---@param batch nightjar.CaptionerBatch
---@param options? nightjar.CaptionerLossOptions
---@return nightjar.Tensor
function Captioner:loss(batch, options) end

---The text of token ids: pieces joined, special tokens left out.
---@param ids integer[]
---@return string
function Captioner:text(ids) end

---@class nightjar.CaptionOptions: nightjar.RngOption
---@field method? "greedy"|"beam"|"nucleus"|"top_k" beam when left out
---@field n? integer captions a sound; 1
---@field beam? integer
---@field groups? integer
---@field diversity? number
---@field length_penalty? number
---@field p? number
---@field k? integer
---@field temperature? number
---@field min? integer tokens; 1
---@field max? integer tokens; the captioner's when left out
---@field no_repeat? integer
---@field repeat_words? boolean false: no word comes twice but articles, prepositions and the like; true when left out
---@field renormalize? boolean tokens that the rules forbid leave their probability to the rest; false
---@field narrowing? boolean each caption that ends leaves the beam one narrower; false
---@field task? string what begins the captions, of a captioner that has tasks
---@field unique? boolean captions of a sound differ in their texts; there may be fewer than n
---@field mask? nightjar.Tensor (B, N) of frames
---@field batch? integer sounds at a time; 16
---@field progress? nightjar.ProgressOption

---@class nightjar.Caption: nightjar.GeneratedCaption
---@field text string

---Captions of sounds, the best of each first.
---@param input nightjar.Tensor|string|(string|nightjar.Tensor)[] frames (B, N, C); or a path, a waveform (L), or a list of these
---@param options? nightjar.CaptionOptions
---@return nightjar.Caption[][] for each sound its captions, or { error = message, code = … }
function Captioner:caption(input, options) end

-- ---- models, libraries, evaluation ----

---Retrieval models: an audio tower and a text tower that end in one space. `nj.model(descriptor)`
---is `nj.model.new(descriptor)`.
---@class nightjar.model
---@overload fun(descriptor: table, options: table?): nightjar.Model
nj.model = {}

---@class nightjar.Model
---@field dim integer width of the shared space
---@field classification? { temperature: number } what its classifiers begin with; kept in its file
local Model = {}

---@class nightjar.CheckpointOptions
---@field vocabulary? string|string[] vocab.txt of WordPiece or vocab.json of byte-level BPE, or the tokens; needed
---@field merges? string|string[] merges.txt of byte-level BPE, or the merges
---@field partial? boolean tensors may be missing or have other shapes, and stay zero
---@field audio? table options of the audio encoder that replace what the shapes say
---@field text? table the same of the text encoder: heads, which no shape tells (a 64th of the width when left out)
---@field front_end? table options of nj.audio.mel that replace the family's
---@field name? string of the model; that of the file when left out

---@class nightjar.CheckpointReport
---@field family string
---@field title string
---@field prefix string of the names
---@field used string[] names in the file
---@field skipped { name: string, why: string }[]
---@field missing string[]
---@field mismatched string[] "NAME: expected (…), got (…)"

---Reads a model from its file. A checkpoint of another retrieval system (nj.families) is read as from_checkpoint does.
---@param path string
---@param options? nightjar.CheckpointOptions
---@return nightjar.Model?
---@return nightjar.CheckpointReport|string? report of another's checkpoint; or a message
---@return string? code
function nj.model.load(path, options) end

---`nj.model.load` by its short name.
---@param path string
---@param options? nightjar.CheckpointOptions
---@return nightjar.Model?
---@return nightjar.CheckpointReport|string? report of another's checkpoint; or a message
---@return string? code
function nj.load(path, options) end

---Makes a model of the checkpoint of WavCaps, audio-text_retrieval, LAION-CLAP, Hugging Face's ClapModel or MS-CLAP.
---@param source string|table<string, nightjar.Tensor> a path, or tensors by name
---@param options? nightjar.CheckpointOptions
---@return nightjar.Model?
---@return nightjar.CheckpointReport|string report or message
---@return string? code
function nj.model.from_checkpoint(source, options) end

---Makes a model with fresh weights.
---@param descriptor table `audio` = { front_end = {…}, encoder = {kind = "convnet", …} }, `text` = { vocabulary = {tokens}, merges = {…} of byte-level BPE, tokenizer = its options, clean = "wavcaps", suffix = behind every text, parse = special tokens in texts are those, encoder = {kind = "bert", …}, sentence = "mean"|"cls"|"pooler"|"last" }, `dim` (256) the shared space, `projection` ("mlp", or { form, hidden, dropout }; hidden is a width or { audio, text }), `temperature` (0.07), `hci`, `ac` and `fusion` as nj.head takes them, `classification` ({ temperature }) of classifiers, `name`, `provenance`
---@param options? table `rng`: the generator of the initial weights; false leaves them zero, since they are about to be loaded
---@return nightjar.Model
function nj.model.new(descriptor, options) end

---What rebuilds the model without its weights.
---@return table
function Model:descriptor() end

---Writes the model to one safetensors file, whole or not at all.
---@param path string
---@param options? nightjar.store.SaveOptions "float16" halves the file; read back, weights are float32 again
---@return true? ok
---@return string? message
---@return string? code
function Model:save(path, options) end

---Parameters to train, in a fixed order: { {name = …, tensor = …}, … }.
---@return table[]
function Model:parameters() end

---The networks with the prefixes of their parameters' names.
---@return {prefix: string, net: any}[]
function Model:parts() end

---Every tensor by name: parameters and running statistics (shared with the model, not copied).
---@return table<string, nightjar.Tensor>
function Model:state() end

---Copies tensors into the model. Raises when one is missing or has another shape.
---@param state table<string, nightjar.Tensor>
---@param options? {missing?: "raise"|"keep"} keep: what the state lacks stays as it is
---@return nightjar.Model self
function Model:load_state(state, options) end

---Parameters whose names begin so need no gradients any more.
---@param prefix string "audio.encoder."
---@return integer how many
function Model:freeze(prefix) end

---Running statistics, as parameters gives parameters.
---@return table[]
function Model:buffers() end

---Training mode (dropout, SpecAugment, batch statistics), or with false inference mode, in which a
---new model is.
---@param on? boolean (true)
---@return nightjar.Model self
function Model:train(on) end

---Inference mode.
---@return nightjar.Model self
function Model:eval() end

---@class nightjar.AudioLevelsOptions
---@field rng? nightjar.Rng for dropout and SpecAugment
---@field captions? table what caption_levels gave
---@field tokens? boolean frames even if no level needs them
---@field longer? nightjar.Tensor (B): mel are views, fused where it is not 0 (everywhere when left out)

---For training: all levels of a batch of log-mels. Differentiable.
---@param mel nightjar.Tensor (B, T, M); of a model that fuses views also (B, 4, T, M)
---@param lengths? nightjar.Tensor int64 (B)
---@param options? nightjar.AudioLevelsOptions
---@return table a as Head:audio gives it
function Model:audio_levels(mel, lengths, options) end

---@class nightjar.TextLevelsOptions
---@field rng? nightjar.Rng for dropout and SpecAugment
---@field tokens? boolean words even if no level needs them

---For training: all levels of a batch of tokenised texts. Differentiable.
---@param ids nightjar.Tensor int64 (B, W)
---@param mask nightjar.Tensor (B, W)
---@param options? nightjar.TextLevelsOptions
---@return table t as Head:text gives it
function Model:text_levels(ids, mask, options) end

---@class nightjar.CaptionLevelsOptions
---@field rng? nightjar.Rng for dropout and SpecAugment
---@field detach? boolean no gradients into the text encoder

---The captions of clips as audio_levels takes them. Differentiable; nil when no clip has a caption.
---@param lists string[][] for each clip its captions; empty where there are none
---@param options? nightjar.CaptionLevelsOptions
---@return table? captions
function Model:caption_levels(lists, options) end

---@class nightjar.ModelLossOptions
---@field rng? nightjar.Rng for dropout and SpecAugment
---@field captions? string[][] of the batch's clips
---@field ids? integer[]|nightjar.Tensor batch.groups when left out
---@field denoise? boolean|{ margin: number? } clips that are more like each other than one is like itself count as the same, see Head:positives
---@field detach_captions? boolean no gradients from captions into the text encoder
---@field loss? string|table as Head:loss takes it
---@field distill? number|table as Head:loss takes it
---@field hardest? number|table as Head:loss takes it
---@field weights? table<string, number> by level

---For training: the loss of a batch of nj.data.loader, over all levels of the head.
---@param batch table mel, lengths, ids, mask, groups; `longer` where mel are views
---@param options? nightjar.ModelLossOptions
---@return nightjar.Tensor total scalar
---@return table<string, nightjar.Tensor> parts by level
function Model:loss(batch, options) end

---Texts at all levels: words, phrases and sentence, each text by itself.
---@param texts string|string[]
---@return nightjar.Texts
function Model:encode_texts(texts) end

---Finds how much each level counts, and captions beside them, on validation data; kept in the model
---and in its file. See Head:fit.
---@param levels table<string, nightjar.Tensor>|nightjar.Similarity
---@param ids? integer[]|table the clip of every text
---@param options? { normalize?: "none"|"z"|"temperature", steps?: integer }
---@return table result
function Model:fit_fusion(levels, ids, options) end

---For training: vectors of a batch of log-mels. Differentiable.
---@param mel nightjar.Tensor (B, T, M)
---@param lengths? nightjar.Tensor int64 (B)
---@param rng? nightjar.Rng generator for dropout and SpecAugment
---@return nightjar.Tensor clip (B, D), unit length
function Model:encode_audio(mel, lengths, rng) end

---For training: vectors of a batch of tokenised texts. Differentiable.
---@param ids nightjar.Tensor int64 (B, W)
---@param mask nightjar.Tensor (B, W)
---@param rng? nightjar.Rng
---@return nightjar.Tensor sentence (B, D), unit length
function Model:encode_text(ids, mask, rng) end

---@class nightjar.AudioOptions
---@field progress? nightjar.ProgressOption called with (done, total) after every sound
---@field captions? string[][] what a captioner says of each sound

---Vectors of sounds. Long ones are tiled; the same sound gives the same bits whatever stands beside it.
---@param sounds (string|nightjar.Tensor)[] paths, or waveforms (L) at the model's rate
---@param options? nightjar.AudioOptions
---@return table[] clips { vector = (D), segments = (S, D), times = {{from, to}, …}, frames = (N, D), frame_times, levels = what Head:audio gave, seconds, path, silent = true where nothing is to be heard } or { error = message, code = …, path } for a sound that could not be read, in the order given
function Model:audio(sounds, options) end

---@class nightjar.StreamOptions
---@field ahead? integer files begun before their turn; 16
---@field jobs? integer threads that read: as many as the pool has, at most 8, when left out; 0: none
---@field memory_mb? number of log-mels that wait; 32
---@field max_seconds? number a longer file is an error; 14400
---@field progress? nightjar.ProgressOption called with (done, total) after every sound
---@field total? integer how many a function will give
---@field captions? string[][]|fun(sound: any, i: integer): string[] a list for each sound as for `audio`, or a function that gives it

---Vectors of any number of sounds, for a loop: `for i, clip in model:stream(paths) do … end`. While the network works on a sound, files behind it are decoded and made into log-mels on other threads. Each clip has the bits that `audio` gives.
---@param sounds (string|nightjar.Tensor)[]|fun(): (string|nightjar.Tensor)? paths or waveforms, or a function that gives the next each time, nil at the end; a table with `error` comes out in its place
---@param options? nightjar.StreamOptions
---@return fun(): integer?, table? next
---@return nil
---@return nil
---@return { close: fun(self: any) } closing what ends the threads; the loop closes it
function Model:stream(sounds, options) end

---The views of a sound, which a model that fuses them (LAION-CLAP's) takes in training; Model:audio makes its own.
---@param sound string|nightjar.Tensor a path, or a waveform (L) at the model's rate
---@param options? { rng?: nightjar.Rng } rng: where the pieces begin; without one in the middle of each third
---@return nightjar.Tensor? views (4, T, M): the whole log-mel shrunk to the window's frames, and three pieces; or nil, message, code
---@return boolean|string longer whether they are fused: the sound is longer than the window
---@return string? code
function Model:views(sound, options) end

---@class nightjar.SaveVectorsOptions: nightjar.StreamOptions
---@field segments? boolean a row for each window of about two seconds; false

---Writes the vectors of sounds to a file for other programs, as they are computed: .npy, .safetensors (tensor "vectors"), .csv or .jsonl. A matrix has a table of its rows' sounds beside it, NAME.sounds.csv. The file is there whole or not at all.
---@param path string
---@param sounds (string|nightjar.Tensor)[]|fun(): (string|nightjar.Tensor)? as `stream` takes them
---@param options? nightjar.SaveVectorsOptions
---@return table|nil report { rows, dim, sounds, seconds, failed = { {path, error, code}, … }, names = path of the table }
---@return string? message
---@return string? code
function Model:save_vectors(path, sounds, options) end

---Vectors of texts, (n, D), of unit length. Each is computed by itself: batching changes no bit.
---@param texts string|string[]
---@return nightjar.Tensor
function Model:text(texts) end

---Words of a text that the model's training never showed: it can only guess at them.
---@param text string
---@return string[]
function Model:unknown_words(text) end

---What a model knows of a text. Words of grammar are neither known nor content: they name no sound.
---@param text string
---@return string[] known content words that the vocabulary has, each once, in the order of the text
---@return string[] unknown as model:unknown_words gives them
function Model:known_words(text) end

---The similarity of texts and sounds, as an object that prints, slices, fuses, explains and saves.
---@param texts string[]|nightjar.Texts
---@param clips (string|nightjar.Tensor)[]|table[] sounds as for Model:audio, or what it gave
---@param options? { captions?: string[][] } captions: of the sounds, see Model:audio
---@return nightjar.Similarity? similarity nil when a sound cannot be read
---@return string? message
---@return string? code
function Model:similarity(texts, clips, options) end

---The probability that a sound is what a query asks for; see calibration.lua.
---@param query nightjar.Tensor (D)
---@param values nightjar.Tensor (n) what `model.calibration.of` names: the query's cosines with n sounds, or the fused similarities
---@return nightjar.Tensor (n) values in [0, 1], or nil for a model without calibration
function Model:probabilities(query, values) end

---@class nightjar.ClassifierOptions
---@field templates? string|string[]|fun(label: string): string|string[] what is asked for a label, {} standing for it; nightjar's five when left out
---@field ensemble? "vectors"|"scores" how a label's prompts are taken together; "vectors" when left out
---@field temperature? number of the softmax over labels; when left out that of the model's `classification`, else what the levels' losses learnt
---@field multi_label? boolean every label is judged by itself, by the model's calibration
---@field bias? number instead of a calibration: the similarity at which a label is as likely as not
---@field weights? table<string, number> of the levels; the model's when left out

---@class nightjar.ClassifyOptions: nightjar.ClassifierOptions
---@field top? integer how many labels of each sound; all when left out
---@field progress? nightjar.ProgressOption
---@field captions? string[][] of the sounds, see Model:audio

---Labels to tell sounds apart by, encoded once: zero-shot classification. docs/search.md has the formulas.
---@param labels (string|string[])[]|table<string, string|string[]> names, which the templates make into prompts ("_" is read as a space); or prompts of their own by name; or both in one table
---@param options? nightjar.ClassifierOptions
---@return nightjar.Classifier
function Model:classifier(labels, options) end

---Says which labels sounds have: a classifier that is used once.
---@param sounds string|nightjar.Tensor|(string|nightjar.Tensor)[] paths, waveforms (L) at the model's rate, or what Model:audio gave; one of them, or a list
---@param labels (string|string[])[]|table<string, string|string[]> as for Model:classifier
---@param options? nightjar.ClassifyOptions
---@return nightjar.Predictions one for each sound, in the order given
function Model:classify(sounds, labels, options) end

---Labels with their encoded prompts. Prints as a list, `#` gives the number of labels.
---@class nightjar.Classifier
---@field labels string[]
---@field prompts string[][] of each label
---@field vectors nightjar.Tensor (labels, D) of unit length: the mean of each label's sentence vectors
---@field temperature number
---@field multi_label boolean
local Classifier = {}

---Says which labels sounds have, each sound by itself.
---@param sounds string|nightjar.Tensor|(string|nightjar.Tensor)[] as for Model:classify
---@param options? { top?: integer, progress?: nightjar.ProgressOption, captions?: string[][] }
---@return nightjar.Predictions
function Classifier:classify(sounds, options) end

---The similarity of labels (rows) and sounds (columns), with its levels.
---@param sounds (string|nightjar.Tensor)[]|table[] as for Model:classify
---@return nightjar.Similarity? similarity nil when a sound cannot be read
---@return string? message
---@return string? code
function Classifier:similarity(sounds) end

---Finds the temperature at which the labels of sounds that training never saw are most probable, and keeps it; `model.classification = { temperature = … }` keeps it in the model, too.
---@param sounds (string|nightjar.Tensor)[]|table[] as for Model:classify
---@param labels string[] the label of each
---@return { temperature: number, before: number, nll: number, nll_before: number }? result nil when a sound cannot be read
---@return string? message
---@return string? code
function Classifier:fit(sounds, labels) end

---Words of the prompts that the model's training never showed, each once.
---@return string[]
function Classifier:unknown_words() end

---A sound's labels, the most probable first: p[1].label, .probability, .score (fused similarity), .levels. Prints.
---@class nightjar.Prediction
---@field label string the first
---@field probability number of it
---@field path? string
---@field seconds? number
---@field labels integer how many there were to choose from
---@field error? string of a sound that could not be read; then there is no label
---@field code? string
local Prediction = {}

---As plain tables, for JSON.
---@return table
function Prediction:plain() end

---Predictions of several sounds, in a list that prints.
---@class nightjar.Predictions
---@field [integer] nightjar.Prediction

---Texts that a model encoded. Indexed by number: each has `text`, `words` and `levels`.
---@class nightjar.Texts
---@field texts string[]
---@field vectors nightjar.Tensor (n, D) of unit length
local Texts = {}

---All texts as one padded batch, as Head:text gives it; made once.
---@return table t
function Texts:levels() end

---Similarities of texts (rows) and clips (columns), labelled: print it, index it, save it.
---@class nightjar.Similarity
---@field scores nightjar.Tensor (texts, clips)
---@field texts string[]
---@field clips string[]
---@field clip? nightjar.Tensor the levels that it was fused from, those that the model has
---@field segment? nightjar.Tensor
---@field frame? nightjar.Tensor
---@field caption? nightjar.Tensor
local Similarity = {}

---The column of a clip, by its place or by its label.
---@param clip string|integer
---@return integer
function Similarity:column(clip) end

---The levels it was fused from: clip, segment, frame, caption, those there are.
---@return table<string, nightjar.Tensor>
function Similarity:levels() end

---The same texts and clips with other weights of the levels.
---@param weights? table<string, number> by level, those left out weigh nothing; the model's when left out
---@return nightjar.Similarity
function Similarity:fuse(weights) end

---Which words of a text are linked with which moments of a clip. Prints as a shaded map over time.
---@param text string|integer
---@param clip string|integer
---@return nightjar.Explanation
function Similarity:explain(text, clip) end

---The row of a text, by its place or by itself.
---@param text string|integer
---@return integer
function Similarity:row(text) end

---The k clips most similar to a text: { {clip = label, index = i, score = s}, … }.
---@param text string|integer
---@param k? integer (5)
function Similarity:top(text, k) end

---The matrix with texts and clips exchanged.
function Similarity:transpose() end

---Writes the matrix as CSV, or as an SVG heat map, by the path's ending.
---@param path string
---@return true?
---@return string? message
---@return string? code
function Similarity:save(path) end

---Why a text and a clip are similar: how much every word agrees with every moment.
---@class nightjar.Explanation
---@field text string
---@field clip string
---@field score number of the pair, fused; `scores` has it by level
---@field words {text: string, first: integer, last: integer}[] first and last: bytes of the text
---@field frames number[][] { from, to } of every frame, seconds
---@field matrix nightjar.Tensor (words, frames) cosines
---@field links {word: string, frame: integer, from: number, to: number, score: number}[] the best frame of every word
---@field phrases? table[] with the segment level: `text`, `words` ({ text, share })
---@field segments? table[] `shares` of every frame, `intervals` ({ from, to } seconds)
---@field phrase_matrix? nightjar.Tensor (phrases, segments) cosines
local Explanation = {}

---Writes the word × frame map, or the phrase × segment one, as CSV or SVG by the path's ending.
---@param path string
---@param options? {level?: "frame"|"segment"} frame when left out
---@return true?
---@return string? message
---@return string? code
function Explanation:save(path, options) end

---Everything of a retrieval model behind its encoders; it also trains on features that were
---computed once. Call it: `nj.head{…}`.
---@class nightjar.head
---@overload fun(options: nightjar.HeadOptions): nightjar.Head
nj.head = {}

---@class nightjar.HeadOptions
---@field audio_width integer channels of the audio encoder's frames
---@field text_width integer channels of the text encoder's words
---@field frame_width? integer channels of the frames, where they differ from a clip's; audio_width when left out
---@field dim? integer width of the shared space; 256 when left out
---@field projection? "linear"|"mlp"|"gated"|"norm_mlp" mlp when left out
---@field temperature? number that all levels start at; 0.07 when left out
---@field hci? nightjar.HciOptions levels finer than the clip's
---@field ac? nightjar.AcOptions captions of the clips
---@field fusion? table what Head:fit found before
---@field frame_gain? number what a frame is multiplied by before the clip's projection; 1 when left out
---@field projections? table made elsewhere: `audio`, `text`
---@field rng? nightjar.Rng|false of the initial weights; false leaves them zero

---@class nightjar.HciOptions
---@field levels? string[] of "clip", "segment", "frame"; all when left out
---@field segments? table options of nj.hci.aggregator for frames; { kind = "cluster", tokens = 8 } when left out
---@field phrases? table the same for words; { kind = "cluster", tokens = 5 } when left out
---@field token_scale? number what layer-normalised tokens are multiplied by before slots divide them; 1 when left out, 0: tokens as they are
---@field top? "encoder"|"aggregate"|"codebook" where clip and sentence vectors come from: the encoders', attention pooling, or nj.hci.codebook over frames and words; encoder when left out
---@field codebook? table with top = "codebook": `codes` (4096), `temperature`; `word_floor` (false): no code's best word counts as less than 0, as in MGA-CLAP's code
---@field interaction? "weighted"|"max"|"attention"|"weighted_attention" weighted (max with learnt token weights) when left out
---@field attention_temperature? number 0.01 when left out
---@field projections? "separate"|"shared" by levels
---@field temperature? "learn"|number|table or by level
---@field weights? table<string, number> of the levels in the loss; 1 each when left out

---@class nightjar.AcOptions
---@field interaction? table|boolean options of nj.ac.interaction: captions change the frames
---@field matching? table|boolean `kind`: "mean", "transformer", "best" or "tokens": captions are compared with the query
---@field alpha? number|"learn" weight of sound against captions; 0.73 when left out

---Makes a head with fresh weights.
---@param given nightjar.HeadOptions
---@return nightjar.Head
function nj.head.new(given) end

---A table of word vectors, 8-bit quantised: the encoder of a text tower of whole words (`kind = "words"`).
---@class nightjar.WordVectors
local WordVectors = {}

---Fills the table.
---@param vectors nightjar.Tensor (V, C)
---@param weights nightjar.Tensor (V) how much each word says, of at least 0
---@return nightjar.WordVectors self
function WordVectors:set(vectors, weights) end

---Vectors of words, (n, C).
---@param ids nightjar.Tensor int64 (n), from 1
---@return nightjar.Tensor
function WordVectors:rows(ids) end

---Makes the vectors of the first `count` words trainable: a difference, zero at first, is added to each.
---@param count integer
---@return nightjar.Tensor delta (count + 1, C); its last row stays zero, for all other words
function WordVectors:adapt(count) end

---Puts what was trained into the table.
---@return nightjar.WordVectors self
function WordVectors:settle() end

---Puts words before those of the table, whose rows keep their bits.
---@param vectors nightjar.Tensor (n, C) float32
---@param weights nightjar.Tensor (n)
---@return nightjar.WordVectors self
function WordVectors:extend(vectors, weights) end

---What rebuilds the network without its weights.
---@return table
function WordVectors:descriptor() end

---What is trained: nothing, or the difference of `adapt`.
---@return { name: string, tensor: nightjar.Tensor }[]
function WordVectors:parameters() end

---Running statistics: none.
---@return table[]
function WordVectors.buffers() end

---Every tensor by name: vectors, scale, weight.
---@return table<string, nightjar.Tensor>
function WordVectors:state() end

---Takes a table's tensors for its own, without copying them.
---@param state table<string, nightjar.Tensor>
---@param prefix string
---@return { missing: string[], mismatched: string[], loaded: integer }
function WordVectors:load(state, prefix) end

---Training mode, in which words are left out at random, or inference mode.
---@param on? boolean
---@return nightjar.WordVectors self
function WordVectors:train(on) end

---Inference mode.
---@return nightjar.WordVectors self
function WordVectors:eval() end

---Whether it is in training mode.
---@return boolean
function WordVectors:is_training() end

---A vocabulary of whole words.
---@class nightjar.WordVocabulary
local WordVocabulary = {}

---The words of a text in their order: as written, their bytes, their places in the vocabulary (none: unknown),
---and whether they are words of grammar.
---@param text string
---@return { text: string, from: integer, to: integer, entries: integer[], stop: boolean }[]
function WordVocabulary:split(text) end

---What of a word without entries would be looked up, were it in the vocabulary: its letters, without digits.
---@param word { text: string } of WordVocabulary:split
---@return string? key nil where there are no letters
function WordVocabulary.key(word) end

---@class nightjar.Head
---@field dim integer
---@field fusion table how levels are fused: normalize, weights, alpha, statistics
local Head = {}

---The levels that are switched on, "caption" last.
---@return string[]
function Head:levels() end

---What rebuilds the head without its weights, fusion included.
---@return table
function Head:descriptor() end

---The networks, with the prefixes of their parameters' names.
---@return {prefix: string, net: any}[]
function Head:parts() end

---Parameters to train, in a fixed order.
---@return {name: string, tensor: nightjar.Tensor}[]
function Head:parameters() end

---Running statistics.
---@return {name: string, tensor: nightjar.Tensor}[]
function Head:buffers() end

---Every tensor by name; the tensors are the head's own.
---@return table<string, nightjar.Tensor>
function Head:state() end

---Copies tensors into the head.
---@param state table<string, nightjar.Tensor>
---@return string[] problems what is missing or mismatched; empty when all fitted
function Head:load(state) end

---Names of the temperatures and the like that a state lacks or has in another shape.
---@param state table<string, nightjar.Tensor>
---@return string[]
function Head:missing_scalars(state) end

---Copies the temperatures and the like that a state has.
---@param state table<string, nightjar.Tensor>
function Head:load_scalars(state) end

---Training mode, or with false inference mode, in which a new head is.
---@param on? boolean (true)
---@return nightjar.Head self
function Head:train(on) end

---Inference mode.
---@return nightjar.Head self
function Head:eval() end

---Whether it is in training mode.
---@return boolean
function Head:is_training() end

---A level's temperature as it stands.
---@param level? "clip"|"segment"|"frame"|"caption" clip when left out
---@return number
function Head:temperature(level) end

---The balance of sound and captions: learnt, fitted or given; nil without the caption branch.
---@return number?
function Head:alpha() end

---Gives the head the names of the tags that queries are matched with.
---@param given fun(): { sentence: nightjar.Tensor, words: nightjar.Tensor, mask: nightjar.Tensor } sentence (T, C), words (T, V, C), mask (T, V) of the text encoder; called when first needed, and anew while training
function Head:set_tags(given) end

---Gives the head the vectors of texts that its levels learnt with sounds, for which tags count less.
---@param known? nightjar.Tensor (n, D) of unit length; nil: tags count the same for all
function Head:set_known(known) end

---Sounds in the shared space, all levels of unit length.
---@param given table `frames` (B, N, C), `mask` (B, N), `clip` (B, C), `clip_mask` (B, N) of the frames that a codebook makes clips of (as mask when left out), `captions` (B, K, D), `caption_mask` (B, K), `caption_words`, `caption_word_mask`, `tokens`, `rng`
---@return table a clip; segments, segment_mask, segment_assignment, segment_weights; frames, frame_mask, frame_weights; caption or captions; captioned
function Head:audio(given) end

---Texts in the shared space, all levels of unit length.
---@param given table `words` (B, W, C), `mask` (B, W) without special tokens, `sentence` (B, C), `tokens`, `rng`
---@return table t sentence; phrases, phrase_mask, phrase_assignment, phrase_weights; words, word_mask, word_weights
function Head:text(given) end

---Several results of Head:audio as one padded batch.
---@param items table[]
---@return table a
function Head:collate_audio(items) end

---Several results of Head:text as one padded batch.
---@param items table[]
---@return table t
function Head:collate_text(items) end

---Similarities of all texts (rows) and clips (columns), by level.
---@param t table what Head:text gave
---@param a table what Head:audio gave
---@return table<string, nightjar.Tensor> levels clip, segment, frame, caption; `captioned` (clips) where some clips have no captions
function Head:similarity(t, a) end

---The levels' matrices as one.
---@param levels table<string, nightjar.Tensor>
---@param weights? table<string, number> by level; what Head:fit found when left out
---@return nightjar.Tensor (texts, clips)
function Head:fuse(levels, weights) end

---Finds the weights of the levels and of captions that give the highest mean R@1 of both directions,
---and keeps them.
---@param levels table<string, nightjar.Tensor> of the validation data
---@param ids? integer[]|table the clip of every text, or { texts = ids, clips = ids }
---@param given? {normalize?: "none"|"z"|"temperature", steps?: integer}
---@return table result weights, alpha, R1, nt_xent, before, tried
function Head:fit(levels, ids, given) end

---The loss of a batch over all levels.
---@param levels table<string, nightjar.Tensor> row i and column i are a pair
---@param options? table `ids`; `loss` (name, or { name = , options }); `distill` (weight, or { weight, from }); `denoise` (what Head:positives gave); `hardest` (margin, or { margin, weight }); `weights` by level
---@return nightjar.Tensor total scalar
---@return table<string, nightjar.Tensor> parts by level
function Head:loss(levels, options) end

---Clips of a batch that are more like each other than one is like itself: label denoising.
---@param a table what Head:audio gave, with frames
---@param options? {margin?: number, rng?: nightjar.Rng}
---@return nightjar.Tensor (B, B) uint8
function Head:positives(a, options) end

---Sound libraries: a folder of sounds indexed into one file, and searched with words.
---@class nightjar.library
nj.library = {}

---@class nightjar.Library
local Library = {}

---@class nightjar.LibraryOptions
---@field model? nightjar.Model|string a model, or the name or path of one; without it the one that the library was made with, else the one that comes with nightjar
---@field create? boolean make the file when it is missing; true when left out
---@field read_only? boolean never write to the file, nor make one; false
---@field rebuild? boolean all sounds are to be indexed again, also with another model; false
---@field wait? number seconds to wait for others that write; 30

---Opens a library, or makes it. Opening clears nothing: a library of another model, or one whose mark is missing or damaged, is refused with an error that says what to do.
---@param path string
---@param options? nightjar.LibraryOptions
---@return nightjar.Library? library
---@return string? message
---@return string? code
function nj.library.open(path, options) end

---The library file that serves a folder: .nightjar.njl there, or in one above it.
---@param folder string
---@return string? path
---@return string? message
---@return string? code
function nj.library.find(folder) end

---What Library:add did.
---@class nightjar.AddReport
---@field added integer
---@field updated integer
---@field unchanged integer
---@field moved integer files under another name whose bytes were known: not encoded again
---@field missing integer files that are not there any more; their vectors are kept
---@field seconds number of sound that was encoded
---@field failed { path: string, error: string, code: string }[]
---@field skipped table<string, integer> files that are no sounds, by extension

---@class nightjar.AddOptions
---@field progress? nightjar.ProgressOption called with (done, total, path) before each sound and, with path nil, at the end
---@field captions? fun(path: string): string[] what a captioner says of a sound, for a model with auxiliary captions (asked for sounds that are read)
---@field allow_empty? boolean take it that a folder without any sound has lost those that it had; false
---@field waiting? fun(seconds: number) called while others are waited for

---Indexes a file or the sounds of a folder. Files that are as they were are not read; files that were moved or renamed are known by their bytes; those that are gone are kept as missing until prune. Several may search and index at the same time: indexers share the work.
---@param path string
---@param options? nightjar.AddOptions
---@return nightjar.AddReport? report
---@return string? message
---@return string? code
function Library:add(path, options) end

---Forgets a sound. true when it was known.
---@param path string
---@return boolean? known
---@return string? message
---@return string? code
function Library:remove(path) end

---Forgets the sounds whose files are missing, and are not there again.
---@param options? { dry_run?: boolean } dry_run (false): only say which
---@return string[]? paths
---@return string? message
---@return string? code
function Library:prune(options) end

---Checks every row of the file against its checksum.
---@param options? { repair?: boolean } repair (false): have sounds with damage indexed again by the next add
---@return { problems: { problem: string, path?: string, id?: integer }[], mended: integer }? report
---@return string? message
---@return string? code
function Library:verify(options) end

---@class nightjar.LibrarySound
---@field id integer
---@field path string
---@field seconds number
---@field missing boolean its file was not there when it was last looked for
---@field stale boolean it waits to be indexed again
---@field error? string why it could not be indexed
---@field code? string of that error

---All sounds, by path.
---@return nightjar.LibrarySound[]? sounds
---@return string? message
---@return string? code
function Library:sounds() end

---How many sounds there are, and in which state.
---@return { sounds: integer, seconds: number, failed: integer, missing: integer, stale: integer }? counts
---@return string? message
---@return string? code
function Library:count() end

---Sounds as Model:similarity takes them.
---@param options? { missing?: boolean } missing (false): also those whose files are missing
---@return { vector: nightjar.Tensor, path: string, label: string }[]? clips
---@return string? message
---@return string? code
function Library:clips(options) end

---One sound's best seconds for a word of the query.
---@class nightjar.WordHit
---@field word string
---@field from number seconds
---@field to number
---@field score number the cosine of word and frame

---@class nightjar.Hit
---@field path string
---@field score number the probability that the sound is what the text asks for when the model is calibrated, else the similarity
---@field cosine number of clip and sentence
---@field from number seconds of the window that is most like the text
---@field to number
---@field seconds number the sound's length
---@field id integer
---@field missing? boolean its file was not there when it was last looked for
---@field similarity? number the levels fused, for a model that has several
---@field levels? table<string, number> of each level: clip, segment, frame, caption
---@field words? nightjar.WordHit[] for a model with the frame level

---@class nightjar.SearchOptions
---@field k? integer how many; 5
---@field at_least? number the lowest score to give
---@field candidates? integer how many are compared at every level; 100
---@field missing? boolean also sounds whose files are missing; false

---The sounds that fit a text best. Where the model has finer levels than clip and sentence, the clip vectors find candidates, and hits are in the order of the fused similarity.
---@param text string
---@param options? nightjar.SearchOptions
---@return nightjar.Hit[]? hits best first; `hits.unknown` lists words of the text that the model never learnt; where it knows none that names a sound, `hits.note` says so and a calibrated model's scores are 0. Raises when the text has no word
---@return string? message
---@return string? code
function Library:search(text, options) end

---The sounds most like a sound (a path). Scores are cosines: the calibration knows texts only.
---@param path string
---@param options? { k?: integer, missing?: boolean } k (5): how many; missing (false): also sounds whose files are missing
---@return nightjar.Hit[]? hits
---@return string? message
---@return string? code
function Library:like(path, options) end

---Closes the file. Further calls raise.
function Library:close() end

---Retrieval of a whole data set with a model: what `nightjar eval` does.
---@class nightjar.evaluate
nj.evaluate = {}

---Opens a data set by the name of its kind.
---@param kind "folder"|"esc50"|"audiocaps"|"clotho"|"manifest"
---@param root string its folder; of a manifest the file, or the folder of a manifest.jsonl
---@param options? { split?: string, captions?: string, labels?: string } split: of audiocaps and clotho; of a manifest what its lines call `split`; of esc50 train, val, test, all or a fold; of a folder train, validation or test, by the column "split" of its CSV. captions: a CSV, for folder; labels: the column of it that names classes
---@return nightjar.Dataset? dataset
---@return string? message
---@return string? code
function nj.evaluate.open(kind, root, options) end

---Vectors of clips as one matrix; clips whose sound cannot be read are left out.
---@param model nightjar.Model
---@param clips table[] with `path`
---@param progress? nightjar.ProgressOption
---@return nightjar.Tensor vectors (n, D), table[] kept, { id: string, error: string }[] failed
function nj.evaluate.clips(model, clips, progress) end

---@class nightjar.EvaluateOptions
---@field bootstrap? integer resamples of the intervals; 1000 when left out
---@field seed? integer of the resamples; 1
---@field progress? nightjar.ProgressOption
---@field generated? fun(clip: nightjar.Clip): string|string[] a captioner's captions of a clip, for models with auxiliary captions

---Text→audio and audio→text retrieval over all captions of a data set.
---@param model nightjar.Model
---@param dataset nightjar.Dataset
---@param options? nightjar.EvaluateOptions
---@return nightjar.Tensor|nil result a nj.metrics retrieval result
---@return string? message
---@return string? code
function nj.evaluate.run(model, dataset, options) end

---@class nightjar.EvaluateSimilarityOptions
---@field progress? nightjar.ProgressOption
---@field generated? fun(clip: nightjar.Clip): string|string[] a captioner's captions of a clip, for models with auxiliary captions

---The similarities of a data set's captions and clips.
---@param model nightjar.Model
---@param dataset nightjar.Dataset
---@param options? nightjar.EvaluateSimilarityOptions
---@return nightjar.Similarity? similarity
---@return integer[]|string clip_of the clip of every text; or a message
---@return table|string failed; or a code
---@return nightjar.Clip[]? clips that could be read, the columns
function nj.evaluate.similarity(model, dataset, options) end

---Retrieval by each level alone, and by their fusion.
---@param model nightjar.Model
---@param dataset nightjar.Dataset
---@param options? nightjar.EvaluateOptions
---@return table<string, nightjar.Retrieval>? results by level, and `fused`
---@return table|string failed; or a message
---@return string? code
function nj.evaluate.levels(model, dataset, options) end

---What `nj.evaluate.search` found; prints as tables.
---@class nightjar.SearchResult
---@field clips integer
---@field captions integer
---@field texts integer distinct ones, but for case and spaces
---@field text_to_audio nightjar.Relevance
---@field audio_to_text nightjar.Relevance
---@field sets { name: string, clips: integer, texts: integer, text_to_audio: nightjar.Relevance, audio_to_text: nightjar.Relevance }[] each set searched by itself
---@field classes nightjar.Classification? where all clips have labels
local SearchResult = {}

---The numbers as plain tables, for JSON.
---@return table
function SearchResult:plain() end

---@class nightjar.EvaluateSearchOptions: nightjar.EvaluateOptions
---@field confidence? number of the intervals; 0.95
---@field ties? nightjar.Ties "stable" when left out: the lower index first
---@field sets? boolean false: no table of each set
---@field classifier? nightjar.Classifier of the model; else the labels by their names

---Search as a user does it: every distinct text asks over all sounds, and all sounds of which it is said are relevant; texts are the same when only case and spaces differ. Sounds that nothing is said of are searched, too.
---@param model nightjar.Model
---@param dataset nightjar.Dataset clips may have a `set` and a `label`
---@param options? nightjar.EvaluateSearchOptions
---@return nightjar.SearchResult? result
---@return { id: string, error: string }[]|string failed clips that could not be read; or a message
---@return string? code
function nj.evaluate.search(model, dataset, options) end

---What `nj.evaluate.order` found; prints as a table.
---@class nightjar.OrderProbe
---@field accuracy number percent
---@field margin number mean difference of the similarities
---@field ties integer which count half
---@field scenes integer
---@field tried integer scenes looked at
---@field ci table<string, number[]>?
---@field chance table<string, number>
local OrderProbe = {}

---The numbers as plain tables, for JSON.
---@return table
function OrderProbe:plain() end

---@class nightjar.OrderOptions
---@field size? integer how many scenes; 200
---@field template? string "{a}, then {b}" when left out
---@field confidence? number of the intervals; 0.95
---@field bootstrap? integer resamples of the intervals; 1000 when left out
---@field seed? integer of the resamples; 1
---@field progress? nightjar.ProgressOption

---Order probes over scenes of two sounds, one after the other: how often "A, then B" fits better than "B, then A".
---@param model nightjar.Model
---@param scenes nightjar.Scenes
---@param options? nightjar.OrderOptions
---@return nightjar.OrderProbe? result
---@return string? message
---@return string? code
function nj.evaluate.order(model, scenes, options) end

---@class nightjar.EvaluateAlignmentOptions
---@field size? integer scenes 1 to size; 200
---@field captions? integer of each scene; 1
---@field bootstrap? integer resamples of the intervals; 1000 when left out
---@field seed? integer of the resamples; 1
---@field progress? nightjar.ProgressOption

---How well words point at the seconds of their sounds, over scenes, whose phrases have known seconds.
---@param model nightjar.Model
---@param scenes nightjar.Scenes
---@param options? nightjar.EvaluateAlignmentOptions
---@return nightjar.Alignment? result
---@return string? message
---@return string? code
function nj.evaluate.alignment(model, scenes, options) end

---@class nightjar.EvaluateClassesOptions
---@field bootstrap? integer resamples of the intervals; 1000 when left out
---@field seed? integer of the resamples; 1
---@field progress? nightjar.ProgressOption

---Zero-shot classification of clips with known labels: mAP, accuracy, what is taken for what. Of several prompts of a label alone the mean of their similarities.
---@param model nightjar.Model
---@param clips table[] with `path` and `label`, or `labels`
---@param prompts nightjar.Classifier|table<string, string[]> a classifier of the model, or prompts by label
---@param options? nightjar.EvaluateClassesOptions
---@return nightjar.Classification? result
---@return { id: string, error: string }[]|string failed clips that could not be read; or a message
---@return string? code
function nj.evaluate.classes(model, clips, prompts, options) end

---Finds where sound files sound, and remembers it. Made by `nightjar.data.activity.finder`.
---@class nightjar.Activity
local Activity = {}

---The seconds between which a file sounds, its level and its happenings.
---@param path string
---@return {from: number, to: number, level: number, peak: number, duration: number, events: table[]}|false|nil found false for a silent file
---@return string? message
---@return string? code
function Activity:of(path) end

---Writes what was found to the finder's file, if it has one.
---@return true? ok
---@return string? message
---@return string? code
function Activity:save() end

-- ---- experiments ----

---Lists of configurations, each run with several seeds, as tables with intervals. Every finished run is a file, so that an
---experiment goes on where it was stopped, and experiments with one folder share runs.
---@class nightjar.experiment
---@overload fun(options: table): nightjar.Experiment
nj.experiment = {}

---Describes an experiment; nothing runs yet. `nj.experiment{…}` is `nj.experiment.new{…}`.
---@param options table `name`, `run` (function(configuration, seed, context) → nested table of metrics), `configurations` (tables of plain values with a `name`), `metrics` (keys, or { key =, label =, digits =, difference = }), `runs` (folder), `seeds` ({ 1, 2, 3, 4, 5 }), `setting` (what all runs depend on), `baseline` (a name), `title`, `about` (lines), `charts` ({ kind = "bars" or "lines", metric =, x =, series =, suffix =, title = }), `confidence` (0.95), `command`
---@return nightjar.Experiment
function nj.experiment.new(options) end

---Every combination of the values of some keys, as configurations named after them.
---@param axes { [1]: string, [2]: any[] }[] the last varies fastest
---@param base? table copied into each
---@return table[]
function nj.experiment.grid(axes, base) end

---@class nightjar.Estimate
---@field n integer
---@field mean number nan without values
---@field deviation number of the values
---@field half number half of the interval
---@field low number
---@field high number

---The mean of values and its interval by Student's t.
---@param values number[] what is not finite is left out
---@param confidence? number 0.95 when left out
---@return nightjar.Estimate
function nj.experiment.estimate(values, confidence) end

---The mean difference of values that belong together.
---@param values table<any, number> by seed
---@param baseline table<any, number> by seed; seeds that only one has are left out
---@param confidence? number 0.95 when left out
---@return nightjar.Estimate
function nj.experiment.paired(values, baseline, confidence) end

---@class nightjar.Features
---@field frames nightjar.Tensor (N, T, C)
---@field clip nightjar.Tensor (N, C)
---@field lengths nightjar.Tensor int64 (N)
---@field ids string[]
---@field failures { id: string, message: string }[] clips that could not be read
---@field seconds_per_frame number
---@field cached boolean whether they came from the file

---What a frozen encoder makes of a whole data set, computed once and kept in one file.
---@param path string
---@param options table `source` (a data set or scenes), `encoder`, `front_end`, `batch` (25), `max_seconds` (30), `on_error` ("skip"), `progress` (true or function(done, total))
---@return nightjar.Features? features
---@return string? message
---@return string? code
function nj.experiment.features(path, options) end

---An experiment. Made by `nj.experiment`.
---@class nightjar.Experiment
local Experiment = {}

---Does the runs that are missing, seed after seed, and gives the results of all.
---@param options? table `progress` (true), `retry` (true: failed runs again), `seeds`, `only` (function(configuration) → boolean)
---@return nightjar.ExperimentResults
function Experiment:run(options) end

---The results of what was done so far; nothing runs.
---@return nightjar.ExperimentResults
function Experiment:results() end

---Estimates of every configuration and metric. Prints as a Markdown table.
---@class nightjar.ExperimentResults
---@field rows table[] name, label, configuration, runs, estimates, differences (to the baseline), values, seconds, cpu_seconds
---@field failures { name: string, seed: integer, error: string }[]
local ExperimentResults = {}

---The row of a configuration.
---@param name string
---@return table
function ExperimentResults:row(name) end

---The table as Markdown, with what it was made of.
---@return string
function ExperimentResults:markdown() end

---Everything as plain tables, for JSON.
---@return table
function ExperimentResults:plain() end

---A drawing of one metric.
---@param description? table kind ("bars" or "lines"), metric, x, series, title, x_label
---@return string svg
function ExperimentResults:svg(description) end

---Writes name.json, name.md and a drawing for each chart.
---@param folder string
---@return string[]? paths
---@return string? message
---@return string? code
function ExperimentResults:write(folder) end
