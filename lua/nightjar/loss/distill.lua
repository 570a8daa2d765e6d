--- Distillation of one similarity matrix from another: what a coarse level says about a batch is
--- drawn towards what a finer one says (as HBI trains its levels; Jin et al. 2023),
---
---   ½ [ mean_i KL(softmax_row(T/τ_T)_i ‖ softmax_row(S/τ)_i) + the same over columns ].
---
--- The gradient stops at the teacher.
local opts = require "nightjar.opts"
local temperature = require "nightjar.loss.temperature"

local function check_matrix(name, position, S)
  opts.arg("distill", position, name, S, "tensor", 4)
  if #S.shape ~= 2 or S:numel() == 0 then
    error(("distill: %s must have shape (audio, text), got (%s)"):format(name,
      table.concat(S.shape, ", ")), 3)
  end
end

local function one_direction(student, teacher, dim)
  local log_p = teacher:log_softmax(dim)
  return (log_p:exp() * (log_p - student:log_softmax(dim))):sum() / student.shape[3 - dim]
end

--- KL of a student's matching from a teacher's.
---@param student nightjar.Tensor (N, M) similarities before the temperature
---@param teacher nightjar.Tensor (N, M); no gradient goes into it
---@param options? table
---  temperature          of the student; default 0.07
---  teacher_temperature  default: the student's, as it stands
---@return nightjar.Tensor scalar
local function distill(student, teacher, options)
  check_matrix("student", 1, student)
  check_matrix("teacher", 2, teacher)
  if student.shape[1] ~= teacher.shape[1] or student.shape[2] ~= teacher.shape[2] then
    error(("distill: student (%s) and teacher (%s) must have the same shape"):format(
      table.concat(student.shape, ", "), table.concat(teacher.shape, ", ")), 2)
  end
  local o = opts.check("distill", options, {
    temperature = { type = temperature.kinds, default = 0.07 },
    teacher_temperature = temperature.kinds,
  })
  local logits = temperature.apply("distill", student, o.temperature)
  local targets = temperature.apply("distill", teacher:detach(),
    o.teacher_temperature or o.temperature):detach()
  return (one_direction(logits, targets, 2) + one_direction(logits, targets, 1)) * 0.5
end

return distill
