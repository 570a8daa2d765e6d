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
---@field preset? "panns"|"htsat"|"panns16k"|"panns8k"|"laion"|"laion_fusion"|"msclap2022"|"msclap2023"|"dcase"|"act"|"efficientat"
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
---@field fmax? number Hz, at most rate / 2
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

---Turns waves into log-mels: `fe(wave)` is (frames, mels) for (samples) and (clips, frames, mels)
---for (clips, samples). Frames count from 1; the options are fields (`fe.rate`, `fe.hop`). A clip
---gives the same bits alone and in a batch. Not differentiable.
---@class nightjar.FrontEnd: nightjar.MelOptions
---@overload fun(wave: nightjar.Tensor): nightjar.Tensor
local FrontEnd = {}

---Clips of any lengths, padded with silence.
---@param waves nightjar.Tensor[] each (samples)
---@return nightjar.Tensor rows (clips, longest, mels)
---@return nightjar.Tensor lengths int64 (clips), in frames
function FrontEnd:batch(waves) end

---Frames of a clip: 1 + floor(samples / hop) when centred.
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
---@field progress? boolean|nightjar.Progress
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

-- ---- metrics ----

---Metrics. Scores of retrieval are (texts, clips), greater is better.
---@class nightjar.metrics
nj.metrics = {}

---@class nightjar.MetricOptions
---@field ties? "stable"|"optimistic"|"pessimistic"|"mean" "stable" when left out: the lower index first
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
local Classification = {}

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
---@param options? {ties: string?}
---@return number[][]
function nj.metrics.ranks(scores, relevant, options) end

---Average precision of each query, in [0, 1].
---@param scores nightjar.Tensor|number[][] (queries, items)
---@param relevant (integer|integer[])[] relevant items of each query
---@param options? {ties: string?, cutoff: integer?}
---@return number[]
function nj.metrics.average_precision(scores, relevant, options) end

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

---x over its length along a dimension, or over eps where that is larger.
---@param dim? integer the last when left out
---@param options? nightjar.EpsOptions eps is 1e-12 when left out
---@return nightjar.Tensor
function Tensor:normalize(dim, options) end
