"""Codes of many dimensions: why their norms and the distances between them are nearly all the same.

Codes z are drawn with independent values of mean 0 and variance 1, d of them.

References:
    When Is "Nearest Neighbor" Meaningful?, Beyer, Goldstein, Ramakrishnan and Shaft, 1999.
    Sampling Generative Networks, White, 2016 (arXiv 1609.04468): great circles between Gaussian codes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["FOURTH", "Moments", "distances", "norms", "spread"]

FOURTH = {"gaussian": 3.0, "uniform": 9 / 5}  # E u⁴ of a value u of unit variance


class Moments(NamedTuple):
    """Mean and standard deviation."""

    mean: float
    std: float

    @property
    def ratio(self) -> float:
        """The standard deviation as a share of the mean."""
        return self.std / self.mean


def norms(dims: int, scale: float = 1.0) -> Moments:
    """Of ‖z‖ for z ~ N(0, scale² I): mean √2 Γ((d+1)/2) / Γ(d/2), and the mean of ‖z‖² is d (the χ distribution).

    Example:
        >>> from counterfeit.theory.concentration import norms
        >>> [round(value, 2) for value in norms(100)]
        [9.98, 0.71]
    """
    if dims < 1:
        raise ValueError(f"dims={dims} came; at least 1 is expected. Raise it.")
    mean = math.sqrt(2) * math.exp(math.lgamma((dims + 1) / 2) - math.lgamma(dims / 2))
    return Moments(scale * mean, scale * math.sqrt(dims - mean**2))


def distances(dims: int) -> Moments:
    """Of ‖z - z'‖ between two Gaussian codes, whose difference is N(0, 2 I)."""
    return norms(dims, math.sqrt(2))


def spread(dims: int, fourth: float = 3.0) -> float:
    """Standard deviation of ‖z - z'‖ over its mean where d is large: √((E u⁴ + 1) / 8d).

    The squared distance is a sum of d independent terms of mean 2 and variance 2 E u⁴ + 2; a root halves the relative
    deviation. For Gaussian values, of fourth moment 3, it is 1/√(2d).

    Arguments:
        dims: d.
        fourth: E u⁴ of a value, of unit variance.

    Example:
        >>> from counterfeit.theory.concentration import distances, spread
        >>> [round(spread(d) / distances(d).ratio, 3) for d in (1, 10, 100)]
        [0.936, 0.988, 0.999]
    """
    return math.sqrt((fourth + 1) / (8 * dims))
