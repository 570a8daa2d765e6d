--- Damages bytes at random: mutate(bytes, rng, round) changes, blanks, cuts or doubles one to eight
--- pieces; odd rounds keep to the first 200 bytes, where headers are.
return function(bytes, rng, round)
  for _ = 1, rng:integer(1, 8) do
    local at = rng:integer(1, round % 2 == 0 and #bytes or math.min(200, #bytes))
    local kind = rng:integer(1, 4)
    if kind == 1 then -- a byte
      bytes = bytes:sub(1, at - 1) .. string.char(rng:integer(0, 255)) .. bytes:sub(at + 1)
    elseif kind == 2 then -- a run of extremes
      bytes = bytes:sub(1, at - 1) .. (rng:integer(0, 1) == 0 and "\0" or "\xff"):rep(4)
        .. bytes:sub(at + 4)
    elseif kind == 3 then -- a cut
      bytes = bytes:sub(1, math.max(1, #bytes - rng:integer(0, 400)))
    else -- a piece twice
      bytes = bytes:sub(1, at) .. bytes:sub(math.max(1, at - 50))
    end
  end
  return bytes
end
