"""Shares of successes: an exact test and an interval that keeps its promise for few trials too.

References:
    Probable Inference, the Law of Succession, and Statistical Inference, Wilson, 1927.
"""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["binomial_test", "wilson"]


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
    z, share = NormalDist().inv_cdf((1 + level) / 2), successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _log_binomial(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def _check(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} came; a trial at least, and no more successes, are expected.")
