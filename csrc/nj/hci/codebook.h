/* A codebook that sounds and texts share, MGA-CLAP's way from frames to a clip and from words to a
 * sentence (Ming-er/MGA-CLAP, models/ase_model.py): how well every code fits any of the tokens,
 *
 *   a_k = max_n (x_n · c_k) / (√D t)        over valid tokens
 *   w = sparsemax(a),  y = Σ_k w_k c_k
 *
 * Both modalities become mixtures of the same few vectors. Name: "codes" (K, D), N(0, 1) at first. */
#ifndef NJ_HCI_CODEBOOK_H
#define NJ_HCI_CODEBOOK_H

#include "nn/network.h"

typedef struct {
  int64_t codes, width;
  double temperature; /* t; the lower, the fewer codes have a share */
  nj_dtype dtype;     /* of the codes; 0: float32 */
} nj_codebook_options;

/* MGA-CLAP's 4096 codes at temperature 1000 (in proportion to other numbers of codes, where options are
 * given by name); width 0, which must be set. */
nj_codebook_options nj_codebook_default_options(void);

typedef struct {
  nj_network base;
  nj_codebook_options options;
} nj_codebook;

/* Errors of making one: EARG (a size below 1, a temperature that is not above 0, or infinite), ENOMEM. */
NJ_NETWORK_DECLARE(codebook)

/* x (B, N, D); mask (B, N), non-zero where a token is valid, or NULL: vectors (B, D), and, unless
 * `shares` is NULL, w (B, K), which adds up to 1. Tokens under the mask reach nothing. `floor`: no a_k
 * is below 0, as where the authors' code multiplies hidden tokens' products by 0. An item without any
 * valid token gives zeros, with `floor` the mean of all codes. Not normalised. Errors: ESHAPE, EDTYPE.
 * */
nj_status nj_codebook_forward(nj_codebook *net, nj_tensor *x, nj_tensor *mask, int floor,
                              nj_tensor **shares, nj_tensor **out);

#endif
