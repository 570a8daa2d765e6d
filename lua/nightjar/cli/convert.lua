--- nightjar convert IN OUT: the weights of a checkpoint, or, with a vocabulary, a nightjar model or
--- captioner of it.
local captioners = require "nightjar.captioner"
local core = require "nightjar.core"
local families = require "nightjar.families"
local models = require "nightjar.model"
local output = require "nightjar.cli.output"

local command = { summary = "Write a checkpoint's weights as safetensors, or as a nightjar model." }

function command.declare(parser)
  parser:argument("input", "A checkpoint: .pth, .pt, .ckpt, .bin, .th or .safetensors."):argname "IN"
  parser:argument("output", "The safetensors file to write."):argname "OUT"
  parser:flag("--half", "Store floats as float16 (half the size; about three decimal digits).")
  parser:option("--select", "Keep only tensors whose names begin with this."):argname "PREFIX"
  parser:option("--strip-prefix", "Take this off the names that begin with it."):argname "PREFIX"
    :target "strip"
  parser:option("--vocabulary", "Make a nightjar model of a whole retrieval model, or a captioner of one of "
    .. "others, whose words are in this file (vocab.txt, vocab.json, config.json)."):argname "FILE"
  parser:option("--merges", "merges.txt, beside a vocab.json."):argname "FILE"
  parser:flag("--json", "Print JSON for machines.")
end

local function begins(text, prefix) return text:sub(1, #prefix) == prefix end

--- The tensors to write, by their new names; nil and a message when two would have the same name.
local function choose(file, arguments)
  local chosen, left_out, renamed = {}, 0, 0
  local select, strip = arguments.select or "", arguments.strip or ""
  for _, name in ipairs(file.names) do
    if not begins(name, select) then
      left_out = left_out + 1
    else
      local new = name
      if strip ~= "" and begins(name, strip) and #name > #strip then
        new, renamed = name:sub(#strip + 1), renamed + 1
      end
      if chosen[new] then return nil, ("two tensors would be called '%s'"):format(new) end
      chosen[new] = file.tensors[name]
    end
  end
  if not next(chosen) then
    return nil, ("none of %d tensors begins with '%s'"):format(#file.names, select)
  end
  return chosen, left_out, renamed
end

local function texts(metadata)
  local notes = {}
  for key, value in pairs(metadata) do notes[key] = tostring(value) end
  return notes
end

local function size_of(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:seek "end"
end

--- Does the work; gives what was done, for a reader or for a program.
local function convert(arguments)
  local file, message = core.store.load(arguments.input)
  if not file then return nil, message end
  local chosen, left_out, renamed = choose(file, arguments)
  if not chosen then return nil, arguments.input .. ": " .. left_out end
  local notes = texts(file.metadata)
  local found = families.recognise(assert(core.store.info(arguments.input)).entries)
  if found and not notes.family then notes.family = found.family end
  local ok, kept = core.store.save(arguments.output, chosen, notes,
    { dtype = arguments.half and "float16" or "float32" })
  if not ok then return nil, kept end
  local n, numbers = 0, 0
  for _, tensor in pairs(chosen) do n, numbers = n + 1, numbers + tensor:numel() end
  return {
    input = arguments.input, output = arguments.output, tensors = n, numbers = numbers,
    left_out = left_out, renamed = renamed, family = found and found.title,
    half = arguments.half or false, kept_float32 = kept,
    bytes_in = size_of(arguments.input), bytes_out = size_of(arguments.output),
  }
end

local function report(done)
  output.print(("%s: %d tensors, %d numbers%s"):format(done.output, done.tensors, done.numbers,
    done.family and (" (" .. done.family .. ")") or ""))
  if done.left_out > 0 then
    output.print(("left out: %d tensors that do not begin so"):format(done.left_out))
  end
  if done.renamed > 0 then
    output.print(("renamed: %d tensors, their prefix taken off"):format(done.renamed))
  end
  if done.half then print "floats are stored as float16; nightjar computes with them as float32" end
  if #done.kept_float32 > 0 then
    output.print(("stored as they were, too large for float16: %s"):format(
      table.concat(done.kept_float32, ", ")))
  end
  output.print(("%.1f MB became %.1f MB"):format(done.bytes_in / 1e6, done.bytes_out / 1e6))
end

-- The same for a whole model.
local function convert_model(arguments)
  for _, name in ipairs { "select", "strip", "half" } do
    if arguments[name] then
      return nil, ("--%s does not go with --vocabulary: a model is written whole"):format(
        name == "strip" and "strip-prefix" or name)
    end
  end
  local info = core.store.info(arguments.input)
  local found = info and families.recognise(info.entries)
  local made, options = models, { vocabulary = arguments.vocabulary, merges = arguments.merges }
  if found and found.decoder then made, options.merges = captioners, nil end
  local model, account = made.from_checkpoint(arguments.input, options)
  if not model then return nil, account end
  local ok, message = model:save(arguments.output)
  if not ok then return nil, message end
  return { input = arguments.input, output = arguments.output, family = account.title,
    used = #account.used, skipped = account.skipped, front_end = account.front_end, dim = model.dim,
    tokens = not model.dim and #model.vocabulary or nil }
end

local function report_model(done)
  output.print(("%s: a nightjar %s of %s, %s, %d tensors used"):format(done.output,
    done.dim and "model" or "captioner", done.family,
    done.dim and done.dim .. " dimensions" or done.tokens .. " tokens", done.used))
  for _, s in ipairs(done.skipped) do output.print(("  left out %s: %s"):format(s.name, s.why)) end
  if done.front_end then output.print("warning: " .. done.front_end) end
end

function command.run(arguments)
  if arguments.vocabulary then
    local done, message = convert_model(arguments)
    if not done then return output.fail(message) end
    if arguments.json then output.print_json(done) else report_model(done) end
    return 0
  end
  local done, message = convert(arguments)
  if not done then return output.fail(message) end
  if arguments.json then output.print_json(done) else report(done) end
  return 0
end

return command
