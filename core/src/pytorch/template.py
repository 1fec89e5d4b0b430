"""A network with these two cells, for PyTorch alone.

    network = Network()                                   # in the shape below, or another
    network.load_state_dict(read_weights("weights/best.safetensors"))
    network.eval()
    scores = network(images)                              # [N, CLASSES] of normalised [N, 3, {{side}}, {{side}}]

Run as a program, it counts parameters; given a file of weights, it loads them as well.

While training, `network(images)` gives scores and those of the auxiliary head (None without one), and
`network.drop_path` is the probability that a path is left out. Names in the state dict are those of
published checkpoints of the DARTS family, and of the weights that relativenas writes.
"""

import json
import struct
import sys

import torch
from torch import nn

# Two genes a node, each an operation and the input that it reads: 0 and 1 are the outputs of the two
# cells before, 2 is the first node. The concatenated nodes are the cell's output.
{{genotype}}

{{shape}}


class Sequence(nn.Module):
    """Layers one after the other, under the name `op`."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class Halving(nn.Module):
    """Halves the resolution by two pointwise convolutions of stride 2, the second on the input moved by one pixel."""

    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv_1 = nn.Conv2d(channels_in, channels_out // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(channels_in, channels_out // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x):
        x = torch.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], dim=1))


class Zero(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


def pointwise(channels_in, channels_out):
    return [nn.ReLU(), nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)]


def depthwise(channels, kernel, stride, dilation=1):
    padding = kernel // 2 * dilation
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    ]


def separable(channels, kernel, stride):
    return Sequence(*depthwise(channels, kernel, stride), *depthwise(channels, kernel, 1))


def row_and_column(channels, stride):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(channels),
    )


OPERATIONS = {
    "max_pool_3x3": lambda channels, stride: nn.MaxPool2d(3, stride, 1),
    "avg_pool_3x3": lambda channels, stride: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
    "skip_connect": lambda channels, stride: nn.Identity() if stride == 1 else Halving(channels, channels),
    "sep_conv_3x3": lambda channels, stride: separable(channels, 3, stride),
    "sep_conv_5x5": lambda channels, stride: separable(channels, 5, stride),
    "sep_conv_7x7": lambda channels, stride: separable(channels, 7, stride),
    "dil_conv_3x3": lambda channels, stride: Sequence(*depthwise(channels, 3, stride, dilation=2)),
    "dil_conv_5x5": lambda channels, stride: Sequence(*depthwise(channels, 5, stride, dilation=2)),
    "conv_7x1_1x7": row_and_column,
    "none": lambda channels, stride: Zero(stride),
}


class Cell(nn.Module):
    def __init__(self, genes, concat, before_last, last, channels, reduces, after_reduction):
        super().__init__()
        halves = Halving(before_last, channels) if after_reduction else Sequence(*pointwise(before_last, channels))
        self.preprocess0 = halves
        self.preprocess1 = Sequence(*pointwise(last, channels))
        self.inputs = [read for _, read in genes]
        self.concat = concat
        self._ops = nn.ModuleList(
            OPERATIONS[name](channels, 2 if reduces and read < 2 else 1) for name, read in genes
        )

    def forward(self, before_last, last, drop_path):
        states = [self.preprocess0(before_last), self.preprocess1(last)]
        for left in range(0, len(self._ops), 2):
            states.append(self.gene(left, states, drop_path) + self.gene(left + 1, states, drop_path))
        return torch.cat([states[i] for i in self.concat], dim=1)

    def gene(self, k, states, drop_path):
        y = self._ops[k](states[self.inputs[k]])
        if self.training and drop_path > 0 and not isinstance(self._ops[k], nn.Identity):
            kept = torch.rand(y.shape[0], 1, 1, 1, device=y.device) >= drop_path
            y = y * kept.to(y.dtype) / (1 - drop_path)
        return y


class AuxiliaryHead(nn.Module):
    """A second classifier at two thirds of the depth, while training."""

    def __init__(self, kind, channels, classes):
        super().__init__()
        layers = [
            nn.ReLU(),
            nn.AvgPool2d(5, stride=2 if kind == "imagenet" else 3, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
        ]
        if kind == "cifar":
            layers.append(nn.BatchNorm2d(768))
        self.features = nn.Sequential(*layers, nn.ReLU())
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Network(nn.Module):
    def __init__(
        self, channels=CHANNELS, cells=CELLS, classes=CLASSES, kind=KIND, auxiliary=AUXILIARY, genotype=GENOTYPE
    ):
        super().__init__()
        self.drop_path = 0.0
        self.kind = kind
        after_reduction = kind == "imagenet"
        if kind == "cifar":
            before_last = last = 3 * channels
            self.stem = nn.Sequential(nn.Conv2d(3, last, 3, padding=1, bias=False), nn.BatchNorm2d(last))
        else:
            before_last = last = channels
            self.stem0 = nn.Sequential(
                nn.Conv2d(3, channels // 2, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels // 2),
                nn.ReLU(),
                nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
            )
            self.stem1 = nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
            )
        self.cells = nn.ModuleList()
        self.auxiliary_cell = 2 * cells // 3
        for index in range(cells):
            reduces = index in (cells // 3, 2 * cells // 3)
            channels = 2 * channels if reduces else channels
            cell = genotype["reduce" if reduces else "normal"]
            concat = genotype["reduce_concat" if reduces else "normal_concat"]
            self.cells.append(Cell(cell, concat, before_last, last, channels, reduces, after_reduction))
            before_last, last, after_reduction = last, channels * len(concat), reduces
            if index == self.auxiliary_cell and auxiliary:
                self.auxiliary_head = AuxiliaryHead(kind, last, classes)
        self.classifier = nn.Linear(last, classes)

    def forward(self, images):
        if self.kind == "cifar":
            before_last = last = self.stem(images)
        else:
            before_last = self.stem0(images)
            last = self.stem1(before_last)
        auxiliary = None
        for index, cell in enumerate(self.cells):
            before_last, last = last, cell(before_last, last, self.drop_path)
            if self.training and index == self.auxiliary_cell and hasattr(self, "auxiliary_head"):
                auxiliary = self.auxiliary_head(last)
        scores = self.classifier(last.mean(dim=(2, 3)))
        return (scores, auxiliary) if self.training else scores
{{features}}

def read_weights(path):
    """A state dict from safetensors, or from what `torch.save` wrote; without `module.` before names."""
    with open(path, "rb") as file:
        content = file.read()
    if content[8:9] == b"{":
        start = 8 + struct.unpack("<Q", content[:8])[0]
        state = {}
        for name, entry in json.loads(content[8:start]).items():
            if name != "__metadata__":
                begin, end = (start + offset for offset in entry["data_offsets"])
                numbers = torch.frombuffer(bytearray(content[begin:end]), dtype=DTYPES[entry["dtype"]])
                state[name] = numbers.reshape(entry["shape"])
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


if __name__ == "__main__":
    network = Network()
    counted = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("auxiliary_head."))
    print(f"{counted:,} parameters, the auxiliary head left out")
    if len(sys.argv) > 1:
        network.load_state_dict(read_weights(sys.argv[1]))
        print(f"{sys.argv[1]} fits")
