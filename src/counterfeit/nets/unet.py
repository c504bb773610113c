"""A convolutional net that fills in an image: an encoder, a decoder that sees its levels, and a code that steers both.

References:
    U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al., 2015 (arXiv 1505.04597).
    On Self Modulation for Generative Adversarial Networks, Chen et al., 2018 (arXiv 1810.01365).
    Large Scale Image Completion via Co-Modulated Generative Adversarial Networks, Zhao et al., 2021 (arXiv 2103.10428).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import halvings, initialize, widths

__all__ = ["Completion", "Modulated"]

STYLE = 256  # size of what the code and the known pixels become together


class Modulated(nn.Module):
    """Batch normalization whose gains and shifts depend on a style (Chen et al., 2018, eq. 2)."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm2d(channels), nn.Linear(style, 2 * channels, bias=False)

    def forward(self, h: Tensor, s: Tensor) -> Tensor:
        """(B, channels, H, W) and styles (B, style) -> (B, channels, H, W)."""
        gain, shift = self.linear(s)[:, :, None, None].chunk(2, 1)
        return self.norm(h) * (1 + gain) + shift


class Completion(Net):
    """Codes (B, code_dim), images and masks (B, C, H, W) -> images in [0, 1] whose known pixels are as they came.

    The code and the encoder's last level become one style, which modulates every level of the decoder, so that codes
    matter however much is known.

    Arguments:
        spec: what the data are; sides of 28, 32, 64 or any that can be halved.
        code_dim: size of a code.
        width: channels of the largest level; every smaller level has twice those of the one before.
    """

    def __init__(self, spec: Spec, code_dim: int, width: int) -> None:
        super().__init__()
        levels = halvings(spec)
        channels = widths(width, levels)
        sides = [side >> levels for side in spec.shape[1:]]
        self.shape, self.start = spec.shape, (channels[-1], *sides)
        self.downs = nn.ModuleList(_down(*pair) for pair in pairwise([2 * spec.shape[0], *channels]))
        features = channels[-1] * sides[0] * sides[1]
        self.known, self.code = nn.Linear(features, STYLE), nn.Linear(code_dim, STYLE, bias=False)
        self.project = nn.Linear(STYLE, features)
        self.norms = nn.ModuleList(Modulated(2 * size, STYLE) for size in channels[::-1])
        ups = pairwise([*channels[::-1], spec.shape[0]])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * before, after, 4, 2, 1) for before, after in ups)
        initialize(self)
        nn.init.normal_(self.code.weight, 0.0, code_dim**-0.5)  # from the first step on, codes matter as much

    def forward(self, z: Tensor, x: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Complete `x` where `mask`, both (B, C, H, W), is 0; where they are None, nothing is known."""
        if x is None or mask is None:
            x = mask = z.new_zeros(len(z), *self.shape)
        h, levels = torch.cat([(2 * x - 1) * mask, mask], 1), []
        for down in self.downs:
            h = down(h)
            levels.append(h)
        s = leaky_relu(self.known(h.flatten(1)) + self.code(z), 0.2)
        h = self.project(s).unflatten(1, self.start)
        for norm, up, level in zip(self.norms, self.ups, reversed(levels), strict=True):
            h = up(norm(torch.cat([h, level], 1), s).relu())
        return torch.where(mask == 1, x, h.float().sigmoid())


def _down(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True))
