"""Players that grow while they are trained: from 4x4 pixels, each level, which doubles the sides, faded in.

References:
    Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras et al., 2017 (arXiv 1710.10196).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, linear

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import halvings, widths
from counterfeit.nets.layers import MinibatchDeviation, doubled, pixel_norm

__all__ = ["EqualConv2d", "EqualLinear", "GrowingDiscriminator", "GrowingGenerator"]

PARTS = 1_000  # a stage is counted in parts of a level: averages of weights copy whole numbers


class EqualConv2d(nn.Conv2d):
    """A convolution of standard normal weights that are scaled when used, so that all learn equally fast (4.1)."""

    def __init__(self, inputs: int, outputs: int, size: int, gain: float = math.sqrt(2)) -> None:
        super().__init__(inputs, outputs, size, padding=size // 2)
        self.weight_scale = gain / math.sqrt(inputs * size**2)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        return self._conv_forward(x, self.weight * self.weight_scale, self.bias)

    def upscale(self, x: Tensor) -> Tensor:
        """The same of an image whose pixels are repeated, (B, inputs, H, W) -> (B, outputs, 2H, 2W), for size 3."""
        return doubled(x, self.weight * self.weight_scale, self.bias)


class EqualLinear(nn.Linear):
    """A linear map of standard normal weights that are scaled when used (4.1)."""

    def __init__(self, inputs: int, outputs: int, gain: float = math.sqrt(2)) -> None:
        super().__init__(inputs, outputs)
        self.weight_scale = gain / math.sqrt(inputs)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        return linear(x, self.weight * self.weight_scale, self.bias)


class Growing(Net):
    """A net of `levels` beyond its first, of which `stage` says how many have grown, fractions fading in."""

    stage: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self.grown: int | None = None  # the stage without a wait for the device that holds it, while training
        self.register_load_state_dict_post_hook(_forget)

    def grow(self, stage: float) -> None:
        """Stand at `stage`, from 0 to `levels`."""
        self.grown = round(stage * PARTS)
        self.stage.fill_(self.grown)

    def standing(self) -> tuple[int, float]:
        """The last level, and how far it has faded in, in (0, 1]."""
        stage = self.grown if self.training and self.grown is not None else int(self.stage)
        top = -(-stage // PARTS)
        return top, 1 - (top * PARTS - stage) / PARTS

    def shown(self, x: Tensor) -> Tensor:
        """What can be seen of images `x`, (B, C, H, W), at this stage: means over the pixels there are, in place."""
        top, alpha = self.standing()
        y = _enlarged(_reduced(x, self.levels - top), self.levels - top)
        if alpha == 1:
            return y
        return torch.lerp(_enlarged(_reduced(x, self.levels - top + 1), self.levels - top + 1), y, alpha)


class GrowingGenerator(Growing):
    """Codes (B, code_dim) -> images (B, C, H, W) in [0, 1], of the pixels there are at this stage.

    Arguments:
        spec: what the data are.
        code_dim: size of a code.
        width: channels of the last level; every smaller one has twice those of the next.
    """

    def __init__(self, spec: Spec, code_dim: int, width: int) -> None:
        super().__init__(halvings(spec))
        channels = widths(width, self.levels + 1)[::-1]
        self.start = (channels[0], *(side >> self.levels for side in spec.shape[1:]))
        self.project = EqualLinear(code_dim, math.prod(self.start), gain=math.sqrt(2) / 4)  # as a 4x4 kernel's
        self.first = EqualConv2d(channels[0], channels[0], 3)
        self.blocks = nn.ModuleList(
            nn.ModuleList([EqualConv2d(a, b, 3), EqualConv2d(b, b, 3)]) for a, b in pairwise(channels)
        )
        self.images = nn.ModuleList(EqualConv2d(n, spec.shape[0], 1, gain=1.0) for n in channels)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, C, H, W)."""
        top, alpha = self.standing()
        h = _activated(self.project(pixel_norm(z)).unflatten(1, self.start))
        h = below = _activated(self.first(h))
        for block in list(self.blocks)[:top]:
            first, second = (cast(EqualConv2d, layer) for layer in block.children())
            below, h = h, _activated(second(_activated(first.upscale(h))))
        x = self.images[top](h).float()
        if alpha < 1:
            x = torch.lerp(_enlarged(self.images[top - 1](below).float()), x, alpha)
        return _enlarged(x.sigmoid(), self.levels - top)


class GrowingDiscriminator(Growing):
    """Images (B, C, H, W) in [0, 1] -> (B, 1), of which it sees the pixels there are at this stage.

    Arguments:
        spec: what the data are.
        width: channels of the last level; every smaller one has twice those of the next.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__(halvings(spec))
        channels = widths(width, self.levels + 1)[::-1]
        rest = channels[0] * math.prod(side >> self.levels for side in spec.shape[1:])
        self.images = nn.ModuleList(EqualConv2d(spec.shape[0], n, 1) for n in channels)
        self.blocks = nn.ModuleList(
            nn.ModuleList([EqualConv2d(b, b, 3), EqualConv2d(b, a, 3)]) for a, b in pairwise(channels)
        )
        self.deviation, self.last = MinibatchDeviation(), EqualConv2d(channels[0] + 1, channels[0], 3)
        self.hidden, self.head = EqualLinear(rest, channels[0]), EqualLinear(channels[0], 1, gain=1.0)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, features), what the output is linear in."""
        top, alpha = self.standing()
        x = _reduced(2 * x - 1, self.levels - top)
        h = _leaky(self.images[top](x))
        for level in range(top, 0, -1):
            for layer in self.blocks[level - 1].children():
                h = _leaky(layer(h))
            h = _reduced(h)
            if level == top and alpha < 1:
                h = torch.lerp(_leaky(self.images[top - 1](_reduced(x))), h, alpha)
        h = _leaky(self.last(self.deviation(h)))
        return _leaky(self.hidden(h.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1)."""
        return self.head(self.features(x)).float()


def _forget(net: nn.Module, _: object) -> None:
    net.grown = None  # type: ignore[assignment]  # what was loaded rules


def _leaky(h: Tensor) -> Tensor:
    return leaky_relu(h, 0.2)


def _activated(h: Tensor) -> Tensor:
    return pixel_norm(_leaky(h))


def _enlarged(x: Tensor, times: int = 1) -> Tensor:
    return interpolate(x, scale_factor=2.0**times, mode="nearest") if times else x


def _reduced(x: Tensor, times: int = 1) -> Tensor:
    return avg_pool2d(x, 2**times) if times else x
