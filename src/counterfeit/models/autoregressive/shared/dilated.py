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
from torch.nn.functional import conv_transpose1d, pad

from counterfeit.core import Net
from counterfeit.nets.layers import at_least_float32

__all__ = ["DilatedNet", "DilatedSizes", "Queues", "Upsampling"]


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


class Upsampling(nn.Module):
    """A second series at the rate of places, by a transposed convolution (section 2.5), which at first repeats frames.

    Arguments:
        channels: of the series.
        hop: moments that each frame is of.
        tracks: places at each moment.

    Example:
        >>> Upsampling(1, hop=2)(torch.tensor([[[1.0, 2.0]]]), 3).flatten().tolist()
        [1.0, 1.0, 2.0]
    """

    def __init__(self, channels: int, hop: int, tracks: int = 1) -> None:
        super().__init__()
        self.channels, self.hop, self.tracks = channels, hop, tracks
        self.weight = nn.Parameter(torch.eye(channels).unsqueeze(-1).repeat(1, 1, hop))

    def forward(self, y: Tensor, places: int) -> Tensor:
        """What stands beside each place: (B, channels, frames) -> (B, places, channels)."""
        moments = conv_transpose1d(y, self.weight, stride=self.hop).transpose(1, 2)
        return moments.repeat_interleave(self.tracks, 1)[:, :places]


class DilatedNet(Net):
    """Gated residual units with skip connections (eq. 2, figure 4), each a causal convolution of width 2.

    Arguments:
        inputs: numbers at every place.
        outputs: numbers for every place.
        sizes: of the layers.
        classes: of which each example is one that every layer is told (eq. 3); 0 for none.
        upsampling: of a second series that every layer is told (section 2.5), in place of classes; None for none.

    Example:
        >>> DilatedNet(3, 4, DilatedSizes(layers=2, channels=8, skip=8))(torch.rand(2, 10, 3)).shape
        torch.Size([2, 10, 4])
    """

    def __init__(
        self, inputs: int, outputs: int, sizes: DilatedSizes, classes: int = 0, upsampling: Upsampling | None = None
    ) -> None:  # fmt: skip
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
        self.upsampling, beside = upsampling, 0 if upsampling is None else upsampling.channels
        self.beside = nn.Parameter(0.1 * torch.randn(depth, beside, 2 * channels)) if beside else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Outputs of every place, which see it and those before it: (B, T, inputs) -> (B, T, outputs).

        Arguments:
            x: numbers at every place.
            y: the class of each example, int64 (B,), or its series, (B, C, frames), where it is told.
        """
        bias, series, units = self.biases(y), self.series(y, x.shape[1]), []
        h = self.first(torch.cat([x, delayed(x, 1)], -1))
        for layer, dilation in enumerate(self.sizes.dilations):
            weight = torch.cat([self.here[layer], self.back[layer]])
            a = torch.cat([h, delayed(h, dilation)], -1) @ weight + bias[layer].unsqueeze(1)
            u = gated(a if series is None or self.beside is None else a + series @ self.beside[layer])
            units.append(u)
            if layer < len(self.residual):
                h = h + u @ self.residual[layer]
        return self.head(torch.cat(units, -1))

    def biases(self, y: Tensor | None) -> Tensor:
        """Biases of every layer's gated units, (layers, 1, 2 channels), or (layers, B, 2 channels) by class."""
        if self.told is None or y is None:
            return self.bias.unsqueeze(1)
        return self.bias.unsqueeze(1) + self.told(y).unflatten(1, self.bias.shape).transpose(0, 1)

    def series(self, y: Tensor | None, places: int) -> Tensor | None:
        """What layers are told beside each place, (B, places, C), where there is a series."""
        return None if self.upsampling is None or y is None else self.upsampling(y, places)

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
        places: how many there are.
        y: the class of each example, int64 (n,) or (1,), or its series, (n, C, frames), where the net is told one.
    """

    def __init__(self, net: DilatedNet, places: int, y: Tensor | None = None) -> None:
        self.net, self.bias, self.series = net, net.biases(y), net.series(y, places)
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
        bias = self.bias
        if self.series is not None and self.net.beside is not None:
            bias = bias + self.series[:, t] @ self.net.beside
        seen = torch.baddbmm(bias, old, self.net.back).unbind()  # what is looked back at, of every layer
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
