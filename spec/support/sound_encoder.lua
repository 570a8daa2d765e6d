--- What every network over log-mels is asked; its own spec says what is its own.
---
---     sound_encoder.asks {
---       make = nj.encoders.convnet,          -- from a descriptor
---       net = function() return … end,       -- weights of which none is trivial
---       training = function() return … end,  -- as it trains, all that is random switched on
---       bands = 8, frames = 60,              -- of the clips
---       logits = true,                       -- net and training have classes, which read clips
---     }
local assert = require "luassert"
local it = require("busted").it
local nj = require "nightjar"
local network = require "spec.support.network"

local sound_encoder = {}

local function same(want, got)
  assert.equal(want:detach():contiguous():bytes(), got:detach():contiguous():bytes())
end

---@param o table as above
function sound_encoder.asks(o)
  local function mel(clips) return nj.randn({ clips, o.frames, o.bands }, { rng = nj.rng(5) }) end
  -- Frames, the clip and, where clips are classified, what classes and the layer before them give.
  local function all(net, x, lengths)
    local frames, clip = net(x, lengths)
    if not o.logits then return { frames, clip } end
    return { frames, clip, net:logits(clip) }
  end
  -- The second clip fills the batch, the first ends after about two thirds.
  local short = o.frames * 2 // 3
  local function lengths() return nj.tensor({ short, o.frames }, { dtype = "int64" }) end

  it("gives a clip of a batch the bits it has alone, recorded or not", function()
    local net, x = o.net(), mel(3)
    local function compare()
      local batch = all(net, x)
      for i = 1, 3 do
        for k, part in ipairs(all(net, x[{ { i, i } }])) do same(batch[k][{ { i, i } }], part) end
      end
    end
    compare()
    nj.no_grad(compare)
  end)

  it("gives the same bits, gradients too, with one thread as with two", function()
    network.same_bits(function()
      local net = o.training():train()
      local rng = nj.rng(1)
      local _, clip = net(mel(3), nil, { rng = rng })
      return network.pass(net, o.logits and (net:logits(clip, { rng = rng })) or clip)
    end)
  end)

  it("does not let what lies behind a clip's end into it", function()
    local net, x = o.net(), mel(2)
    local noisy = x:clone()
    noisy[{ 1, { short + 1, o.frames } }] = 1e4
    local want = all(net, x, lengths())
    for k, part in ipairs(all(net, noisy, lengths())) do same(want[k], part) end
  end)

  it("gives no gradient to what lies behind a clip's end", function()
    local net, x = o.net(), mel(2):requires_grad_()
    local _, clip = net(x, lengths())
    clip:square():sum():backward()
    assert.equal(0, x.grad[{ 1, { short + 1, o.frames } }]:abs():max():item())
    assert(x.grad[{ 1, { 1, short } }]:abs():max():item() > 0)
  end)

  it("is rebuilt by its descriptor", function()
    local net = o.training()
    local twin = o.make(net:descriptor())
    assert.same(net:descriptor(), twin:descriptor())
    local report = twin:load(net:state())
    assert.same({}, report.missing)
    assert.same({}, report.mismatched)
    local other = all(twin, mel(1))
    for k, part in ipairs(all(net, mel(1))) do same(part, other[k]) end
  end)

  it("takes no clips at all", function()
    local net = o.net()
    local frames, clip, left = net(nj.zeros(0, o.frames, o.bands))
    assert.same({ 0, net:frames(o.frames), net:width() }, frames.shape)
    assert.same({ 0, net:width() }, clip.shape)
    assert.same({ 0 }, left.shape)
  end)
end

return sound_encoder
