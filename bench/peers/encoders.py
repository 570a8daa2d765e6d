"""CNN14, HTS-AT, MobileNetV3 and BERT in PyTorch, as their papers describe them, for bench/encoders.lua.

Parameters are called as in nightjar, so that both sides compute with the same weights; what PyTorch
gives is compared with what nightjar gave before anything is timed.
"""
import io
import json
import math

import torch
import torch.nn.functional as F
from torch import nn


class ConvBlock(nn.Module):
    def __init__(self, into, out, pool):
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn1, self.bn2, self.pool = nn.BatchNorm2d(out), nn.BatchNorm2d(out), pool

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.avg_pool2d(x, self.pool) if self.pool > 1 else x


class Cnn14(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(64)
        into = 1
        for i, out in enumerate((64, 128, 256, 512, 1024, 2048), 1):
            setattr(self, f"conv_block{i}", ConvBlock(into, out, 2 if i < 6 else 1))
            into = out

    def forward(self, mel):
        x = self.bn0(mel.unsqueeze(1).transpose(1, 3)).transpose(1, 3)
        for i in range(1, 7):
            x = getattr(self, f"conv_block{i}")(x)
        x = x.mean(3)
        return x.max(2).values + x.mean(2)


class Attention(nn.Module):
    """Of windows (B, N, C), their mask (windows, N, N) or None."""

    def __init__(self, width, heads, window):
        super().__init__()
        self.heads, n = heads, window * window
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        row, column = torch.arange(n) // window, torch.arange(n) % window
        down, right = row[:, None] - row + window - 1, column[:, None] - column + window - 1
        self.offsets = (down * (2 * window - 1) + right).reshape(-1)

    def forward(self, x, mask):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.offsets].reshape(n, n, self.heads)
        scores = (q * (c // self.heads) ** -0.5) @ k.transpose(2, 3) + bias.permute(2, 0, 1)
        if mask is not None:
            scores = scores.reshape(-1, mask.shape[0], self.heads, n, n) + mask[:, None]
            scores = scores.reshape(b, self.heads, n, n)
        return self.proj((scores.softmax(3) @ v).transpose(1, 2).reshape(b, n, c))


class SwinBlock(nn.Module):
    def __init__(self, width, heads, side, window, shift):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, window)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width),
                                  "fc2": nn.Linear(4 * width, width)})
        self.side, self.window, self.shift, self.mask = side, window, shift, None
        if shift:
            at = torch.arange(side)
            part = (at >= side - window).long() + (at >= side - shift).long()
            image = (3 * part[:, None] + part).reshape(1, side, side, 1)
            of = self.cut(image).squeeze(2)
            self.mask = torch.where(of[:, :, None] == of[:, None], 0.0, -100.0)

    def cut(self, x):
        """(B, side, side, C) to (B * windows, window², C)."""
        b, w, c = x.shape[0], self.window, x.shape[3]
        x = x.reshape(b, self.side // w, w, self.side // w, w, c)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, c)

    def join(self, x, b):
        w, c = self.window, x.shape[2]
        x = x.reshape(b, self.side // w, self.side // w, w, w, c)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(b, self.side, self.side, c)

    def forward(self, x):
        b, n, c = x.shape
        y = self.norm1(x).reshape(b, self.side, self.side, c)
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
        y = self.join(self.attn(self.cut(y), self.mask), b)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + y.reshape(b, n, c)
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class Merge(nn.Module):
    def __init__(self, width, side):
        super().__init__()
        self.norm, self.side = nn.LayerNorm(4 * width), side
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x):
        b, n, c = x.shape
        x = x.reshape(b, self.side, self.side, c)
        x = torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], 3)
        return self.reduction(self.norm(x.reshape(b, n // 4, 4 * c)))


class Htsat(nn.Module):
    """HTS-AT tiny over at most 1024 log-mel frames of 64 bands."""

    def __init__(self):
        super().__init__()
        self.bn0, width = nn.BatchNorm2d(64), 96
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, width, 4, 4),
                                          "norm": nn.LayerNorm(width)})
        self.layers = nn.ModuleList()
        for i, (depth, heads) in enumerate(((2, 4), (2, 8), (6, 16), (2, 32))):
            side = 64 >> i
            shift = 4 if side > 8 else 0
            blocks = [SwinBlock(width << i, heads, side, 8, shift * (j % 2)) for j in range(depth)]
            stage = nn.ModuleDict({"blocks": nn.Sequential(*blocks)})
            if i < 3:
                stage["downsample"] = Merge(width << i, side)
            self.layers.append(stage)
        self.norm = nn.LayerNorm(width * 8)

    def forward(self, mel):
        x = self.bn0(mel.unsqueeze(1).transpose(1, 3)).transpose(1, 3)
        x = F.interpolate(x, (1024, 64), mode="bicubic", align_corners=True)
        x = x.reshape(-1, 4, 256, 64).transpose(2, 3).reshape(-1, 1, 256, 256)
        x = self.patch_embed["norm"](self.patch_embed["proj"](x).flatten(2).transpose(1, 2))
        for stage in self.layers:
            x = stage["blocks"](x)
            if "downsample" in stage:
                x = stage["downsample"](x)
        return self.norm(x).mean(1)


def rounded(n):
    """The multiple of 8 nearest to n, at least 8 and not below nine tenths of n."""
    multiple = max(8, int(n + 4) // 8 * 8)
    return multiple + 8 if multiple < 0.9 * n else multiple


def unit(into, out, kernel, stride, groups, activation):
    layers = [nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(out, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        inner = rounded(channels / 4)
        self.conc_se_layers = nn.ModuleList([nn.ModuleDict({
            "fc1": nn.Linear(channels, inner), "fc2": nn.Linear(inner, channels)})])

    def forward(self, x):
        fc = self.conc_se_layers[0]
        return x * fc["fc2"](F.relu(fc["fc1"](x.mean((2, 3))))).sigmoid()[:, :, None, None]


class Inverted(nn.Module):
    def __init__(self, into, kernel, expanded, out, squeeze, activation, stride):
        super().__init__()
        layers = [unit(into, expanded, 1, 1, 1, activation)] if expanded != into else []
        layers.append(unit(expanded, expanded, kernel, stride, expanded, activation))
        layers += [Squeeze(expanded)] if squeeze else []
        self.block = nn.Sequential(*layers, unit(expanded, out, 1, 1, 1, None))
        self.residual = stride == 1 and into == out

    def forward(self, x):
        return x + self.block(x) if self.residual else self.block(x)


class MobileNet(nn.Module):
    """EfficientAT's MobileNetV3-Large: kernel, expanded, out, squeeze, hard swish, stride."""

    blocks = ((3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
              (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2),
              (3, 200, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1),
              (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1), (5, 672, 160, 1, 1, 2),
              (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1))

    def __init__(self, width=0.4):
        super().__init__()
        into = rounded(16 * width)
        layers = [unit(1, into, 3, 2, 1, nn.Hardswish)]
        for kernel, expanded, out, squeeze, hard, stride in self.blocks:
            out = rounded(out * width)
            layers.append(Inverted(into, kernel, rounded(expanded * width), out, squeeze,
                                   nn.Hardswish if hard else nn.ReLU, stride))
            into = out
        self.features = nn.Sequential(*layers, unit(into, 6 * into, 1, 1, 1, nn.Hardswish))

    def forward(self, mel):
        return self.features(mel.transpose(1, 2).unsqueeze(1)).mean((2, 3))


class BertLayer(nn.Module):
    def __init__(self, width):
        super().__init__()
        linear, norm = nn.Linear, lambda: nn.LayerNorm(width, eps=1e-12)
        self.attention = nn.ModuleDict({
            "self": nn.ModuleDict({n: linear(width, width) for n in ("query", "key", "value")}),
            "output": nn.ModuleDict({"dense": linear(width, width), "LayerNorm": norm()})})
        self.intermediate = nn.ModuleDict({"dense": linear(width, 4 * width)})
        self.output = nn.ModuleDict({"dense": linear(4 * width, width), "LayerNorm": norm()})

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = (f(x).reshape(b, n, c // 64, 64).transpose(1, 2)
                   for f in self.attention["self"].values())
        y = ((q @ k.transpose(2, 3) / 8).softmax(3) @ v).transpose(1, 2).reshape(b, n, c)
        out = self.attention["output"]
        x = out["LayerNorm"](x + out["dense"](y))
        y = self.output["dense"](F.gelu(self.intermediate["dense"](x)))
        return self.output["LayerNorm"](x + y)


class Bert(nn.Module):
    """BERT-base."""

    def __init__(self, width=768):
        super().__init__()
        self.embeddings = nn.ModuleDict({
            "word_embeddings": nn.Embedding(30522, width),
            "position_embeddings": nn.Embedding(512, width),
            "token_type_embeddings": nn.Embedding(2, width),
            "LayerNorm": nn.LayerNorm(width, eps=1e-12)})
        self.encoder = nn.ModuleDict({"layer": nn.Sequential(*[BertLayer(width) for _ in range(12)])})

    def forward(self, ids):
        e = self.embeddings
        x = e["word_embeddings"](ids) + e["position_embeddings"].weight[: ids.shape[1]]
        return self.encoder["layer"](e["LayerNorm"](x + e["token_type_embeddings"].weight[0]))


kinds = {"cnn14": Cnn14, "htsat-tiny": Htsat, "mn04": MobileNet, "bert-base": Bert}
types = {"F32": torch.float32, "I64": torch.int64, "U8": torch.uint8}


def safetensors(path):
    """The tensors of a file by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    return {name: torch.frombuffer(data, dtype=types[e["dtype"]], count=math.prod(e["shape"]),
                                   offset=e["data_offsets"][0]).reshape(e["shape"])
            for name, e in header.items()}


def same(name, got, want):
    """Raises where the result is not nightjar's."""
    difference = ((got - want).abs().max() / want.abs().max()).item()
    assert difference < 1e-3, f"{name}: differs from nightjar's by {difference}"


def network(name, path):
    """The network with the weights of a file, and the file's input and output of nightjar's."""
    tensors = safetensors(path)
    x, want = tensors.pop("input"), tensors.pop("output")
    net = kinds[name]().eval()
    missing, unexpected = net.load_state_dict(tensors, strict=False)
    missing = [n for n in missing if not n.endswith("num_batches_tracked")]
    assert not missing and not unexpected, (missing, unexpected)
    return net, x, want


def encoder(name, path):
    """A function that runs the network once."""
    net, x, want = network(name, path)
    run = torch.no_grad()(lambda: net(x))
    same(name, run(), want)
    return run


def exported(name, path):
    """The network as ONNX, its input and nightjar's output."""
    net, x, want = network(name, path)
    file = io.BytesIO()
    torch.onnx.export(net, x, file, opset_version=14, input_names=["x"], output_names=["y"])
    return file.getvalue(), x.numpy(), want


def onnx_encoder(name, path):
    """The same by ONNX Runtime, on as many threads as PyTorch has."""
    import onnxruntime

    model, x, want = exported(name, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    same(name, torch.from_numpy(session.run(None, {"x": x})[0]), want)
    return lambda: session.run(None, {"x": x})


def load(path, name=None):
    """A function that loads a checkpoint; with the name of a network, into one made anew."""
    def run():
        tensors = torch.load(path)
        if name:
            kinds[name]().load_state_dict(tensors, strict=False)
    return run


def write(source, path):
    """Writes the tensors of a safetensors file as PyTorch does."""
    torch.save({n: t.clone() for n, t in safetensors(source).items()}, path)
    return lambda: None
