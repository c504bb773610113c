"""Pictures in fewer pixels and in more: bicubic, and by a residual net with pixel shuffle.

References:
    Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, Ledig et al., 2016
        (arXiv 1609.04802).
    Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network, Shi et
        al., 2016 (arXiv 1609.05158).
    Enhanced Deep Residual Networks for Single Image Super-Resolution, Lim et al., 2017 (arXiv 1707.02921), for leaving
        batch normalization out.
    Checkerboard Artifact Free Sub-Pixel Convolution, Aitken et al., 2017 (arXiv 1707.02937), for the initial weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import ConvDiscriminator, ConvNorm

__all__ = ["Upscaler", "UpscalingPlayers", "bicubic", "shrink"]


def shrink(x: Tensor, factor: int) -> Tensor:
    """Images in [0, 1], (B, C, factor H, factor W), as (B, C, H, W): bicubic and antialiased, as data are resized.

    Example:
        >>> shrink(torch.ones(1, 1, 8, 8), 4)
        tensor([[[[1., 1.],
                  [1., 1.]]]])
    """
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 1)


def bicubic(x: Tensor, factor: int) -> Tensor:
    """Images (B, C, H, W) as (B, C, factor H, factor W), bicubic, which may leave [0, 1]."""
    return interpolate(x, scale_factor=float(factor), mode="bicubic")


class Residual(nn.Module):
    """Two convolutions, added to what came."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.body = nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True), second)

    def forward(self, h: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, channels, H, W)."""
        return h + self.body(h)


class Upscaler(Net):
    """Images (B, C, H, W) of any size -> (B, C, factor H, factor W): what is added to bicubic ones.

    Residual blocks work on the small image; pixel shuffle then doubles the sides, once for each two in `factor`.

    Arguments:
        channels: of the images.
        width: channels inside.
        blocks: residual blocks.
        factor: 2 or 4.
    """

    def __init__(self, channels: int, width: int, blocks: int, factor: int) -> None:
        super().__init__()
        if factor not in (2, 4):
            raise ValueError(f"factor={factor} came; 2 or 4 is expected. Upscale twice for more.")
        self.factor = factor
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.body = nn.Sequential(*(Residual(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1))
        ups = [layer for _ in range(factor // 2) for layer in (_doubling(width), nn.PixelShuffle(2), nn.LeakyReLU(0.2))]
        self.ups, self.last = nn.Sequential(*ups), nn.Conv2d(width, channels, 3, padding=1)
        with torch.no_grad():
            self.last.weight.mul_(0.1)  # the first images are nearly bicubic

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, factor H, factor W), which may leave [0, 1] a little."""
        h = self.first(2 * x - 1)
        return bicubic(x, self.factor) + self.last(self.ups(h + self.body(h))).float()


def _doubling(width: int) -> nn.Conv2d:
    """A convolution for pixel shuffle, whose four new pixels are equal at first: others would start as checkers."""
    layer = nn.Conv2d(width, 4 * width, 3, padding=1)
    for p in (layer.weight, layer.bias):
        p.data.copy_(p.data[::4].repeat_interleave(4, 0))  # type: ignore[union-attr]
    return layer


@dataclass(frozen=True)
class UpscalingPlayers:
    """The sizes of a generator that upscales pictures, and of a discriminator of large ones.

    Arguments:
        width: channels of the generator.
        blocks: residual blocks of the generator.
        discriminator_width: channels of the discriminator after its first convolution.
        discriminator_norm: of the discriminator's levels ("batch") or weights ("spectral").
    """

    width: int = 48
    blocks: int = 5
    discriminator_width: int = 32
    discriminator_norm: ConvNorm = "none"

    def generator(self, spec: Spec, factor: int) -> Upscaler:
        """Pictures (B, C, H, W) -> (B, C, factor H, factor W)."""
        return Upscaler(spec.shape[0], self.width, self.blocks, factor)

    def discriminator(self, spec: Spec) -> ConvDiscriminator:
        """Pictures (B, C, H, W) -> (B, 1)."""
        return ConvDiscriminator(spec, self.discriminator_width, self.discriminator_norm)
