/* EfficientAT's MobileNetV3 (Schmid, Koutini and Widmer, "Efficient Large-Scale Audio Tagging via
 * Transformer-to-CNN Knowledge Distillation", ICASSP 2023), of any width: mn04_as … mn40_as.
 * Parameter names and sizes are those of fschmid56/EfficientAT, models/mn: MobileNetV3-Large with
 * squeeze-excitation over channels (its default), batch norm with eps 0.001 and momentum 0.01, and
 * its "mlp" head.
 *
 *   log-mel (B, T, M) → image (B, 1, M, T) → features.0: 3x3 convolution, stride 2 →
 *   features.1 … 15: inverted residual blocks, four of them of stride 2 → features.16: 1x1 →
 *   mean over frequency → frames (B, N, C) → clip (B, C) = mean over time → classifier → logits
 *
 * A clip shorter than T is what it is alone: past its end every activation that a wider kernel or
 * a mean would see is zero, as a convolution's padding is. Its stages are the NJ_MOBILENET_STAGES images
 * (B, channels, M', T') that features.0 … 16 gave. */
#ifndef NJ_ENCODERS_MOBILENET_H
#define NJ_ENCODERS_MOBILENET_H

#include "nn/conv_norm.h"
#include "nn/network.h"

#define NJ_MOBILENET_BLOCKS 15
#define NJ_MOBILENET_STAGES (NJ_MOBILENET_BLOCKS + 2)

typedef struct {
  double width;       /* 1: MobileNetV3-Large's channels; each is rounded to a multiple of 8 */
  int64_t mels;       /* of the input */
  int64_t classes;    /* of the classifier; 0: none */
  int64_t strides[4]; /* of blocks 2, 4, 7 and 13 */
  double dropout;     /* before the last layer of the classifier, while training */
} nj_mobilenet_options;

/* Width 1, 128 mels, 527 classes, strides of 2, dropout 0.2. */
nj_mobilenet_options nj_mobilenet_default_options(void);

/* One inverted residual block: [1x1 →] depthwise [→ squeeze-excitation] → 1x1 [+ input]. */
typedef struct {
  int expands, squeezes, residual;
  int64_t stride;
  nj_conv_norm expand, depthwise, project;
  nj_tensor *squeeze[4]; /* fc1's weight and bias, fc2's; owned by the params */
} nj_inverted_residual;

typedef struct {
  nj_network base;
  nj_mobilenet_options options;
  nj_conv_norm stem, last;
  nj_inverted_residual blocks[NJ_MOBILENET_BLOCKS];
  int64_t channels; /* C, of frames and clips */
} nj_mobilenet;

/* Errors of making one: EARG (a size below 1, a width outside (0, 64], a stride other than 1 and 2, dropout), ENOMEM. */
NJ_NETWORK_DECLARE(mobilenet)

#endif
