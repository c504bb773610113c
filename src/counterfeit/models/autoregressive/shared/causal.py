"""Layers of pictures whose outputs see only what comes before in raster order, all at once or pixel after pixel.

The channels of a pixel follow each other: R, then G given R, then B given both. So the features of every layer are
split into one group for each channel, and masks keep a group from what it may not see.

References:
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759), section 3.4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad

from counterfeit.core import Net

__all__ = ["Causal", "CausalConv2d", "Mask", "Memory", "Places", "Reach", "channel_mask", "down", "pointwise"]

Mask = Literal["A", "B", "none"]
Memory = tuple[Tensor, ...]
"""What a layer remembers of the rows so far, each (n, …); it changes in place."""


class Reach(NamedTuple):
    """How many rows above and columns to the left and to the right a kernel covers."""

    above: int = 0
    left: int = 0
    right: int = 0


def channel_mask(outputs: int, inputs: int, channels: int, mask: Mask, parts: int = 1) -> Tensor:
    """Which inputs of the same pixel each output sees, as 0s and 1s, (outputs, inputs).

    Arguments:
        outputs: in `parts` of equal size, each of which is split into groups of the channels, in order.
        inputs: split into groups of the channels, in order.
        channels: of a pixel.
        mask: "A" lets a group see those before it, "B" also itself, and "none" all.
        parts: how many.

    Raises:
        ValueError: where a channel would have no features.

    Example:
        >>> channel_mask(3, 3, 3, "A")
        tensor([[0., 0., 0.],
                [1., 0., 0.],
                [1., 1., 0.]])
    """
    if mask == "none":
        return torch.ones(outputs, inputs)
    if min(outputs // parts, inputs) < channels:
        raise ValueError(
            f"{min(outputs // parts, inputs)} features came for {channels} channels; one for each channel is expected "
            "at least. Make layers wider."
        )
    to, of = (torch.arange(size) * channels // size for size in (outputs // parts, inputs))
    seen = of < to[:, None] if mask == "A" else of <= to[:, None]
    return seen.float().repeat(parts, 1)


class Causal(Net, ABC):
    """A layer of pictures that meets their pixels all at once, or one after another with a memory."""

    remembered: int = 1
    """How many tensors its memory has."""

    @abstractmethod
    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """Whole pictures, (B, inputs, H, W) -> (B, outputs, H, W); `shift` may add to each of its sums, (B, sums)."""

    @abstractmethod
    def blank(self, n: int, width: int) -> Memory:
        """What is remembered of `n` pictures of that width before their first rows."""

    @abstractmethod
    def turn(self, memory: Memory) -> None:
        """Begin the next row, when the one before is whole."""

    @abstractmethod
    def put(self, memory: Memory, column: int, x: Tensor) -> None:
        """Remember the pixel of the present row in that column, (n, inputs, 1, 1), in place of what it was."""

    @abstractmethod
    def pixel(self, memory: Memory, column: int, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """Remember that pixel, and give what is made of it and those before: (n, outputs, 1, 1)."""


class CausalConv2d(Causal):
    """A convolution that sees rows above, pixels to the left, and of the pixel itself what its mask lets through.

    The kernel has no rows below its pixel, since masks would make them 0.

    Arguments:
        inputs: features that come.
        outputs: features that leave, in `parts` of equal size.
        reach: of the kernel.
        mask: "A" or "B" of the pixel itself; "none" for a kernel that also sees all to its right.
        channels: of a pixel.
        parts: of the outputs, each with features of all channels: two for gates, four for an LSTM.
        bias: whether something is added to the outputs.

    Example:
        >>> CausalConv2d(1, 8, Reach(3, 3, 3), "A", 1)(torch.rand(2, 1, 5, 7)).shape
        torch.Size([2, 8, 5, 7])
    """

    mask: Tensor

    def __init__(
        self, inputs: int, outputs: int, reach: Reach, mask: Mask, channels: int, parts: int = 1, bias: bool = True
    ) -> None:  # fmt: skip
        super().__init__()
        plain = nn.Conv2d(inputs, outputs, (reach.above + 1, reach.left + 1 + reach.right), bias=bias)
        self.weight, self.bias, self.reach = plain.weight, plain.bias, reach
        allowed = torch.ones_like(plain.weight)
        if mask != "none":
            allowed[:, :, -1, reach.left + 1 :] = 0
        allowed[:, :, -1, reach.left] = channel_mask(outputs, inputs, channels, mask, parts)
        self.register_buffer("mask", allowed, persistent=False)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        above, left, right = self.reach
        return self._covered(pad(x, (left, right, above, 0)) if any(self.reach) else x, shift)

    def blank(self, n: int, width: int) -> Memory:
        """The rows that the kernel covers, with the zeros around them: (n, inputs, above + 1, left + width + right)."""
        above, left, right = self.reach
        return (self.weight.new_zeros(n, self.weight.shape[1], above + 1, left + width + right),)

    def turn(self, memory: Memory) -> None:
        """Rows move up, and the last is empty."""
        rows = memory[0]
        rows[:, :, :-1] = rows[:, :, 1:].clone()
        rows[:, :, -1] = 0

    def put(self, memory: Memory, column: int, x: Tensor) -> None:
        """Into the last row."""
        memory[0][:, :, -1, column + self.reach.left] = x[:, :, 0, 0]

    def pixel(self, memory: Memory, column: int, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """One product of what the kernel covers."""
        self.put(memory, column, x)
        return self._covered(memory[0][:, :, :, column : column + self.weight.shape[3]], shift)

    def row(self, memory: Memory, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """The next row as a whole, (n, inputs, 1, W) -> (n, outputs, 1, W)."""
        self.turn(memory)
        memory[0][:, :, -1, self.reach.left : self.reach.left + x.shape[3]] = x[:, :, 0]
        return self._covered(memory[0], shift)

    def _covered(self, x: Tensor, shift: Tensor | None) -> Tensor:
        """Outputs wherever `x` covers the kernel whole."""
        weight = self.weight * self.mask
        if x.shape[2:] == weight.shape[2:]:  # one place: a product costs less than a convolution
            out = linear(x.flatten(1), weight.flatten(1), self.bias)[:, :, None, None]
        else:
            out = conv2d(x, weight, self.bias)
        return out if shift is None else out + shift[:, :, None, None]


class Places(Causal):
    """Something of its own at every place of a picture, added to all features there.

    Convolutions do the same everywhere, and know where they are only as far as they reach the borders.

    Arguments:
        features: that come and leave.
        height: of pictures.
        width: of pictures.
    """

    def __init__(self, features: int, height: int, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features, height, width))

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(B, features, H, W) -> (B, features, H, W)."""
        return x + self.bias

    def blank(self, n: int, width: int) -> Memory:  # noqa: ARG002
        """The number of the row, int64 (n,)."""
        return (torch.zeros(n, dtype=torch.int64, device=self.bias.device),)

    def turn(self, memory: Memory) -> None:
        """The next row."""
        memory[0].add_(1)

    def put(self, memory: Memory, column: int, x: Tensor) -> None:
        """Nothing is remembered of pixels."""

    def pixel(self, memory: Memory, column: int, x: Tensor, shift: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(n, features, 1, 1) -> (n, features, 1, 1)."""
        return x + self.bias[:, memory[0], column].T[:, :, None, None]


def pointwise(inputs: int, outputs: int, channels: int, mask: Mask = "B", parts: int = 1) -> CausalConv2d:
    """A 1x1 convolution."""
    return CausalConv2d(inputs, outputs, Reach(), mask, channels, parts)


def down(x: Tensor) -> Tensor:
    """Pictures a row further down, (B, C, H, W): what was made of a row is then seen from the rows below it only."""
    return pad(x, (0, 0, 1, 0))[:, :, :-1]
