"""Statistics of ranks: how often one group of numbers exceeds another.

References:
    On a Test of Whether One of Two Random Variables Is Stochastically Larger than the Other, Mann & Whitney, 1947.
    Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves, DeLong et al., 1988.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from counterfeit.common.numerics import check_finite

__all__ = ["average_precision", "exceedance", "mann_whitney", "midranks"]


def midranks(x: Tensor) -> Tensor:
    """Ranks of `x`, (N,), from 1 up, equal values sharing the mean of theirs: float64.

    Example:
        >>> midranks(torch.tensor([7.0, 3.0, 7.0]))
        tensor([2.5000, 1.0000, 2.5000], dtype=torch.float64)
    """
    _, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts - 1) / 2)[inverse].double()


def exceedance(x: Tensor, y: Tensor) -> tuple[float, float | None]:
    """How often a value of `x` exceeds one of `y`, ties counting half, and DeLong's standard error.

    There is no error where either is one alone.

    It is the area under the receiver operating characteristic of scores `x` of positives and `y` of negatives.

    Arguments:
        x: (N,).
        y: (M,).

    Example:
        >>> exceedance(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]))[0]
        0.875
    """
    n, m, ranks = len(x), len(y), _joint(x, y)
    over = (ranks[:n] - midranks(x)) / m  # of each of x, the share of y below it
    under = 1 - (ranks[n:] - midranks(y)) / n
    error = math.sqrt(float(over.var()) / n + float(under.var()) / m) if min(n, m) > 1 else None
    return float(over.mean()), error


def mann_whitney(x: Tensor, y: Tensor) -> float:
    """The z score of U, below 0 where `x`, (N,), tends to lie below `y`, (M,); standard normal where they are alike."""
    n, m = len(x), len(y)
    ranks = _joint(x, y)
    _, ties = torch.unique(torch.cat([x, y]), return_counts=True)
    ties = ties.double()
    spread = (n + m + 1) - float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1))
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * spread / 12) if spread > 0 else 0.0


def average_precision(x: Tensor, y: Tensor) -> float:
    """Area under precision and recall by steps, for scores `x` of positives, (N,), and `y` of negatives, (M,).

    Example:
        >>> average_precision(torch.tensor([3.0, 1.0]), torch.tensor([2.0]))  # 1/2 · 1 + 1/2 · 2/3
        0.8333333333333333
    """
    scores, inverse = torch.unique(check_finite(torch.cat([x, y]), "scores"), return_inverse=True)
    hits = torch.bincount(inverse[: len(x)], minlength=len(scores)).double().flip(0)
    counts = torch.bincount(inverse, minlength=len(scores)).double().flip(0)
    precision = hits.cumsum(0) / counts.cumsum(0)
    return float((precision * hits).sum() / len(x))


def _joint(x: Tensor, y: Tensor) -> Tensor:
    if x.ndim != 1 or y.ndim != 1 or not len(x) or not len(y):
        came = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"shapes {came} came; two vectors that are not empty are expected. Flatten them.")
    return midranks(check_finite(torch.cat([x, y]), "scores"))
