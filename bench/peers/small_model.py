"""The small model (the sizes of examples/train_small.lua) in PyTorch: a training step, and encoding."""
import torch
from torch import nn
from torch.nn import functional as F


class ConvBlock(nn.Module):
    def __init__(self, inputs, outputs, pool):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.pool = pool

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.dropout(F.avg_pool2d(x, self.pool), 0.1, self.training)


class Small(nn.Module):
    """The sizes of examples/train_small.lua."""

    def __init__(self):
        super().__init__()
        widths, pools = [16, 32, 64, 128, 256], [(2, 2)] * 4 + [(1, 2)]
        self.bn0 = nn.BatchNorm2d(64)
        self.blocks = nn.Sequential(*[
            ConvBlock(i, o, p) for i, o, p in zip([1] + widths[:-1], widths, pools)])
        self.audio_head = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256))
        self.words, self.places = nn.Embedding(2000, 128), nn.Embedding(64, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 256, 0.1, "gelu", batch_first=True)
        self.text = nn.TransformerEncoder(layer, 2)
        self.text_head = nn.Sequential(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 256))
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())

    def forward(self, mel, ids):
        x = self.bn0(mel.unsqueeze(1).transpose(1, 3)).transpose(1, 3)
        x = self.blocks(x).mean(3)
        audio = F.normalize(self.audio_head(x.max(2).values + x.mean(2)))
        y = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        text = F.normalize(self.text_head(self.text(y).mean(1)))
        return audio @ text.t() / self.log_temperature.exp()


def train_step():
    model = Small().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    mel, ids = torch.randn(32, 251, 64), torch.randint(5, 2000, (32, 16))
    targets = torch.arange(32)

    def run():
        optimizer.zero_grad()
        scores = model(mel, ids)
        loss = (F.cross_entropy(scores, targets) + F.cross_entropy(scores.t(), targets)) / 2
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2)
        optimizer.step()

    return run


def encode():
    model = Small().eval()
    mel = torch.randn(1, 251, 64)

    @torch.no_grad()
    def run():
        x = model.bn0(mel.unsqueeze(1).transpose(1, 3)).transpose(1, 3)
        x = model.blocks(x).mean(3)
        F.normalize(model.audio_head(x.max(2).values + x.mean(2)))

    return run
