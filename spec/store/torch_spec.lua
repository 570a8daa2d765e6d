local nj = require "nightjar"
local fs = require "nightjar.fs"
local temporary = require "spec.support.temporary"
local torch_file = require "spec.support.torch_file"
local mutate = require "spec.support.mutate"

local p = torch_file.pickle
local FLOATS = string.pack("<ffffff", 1, 2, 3, 4, 5, 6)

describe("a torch checkpoint", function()
  local folder, path
  setup(function()
    folder = temporary.folder()
    path = folder .. "/x.pth"
  end)
  teardown(function() temporary.remove(folder) end)

  --- Loads an object with one storage "0" from a zip; more entries may be given.
  local function load(object, entries)
    local all = { ["data.pkl"] = p.file(object), ["data/0"] = FLOATS, version = "3\n" }
    for name, bytes in pairs(entries or {}) do all[name] = bytes end
    temporary.write(path, torch_file.zip(all))
    return nj.store.load(path)
  end

  local function load_legacy(object, storages)
    temporary.write(path, torch_file.legacy(object, storages or { { "0", 6, FLOATS } }))
    return nj.store.load(path)
  end

  local function refused(code, complaint, file, message, got)
    assert.is_nil(file)
    assert.matches(complaint, message, 1, true)
    assert.equal(code, got)
    assert.matches(path, message, 1, true)
  end

  local w = p.tensor("0", { 2, 3 })

  it("is read from a zip and from the legacy format alike", function()
    for _, reader in ipairs { load, load_legacy } do
      local file = assert(reader(p.dict { "w", w, "n", 3 }))
      assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, file.tensors.w:totable())
      assert.same({ "w" }, file.names)
      assert.same({ n = 3 }, file.metadata)
    end
    assert.equal("torch (legacy)", nj.store.info(path).container)
    load(p.dict { "w", w })
    assert.same({ container = "torch", metadata = {},
      entries = { { name = "w", dtype = "F32", shape = { 2, 3 }, bytes = 24 } } }, nj.store.info(path))
  end)

  it("may wrap tensors in parameters, subclasses and untyped storages", function()
    local parameter = p.call("torch._utils", "_rebuild_parameter",
      { w, true, p.call("collections", "OrderedDict", {}) })
    local v3 = p.call("torch._utils", "_rebuild_tensor_v3", { p.storage("0", 24, "UntypedStorage"), 1,
      p.tuple { 2 }, p.tuple { 2 }, false, p.call("collections", "OrderedDict", {}),
      p.name("torch", "float32") })
    local typed = p.call("torch._tensor", "_rebuild_from_type_v2", {
      p.name("torch._utils", "_rebuild_tensor_v2"), p.name("torch", "Tensor"),
      p.tuple { p.storage("0", 6), 5, p.tuple {}, p.tuple {}, false, p.raw "N" },
      p.dict { "note", "x" } })
    local file = assert(load(p.dict { "a", parameter, "b", v3, "c", typed }))
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, file.tensors.a:totable())
    assert.same({ 2, 4 }, file.tensors.b:totable())
    assert.equal(6, file.tensors.c:item())
  end)

  it("wants of tensors what torch's function takes", function()
    local function tensor(...)
      return p.call("torch._utils", "_rebuild_tensor_v2",
        { p.storage("0", 6), 0, p.tuple { 2 }, p.tuple { 1 }, ... })
    end
    local hooks = p.call("collections", "OrderedDict", {})
    assert(load(tensor(false, hooks)))
    assert(load(tensor(true, hooks, p.dict {})))
    local complaint = "a tensor that does not say whether it needs gradients, or no hooks"
    refused("EFORMAT", complaint, load(tensor(1, hooks)))
    refused("EFORMAT", complaint, load(tensor(false)))
  end)

  it("names tensors by the levels above them", function()
    local object = p.dict { "model", p.call("collections", "OrderedDict",
      { p.list { p.list { "first", w } } }), 7, p.tuple { w, p.list { w } }, 0.5, w,
      p.name("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"), w }
    local file = assert(load(object))
    assert.same({ "model/first", "7/0", "7/1/0", "0.5", "(4)" }, file.names)
    assert.same({ "root" }, assert(load(w)).names)
    refused("EFORMAT", "two tensors are called 'a/b'",
      load(p.dict { "a/b", w, "a", p.dict { "b", w } }))
    -- In Python the last value of a key would stand.
    for _, keys in ipairs { { "a", "a" }, { 1, 1 }, { true, 1 } } do
      refused("EFORMAT", "a dictionary has a key twice",
        load(p.dict { keys[1], w, "b", 2, keys[2], 7 }))
    end
    refused("EFORMAT", "NUL", load(p.dict { "a\0b", w }))
    refused("EFORMAT", "more than 1024 bytes", load(p.dict { ("x"):rep(1025), w }))
  end)

  it("keeps plain values of every kind as metadata", function()
    local namespace = p.build(p.raw "cargparse\nNamespace\n)\x81", p.dict { "lr", 0.5 })
    local scalar = p.call("numpy.core.multiarray", "scalar", {
      p.build(p.call("numpy", "dtype", { "i2", false, true }), p.tuple { 3, ">" }),
      p.call("_codecs", "encode", { "\xc3\xbf\xc3\xbe", "latin1" }) })
    local file = assert(load(p.dict { "w", w, "args", namespace, "scalar", scalar, "none", p.raw "N",
      "negative", -300, "large", 1 << 40, "yes", true, "text", "é", "device",
      p.call("torch", "device", { "cpu" }), "set", p.call("__builtin__", "set", { p.list { 5 } }),
      "long", p.raw "\x8a\x09\0\0\0\0\0\0\0\0\xff", "size", p.call("torch", "Size", { p.list { 1, 2 } }),
      "counter", p.call("collections", "Counter", { p.dict { 30, 1 } }), "bytes", p.raw "C\2ab",
      "path", p.call("pathlib", "PosixPath", { "/", "x" }), "u", p.raw "U\2ab",
      "default", p.call("collections", "defaultdict", { p.name("builtins", "list") }) }))
    assert.same({ ["args/lr"] = 0.5, scalar = -2, negative = -300, large = 1 << 40, yes = true,
      text = "é", device = "(device)", ["set/0"] = 5, long = "-18446744073709551616", ["size/0"] = 1,
      ["size/1"] = 2, ["counter/30"] = 1, bytes = "(bytes)", path = "(PosixPath)", u = "ab" },
      file.metadata)
  end)

  it("shares one storage among tensors, whatever their views", function()
    local file = assert(load(p.dict { "a", w, "b", p.tensor("0", { 3, 2 }, { stride = { 1, 3 } }),
      "c", p.tensor("0", { 4 }, { stride = { 0 }, numel = 6, offset = 2 }) }))
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, file.tensors.b:totable())
    assert.same({ 3, 3, 3, 3 }, file.tensors.c:totable())
    file.tensors.a[1] = 9
    assert.equal(9, file.tensors.b(1, 1))
    assert.matches(FLOATS, assert(fs.read(path)), 1, true)
  end)

  it("runs nothing, and names what it was asked to run", function()
    for _, name in ipairs { { "os", "system" }, { "builtins", "eval" }, { "torch", "load" },
      { "torch._utils", "_rebuild_sparse_tensor" }, { "models", "Cnn14" },
      { "torch", "ComplexFloatStorage" } } do
      local asked = ("refused: the file asks for '%s.%s'"):format(name[1], name[2])
      refused("EUNSUPPORTED", asked, load(p.dict { "w", w, "x", p.name(name[1], name[2]) }))
      refused("EUNSUPPORTED", asked, load_legacy(p.dict { "x", p.call(name[1], name[2], { "touch x" }) }))
    end
    local class = { "pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint" }
    refused("EUNSUPPORTED", "refused: the file asks for 'pytorch_lightning",
      load(p.dict { "w", w, "x", p.call(class[1], class[2], {}) }))
    refused("EUNSUPPORTED", "'builtins.list'", load(p.dict { "w", w, "x", p.call("builtins", "list", {}) }))
    refused("EUNSUPPORTED", "asks for '?[31m.x'", load(p.dict { "x", p.name("\27[31m", "x") }))
  end)

  it("is refused when a tensor does not lie in its storage", function()
    local wrong = {
      { { 2, 3 }, { offset = 1, numel = 6 }, "reaches to element 6 of a storage of 6" },
      { { 2, 3 }, { offset = -1, numel = 6 }, "negative offset" },
      { { 2 }, { stride = { 6 }, numel = 6 }, "reaches to element 6" },
      { { 2 }, { stride = { 1 << 62 }, numel = 6 }, "reaches to element" },
      { { 3 }, { stride = { 1 << 62 }, numel = 6 }, "overflows" },
      { { 1 << 32, 1 << 32 }, { numel = 6 }, "overflows" },
      { { 1 << 32, 1 << 32, 0 }, { numel = 6 }, "overflows" },
      { { -1 }, { numel = 6 }, "not a natural number" },
      { { 2 }, { stride = { -1 }, numel = 6, offset = 3 }, "not a natural number" },
      { { 2 }, { stride = { 1, 1 }, numel = 6 }, "1 sizes and 2 strides" },
      { { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, { numel = 6 }, "a tensor of 9 dimensions" },
      { { 1 << 30 }, { stride = { 0 }, numel = 6 }, "a tensor of 1073741824 elements over a storage of 6" },
      { { 2, 3 }, { numel = 7 }, "'archive/data/0' has 24 bytes, its tensors need 28" },
      { { 2, 3 }, { kind = "DoubleStorage" }, "has 24 bytes, its tensors need 48" },
    }
    for _, case in ipairs(wrong) do
      refused("EFORMAT", case[3], load(p.dict { "w", p.tensor("0", case[1], case[2]) }))
    end
    refused("EFORMAT", "the data of storage '1' are not there", load(p.dict { "w", p.tensor("1", { 6 }) }))
    refused("EFORMAT", "given two sizes", load(p.dict { "v", w, "w", p.tensor("0", { 5 }, { numel = 5 }) }))
  end)

  it("is refused when its parts contradict each other", function()
    refused("EFORMAT", "another size", load_legacy(p.dict { "w", w }, { { "0", 5, FLOATS } }))
    refused("EFORMAT", "cut off inside", load_legacy(p.dict { "w", w }, { { "0", 6, FLOATS:sub(1, 23) } }))
    refused("EFORMAT", "there twice",
      load_legacy(p.dict { "w", w }, { { "0", 6, FLOATS }, { "0", 6, FLOATS } }))
    refused("EFORMAT", "not in the file", load_legacy(p.dict { "w", w }, {}))
    refused("EFORMAT", "holds no tensors", load(p.dict { "n", 1 }))
    refused("EUNSUPPORTED", "little-endian", load(p.dict { "w", w }, { byteorder = "big" }))
    assert(load(p.dict { "w", w }, { byteorder = "little" }))
    refused("EUNSUPPORTED", "TorchScript",
      load(p.dict { "w", w }, { ["code/x.py"] = "", ["constants.pkl"] = "" }))
    temporary.write(path, torch_file.zip({ ["a/data.pkl"] = p.file(p.dict { "w", w }), ["a/data/0"] = FLOATS,
      ["ab/../../x"] = "" }, ""))
    refused("EFORMAT", "the archive holds a file outside its folder 'a/'", nj.store.load(path))
    refused("EFORMAT", "2 files called data.pkl", load(p.dict { "w", w }, { ["x/data.pkl"] = "" }))
    temporary.write(path, torch_file.zip({ ["a.npy"] = "x" }, ""))
    refused("EUNSUPPORTED", "a numpy archive", nj.store.load(path))
    temporary.write(path, torch_file.zip({ ["a.txt"] = "x" }, ""))
    refused("EUNSUPPORTED", "no data.pkl", nj.store.load(path))
  end)

  it("costs no more than it is long, however its parts are nested or shared", function()
    local deep = w
    for _ = 1, 64 do deep = p.list { deep } end
    assert.equal(1, #assert(load(deep)).names)
    refused("EFORMAT", "nested deeper than 64", load(p.list { deep }))
    refused("EFORMAT", "hold themselves", load(p.raw "]q\0h\0a"))
    local doubled = p.raw("]q\0" .. w.pickled .. "a")
    local bomb = doubled.pickled
    for i = 1, 40 do
      local last = "h" .. string.char(i - 1)
      bomb = bomb .. "0](" .. last .. last .. "eq" .. string.char(i)
    end
    refused("EFORMAT", "share their parts too often", load(p.raw(bomb)))
    local state = "}q\0(" .. ("K\1K\2"):rep(500) .. "u"
    refused("EFORMAT", "copied too often", load(p.raw("](cargparse\nNamespace\n)\x81" .. state
      .. ("bh\0"):rep(50) .. "be")))
    local words = p.list { ("K\1"):rep(0) }
    words.pickled = "](" .. p.tuple({ "word" }).pickled .. "q\0" .. ("h\0"):rep(20000) .. "e"
    assert.equal(1, #assert(load(p.dict { "w", w, "labels", words })).names)
    refused("EFORMAT", "more than 1000 containers", load(p.raw(("("):rep(2000))))
  end)

  it("survives seeded damage", function()
    local rng = nj.rng(11)
    local good = { torch_file.zip { ["data.pkl"] = p.file(p.dict { "w", w, "n", 1 }), ["data/0"] = FLOATS },
      torch_file.legacy(p.dict { "w", w, "n", 1 }, { { "0", 6, FLOATS } }) }
    for round = 1, 300 do
      temporary.write(path, mutate(good[round % 2 + 1], rng, round))
      local file, message, code = nj.store.load(path)
      assert.is_true(file ~= nil or (type(message) == "string" and type(code) == "string"))
    end
  end)

  it("survives memory that runs out at every request, and holds nothing back", function()
    if not nj._fail_after then return pending "needs failing allocations" end
    temporary.write(path, torch_file.zip { ["data.pkl"] = p.file(p.dict { "w", w, "n", "text" }),
      ["data/0"] = FLOATS })
    collectgarbage()
    collectgarbage()
    local before = nj.memory().live
    for count = 0, 60 do
      nj._fail_after(count)
      local ok, file, message, code = pcall(nj.store.load, path)
      nj._fail_after(-1)
      if ok and file then break end
      if ok then assert.equal("ENOMEM", code, message) end
      assert.is_true(count < 60)
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, nj.memory().live)
  end)
end)
