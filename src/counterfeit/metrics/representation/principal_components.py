"""Principal components: the best linear code of a size, beside which learnt codes stand.

References:
    Neural Networks and Principal Component Analysis: Learning from Examples Without Local Minima, Baldi & Hornik, 1989.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["PCA", "pca"]


class PCA(NamedTuple):
    """The mean, (D,), and orthonormal `directions` of largest variance, (k, D)."""

    mean: Tensor
    directions: Tensor

    def reconstruct(self, x: Tensor) -> Tensor:
        """The projection of examples, (N, *shape), on the subspace through the mean, of the same shape."""
        centred = x.flatten(1) - self.mean
        return (self.mean + centred @ self.directions.mT @ self.directions).view_as(x)


def pca(x: Tensor, k: int) -> PCA:
    """The first `k` principal components of examples, (N, *shape); as many as there are where they are fewer.

    Example:
        >>> pca(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), 1).directions.abs()
        tensor([[1., 0.]])
    """
    wide = x.flatten(1).double()  # float64: a covariance squares the condition
    centred = wide - (mean := wide.mean(0))
    n, d = centred.shape
    if d <= n:
        directions = torch.linalg.eigh(centred.mT @ centred)[1].mT.flip(0)[:k]
    else:
        values, vectors = torch.linalg.eigh(centred @ centred.mT)
        there = values > values[-1] * n * torch.finfo(values.dtype).eps
        directions = (centred.mT @ (vectors * values.clamp(min=0).rsqrt())[:, there]).mT.flip(0)[:k]
    return PCA(mean.to(x.dtype), directions.to(x.dtype))
