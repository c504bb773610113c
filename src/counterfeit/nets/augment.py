"""Differentiable augmentation of what a discriminator sees, real and fake alike.

References:
    Differentiable Augmentation for Data-Efficient GAN Training, Zhao et al., 2020 (arXiv 2006.10738).
    Training Generative Adversarial Networks with Limited Data, Karras et al., 2020 (arXiv 2006.06676): affine maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["MIDDLE", "Augmentation", "augment"]

Augmentation = Literal["flip", "color", "translation", "cutout", "affine"]
Fill = float | Tensor
MIDDLE = 0.5  # of [0, 1], in which images come: the 0 of [-1, 1], with which the paper fills


def flip(x: Tensor, fill: Fill = MIDDLE) -> Tensor:  # noqa: ARG001
    """Mirror every other image, (B, C, H, W)."""
    return torch.where(uniform(x) < 0.5, x.flip(-1), x)


def color(x: Tensor, fill: Fill = MIDDLE) -> Tensor:  # noqa: ARG001
    """Change brightness by up to ±1/4 of the range, saturation by up to twice, contrast by up to a half, (B, C, H, W).

    The paper's ±0.5 of brightness is in [-1, 1].
    """
    x = x + (uniform(x) - 0.5) / 2
    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * 2 * uniform(x)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.5 + uniform(x))


def translation(x: Tensor, fill: Fill = MIDDLE, share: float = 0.125) -> Tensor:
    """Move each image by up to `share` of its side, with `fill` where nothing was, (B, C, H, W)."""
    height, width = x.shape[2:]
    most = (round(share * height), round(share * width))
    rows = _places(x, height, most[0]).view(-1, 1, height, 1)
    columns = _places(x, width, most[1]).view(-1, 1, 1, width)
    padded = pad(x, (most[1], most[1], most[0], most[0]))
    batch, channel = (torch.arange(n, device=x.device) for n in x.shape[:2])
    there = (rows >= most[0]) & (rows < most[0] + height) & (columns >= most[1]) & (columns < most[1] + width)
    return padded[batch.view(-1, 1, 1, 1), channel.view(1, -1, 1, 1), rows, columns].where(there, _as(fill, x))


def cutout(x: Tensor, fill: Fill = MIDDLE, share: float = 0.5) -> Tensor:
    """Fill a rectangle of `share` of the sides at a random place, partly outside at the edges, (B, C, H, W)."""
    inside = [_span(x, size, share) for size in x.shape[2:]]
    hole = inside[0].unsqueeze(2) & inside[1].unsqueeze(1)
    return _as(fill, x).where(hole.unsqueeze(1), x)


def affine(x: Tensor, fill: Fill = MIDDLE) -> Tensor:  # noqa: ARG001
    """Turn by up to ±15°, shear by up to 0.3, stretch each side by up to 1/5, move by up to 1/20, (B, C, H, W).

    Zeros come in from outside: it is made for views of things on black grounds.
    """
    most = (math.pi / 12, 0.3, 0.2, 0.2, 0.1, 0.1)
    turn, shear, wide, high, *move = ((2 * uniform(x).flatten() - 1) * share for share in most)
    c, s = turn.cos(), turn.sin()
    rows = [
        torch.stack([c * (1 + wide), (c * shear - s) * (1 + high), move[0]], 1),
        torch.stack([s * (1 + wide), (s * shear + c) * (1 + high), move[1]], 1),
    ]
    return moved(x, torch.stack(rows, 1))


def moved(x: Tensor, maps: Tensor) -> Tensor:
    """Images (B, C, H, W) whose value at a place is that of `x` where its affine map takes the place, zero outside.

    Linear interpolation between pixels; unlike torch's grid_sample it can be differentiated twice, as penalties on the
    gradient of a discriminator need.

    Arguments:
        x: images, (B, C, H, W).
        maps: (B, 2, 3), of places (horizontal, vertical, 1) with the image's edges at ±1.

    Example:
        >>> x = torch.rand(2, 1, 4, 4)
        >>> torch.allclose(moved(x, torch.eye(2, 3).expand(2, 2, 3)), x, atol=1e-6)
        True
    """
    height, width = x.shape[2:]
    down, right = ((2 * torch.arange(n, device=x.device) + 1) / n - 1 for n in (height, width))
    by_column, by_row, shift = (column[..., None] for column in maps.unbind(2))
    # (B, 2, HW), without matrix products, which are less precise under autocast
    found = by_column * right.repeat(height) + by_row * down.repeat_interleave(width) + shift
    size = found.new_tensor([[width], [height]])
    at = (found + 1) * size / 2 - 0.5
    low, flat = at.floor(), x.flatten(2)
    y = torch.zeros_like(flat)
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        place = low + at.new_tensor(corner)[:, None]
        weight = (1 - (at - place).abs()).prod(1) * ((place >= 0) & (place < size)).all(1)
        column, row = place.clamp(min=0).minimum(size - 1).long().unbind(1)
        y = y + weight[:, None] * flat.gather(2, (row * width + column)[:, None].expand_as(flat))
    return y.view_as(x)


AUGMENTATIONS: Mapping[str, Callable[[Tensor, Fill], Tensor]] = {
    "flip": flip, "color": color, "translation": translation, "cutout": cutout, "affine": affine
}  # fmt: skip


def augment(x: Tensor, names: Sequence[Augmentation], fill: Fill = MIDDLE) -> Tensor:
    """Change images at random, each by draws of its own; gradients pass through.

    Arguments:
        x: images in [0, 1], (B, C, H, W).
        names: what is done to them, in this order.
        fill: what comes where nothing was: a number, or (C, 1, 1).

    Raises:
        ValueError: where anything but images is to be augmented.

    Example:
        >>> augment(torch.rand(2, 3, 8, 8), ("flip", "cutout")).shape
        torch.Size([2, 3, 8, 8])
    """
    if names and x.ndim != 4:
        raise ValueError(f"x of shape {tuple(x.shape)} came; images (B, C, H, W) are expected. Leave `augment` out.")
    for name in names:
        x = AUGMENTATIONS[name](x, fill)
    return x


def uniform(x: Tensor) -> Tensor:
    """A uniform number for each example, (B, 1, 1, 1)."""
    return torch.rand(len(x), 1, 1, 1, device=x.device)


def _as(fill: Fill, x: Tensor) -> Tensor:
    return fill.to(x) if isinstance(fill, Tensor) else x.new_tensor(fill)


def _places(x: Tensor, size: int, most: int) -> Tensor:
    """Where each row of a moved image comes from in the padded one, (B, size)."""
    offset = (uniform(x).view(-1, 1) * (2 * most + 1)).long()
    return offset + torch.arange(size, device=x.device)


def _span(x: Tensor, size: int, share: float) -> Tensor:
    """Which places along a side a random interval covers, (B, size)."""
    length = round(share * size)
    start = (uniform(x).view(-1, 1) * (size + 1 - length % 2)).long() - length // 2
    place = torch.arange(size, device=x.device)
    return (place >= start) & (place < start + length)
