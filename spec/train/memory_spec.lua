local nj = require "nightjar"

-- AddressSanitizer keeps freed memory back (its quarantine), so that the process grows by design;
-- what nightjar holds is counted exactly all the same.
local quarantine = (os.getenv "LD_PRELOAD" or ""):find("libasan", 1, true)

describe("train #slow", function()
  it("runs 10,000 steps in constant memory", function()
    local w = nj.randn(32, { rng = nj.rng(1) }):requires_grad_()
    local data = nj.randn(64, 32, { rng = nj.rng(2) })
    local live, resident, lua = {}, {}, {}
    nj.train {
      parameters = { w }, optimizer = nj.optim.adamw({ w }, { lr = 1e-3 }), max_steps = 10000,
      batches = function()
        local i = 0
        return function()
          i = i + 1
          if i <= 100 then return data end
        end
      end,
      step = function(x, info)
        if info.step % 1000 == 0 then
          collectgarbage()
          collectgarbage()
          live[#live + 1] = nj.memory().live
          resident[#resident + 1] = nj.system.resident()
          lua[#lua + 1] = collectgarbage "count"
        end
        return ((x * w):tanh() - x):square():mean()
      end,
      schedule = nj.schedule.cosine { steps = 10000 }, clip_grad = 1,
    }
    assert.are.equal(10, #live)
    for i = 3, #live do
      assert.are.equal(live[2], live[i])
      assert.is_true(lua[i] - lua[2] < 64, "Lua's heap grew") -- KiB
      if not quarantine then
        assert.is_true(resident[i] - resident[2] < 4 << 20, "the process grew")
      end
    end
  end)
end)
