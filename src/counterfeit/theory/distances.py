"""Distances of distributions that samples alone are enough for.

References:
    Energy statistics: a class of statistics based on distances, Székely and Rizzo, 2013.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["energy_distance"]


def energy_distance(x: Tensor, y: Tensor) -> float:
    """The energy distance 2 E‖X - Y‖ - E‖X - X'‖ - E‖Y - Y'‖ of two distributions, estimated without bias.

    It is 0 where both are the same and above 0 elsewhere, has no setting, and is in the unit of the data. On the line
    it is twice the integral of the squared difference of both distribution functions.

    Arguments:
        x: samples of the one, (N, …), two at least.
        y: samples of the other, (M, …), two at least.

    Raises:
        ValueError: where there are fewer, or examples differ in size.

    Example:
        >>> energy_distance(torch.tensor([[0.0], [0.0]]), torch.tensor([[3.0], [3.0]]))
        6.0
    """
    if min(len(x), len(y)) < 2 or x.shape[1:] != y.shape[1:]:
        came = f"samples of shapes {tuple(x.shape)} and {tuple(y.shape)} came"
        raise ValueError(f"{came}; at least two of each, of the same shape, are expected. Draw others.")
    x, y = (some.flatten(1).double() for some in (x, y))
    return float(2 * torch.cdist(x, y).mean() - _spread(x) - _spread(y))


def _spread(x: Tensor) -> Tensor:
    """The mean distance of two different samples."""
    return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))
