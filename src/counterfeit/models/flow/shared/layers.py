"""Invertible layers that look at no other value: standardization, normalization between layers, and the way back.

References:
    Density Estimation Using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017 (arXiv 1605.08803): batch normalization.
    Glow: Generative Flow with Invertible 1x1 Convolutions, Kingma & Dhariwal, 2018 (arXiv 1807.03039): actnorm.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from counterfeit.transforms import moments

__all__ = [
    "ActNorm",
    "BatchNorm",
    "Conditioned",
    "Inverse",
    "Layer",
    "Norm",
    "Standardize",
    "back",
    "normalization",
    "through",
    "within_reach",
]

Norm = Literal["none", "batch", "actnorm"]
REACH = 10.0  # standard deviations


class Layer(nn.Module, ABC):
    """An invertible map of batches, from the side of the data to the side of the noise."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `x`, (B, *event), becomes, and log |det dy/dx| of each example in nats, (B,)."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """What becomes `y`."""


class Conditioned(Layer):
    """A layer whose map may depend on a condition of each example, such as its label, one-hot (B, C)."""

    @abstractmethod
    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What `x`, (B, *event), becomes, and log |det dy/dx| of each example in nats, (B,)."""

    @abstractmethod
    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """What becomes `y`."""


def within_reach(x: Tensor) -> Tensor:
    """What a net that says how values move sees of values: none beyond REACH, where training shows nearly nothing.

    What a net says of such values is left to chance, and each layer makes more of it: a single pixel with ink where no
    training picture has any would cost a billion nats.

    Example:
        >>> within_reach(torch.tensor([-400.0, 3.0]))
        tensor([-10.,   3.])
    """
    return x.clamp(-REACH, REACH)


def through(layers: Iterable[nn.Module], x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """`x` after all layers in order, and the sum of their logarithms, (B,)."""
    total = x.new_zeros(len(x))
    for layer in layers:
        x, ladj = layer(x, condition) if isinstance(layer, Conditioned) else layer(x)
        total = total + ladj
    return x, total


def back(layers: Sequence[nn.Module], y: Tensor, condition: Tensor | None = None) -> Tensor:
    """What becomes `y` after all layers in order."""
    for layer in reversed(layers):
        y = layer.inverse(y, condition) if isinstance(layer, Conditioned) else cast(Layer, layer).inverse(y)
    return y


class Inverse(Conditioned):
    """A layer the other way round: what was the way to the noise is the way to the data."""

    def __init__(self, layer: Conditioned) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The layer's inverse; its logarithm is that of the layer there, with the other sign."""
        y = self.layer.inverse(x, condition)
        return y, -self.layer(y, condition)[1]

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """The layer."""
        return self.layer(y, condition)[0]


class Standardize(Layer):
    """y = (x - mean) / standard deviation of each value in the training data; nothing of it is learned.

    Arguments:
        shape: of an event.
    """

    loc: Tensor
    std: Tensor

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(*shape))
        self.register_buffer("std", torch.ones(*shape))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """See training examples, (N, *event); a ValueError where a value never changes."""
        loc, std = moments(x)
        self.loc.copy_(loc)
        self.std.copy_(std)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """To mean 0 and standard deviation 1."""
        return (x - self.loc) / self.std, -self.std.log().sum().expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """To the unit of the data."""
        return self.loc + self.std * y


class ActNorm(Layer):
    """y = (x + bias) exp(log_scale) with one of each a channel, which begin by standardizing data (2018, section 3.1).

    Arguments:
        channels: values of a vector, or channels of an image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias, self.log_scale = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Standardize each channel of examples, (B, channels, …)."""
        rows = x.transpose(0, 1).flatten(1)
        self.bias.copy_(-rows.mean(1))
        self.log_scale.copy_(-rows.std(1, correction=0).clamp(min=1e-6).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale."""
        y = (x + _along(self.bias, x)) * _along(self.log_scale, x).exp()
        return y, (self.log_scale.sum() * math.prod(x.shape[2:])).expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Scale and shift back."""
        return y * (-_along(self.log_scale, y)).exp() - _along(self.bias, y)


class BatchNorm(Layer):
    """Batch normalization: by the minibatch while training, by running statistics afterwards (2017, section 3.7).

    Arguments:
        channels: values of a vector, or channels of an image.
        images: whether events are images.
    """

    def __init__(self, channels: int, images: bool = False) -> None:
        super().__init__()
        self.norm = (nn.BatchNorm2d if images else nn.BatchNorm1d)(channels, affine=False, eps=1e-4)
        self.bias, self.log_scale = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalize, scale and shift."""
        y = self.norm(x) * _along(self.log_scale, x).exp() + _along(self.bias, x)
        var = x.transpose(0, 1).flatten(1).var(1, correction=0) if self.training else self._running[1]
        ladj = (self.log_scale - 0.5 * (var + self.norm.eps).log()).sum() * math.prod(x.shape[2:])
        return y, ladj.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Undo what is done in evaluation: running statistics, whatever the mode."""
        mean, var = (_along(t, y) for t in self._running)
        h = (y - _along(self.bias, y)) * (-_along(self.log_scale, y)).exp()
        return h * (var + self.norm.eps).sqrt() + mean

    @property
    def _running(self) -> tuple[Tensor, Tensor]:
        return self.norm.get_buffer("running_mean"), self.norm.get_buffer("running_var")


def normalization(name: Norm, channels: int, images: bool = False) -> list[Layer]:
    """What stands after a layer: nothing, batch normalization or actnorm."""
    if name == "none":
        return []
    return [BatchNorm(channels, images) if name == "batch" else ActNorm(channels)]


def _along(values: Tensor, x: Tensor) -> Tensor:
    """Values of channels, (C,), beside `x`, (B, C, …)."""
    return values.view(-1, *[1] * (x.ndim - 2))
