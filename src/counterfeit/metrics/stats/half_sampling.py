"""Standard errors without a closed form: how much a statistic of two samples differs between halves of them.

Halves are drawn without replacement, since repeated points are neighbours at distance 0. A statistic whose variance
falls as 1/n deviates between halves by as much as the whole one does between draws: of the two factors of two, one
comes from the smaller number and one from what a half and the whole share.

References:
    A General Theory for Jackknife Variance Estimation, Shao & Wu, 1989.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

__all__ = ["half_sampled", "half_samples"]


def half_samples(n: int, m: int, resamples: int, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Positions of random halves of `n` and of `m` points, `resamples` times, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(resamples):
        yield tuple(torch.randperm(size, generator=generator)[: size // 2].sort().values for size in (n, m))  # type: ignore[misc]


def half_sampled(
    statistic: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor, resamples: int, seed: int = 0
) -> float | None:
    """Standard error of `statistic(x, y)`: its deviation between random halves.

    None where `resamples` are below 2, or where a half has fewer than two points, from which nothing can be learnt.

    Example:
        >>> x = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
        >>> error = half_sampled(lambda x, y: float(x.mean() - y.mean()), x, x, 200)
        >>> abs(error - (2 / 1000) ** 0.5) < 0.01
        True
    """
    if resamples < 2 or min(len(x), len(y)) < 4:
        return None
    return float(torch.tensor([statistic(x[i], y[j]) for i, j in half_samples(len(x), len(y), resamples, seed)]).std())
