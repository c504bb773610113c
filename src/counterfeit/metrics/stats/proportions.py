"""Shares of successes: an exact test and an interval that keeps its promise for few trials too.

References:
    Probable Inference, the Law of Succession, and Statistical Inference, Wilson, 1927.
    Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from Survey Data,
        Korn & Graubard, 1998: effective numbers of answers.
    Distribution-Free Two-Sample Tests, in: Order Statistics, David & Nagaraja, 2003: the negative hypergeometric law.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error

__all__ = ["binomial_test", "exceeding", "interval", "share", "wilson"]


def share(values: Tensor) -> Estimate:
    """The mean of `values`, (N,), that lie between 0 and 1: whether each is right, or how much of it.

    With its standard error, None of one alone, and the 95 % interval of Wilson.

    Example:
        >>> import torch
        >>> found = share(torch.ones(100))
        >>> found.value, round(found.low, 3), found.high
        (1.0, 0.963, 1.0)
    """
    value, error = mean_and_error(values)
    return Estimate(value, error, len(values), *interval(value, len(values), error))


def interval(value: float, n: int, error: float | None, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share `value` of `n` whose standard error may be another than that of `n` answers.

    Wilson's is then taken of as many independent answers as have that error. Of a share of 0 or 1, whose error is often
    found to be 0, it is taken of `n` at most.
    """
    z = _quantile(level)
    inside = 0 < value < 1
    centre = value if inside else (value * n + z**2 / 2) / (n + z**2)
    alike = centre * (1 - centre) / error**2 if error else n
    return _wilson(value, alike if inside else min(alike, n), z)


def binomial_test(successes: int, trials: int, p: float = 0.5) -> float:
    """Exact two-sided p value: how probable are outcomes no likelier than this one where the chance is `p`.

    Example:
        >>> round(binomial_test(60, 100), 5)
        0.05689
    """
    _check(successes, trials)
    if not 0 < p < 1:
        raise ValueError(f"p={p} came; a chance between 0 and 1 is expected. Guessing between two is 0.5.")
    logs = [_log_binomial(k, trials, p) for k in range(trials + 1)]
    bar = logs[successes] + 1e-7  # equal but for rounding
    return min(1.0, math.fsum(math.exp(log) for log in logs if log <= bar))


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share.

    Example:
        >>> low, high = wilson(60, 100)
        >>> round(low, 4), round(high, 4)
        (0.502, 0.6906)
    """
    _check(successes, trials)
    return _wilson(successes / trials, trials, _quantile(level))


def exceeding(successes: int, trials: int, rank: int, others: int) -> float:
    """How probable are `successes` or more of `trials` values below the one of `rank` among `others` of the same law.

    It is exact whatever that law, as long as values do not repeat: the negative hypergeometric one.

    Example:
        >>> round(exceeding(1, 1, 5, 99), 6)  # a further value lies below the fifth of 99
        0.05
    """
    _check(successes, trials)
    if not 1 <= rank <= others:
        raise ValueError(f"rank={rank} came; 1 to {others} are expected, as there are that many. Give another.")
    every = _log_ways(trials + others, trials)
    logs = (
        _log_ways(k + rank - 1, k) + _log_ways(trials - k + others - rank, trials - k) - every
        for k in range(successes, trials + 1)
    )
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (0.0 if share <= 0 else centre - half), (1.0 if share >= 1 else centre + half)  # exact at the ends


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level={level} came; a probability between 0 and 1 is expected. The usual one is 0.95.")
    return NormalDist().inv_cdf((1 + level) / 2)


def _log_ways(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_binomial(k: int, n: int, p: float) -> float:
    return _log_ways(n, k) + k * math.log(p) + (n - k) * math.log1p(-p)


def _check(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} came; a trial at least, and no more successes, are expected.")
