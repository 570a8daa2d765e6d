"""Clusters by density peaks in PyTorch, in the steps of token clustering networks and HBI, for
bench/aggregate.lua: the same weights and the same ragged clips as nightjar's, whose clusters, tokens
and gradients it is compared with before it is timed."""
import torch
import torch.nn.functional as F
from torch import nn

from encoders import safetensors

FAR = 1e9  # further than any token


def clusters(x, mask, count, neighbours):
    """The cluster of each token of x (B, N, D), -1 behind a clip's end."""
    distance = torch.cdist(x, x) / x.shape[2] ** 0.5
    pairs = mask[:, :, None] & mask[:, None]
    nearest = distance.masked_fill(~pairs, FAR).topk(neighbours, largest=False).values
    density = (-nearest.square().mean(2)).exp().masked_fill(~mask, 0)
    higher = (density[:, None] > density[:, :, None]) & pairs
    largest = distance.masked_fill(~pairs, 0).amax((1, 2))[:, None]
    delta = torch.minimum(distance.masked_fill(~higher, FAR).amin(2), largest)
    centres = (delta * density).topk(count, 1).indices.sort(1).values
    of = distance.gather(2, centres[:, None].expand(-1, x.shape[1], -1)).argmin(2)
    of.scatter_(1, centres, torch.arange(count).expand(len(x), -1))
    return of.masked_fill(~mask, -1)


class DensityPeaks(nn.Module):
    def __init__(self, width, count, heads=4, neighbours=3):
        super().__init__()
        self.count, self.heads, self.neighbours = count, heads, neighbours
        self.ctm = nn.ModuleDict({
            "conv": nn.ModuleDict({"conv": nn.Conv1d(width, width, 3, padding=1, bias=False)}),
            "norm": nn.LayerNorm(width), "score": nn.Linear(width, 1)})
        self.block = nn.ModuleDict({"norm1": nn.LayerNorm(width), "attn": nn.ModuleDict({
            "q": nn.Linear(width, width), "kv": nn.Linear(width, 2 * width),
            "proj": nn.Linear(width, width)})})

    def split(self, x):
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x, mask):
        x = x * mask[..., None]
        x = self.ctm["norm"](x + self.ctm["conv"]["conv"](x.transpose(1, 2)).transpose(1, 2))
        score = self.ctm["score"](x)
        self.of = clusters(x.detach(), mask, self.count, self.neighbours)
        member = F.one_hot(self.of + 1, self.count + 1)[..., 1:].to(x.dtype) * score.exp()
        merged = (member / member.sum(1, keepdim=True)).transpose(1, 2) @ x
        norm, attn = self.block["norm1"], self.block["attn"]
        q = self.split(attn["q"](norm(merged)))
        k, v = (self.split(y) for y in attn["kv"](norm(x)).chunk(2, 2))
        logits = q @ k.transpose(2, 3) / q.shape[3] ** 0.5 + score.transpose(1, 2)[:, None]
        y = logits.masked_fill(~mask[:, None, None], float("-inf")).softmax(3) @ v
        return merged + attn["proj"](y.transpose(1, 2).flatten(2))


def compare(net, x, tokens, want):
    """How far clusters, tokens and gradients of the squares' sum are from nightjar's."""
    differ = (net.of != want["clusters"]).sum().item()
    apart = (tokens - want["tokens"]).abs().max().item()
    leaves = [("x", x), *net.named_parameters()]
    grads = torch.autograd.grad(tokens.square().sum(), [leaf for _, leaf in leaves])
    largest = max(g.abs().max() for g in grads)
    worst = max(((g - want["grad." + n]).abs().max() / largest).item()
                for (n, _), g in zip(leaves, grads))
    assert differ == 0 and apart < 1e-4 and worst < 1e-3, (differ, apart, worst)
    return (f"tokens of other clusters than nightjar's: {differ}; tokens differ by {apart:.1e} at most, "
            f"gradients by {worst:.1e} of the largest")


def density_peaks_step(path, count):
    """A training step; writes how far it is from nightjar's beside the file."""
    tensors = safetensors(path)
    x, mask = tensors["x"].requires_grad_(), tensors["mask"] > 0
    net = DensityPeaks(x.shape[2], count)
    net.load_state_dict({n: tensors["weight." + n] for n in net.state_dict()})
    with open(path + ".txt", "w") as file:
        file.write(compare(net, x, net(x, mask), tensors))

    def step():
        net.zero_grad(set_to_none=True)
        x.grad = None
        net(x, mask).sum().backward()

    return step
