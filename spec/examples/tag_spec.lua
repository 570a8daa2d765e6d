local shared = require "spec.support.shared"

describe("examples/tag.lua", function()
  local about = shared.json "golden/05_mn04.json"
  local weights = shared.path "data/weights/mn04_as_mAP_432.pt"
  local labels = shared.path "data/text/audioset/class_labels_indices.csv"

  it("gives mn04's five most probable tags of sound files, as its authors' code does", function()
    if not (about and weights and labels) then return pending "needs ../shared" end
    local paths, wanted = {}, {}
    for _, clip in pairs(about.clips) do
      local path = shared.path("data/" .. clip.audio)
      if path then
        paths[#paths + 1] = path
        local tags = {}
        for i, t in ipairs(clip.top5) do tags[i] = ("%5.1f %%  %s"):format(100 * t[3], t[2]) end
        wanted[path] = tags
      end
    end
    local lua = arg[-1] or "lua5.4"
    local pipe = assert(io.popen(("%s examples/tag.lua --weights %s --labels %s %s 2>&1"):format(
      lua:find "lua" and lua or "lua5.4", weights, labels, table.concat(paths, " "))))
    local got, path = {}, nil
    for line in pipe:lines() do
      if wanted[line] then
        path = line
        got[path] = {}
      elseif path then
        table.insert(got[path], (line:gsub("^  ", "")))
      end
    end
    assert(pipe:close())
    assert.equal(15, #paths)
    for _, p in ipairs(paths) do
      for i, want in ipairs(wanted[p]) do
        -- Percentages may differ in the printed digit where a value lies between two.
        local percent, name = got[p][i]:match "^%s*([%d.]+) %%  (.*)$"
        local want_percent, want_name = want:match "^%s*([%d.]+) %%  (.*)$"
        assert.equal(want_name, name, p)
        assert(math.abs(percent - want_percent) < 0.11, p .. ": " .. want .. ", got " .. got[p][i])
      end
    end
  end)
end)
