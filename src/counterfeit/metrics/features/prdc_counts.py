"""Who lies in whose ball, counted: of all points exactly, and of halves, whose differences are the errors.

References:
    Pseudo-Replication: Half Samples, McCarthy, 1969.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.numerics import ROUNDED, centre
from counterfeit.metrics.features.knn import ClosePairs, Near, norms, radii, radii_among, squares_of

__all__ = ["Half", "Tally"]


class Limits(NamedTuple):
    """Squared distances beyond which no pair counts: of each real example, (N,), or of each sample, (M,)."""

    real: Tensor
    fake: Tensor


class Tally:
    """Counts pairs of all real examples and all samples; those that products cannot decide are decided by differences.

    Arguments:
        real: real examples, (N, d).
        fake: samples, (M, d).
        near_real: neighbours among real examples.
        near_fake: neighbours among samples.
        k: neighbours of the small balls, around examples of both kinds.
        wide: neighbours of the wide balls, around real examples.
    """

    def __init__(self, real: Tensor, fake: Tensor, near_real: Near, near_fake: Near, k: int, wide: int) -> None:
        self.real, self.fake, self.neighbours = real, fake, wide
        (self.small, self.wide), (self.around,) = radii(real, near_real, k, wide), radii(fake, near_fake, k)
        self.precise, self.counts = torch.zeros(len(fake), dtype=torch.bool), torch.zeros(len(fake), dtype=torch.int64)
        self.recalled, self.covered = torch.zeros(2, len(real), dtype=torch.bool)
        farthest, about, rounded = torch.maximum(self.small, self.wide), centre(fake), ROUNDED[real.dtype]
        self.doubt = Limits(
            rounded * (norms(real, about) + farthest), rounded * (norms(fake, about) + self.around)
        )  # what products may lose of distances about as large as the radii
        self.limits = Limits(
            (farthest + self.doubt.real).to(real.dtype), (self.around + self.doubt.fake).to(real.dtype)
        )

    def add(self, pairs: ClosePairs) -> None:
        """Count pairs, each once."""
        i, j = pairs.real, pairs.fake
        self.precise[j[self._inside(pairs, self.small[i], self.doubt.real[i])]] = True
        self.recalled[i[self._inside(pairs, self.around[j], self.doubt.fake[j])]] = True
        inside = self._inside(pairs, self.wide[i], self.doubt.real[i])
        self.covered[i[inside]] = True
        self.counts += torch.bincount(j[inside], minlength=len(self.counts))

    def _inside(self, pairs: ClosePairs, radius: Tensor, doubt: Tensor) -> Tensor:
        beyond = pairs.squares - radius
        inside = beyond < 0
        doubtful = (beyond.abs_() <= doubt).nonzero()[:, 0]
        exact = squares_of(self.real, self.fake, pairs.real[doubtful], pairs.fake[doubtful])
        inside[doubtful] = exact < radius[doubtful]
        return inside

    def scores(self) -> tuple[float, float, float, float]:
        """Precision, recall, density, coverage."""
        precision, recall, coverage = (float(x.double().mean()) for x in (self.precise, self.recalled, self.covered))
        return precision, recall, int(self.counts.sum()) / (self.neighbours * len(self.counts)), coverage

    def variance(self) -> float:
        """Of the density, as far as it comes of the draw of samples, which are independent given the real examples."""
        return float((self.counts.double() / self.neighbours).var()) / len(self.counts)


class Half:
    """Counts pairs among half of the real examples and half of the samples, in balls that the halves have.

    Samples, all of them, are also counted in the wide balls of that half and of the other.

    Arguments:
        near_real: neighbours among real examples.
        near_fake: neighbours among samples.
        i: positions of half of the real examples.
        j: positions of half of the samples.
        k: neighbours of the small balls.
        wide: neighbours of the wide balls.
    """

    def __init__(self, near_real: Near, near_fake: Near, i: Tensor, j: Tensor, k: int, wide: int) -> None:
        n, m = len(near_real.squares), len(near_fake.squares)
        self.i, self.j, self.neighbours = i, j, wide
        self.mine, self.sampled = torch.zeros(n, dtype=torch.bool), torch.zeros(m, dtype=torch.bool)
        self.mine[i], self.sampled[j] = True, True
        others = (~self.mine).nonzero()[:, 0]
        self.small, self.wide = near_real.squares.new_zeros(2, n)  # a ball of radius 0 holds nothing
        self.around = near_fake.squares.new_zeros(m)
        self.small[i], self.around[j] = radii_among(near_real, i, k), radii_among(near_fake, j, k)
        self.wide[i], self.wide[others] = radii_among(near_real, i, wide), radii_among(near_real, others, wide)
        self.precise, self.difference = torch.zeros(m, dtype=torch.bool), torch.zeros(m, dtype=torch.int64)
        self.recalled, self.covered = torch.zeros(2, n, dtype=torch.bool)
        self.limits = Limits(torch.maximum(self.small, self.wide), self.around)

    def add(self, pairs: ClosePairs) -> None:
        """Count pairs, each once, by products."""
        i, j = pairs.real, pairs.fake
        both = self.mine[i] & self.sampled[j]
        self.precise[j[both & (pairs.squares < self.small[i])]] = True
        self.recalled[i[both & (pairs.squares < self.around[j])]] = True
        inside = pairs.squares < self.wide[i]
        self.covered[i[inside & both]] = True
        for sign, half in ((1, self.mine[i]), (-1, ~self.mine[i])):
            self.difference += sign * torch.bincount(j[inside & half], minlength=len(self.difference))

    def scores(self) -> tuple[float, float, float]:
        """Precision, recall and coverage."""
        found = self.precise[self.j], self.recalled[self.i], self.covered[self.i]
        precision, recall, coverage = (float(x.double().mean()) for x in found)
        return precision, recall, coverage

    def variance(self) -> float:
        """Of the density, as far as it comes of the draw of real examples; below 0 by chance where that is little.

        Halves share none, so their densities differ, squared, by twice the variance of one, which is twice that of the
        whole; but for what is due to the draw of samples, in which they share all.
        """
        difference = self.difference.double() / self.neighbours
        return (float(difference.mean()) ** 2 - float(difference.var()) / len(difference)) / 4
