"""The U-Net of diffusion models: residual blocks that are told the level of noise, at ever smaller sizes and back.

References:
    U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al., 2015 (arXiv 1505.04597).
    Denoising Diffusion Probabilistic Models, Ho, Jain & Abbeel, 2020 (arXiv 2006.11239), appendix B.
    Improved Denoising Diffusion Probabilistic Models, Nichol & Dhariwal, 2021 (arXiv 2102.09672): scale and shift.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from counterfeit.core import Net, Spec
from counterfeit.nets.layers import DoublingConv2d, GroupNorm, at_least_float32, attend
from counterfeit.nets.mlp import Dropout

__all__ = ["Attention", "Block", "UNet", "UNetShape"]

GROUPS = 8  # of channels that are normalized together, or as many as divide them
HEAD = 32  # channels of an attention head


class UNetShape(NamedTuple):
    """Sizes of a U-Net, as `DenoiserNets` describes them."""

    width: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: int
    dropout: float

    def check(self) -> None:
        """Raise a ValueError where there is no channel, no level or no block."""
        if min(self.width, self.blocks, *self.multipliers, len(self.multipliers)) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"{self} came; at least 1 channel, size and block, and a rate, are expected. Correct it.")


def norm(channels: int) -> GroupNorm:
    """Of eight groups of channels, or of as many as divide them."""
    return GroupNorm(math.gcd(GROUPS, channels), channels)


def silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, which begins as 0, so that what stands beside it passes as it is."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """Two convolutions beside a shortcut; between them, what is known of the noise scales and shifts.

    Arguments:
        inputs: channels that come.
        outputs: channels that leave.
        condition: size of what is known of the noise.
        dropout: rate before the second convolution.
    """

    def __init__(self, inputs: int, outputs: int, condition: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(inputs), norm(outputs)])
        convs = [nn.Conv2d(size, outputs, 3, padding=1) for size in (inputs, outputs)]
        self.convs = nn.ModuleList([convs[0], silent(convs[1])])
        self.modulation = nn.Linear(condition, 2 * outputs)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, inputs, H, W), (B, condition) -> (B, outputs, H, W)."""
        h = self.convs[0](silu(self.norms[0](x)))
        gain, shift = self.modulation(c)[:, :, None, None].chunk(2, 1)
        h = self.convs[1](self.dropout(silu(self.norms[1](h) * (1 + gain) + shift)))
        return self.shortcut(x) + h


class Attention(nn.Module):
    """Every place looks at all others, beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD) if channels % HEAD == 0 else 1
        self.norm, self.inward = norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.outward = silent(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        seen = self.inward(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        q, k, v = seen.mT.unbind(1)  # (B, heads, HW, channels of a head)
        h = attend(q, k, v)
        return x + self.outward(h.mT.flatten(1, 2).unflatten(2, x.shape[2:]))


class Stage(nn.Module):
    """A block, and attention after it where there is some."""

    def __init__(self, block: Block, attention: Attention | None) -> None:
        super().__init__()
        self.block, self.attention = block, attention

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, inputs, H, W), (B, condition) -> (B, outputs, H, W)."""
        h = self.block(x, c)
        return h if self.attention is None else self.attention(h)


class UNet(Net):
    """Pictures with noise (B, C, H, W) -> (B, outputs, C, H, W), of any sides and number of channels.

    Sides are halved and rounded up; on the way back, what is too much is cut off. Every block on the way back sees what
    the block of the same size on the way down gave.

    Arguments:
        spec: what the data are.
        shape: sizes.
        condition: log-SNR (B,) and labels (B,) -> what blocks are told, (B, size).
        size: of that.
        outputs: for each value.
    """

    def __init__(self, spec: Spec, shape: UNetShape, condition: nn.Module, size: int, outputs: int) -> None:
        super().__init__()
        self.condition, self.outputs = condition, (outputs, spec.shape[0])
        widths, side = [shape.width * m for m in shape.multipliers], max(spec.shape[1:])

        def stage(level: int, inputs: int) -> Stage:
            looks = math.ceil(side / 2**level) <= shape.attention
            block = Block(inputs, widths[level], size, shape.dropout)
            return Stage(block, Attention(widths[level]) if looks else None)

        def stages(level: int, first: int, later: int) -> nn.ModuleList:
            return nn.ModuleList(stage(level, first if i == 0 else later) for i in range(shape.blocks))

        levels, deepest = range(len(widths)), widths[-1]
        self.first = nn.Conv2d(spec.shape[0], widths[0], 3, padding=1)
        self.downs = nn.ModuleList(stages(level, widths[max(0, level - 1)], widths[level]) for level in levels)
        self.shrinks = nn.ModuleList(nn.Conv2d(w, w, 3, stride=2, padding=1) for w in widths[:-1])
        self.middle = nn.ModuleList([stage(levels[-1], deepest), stage(levels[-1], deepest)])
        self.ups = nn.ModuleList(stages(level, 2 * widths[level], 2 * widths[level]) for level in reversed(levels))
        self.grows = nn.ModuleList(DoublingConv2d(*pair) for pair in pairwise(widths[::-1]))
        self.norm = norm(widths[0])
        self.last = silent(nn.Conv2d(widths[0], outputs * spec.shape[0], 3, padding=1))

    def forward(self, z: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W), (B,), (B,) -> (B, outputs, C, H, W), float32 whatever the precision inside."""
        c, h, kept = self.condition(log_snr, y), self.first(z), []
        for level, stages in enumerate(self.downs):
            h = self.shrinks[level - 1](h) if level else h
            for stage in cast(nn.ModuleList, stages):
                h = stage(h, c)
                kept.append(h)
        for stage in self.middle:
            h = stage(h, c)
        for level, stages in enumerate(self.ups):
            h = self.grows[level - 1](h) if level else h
            for stage in cast(nn.ModuleList, stages):
                beside = kept.pop()
                h = stage(torch.cat([h[:, :, : beside.shape[2], : beside.shape[3]], beside], 1), c)
        return at_least_float32(self.last(silu(self.norm(h)))).unflatten(1, self.outputs)
