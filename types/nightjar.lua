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
