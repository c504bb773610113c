"""Masks: which values of an example are known, 1, and which are missing, 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["KINDS", "Kind", "check_mask", "mask_of", "random_masks"]

Kind = Literal["left", "right", "top", "bottom", "center", "pixels"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHARES = (0.3, 0.3, 0.3, 0.1)  # of random masks: halves, rectangles, pixels, everything missing
KEPT = 0.25  # of the pixels, where pixels are missing at random


def mask_of(kind: Kind, shape: Sequence[int]) -> Tensor:
    """The mask whose `kind` says what is missing, the same every time, (C, H, W).

    Arguments:
        kind: a half (left, right, top, bottom), the center (half as high and wide) or three quarters of all pixels.
        shape: of an image, (C, H, W).

    Raises:
        ValueError: where there is no such kind, or no image has that shape.

    Example:
        >>> mask_of("left", (1, 1, 4))
        tensor([[[0., 0., 1., 1.]]])
    """
    if kind not in KINDS:
        raise ValueError(f"mask {kind!r} came; one of {', '.join(KINDS)} is expected.")
    height, width = _sides(shape)
    mask = torch.ones(height, width)
    if kind == "pixels":
        mask = (torch.rand(height, width, generator=torch.Generator().manual_seed(0)) < KEPT).float()
    else:
        rows, columns = PLACES[kind](height, width)
        mask[rows, columns] = 0
    return mask.expand(*shape).clone()


def random_masks(n: int, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Draw `n` masks from the global random state, (n, C, H, W): what a model of all conditionals is trained with.

    What lies on one side of a line across the image is missing, what lies in a rectangle or outside of it, pixels at a
    rate of their own, or everything.

    Example:
        >>> random_masks(5, (3, 8, 8)).shape
        torch.Size([5, 3, 8, 8])
    """
    height, width = _sides(shape)
    kind = torch.rand(n, 1, 1, device=device)
    edges = torch.tensor(SHARES).cumsum(0).tolist()
    mask = torch.where(kind < edges[2], _scattered(n, height, width, device), 0.0)
    mask = torch.where(kind < edges[1], _rectangles(n, height, width, device), mask)
    mask = torch.where(kind < edges[0], _halves(n, height, width, device), mask)
    return mask.unsqueeze(1).expand(n, *shape).contiguous()


def check_mask(mask: Tensor, x: Tensor, who: str) -> Tensor:
    """`mask` as floating-point numbers, or a ValueError unless it is 0 or 1 for every value of `x`, (B, *shape)."""
    if mask.shape != x.shape:
        raise ValueError(
            f"`mask` has shape {tuple(mask.shape)}; {who} expects that of `x`, {tuple(x.shape)}. Expand it."
        )
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise ValueError(f"`mask` holds other values than 0 and 1; {who} expects 1 where `x` is known. Round it.")
    return mask.to(x)


Place = tuple[slice, slice]
PLACES: Mapping[Kind, Callable[[int, int], Place]] = {
    "left": lambda h, w: (slice(0, h), slice(0, w // 2)),
    "right": lambda h, w: (slice(0, h), slice(w - w // 2, w)),
    "top": lambda h, w: (slice(0, h // 2), slice(0, w)),
    "bottom": lambda h, w: (slice(h - h // 2, h), slice(0, w)),
    "center": lambda h, w: (slice(h // 4, h - h // 4), slice(w // 4, w - w // 4)),
}


def _sides(shape: Sequence[int]) -> tuple[int, int]:
    if len(shape) != 3:
        raise ValueError(f"data of shape {tuple(shape)} came; masks expect images (C, H, W). Choose other data.")
    return shape[1], shape[2]


def _halves(n: int, height: int, width: int, device: torch.device | str) -> Tensor:
    """Known on one side of a line between a quarter and three quarters of the way, (n, H, W)."""
    down, across = _coordinates(height, width, device)
    upright, behind, place = torch.rand(n, 3, 1, 1, device=device).unbind(1)
    before = torch.where(upright < 0.5, down, across) < 0.25 + 0.5 * place
    return (before ^ (behind < 0.5)).float()


def _rectangles(n: int, height: int, width: int, device: torch.device | str) -> Tensor:
    """Missing in a rectangle of sides of 0.2 to 0.9, or, every fourth, outside of it, (n, H, W)."""
    size = 0.2 + 0.7 * torch.rand(n, 2, 1, 1, device=device)
    start = (1 - size) * torch.rand(n, 2, 1, 1, device=device)
    within = [
        (place >= start[:, i]) & (place < (start + size)[:, i])
        for i, place in enumerate(_coordinates(height, width, device))
    ]
    outside = torch.rand(n, 1, 1, device=device) < 0.75
    return ((within[0] & within[1]) ^ outside).float()


def _scattered(n: int, height: int, width: int, device: torch.device | str) -> Tensor:
    """Known at random pixels, of a rate that differs from mask to mask, (n, H, W)."""
    return (torch.rand(n, height, width, device=device) < torch.rand(n, 1, 1, device=device)).float()


def _coordinates(height: int, width: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Middles of pixels as shares of the sides, (1, H, 1) and (1, 1, W)."""
    down, across = ((torch.arange(side, device=device) + 0.5) / side for side in (height, width))
    return down.view(1, -1, 1), across.view(1, 1, -1)
