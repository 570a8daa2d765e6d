local nj = require "nightjar"
local json = require "dkjson"
local shared = require "spec.support.shared"

local CONTAINERS, NEGATIVE = "golden/12_containers/", "golden/12_negative/"

--- Same type, structure and values; NaN equals NaN.
local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b or (a ~= a and b ~= b) end
  if #a ~= #b then return false end
  for i = 1, #a do
    if not equal(a[i], b[i]) then return false end
  end
  return true
end

local function names(tensors)
  local list = {}
  for name in pairs(tensors) do list[#list + 1] = name end
  table.sort(list)
  return list
end

--- The entries of the manifest whose file satisfies the pattern; nil without ../shared.
local function files(pattern)
  local manifest = shared.json(CONTAINERS .. "manifest.json")
  if not manifest then return nil end
  local list = {}
  for _, file in ipairs(manifest.files) do
    if file.file:find(pattern) then list[#list + 1] = file end
  end
  return list
end

local function check_file(about)
  local got = assert(nj.store.load(shared.path(CONTAINERS .. about.file)))
  local want = assert(nj.store.load(shared.path(CONTAINERS .. about.expected)))
  assert.same(names(want.tensors), names(got.tensors), about.file)
  for name, tensor in pairs(want.tensors) do
    local mine = got.tensors[name]
    assert.same(tensor.shape, mine.shape, about.file .. " " .. name)
    assert.is_true(equal(tensor:totable(), mine:totable()), about.file .. " " .. name)
  end
end

describe("nj.store.load", function()
  for _, kind in ipairs { "^zip_", "^legacy_", "%.safetensors$" } do
    it("gives the expected values of every file of " .. kind, function()
      local list = files(kind)
      if not list then return pending "needs ../shared" end
      for _, about in ipairs(list) do check_file(about) end
      assert.is_true(#list >= 4)
    end)
  end

  it("keeps what strides and shared storages a torch file has", function()
    local list = files "^zip_transposed"
    if not list then return pending "needs ../shared" end
    for name, about in pairs(list[1].tensors) do
      local x = nj.store.load(shared.path(CONTAINERS .. list[1].file)).tensors[name]
      assert.same(about.stride, x.strides, name)
    end
    local tensors = nj.store.load(shared.path(CONTAINERS .. "zip_shared_storage.pth")).tensors
    tensors.tied[1] = 1234
    assert.equal(1234, tensors.head(1))
  end)

  it("gives the plain values beside the tensors as metadata", function()
    if not shared.path(CONTAINERS .. "manifest.json") then return pending "needs ../shared" end
    for _, container in ipairs { "zip", "legacy" } do
      local nested = nj.store.load(shared.path(CONTAINERS .. container .. "_nested.pth")).metadata
      assert.same({ epoch = 7, lr = 0.0001, ["args/name"] = "naïve ünïcode ☃", ["args/flags/0"] = true,
        ["args/flags/1"] = false, ["args/big"] = "1180591620717411303424", ["args/neg"] = -5,
        ["model/tup/1"] = "x" }, nested)
      local numpy = nj.store.load(shared.path(CONTAINERS .. container .. "_numpy_metadata.pth")).metadata
      assert.same({ epoch = 12, best = 0.25 }, numpy)
    end
  end)

  it("refuses what is hostile, runs nothing, and loads what only looks so", function()
    local lines = shared.read(NEGATIVE .. "manifest.jsonl")
    if not lines then return pending "needs ../shared" end
    os.remove "/tmp/nj_pwned"
    nj.memory { limit = nj.memory().live + (256 << 20) }
    local refused = 0
    for line in lines:gmatch "[^\n]+" do
      local about = json.decode(line)
      local file, message, code = nj.store.load(shared.path(NEGATIVE .. about.file))
      if about.expect == "load" then
        assert.is_truthy(file, message)
      else
        assert.is_nil(file, about.file)
        assert.is_truthy(code == "EFORMAT" or code == "EUNSUPPORTED", about.file .. ": " .. message)
        assert.matches(about.file, message, 1, true)
        refused = refused + 1
      end
      if about.kind == "pickle-exec" then
        assert.matches("refused: the file asks for '", message, 1, true)
      end
    end
    nj.memory { limit = 0 }
    assert.is_true(refused >= 105, "only " .. refused)
    assert.is_nil(io.open "/tmp/nj_pwned")
  end)

  it("reads real checkpoints and says what other files are", function()
    if not shared.path "data/weights/mn04_as_mAP_432.pt" then return pending "needs ../shared" end
    local weights = function(name) return shared.root .. "/data/weights/" .. name end
    assert.equal(312, #assert(nj.store.load(weights "mn04_as_mAP_432.pt")).names)
    assert.equal("torch (legacy)", assert(nj.store.info(weights "lpips_squeeze.pth")).container)
    local cases = {
      ["silero_vad.jit"] = { "EUNSUPPORTED", "a TorchScript archive" },
      ["wwhwhu_esc50_cnn_best.hdf5"] = { "EUNSUPPORTED", "an HDF5 file" },
      ["minilm_TRUNCATED.safetensors"] = { "EFORMAT", "90856960 bytes of data, the file has 840552" },
    }
    for name, case in pairs(cases) do
      local file, message, code = nj.store.load(weights(name))
      assert.is_nil(file)
      assert.equal(case[1], code)
      assert.matches(case[2], message, 1, true)
    end
  end)
end)
