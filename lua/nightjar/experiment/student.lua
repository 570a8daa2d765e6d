--- Student's t distribution: what intervals of means over a few runs need.
local student = {}

-- ln Γ(x), x > 0, by Lanczos' series (g = 7, nine terms): relative error below 1e-14.
local LANCZOS = {
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
}

local function log_gamma(x)
  x = x - 1
  local sum = LANCZOS[1]
  for i = 1, 8 do sum = sum + LANCZOS[i + 1] / (x + i) end
  local t = x + 7.5
  return 0.5 * math.log(2 * math.pi) + (x + 0.5) * math.log(t) - t + math.log(sum)
end

-- The continued fraction of the incomplete beta function, by Lentz' method.
local function fraction(x, a, b)
  local tiny = 1e-300
  local c, d = 1, 1 - (a + b) * x / (a + 1)
  if math.abs(d) < tiny then d = tiny end
  d = 1 / d
  local h = d
  for m = 1, 500 do
    local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    local change
    for _, term in ipairs { even, odd } do
      d = 1 + term * d
      c = 1 + term / c
      if math.abs(d) < tiny then d = tiny end
      if math.abs(c) < tiny then c = tiny end
      d = 1 / d
      change = c * d
      h = h * change
    end
    if math.abs(change - 1) < 1e-15 then break end
  end
  return h
end

-- The regularised incomplete beta function I_x(a, b).
local function beta(x, a, b)
  if x <= 0 then return 0 end
  if x >= 1 then return 1 end
  local front = math.exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * math.log(x)
    + b * math.log(1 - x))
  if x < (a + 1) / (a + b + 2) then return front * fraction(x, a, b) / a end
  return 1 - front * fraction(1 - x, b, a) / b
end

--- P(T ≤ t) with `df` degrees of freedom.
---@param t number
---@param df number above 0
---@return number
function student.cdf(t, df)
  if t == 0 then return 0.5 end
  local tail = 0.5 * beta(df / (df + t * t), df / 2, 0.5)
  return t > 0 and 1 - tail or tail
end

--- The t that P(T ≤ t) = p holds for, p in (0, 1).
---@param p number
---@param df number
---@return number
function student.quantile(p, df)
  if p < 0.5 then return -student.quantile(1 - p, df) end
  if p == 0.5 then return 0 end
  local low, high = 0, 1
  while student.cdf(high, df) < p do low, high = high, 2 * high end
  for _ = 1, 200 do
    local middle = (low + high) / 2
    if middle <= low or middle >= high then break end
    if student.cdf(middle, df) < p then low = middle else high = middle end
  end
  return (low + high) / 2
end

return student
