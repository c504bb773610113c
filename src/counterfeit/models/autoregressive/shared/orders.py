"""Orders in which the chain rule can go through the values of an example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["OrderName", "ordering"]

OrderName = Literal["raster", "columns", "reverse", "center", "random"]
NAMES: tuple[OrderName, ...] = get_args(OrderName)


def ordering(shape: Sequence[int], name: OrderName = "raster", seed: int = 0) -> Tensor:
    """The places of an example's values, counted as it is flattened, from the first to the last: int64 (D,).

    Arguments:
        shape: of an example: an image's (C, H, W), all channels of a pixel following each other, or (D,).
        name: row by row, column by column, row by row from the end, from the center outwards, or a permutation.
        seed: of the permutation.

    Raises:
        ValueError: for a name that is unknown.

    Example:
        >>> ordering((1, 2, 3), "columns").tolist()
        [0, 3, 1, 4, 2, 5]
    """
    if name not in NAMES:
        raise ValueError(f"order={name!r} came; one of {', '.join(NAMES)} is expected. Choose another.")
    channels, height, width = shape if len(shape) == 3 else (1, 1, torch.Size(shape).numel())
    places = torch.arange(channels * height * width).view(channels, height, width).permute(1, 2, 0)  # (H, W, C)
    if name == "random":
        return torch.randperm(places.numel(), generator=torch.Generator().manual_seed(seed))
    if name == "columns":
        return places.transpose(0, 1).flatten()
    if name == "reverse":
        return places.flatten().flip(0)
    if name == "center":
        down, across = (torch.arange(side) - (side - 1) / 2 for side in (height, width))
        nearest = (down[:, None].square() + across.square()).flatten().argsort(stable=True)
        return places.flatten(0, 1)[nearest].flatten()
    return places.flatten()
