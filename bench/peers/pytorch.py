# The PyTorch side of bench/: reads commands, one a line, and answers each with a line.
#   make NAME THREADS EXPRESSION   builds a function by evaluating a Python expression
#   run NAME COUNT                 calls it COUNT times; the answer has the processor time
# Started by torch.lua, beside it, where Python can import torch.
import ctypes
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn, randn

from density_peaks import density_peaks_step  # noqa: F401 (called by name)
from encoders import encoder, kinds, load, onnx_encoder, write  # noqa: F401
from small_model import encode, train_step  # noqa: F401


def train(forward, *leaves):
    """A function that runs forward and backward, gradients made anew each time."""
    leaves = [leaf.requires_grad_() for leaf in leaves]

    def step():
        for leaf in leaves:
            leaf.grad = None
        forward(*leaves).sum().backward()

    return step


def last(x):
    return x.to(memory_format=torch.channels_last)


def interact(texts, clips):
    """The token-wise maximum of every text (i, words, d) and clip (j, frames, d), in both directions."""
    e = torch.einsum("iwd,jfd->ijwf", texts, clips)
    return (e.max(3).values.mean(2) + e.max(2).values.mean(2)) / 2


def blocks(widths):
    """PANNs ConvBlocks: twice (3x3 convolution, batch norm, relu), then 2x2 averages."""
    layers, width = [], 1
    for out in widths:
        for into in (width, out):
            layers += [nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        layers.append(nn.AvgPool2d(2))
        width = out
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def block_step(widths, x):
    net = blocks(widths)

    def step():
        net.zero_grad()
        net(x).square().mean().backward()

    return step


class Cluster(nn.Module):
    """Self-attention and feed-forward, then soft assignment to learned slots and their means."""

    def __init__(self, width, slots):
        super().__init__()
        self.slots = nn.Parameter(randn(slots, width))
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 4, batch_first=True)
        self.ffn = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, mask):
        h = self.ln1(x)
        h = x + self.attn(h, h, h, key_padding_mask=~mask, need_weights=False)[0]
        h = h + self.ffn(self.ln2(h))
        share = (h @ self.slots.T / x.shape[2] ** 0.5).softmax(2) * mask[..., None]
        return share.transpose(1, 2) @ h / share.sum(1)[..., None]


def cluster_step(width, slots, x):
    net, mask = Cluster(width, slots), torch.ones(x.shape[:2], dtype=torch.bool)
    mask[: len(x) // 2, x.shape[1] * 3 // 4 :] = False

    def step(leaf):
        net.zero_grad(set_to_none=True)
        return net(leaf, mask)

    return train(step, x)


def set_threads(count):
    """Also of OpenBLAS, where PyTorch multiplies with it: torch.set_num_threads does not reach it."""
    torch.set_num_threads(count)
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "blas" in line}
    for path in paths:
        try:
            ctypes.CDLL(path).openblas_set_num_threads(count)
        except (AttributeError, OSError):
            pass  # another library


cases = {}
for line in sys.stdin:
    command, name, number, *rest = line.rstrip("\n").split(" ", 3)
    begin = time.process_time()
    if command == "make":
        set_threads(int(number))
        cases[name] = eval(rest[0])
    else:
        for _ in range(int(number)):
            cases[name]()
    print("ok", time.process_time() - begin, flush=True)
