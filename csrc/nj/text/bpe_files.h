/* The two files of a byte-level BPE, as GPT-2 and RoBERTa publish them. */
#ifndef NJ_TEXT_BPE_FILES_H
#define NJ_TEXT_BPE_FILES_H

#include "text/bpe.h"

/* Reads vocab.json / encoder.json: one object, token -> id, whose ids are 0 … n-1, each once, in
 * any order. Errors: those of nj_file_read and nj_vocab_add, EFORMAT. */
nj_status nj_bpe_read_vocab(nj_vocab *vocab, const char *what, const char *path);
/* Reads merges.txt / vocab.bpe: "left right" a line, best first, after an optional "#version" line.
 * Errors: those of nj_file_read and nj_bpe_add_merge. */
nj_status nj_bpe_read_merges(nj_bpe *bpe, const nj_vocab *vocab, const char *what,
                             const char *path);

#endif
