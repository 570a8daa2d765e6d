/* Fine-grained similarity of texts and clips: every word against every frame (or phrase against
 * segment), reduced to one number per text and clip without ever holding all the products. */
#ifndef NJ_HCI_INTERACT_H
#define NJ_HCI_INTERACT_H

#include "base/option.h"
#include "tensor/tensor.h"

typedef enum { NJ_INTERACT_MAX, NJ_INTERACT_ATTENTION } nj_interact_kind;
typedef enum { NJ_INTERACT_BOTH, NJ_INTERACT_TEXT, NJ_INTERACT_CLIP } nj_interact_direction;

typedef struct {
  nj_interact_kind kind;
  nj_interact_direction direction;
  double temperature; /* of "attention"; > 0 */
  /* (items, tokens), each may be NULL. Masks: an integer dtype, 0 is padding; no mask: all tokens
   * are there. Weights: of the tokens' dtype, used as they are, differentiable. */
  nj_tensor *text_mask, *clip_mask, *text_weights, *clip_weights;
} nj_interact_options;

nj_interact_options nj_interact_default_options(void);
extern const nj_option_table nj_interact_option_table;

/* texts (Bt, Nw, D), clips (Ba, Nf, D) → S (Bt, Ba), of float32 or float64; nothing is normalised
 * here. With E_pq = texts[i, p] · clips[j, q] over the valid tokens:
 *
 *   max        r_p = max_q E_pq                    c_q = max_p E_pq
 *   attention  r_p = Σ_q softmax_q(E_p· / t) E_pq  c_q = Σ_p softmax_p(E_·q / t) E_pq
 *   S_ij       ½ (text + clip), or the one that `direction` names; text = Σ_p w_p r_p and
 *              clip = Σ_q w_q c_q by the given weights. Without weights: the mean over the valid
 *              tokens for "max"; for "attention" Σ_p softmax_p(r / t) r_p, and so for c.
 *
 * (FILIP and DRL's token-wise and weighted token-wise interaction, with padding left out where DRL
 * multiplies by zero; X-CLIP's attention over the similarity matrix without its learned maps.)
 *
 * A text or a clip without valid tokens scores 0 and gives no gradient. NaN propagates. In ties the
 * gradient of a maximum goes to the first token. Each S_ij has the same bits alone and in any
 * batch, for any number of threads. The memory beside S is a copy of the clips, plus, when
 * gradients are recorded for "max", 2 bytes per (text, clip, token). Errors: ESHAPE (also: an item
 * of more than 65536 tokens while gradients are recorded), EDTYPE, EARG, ENOMEM, EINTR. */
nj_status nj_interact(nj_ctx *ctx, nj_tensor *texts, nj_tensor *clips,
                      const nj_interact_options *options, nj_tensor **out);

#endif
