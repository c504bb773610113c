"""Dilated causal convolutions over a sequence: all places at once, or one after another from queues.

References:
    WaveNet: A Generative Model for Raw Audio, van den Oord et al., 2016 (arXiv 1609.03499), section 2.
    Fast WaveNet Generation Algorithm, Le Paine et al., 2016 (arXiv 1611.09482): the queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from counterfeit.core import Net
from counterfeit.nets.layers import at_least_float32

__all__ = ["DilatedNet", "DilatedSizes", "Queues"]


@dataclass(frozen=True)
class DilatedSizes:
    """Sizes of a net of dilated convolutions.

    Arguments:
        layers: convolutions of a block, whose dilations are 1, 2, 4, ….
        blocks: how many blocks follow each other, each from dilation 1 on.
        channels: of the residual stream, and gated units of each layer.
        skip: channels of the sum of all skip connections, and of the layer after it.
    """

    layers: int = 9
    blocks: int = 1
    channels: int = 32
    skip: int = 64

    def __post_init__(self) -> None:
        for name in ("layers", "blocks", "channels", "skip"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} came; at least 1 is expected. Raise it.")

    @property
    def dilations(self) -> list[int]:
        """How far each layer looks back, in order."""
        return [2**layer for _ in range(self.blocks) for layer in range(self.layers)]

    @property
    def receptive_field(self) -> int:
        """How many places an output sees: its own and those before it.

        Example:
            >>> DilatedSizes(layers=10, blocks=3).receptive_field
            3071
        """
        return 2 + sum(self.dilations)


class DilatedNet(Net):
    """Gated residual units with skip connections (eq. 2, figure 4), each a causal convolution of width 2.

    Arguments:
        inputs: numbers at every place.
        outputs: numbers for every place.
        sizes: of the layers.
        classes: of which each example is one that every layer is told (eq. 3); 0 for none.

    Example:
        >>> DilatedNet(3, 4, DilatedSizes(layers=2, channels=8, skip=8))(torch.rand(2, 10, 3)).shape
        torch.Size([2, 10, 4])
    """

    def __init__(self, inputs: int, outputs: int, sizes: DilatedSizes, classes: int = 0) -> None:
        super().__init__()
        self.sizes, channels, depth = sizes, sizes.channels, len(sizes.dilations)
        bound = (2 * channels) ** -0.5
        self.first = nn.Linear(2 * inputs, channels)
        self.back = nn.Parameter(torch.empty(depth, channels, 2 * channels).uniform_(-bound, bound))
        self.here = nn.Parameter(torch.empty(depth, channels, 2 * channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(depth, 2 * channels))
        self.told = nn.Embedding(classes, depth * 2 * channels) if classes else None
        self.residual = nn.Parameter(torch.empty(depth - 1, channels, channels).uniform_(-bound, bound))
        self.skip = nn.Linear(depth * channels, sizes.skip)  # the sum of all skip connections is one product
        self.hidden, self.last = nn.Linear(sizes.skip, sizes.skip), nn.Linear(sizes.skip, outputs)
        if self.told is not None:
            nn.init.normal_(self.told.weight, std=0.1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Outputs of every place, which see it and those before it: (B, T, inputs) -> (B, T, outputs).

        Arguments:
            x: numbers at every place.
            y: the class of each example, int64 (B,), where it is told.
        """
        bias, units = self.biases(y), []
        h = self.first(torch.cat([x, delayed(x, 1)], -1))
        for layer, dilation in enumerate(self.sizes.dilations):
            weight = torch.cat([self.here[layer], self.back[layer]])
            u = gated(torch.cat([h, delayed(h, dilation)], -1) @ weight + bias[layer].unsqueeze(1))
            units.append(u)
            if layer < len(self.residual):
                h = h + u @ self.residual[layer]
        return self.head(torch.cat(units, -1))

    def biases(self, y: Tensor | None) -> Tensor:
        """Biases of every layer's gated units, (layers, 1, 2 channels), or (layers, B, 2 channels) by class."""
        if self.told is None or y is None:
            return self.bias.unsqueeze(1)
        return self.bias.unsqueeze(1) + self.told(y).unflatten(1, self.bias.shape).transpose(0, 1)

    def head(self, units: Tensor) -> Tensor:
        """Outputs of the gated units of all layers, (…, layers * channels) -> (…, outputs)."""
        return at_least_float32(self.last(self.hidden(self.skip(units).relu()).relu()))


def delayed(x: Tensor, steps: int) -> Tensor:
    """What came so many places before, and zeros where nothing did: (B, T, C) -> (B, T, C)."""
    return pad(x, (0, 0, min(steps, x.shape[1]), 0))[:, : x.shape[1]]


def gated(a: Tensor) -> Tensor:
    """The first half through tanh, by how far the second opens the gate (eq. 2): (…, 2 C) -> (…, C)."""
    filter_, gate = a.chunk(2, -1)
    return filter_.tanh() * gate.sigmoid()


class Queues:
    """A net of dilated convolutions one place after another: each layer's queue holds what it will look back at.

    All queues lie in one ring buffer, (n, sum of dilations, channels), so that what all layers look back at is read,
    multiplied and written at once; the queue of a layer is as long as its dilation.

    Arguments:
        net: what is asked.
        y: the class of each example, int64 (n,) or (1,), where the net is told one.
    """

    def __init__(self, net: DilatedNet, y: Tensor | None = None) -> None:
        self.net, self.bias = net, net.biases(y)
        self.here, self.residual = net.here.unbind(), net.residual.unbind()
        self.lengths = torch.tensor(net.sizes.dilations, device=net.bias.device)
        self.starts = self.lengths.cumsum(0) - self.lengths

    def begin(self, n: int) -> Tensor:
        """Empty queues of `n` examples."""
        return self.bias.new_zeros(n, int(self.lengths.sum()), self.net.sizes.channels)

    @cached_property
    def first(self) -> tuple[Tensor, Tensor]:
        """Bias and weight of the first convolution, (channels,) and (2 inputs, channels)."""
        return self.net.first.bias, self.net.first.weight.mT

    def advance(self, queues: Tensor, t: int, x: Tensor) -> Tensor:
        """The gated units of all layers at place `t`, (n, layers * channels); `queues` change in place.

        Arguments:
            queues: as the place before left them, (n, sum of dilations, channels).
            t: the place, from 0 on.
            x: the numbers there and at the place before, (n, 2 inputs).
        """
        slots, channels = self.starts + t % self.lengths, self.net.sizes.channels
        old = queues.index_select(1, slots).transpose(0, 1)  # (layers, n, channels)
        seen = torch.baddbmm(self.bias, old, self.net.back).unbind()  # what is looked back at, of every layer
        h, stream, units = torch.addmm(self.first[0], x, self.first[1]), [], []
        for layer, weight in enumerate(self.here):
            stream.append(h)
            a = torch.addmm(seen[layer], h, weight)
            u = a[:, :channels].tanh() * a[:, channels:].sigmoid()
            units.append(u)
            if layer < len(self.residual):
                h = torch.addmm(h, u, self.residual[layer])
        queues.index_copy_(1, slots, torch.stack(stream, 1))
        return torch.cat(units, 1)
