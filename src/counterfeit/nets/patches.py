"""Key patches of images, where they lie, and nets that put them in their places.

References:
    Unsupervised Holistic Image Generation from Key Local Patches, Lee et al., 2017 (arXiv 1703.10730).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, fold, leaky_relu

from counterfeit.core import Net, Spec
from counterfeit.nets.unet import Completion

__all__ = ["Locator", "PatchGenerator", "covered", "key_patches", "paste", "take"]


def key_patches(x: Tensor, k: int, size: int) -> tuple[Tensor, Tensor]:
    """The `k` patches of each image in which neighbouring pixels differ the most, none of them overlapping.

    Arguments:
        x: images, (B, C, H, W).
        k: how many, the strongest first.
        size: their side in pixels.

    Returns:
        Patches (B, k, C, size, size), and their upper left corners, int64 (B, k, 2), row and column.
    """
    edges = torch.zeros_like(x[:, :1])
    edges[:, :, :-1] += (x[:, :, 1:] - x[:, :, :-1]).abs().sum(1, keepdim=True)
    edges[:, :, :, :-1] += (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().sum(1, keepdim=True)
    heat = avg_pool2d(edges, size, stride=1)[:, 0]  # (B, H - size + 1, W - size + 1)
    rows, columns = (torch.arange(side, device=x.device) for side in heat.shape[1:])
    corners = []
    for _ in range(k):
        best = heat.flatten(1).argmax(1)
        row, column = best // heat.shape[2], best % heat.shape[2]
        corners.append(torch.stack([row, column], 1))
        near = ((rows - row[:, None]).abs() < size)[:, :, None] & ((columns - column[:, None]).abs() < size)[:, None]
        heat = heat.masked_fill(near, -1.0)
    found = torch.stack(corners, 1)
    return take(x, found, size), found


def take(x: Tensor, corners: Tensor, size: int) -> Tensor:
    """Patches of images (B, C, H, W) whose upper left corners are `corners`, (B, K, 2): (B, K, C, size, size)."""
    row, column = (corners[..., i, None] + torch.arange(size, device=x.device) for i in (0, 1))  # (B, K, size)
    image = torch.arange(len(x), device=x.device).view(-1, 1, 1, 1)
    return x.movedim(1, -1)[image, row[..., :, None], column[..., None, :]].movedim(-1, 2)


def covered(corners: Tensor, size: int, shape: tuple[int, ...]) -> Tensor:
    """1 where patches with these corners, (B, K, 2), lie, as (B, 1, H, W)."""
    inside = []
    for i, side in enumerate(shape[1:]):
        offset = torch.arange(side, device=corners.device) - corners[..., i, None]  # (B, K, side)
        inside.append((offset >= 0) & (offset < size))
    return (inside[0][..., :, None] & inside[1][..., None, :]).any(1, keepdim=True).float()


def paste(patches: Tensor, places: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Patches laid where `places` says, each as dense as its place is sure.

    Arguments:
        patches: (B, K, C, size, size).
        places: for each patch, a distribution over corners, (B, K, H - size + 1, W - size + 1).
        shape: of images, (C, H, W).

    Returns:
        Images (B, C, H, W), weighted means where patches meet, and how much of each pixel is covered, (B, 1, H, W).
    """
    size, chances = patches.shape[-1], places.flatten(2)
    laid = fold((patches.flatten(2).mT @ chances), shape[1:], size)  # (B, C size², corners) -> (B, C, H, W)
    every = chances.sum(1, keepdim=True).expand(-1, size * size, -1)
    weight = fold(every, shape[1:], size)
    return laid / weight.clamp(min=1e-6), weight.clamp(max=1.0)


class Locator(Net):
    """Patches (B, K, C, size, size) -> logits of their corners, (B, K, H - size + 1, W - size + 1).

    Every patch is read by the same net, which sees it and the mean of what is known of all: in which order they come
    does not matter.

    Arguments:
        spec: what the images are.
        size: side of a patch.
        width: features of a patch.
    """

    def __init__(self, spec: Spec, size: int, width: int) -> None:
        super().__init__()
        self.grid = tuple(side - size + 1 for side in spec.shape[1:])
        self.read = nn.Sequential(
            nn.Linear(spec.shape[0] * size**2, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)
        )
        self.together = nn.Linear(2 * width, width)
        self.last = nn.Linear(width, self.grid[0] * self.grid[1])

    def forward(self, patches: Tensor) -> Tensor:
        """(B, K, C, size, size) -> (B, K, rows, columns)."""
        h = self.read(2 * patches.flatten(2) - 1)
        h = torch.cat([h, h.mean(1, keepdim=True).expand_as(h)], 2)
        return self.last(leaky_relu(self.together(h), 0.2)).float().unflatten(2, self.grid)


class PatchGenerator(Net):
    """Codes (B, code_dim), which are noise and then patches, -> images (B, C, H, W).

    Arguments:
        spec: what the data are.
        k: how many patches.
        size: side of a patch.
        noise_dim: size of the noise.
        width: channels of the painter at the largest level.
        features: of a patch.
    """

    def __init__(self, spec: Spec, k: int, size: int, noise_dim: int, width: int, features: int) -> None:
        super().__init__()
        self.noise_dim, self.shape, self.patch = noise_dim, spec.shape, (k, spec.shape[0], size, size)
        self.locator, self.painter = Locator(spec, size, features), Completion(spec, noise_dim, width)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, C, H, W)."""
        patches = z[:, self.noise_dim :].unflatten(1, self.patch)
        return self.paint(z[:, : self.noise_dim], patches, self.places(patches))

    def places(self, patches: Tensor) -> Tensor:
        """Where each patch may lie: distributions over corners, (B, K, rows, columns)."""
        logits = self.locator(patches)
        return logits.flatten(2).softmax(2).view_as(logits)

    def paint(self, noise: Tensor, patches: Tensor, places: Tensor) -> Tensor:
        """The image around patches in their places, (B, C, H, W)."""
        x, mask = paste(patches, places, self.shape)
        return self.painter(noise, x, mask.expand_as(x))
