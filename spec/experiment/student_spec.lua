-- Student's t against published tables and closed forms.
describe("nightjar.experiment.student", function()
  local student = require "nightjar.experiment.student"

  it("has the quantiles of printed tables", function()
    local rows = {
      { 0.975, 1, 12.7062 }, { 0.975, 2, 4.30265 }, { 0.975, 4, 2.77645 }, { 0.975, 9, 2.26216 },
      { 0.975, 30, 2.04227 }, { 0.95, 4, 2.13185 }, { 0.995, 4, 4.60409 }, { 0.975, 1e6, 1.95997 },
    }
    for _, row in ipairs(rows) do
      assert.near(row[3], student.quantile(row[1], row[2]), 1e-4 * row[3])
    end
  end)

  it("is symmetric about 0", function()
    assert.equal(0, student.quantile(0.5, 3))
    assert.near(-student.quantile(0.9, 7), student.quantile(0.1, 7), 1e-9)
    assert.equal(0.5, student.cdf(0, 5))
    assert.near(1, student.cdf(1.3, 5) + student.cdf(-1.3, 5), 1e-12)
  end)

  it("agrees with the closed forms for one and two degrees of freedom", function()
    for _, t in ipairs { -3, -0.2, 0.7, 25 } do
      assert.near(0.5 + math.atan(t) / math.pi, student.cdf(t, 1), 1e-12)
      assert.near(0.5 + t / (2 * math.sqrt(2 + t * t)), student.cdf(t, 2), 1e-12)
    end
  end)

  it("turns back and forth", function()
    for _, p in ipairs { 0.001, 0.3, 0.8, 0.9999 } do
      for _, df in ipairs { 1, 3, 20, 200 } do
        assert.near(p, student.cdf(student.quantile(p, df), df), 1e-10)
      end
    end
  end)
end)
