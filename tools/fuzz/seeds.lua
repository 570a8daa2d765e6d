--- usage: lua tools/fuzz/seeds.lua FOLDER
--- Small legal inputs for every fuzz target, FOLDER/TARGET/*; a fuzzer changes them into worse ones.
package.path = "./?.lua;" .. package.path
local torch_file = require "spec.support.torch_file"
local p = torch_file.pickle
local folder = ...

local function write(target, name, bytes)
  os.execute(("mkdir -p %s/%s"):format(folder, target))
  local file <close> = assert(io.open(("%s/%s/%s"):format(folder, target, name), "wb"))
  file:write(bytes)
end

local floats = string.pack("<ffffff", 1, 2, 3, 4, 5, 6)
local numpy = p.call("numpy.core.multiarray", "scalar", {
  p.build(p.call("numpy", "dtype", { "f8", false, true }), p.tuple { 3, "<" }),
  p.call("_codecs", "encode", { "\0\0\0\0\0\0\xc3\x90?", "latin1" }) })
local objects = {
  plain = p.dict { "w", p.tensor("0", { 2, 3 }), "b", p.tensor("0", { 3 }, { numel = 6, offset = 3 }) },
  nested = p.dict { "model", p.call("collections", "OrderedDict", {}), "list",
    p.list { p.tensor("0", { 6 }), 1, 2.5, p.raw "N" }, 7, p.tuple { true, "text" } },
  numpy = p.dict { "best", numpy, "w", p.tensor("0", { 3, 2 }, { stride = { 1, 3 } }) },
  half = p.dict { "w", p.tensor("0", { 12 }, { kind = "HalfStorage" }) },
  bytes = p.dict { "w", p.tensor("0", { 24 }, { kind = "BoolStorage" }), "set",
    p.call("__builtin__", "set", { p.list { 1, 2 } }) },
  parameter = p.dict { "w", p.call("torch._utils", "_rebuild_parameter",
    { p.tensor("0", { 6 }), true, p.call("collections", "OrderedDict", {}) }) },
  namespace = p.dict { "args", p.build(p.raw "cargparse\nNamespace\n)\x81", p.dict { "lr", 0.1 }),
    "w", p.tensor("0", { 6 }) },
}
for name, object in pairs(objects) do
  write("pickle", name, p.file(object) .. floats)
  write("archive", name .. ".pth", torch_file.zip { ["data.pkl"] = p.file(object), ["data/0"] = floats,
    ["version"] = "3\n" })
  local count = name == "half" and 12 or name == "bytes" and 24 or 6
  write("archive", name .. ".legacy", torch_file.legacy(object, { { "0", count, floats } }))
end
local header = '{"__metadata__":{"a":"b"},"t":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},'
  .. '"u":{"dtype":"I64","shape":[],"data_offsets":[6,14]}}'
write("archive", "two.safetensors", string.pack("<s8", header) .. ("x"):rep(14))

for i, text in ipairs { '{"a":[1,-2.5e3,true,null],"b":{"c":"\\u00e9\\ud83d\\ude00"}}', "[]", ' "x" ',
  ("["):rep(60) .. ("]"):rep(60) } do
  write("json", "seed" .. i, text)
end

write("tokenizer", "wordpiece", "\0[CLS]\n[SEP]\n[PAD]\ndog\n##s\nbark\n\0Dogs bark, don't they? [CLS]")
write("tokenizer", "bpe", "\1d o\ndo g\nĠ b\nb a\n\0dog barks\xff\xc3\xa9 1234 don't  ")
write("tokenizer", "parse", "\2[CLS]\n[SEP]\ndog\n\0[CLS]dog[SEP]")

local samples = {}
for i = 1, 400 do samples[i] = string.pack("<i2", (i * 997) % 20000 - 10000) end
local data = table.concat(samples)
write("sound", "pcm.wav", "RIFF" .. string.pack("<I4", 36 + #data) .. "WAVEfmt "
  .. string.pack("<I4I2I2I4I4I2I2", 16, 1, 2, 8000, 32000, 4, 16) .. "data"
  .. string.pack("<I4", #data) .. data)
write("sound", "float.au", ".snd" .. string.pack(">I4I4I4I4I4", 24, 80, 6, 11025, 1)
  .. string.pack(">" .. ("f"):rep(20), table.unpack({ 0, .5, -.5, 1, -1, .1, .2, .3, .4, .5, 0, 0, 1,
    1, 1, 0, 0 / 0, 1 / 0, -1, 0 })))

-- A library of four sounds, and command lines.
local suite = require "spec.torture.suite"
local world = suite.world(4)
do
  local lib <close> = assert(world:open())
  assert(lib:add(world.sounds))
end
write("library", "four", require("nightjar.fs").read(world.path))
world:remove()
local lines = {
  "search;a dog;@D;--model;@M", "search;--json;-k;2;rain;@D;--model;@M", "search;--sound;@F;@D;--model;@M",
  "search;dog;@D;--library;@F;--model;@M", "search;-;@D;--model;@M", "info;@F", "info;--json;@F",
  "info;--tensors;@M", "index;@D;--model;@M", "index;--rebuild;@S;--library;@O;--model;@M",
  "classify;@S;--labels;dog,rain;--model;@M", "classify;@S;--labels-file;@F;--model;@M;--json",
  "embed;@S;--out;out.npy;--model;@M", "embed;--list;@F;--out;out.csv;--model;@M", "convert;@F;@O",
  "convert;@M;@O;--half;--json", "caption;@F;--model;@M", "eval;@M;--data;folder;--root;@D",
  "help;search", "--help", "verify;@D", "prune;@D",
}
for i, line in ipairs(lines) do
  local file = i % 2 == 0 and suite.wav(i):sub(1, 400) or "a dog\nrain\n"
  write("command", "line" .. i, line:gsub(";", "\n") .. "\n\n" .. file)
end
