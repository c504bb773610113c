"""Couplings of images at several scales, by residual convolutions.

References:
    Density Estimation Using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017 (arXiv 1605.08803), sections 3.4 to 3.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from counterfeit.core import Net
from counterfeit.models.flow.shared.coupling import MaskedCoupling
from counterfeit.models.flow.shared.elementwise import Elementwise
from counterfeit.models.flow.shared.layers import Conditioned, Layer, Norm, back, normalization, through
from counterfeit.nets.layers import at_least_float32

__all__ = ["ImageCouplings", "MultiScale", "checkerboard", "image_couplings"]


def checkerboard(height: int, width: int) -> Tensor:
    """1 and 0 in turn, beginning with 1, (1, H, W).

    Example:
        >>> checkerboard(2, 3)
        tensor([[[1., 0., 1.],
                 [0., 1., 0.]]])
    """
    return ((torch.arange(height)[:, None] + torch.arange(width) + 1) % 2).float()[None]


@dataclass(frozen=True)
class ImageCouplings:
    """Couplings of images.

    Arguments:
        width: channels of each coupling's convolutions, for images.
        blocks: residual blocks of each coupling's net, for images.
        scales: how many at most, for images; each but the last halves the sides, which must be even.
    """

    width: int = 64
    blocks: int = 2
    scales: int = 3

    def __post_init__(self) -> None:
        if min(self.width, self.blocks, self.scales) < 1:
            came = f"width={self.width}, blocks={self.blocks}, scales={self.scales} came"
            raise ValueError(f"{came}; 1 or more are expected. Raise it.")


class ResidualConv(Net):
    """Images (B, C, H, W) -> (B, outputs, H, W) by residual blocks; the last layer begins at 0.

    Arguments:
        inputs: channels that come.
        width: channels inside.
        blocks: residual blocks of two convolutions each.
        outputs: channels that leave.
    """

    def __init__(self, inputs: int, width: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(inputs, width, 3, padding=1), nn.Conv2d(width, outputs, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1))
            for _ in range(blocks)
        )
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, outputs, H, W)."""
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        return at_least_float32(self.last(h.relu()))


class Squeeze(Layer):
    """Half of the sides and four times the channels (section 3.6, figure 3)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> (B, 4 C, H/2, W/2)."""
        return pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """(B, 4 C, H/2, W/2) -> (B, C, H, W)."""
        return pixel_shuffle(y, 2)


class MultiScale(Conditioned):
    """Images to noise, (B, C, H, W) -> (B, D): half of the channels leaves after each scale but the last (eqs. 14-16).

    Arguments:
        shape: of an image, (C, H, W).
        sizes: of the nets, and how many scales.
        elementwise: how single values move.
        norm: what stands after each coupling.
        conditions: numbers that each example's condition has.
    """

    def __init__(
        self, shape: Sequence[int], sizes: ImageCouplings, elementwise: Elementwise, norm: Norm, conditions: int = 0
    ) -> None:
        super().__init__()
        channels, height, width_ = shape
        self.shapes: list[tuple[int, int, int]] = []  # of what leaves after each scale
        self.scales = nn.ModuleList()
        build = lambda c, masks: image_couplings(c, masks, sizes, elementwise, norm, conditions)  # noqa: E731
        while len(self.scales) < sizes.scales - 1 and height % 2 == width_ % 2 == 0:
            layers = build(channels, _checkerboards(height, width_, 3))
            channels, height, width_ = 4 * channels, height // 2, width_ // 2
            layers += [Squeeze(), *build(channels, _stripes(channels, 3))]
            channels //= 2
            self.scales.append(nn.ModuleList(layers))
            self.shapes.append((channels, height, width_))
        self.scales.append(nn.ModuleList(build(channels, _checkerboards(height, width_, 4))))
        self.shapes.append((channels, height, width_))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To noise, what left first in front."""
        left, total = list[Tensor](), x.new_zeros(len(x))
        for i, scale in enumerate(self.layers):
            x, ladj = through(scale, x, condition)
            total = total + ladj
            if i < len(self.scales) - 1:
                x, out = x.chunk(2, 1)
                left.append(out.flatten(1))
        return torch.cat([*left, x.flatten(1)], 1), total

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """To images."""
        parts = y.split([math.prod(shape) for shape in self.shapes], 1)
        *left, x = [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]
        x = back(self.layers[-1], x, condition)
        for scale, out in zip(reversed(self.layers[:-1]), reversed(left), strict=True):
            x = back(scale, torch.cat([x, out], 1), condition)
        return x

    @property
    def layers(self) -> list[list[nn.Module]]:
        """Those of every scale."""
        return [list(scale.children()) for scale in self.scales]


def image_couplings(
    channels: int, masks: Sequence[Tensor], sizes: ImageCouplings, elementwise: Elementwise, norm: Norm,
    conditions: int = 0,
) -> list[Layer]:  # fmt: skip
    """A coupling of images of so many channels for each mask of what stays."""
    layers = list[Layer]()
    for kept in masks:
        net = ResidualConv(channels + conditions, sizes.width, sizes.blocks, elementwise.parameters * channels)
        layers += [MaskedCoupling(kept, net, elementwise), *normalization(norm, channels, images=True)]
    return layers


def _checkerboards(height: int, width: int, count: int) -> list[Tensor]:
    """A checkerboard and its opposite in turn (figure 2, left)."""
    board = checkerboard(height, width)
    return [board if i % 2 == 0 else 1 - board for i in range(count)]


def _stripes(channels: int, count: int) -> list[Tensor]:
    """Every second channel and the others in turn, (channels, 1, 1) (figure 2, right)."""
    even = (torch.arange(channels) % 2 == 0).float()[:, None, None]
    return [even if i % 2 == 0 else 1 - even for i in range(count)]
