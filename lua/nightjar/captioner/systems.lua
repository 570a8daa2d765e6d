--- Captioners of others: what goes with their weights, one table for each.
---
---   front_end   options of nj.audio.mel
---   audio       options of the encoder that no shape tells, as `encoder`
---   clip_frame  as nj.captioner takes it
---   sizes       the decoder's tensors that tell its sizes
---   names       patterns of its names, and what turns them into those of nj.ac.decoder
---   decoder     options of nj.ac.decoder that no shape tells
---   max, smoothing, generation   as nj.captioner takes them
---   settings    how the file of settings beside a checkpoint calls what may replace these
---   words       tokens, and the tensors that say which begin captions and which may come once only
---   skipped     reasons why tensors of these names are left out
---
--- Facts from Labbeti/conette-audio-captioning (huggingface/config.py and model.py,
--- pl_modules/conette.py and common.py, nn/decoders/aac_tfmer.py, nn/decoding/beam.py,
--- tokenization), XinhaoMei/ACT (models, settings, data_handling, data_prep.py, tools/utils.py).
local systems = {}

systems.conette = {
  front_end = { preset = "convnext" },
  sizes = { memory = "projection.2.weight", inner = "decoder.layers.0.linear1.weight" },
  names = {
    { "^decoder%.emb_layer%.", "embed." },
    { "^decoder%.classifier%.", "out." },
    { "^projection%.2%.", "memory." },
  },
  decoder = { heads = 8, norm = "post", frame_positions = false, memory_activation = "relu",
    memory_dropout = 0.5, dropout = 0.2 },
  max = 20,
  smoothing = 0.2,
  generation = { beam = 3, min = 3, narrowing = true, renormalize = true, repeat_words = false },
  settings = { heads = "nhead", beam = "beam_size", min = "min_pred_size", max = "max_pred_size",
    smoothing = "label_smoothing" },
  words = {
    bos = "<bos>", eos = "<eos>", pad = "<pad>", unk = "<unk>", task = "^<bos_(.+)>$",
    tasks = "task_id_to_token_id", once = "forbid_rep_mask",
  },
  -- In the order in which their tokens stand behind the words.
  tasks = { "clotho", "audiocaps", "macs", "wavcaps_audioset_sl", "wavcaps_bbc_sound_effects",
    "wavcaps_freesound", "wavcaps_soundbible" },
  skipped = {
    { "pos_encoding%.pos_embedding$", "sines, worked out" },
    { "^_extra_state_$", "a pickle of the vocabulary; give the file that has it as text" },
  },
}

systems.act = {
  -- Sounds are padded with zeros, which the encoder hears as silence.
  front_end = { preset = "act", fill = "pad", duration = 10 },
  audio = { encoder = { scores = true } },
  clip_frame = true,
  sizes = { memory = "encoder_linear.weight", inner = "transformer_decoder.layers.0.linear1.weight" },
  names = {
    { "^word_emb%.", "embed." },
    { "^dec_fc%.", "out." },
    { "^encoder_linear%.", "memory." },
    { "^transformer_decoder%.", "decoder." },
  },
  decoder = { heads = 8, norm = "post", frame_positions = false, memory_activation = "relu",
    dropout = 0.2 },
  max = 30,
  smoothing = 0.1,
  generation = { beam = 3 },
  settings = {},
  words = { bos = "<sos>", eos = "<eos>" },
  tasks = {},
  skipped = { { "^pos_encoder%.pe$", "sines, worked out" } },
}

return systems
