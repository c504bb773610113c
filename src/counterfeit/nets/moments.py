"""Means and standard deviations of data, by which models of real values see them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["moments"]


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of every value of training examples, float64 (*event,) each.

    Arguments:
        x: (N, *event).

    Raises:
        ValueError: where a value never changes, since a density is as high as it likes there.

    Example:
        >>> moments(torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
        (tensor([2., 2.], dtype=torch.float64), tensor([1., 2.], dtype=torch.float64))
    """
    still = (x == x[0]).all(0).flatten()
    if bool(still.any()):
        value = int(still.nonzero()[0])
        raise ValueError(
            f"value {value} of the data is {float(x[0].flatten()[value]):g} everywhere; values that change are "
            "expected, since a density is as high as it likes there. Leave it out."
        )
    mean = x.mean(0, dtype=torch.float64)
    return mean, torch.stack([(part - mean).square().sum(0) for part in x.split(4096)]).sum(0).div(len(x)).sqrt()
