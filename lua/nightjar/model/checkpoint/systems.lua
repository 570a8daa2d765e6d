--- Whole retrieval models of others: what goes with their weights, one table for each.
---
---   audio       by kind of encoder (as nj.families calls it): front_end, options of nj.audio.mel;
---               options of the encoder that no shape tells; last_pool of CNN14; clip, what is
---               projected (towers.lua); fused: the front-end of models that fuse views of a clip;
---               only, the one network of the kind that they have
---   text        by kind of encoder: sentence, max (tokens), and what is done to texts
---   projection  form, and dropout while training
---   heads       the prefixes of both projections; names, where they are called otherwise; into, the
---               parts of nj.head that they are, where they project no clips and sentences
---   codebook    name of the tensor of the codes that clips and sentences are mixtures of; options of
---               nj.head's hci.codebook beside their number
---   hci, fusion options of nj.head
---   temperature a number; or the tensor that holds it, raw, or as the logarithm of its inverse
---   skipped     reasons why tensors of these names are left out
---
--- Facts from XinhaoMei/WavCaps (retrieval), XinhaoMei/audio-text_retrieval, LAION-AI/CLAP,
--- huggingface/transformers (models/clap), microsoft/CLAP (configs, models/clap.py, CLAPWrapper.py),
--- Ming-er/MGA-CLAP (models, example.py).
local systems = {}

systems.wavcaps = {
  audio = {
    htsat = { front_end = { preset = "htsat" }, encoder = { fit = "stretch" } },
    panns = { front_end = { preset = "panns" }, last_pool = 2, encoder = { classes = 0 } },
  },
  text = {
    bert = { sentence = "cls", max = 30, clean = "wavcaps" },
  },
  projection = { form = "mlp" },
  heads = { audio = "audio_proj.", text = "text_proj." },
  temperature = { name = "temp", form = "raw" },
}

systems["mga-clap"] = {
  audio = {
    -- Waveforms are padded with zeros, as its classification does (that of moments repeats them).
    htsat = { front_end = { preset = "htsat", fill = "pad", duration = 10 },
      encoder = { fit = "stretch", frames = "values" } },
    panns = { front_end = { preset = "panns", fill = "pad", duration = 10 }, only = "CNN14",
      last_pool = 1, encoder = { classes = 0, frames = "neighbours" } },
  },
  text = {
    -- The encoder's own sentence is not used: words make it.
    bert = { sentence = "cls", max = 30, clean = "wavcaps" },
  },
  projection = { form = "norm_mlp" },
  heads = { audio = "frame_proj.", text = "word_proj.",
    into = { audio = "audio.frame_projection", text = "text.word_projection" } },
  codebook = { name = "codebook", options = { temperature = 1000, word_floor = true } },
  -- Frames and words are in the space of clips and sentences, but compared with these alone, and the
  -- loss is theirs.
  hci = { levels = { "clip", "frame" }, top = "codebook", interaction = "max", weights = { frame = 0 } },
  fusion = { weights = { frame = 0 } },
  temperature = { name = "temp", form = "raw" },
}

systems["audio-text_retrieval"] = {
  audio = { panns = { front_end = { preset = "panns" }, last_pool = 2, encoder = { classes = 0 } } },
  text = {
    bert = { sentence = "cls", max = 512, encoder = { dropout = 0.2 } },
  },
  projection = { form = "mlp" },
  heads = { audio = "audio_linear.", text = "text_linear." },
  temperature = 0.07,
}

systems["laion-clap"] = {
  audio = { htsat = {
    -- The waveform is repeated, so that the log-mel is always 1001 frames, which are stretched.
    front_end = { preset = "laion", fill = "repeat_pad", duration = 10 },
    fused = { preset = "laion_fusion", fill = "repeat_pad", duration = 10 },
    encoder = { fit = "stretch" },
  } },
  text = { bert = { sentence = "pooler", max = 77 } },
  projection = { form = "mlp" },
  heads = { audio = "audio_projection.", text = "text_projection." },
  temperature = { name = "logit_scale_a", form = "log_inverse" },
  skipped = {
    { "^audio_transform%.", "made for one of the losses in training; embeddings do not pass it" },
    { "^text_transform%.", "made for one of the losses in training; embeddings do not pass it" },
    { "^logit_scale_t$", "texts and sounds share one temperature here, logit_scale_a" },
  },
}

systems["hf-clap"] = {
  audio = { htsat = {
    -- Its feature extractor does not round samples to 16 bits.
    front_end = { preset = "laion", fill = "repeat_pad", duration = 10, quantize = false },
    fused = { preset = "laion_fusion", fill = "repeat_pad", duration = 10, quantize = false },
    encoder = { fit = "stretch" },
  } },
  text = systems["laion-clap"].text,
  projection = systems["laion-clap"].projection,
  heads = { audio = "audio_projection.", text = "text_projection.",
    names = { { "^linear1%.", "0." }, { "^linear2%.", "2." } } },
  temperature = systems["laion-clap"].temperature,
  skipped = systems["laion-clap"].skipped,
}

systems["ms-clap"] = {
  audio = {
    panns = { front_end = { preset = "msclap2022", fill = "repeat", duration = 5 }, last_pool = 1,
      clip = "embedding" },
    htsat = { front_end = { preset = "msclap2023", fill = "repeat", duration = 7 },
      encoder = { fit = "stretch" } },
  },
  text = {
    bert = { sentence = "cls", max = 100 },
    -- Behind every text a space and the end of texts, which a cut text loses; padding is the first
    -- token, also where a text has it.
    gpt2 = { sentence = "last", max = 77, suffix = " <|endoftext|>", parse = true,
      tokenizer = { cls = false, sep = false, pad = "!", specials = { "<|endoftext|>" } } },
  },
  projection = { form = "gated", dropout = 0.5 },
  heads = { audio = "audio_encoder.projection.", text = "caption_encoder.projection." },
  temperature = { name = "logit_scale", form = "log_inverse" },
}

return systems
