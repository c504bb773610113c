"""Information of densities on the line, by numerical integration.

A density is given as a function that returns its logarithm in nats at points, (N,) -> (N,). What has no density in
closed form, such as the samples of a generator, is given by the mass that it puts into cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.theory.information import Unit, in_unit

__all__ = [
    "LogDensity",
    "QuadratureRule",
    "cross_entropy",
    "entropy",
    "jsd",
    "kl",
    "masses",
    "moments",
    "pushed",
    "quantile",
    "rule",
]

LogDensity = Callable[[Tensor], Tensor]
ORDER = 10  # of the Gauss-Legendre rule in a panel
TOLERANCE = 1e-4  # by which the integral of a density may miss one


class QuadratureRule(NamedTuple):
    """Nodes `x` and `weights`, float64 (N,) each: ∫ f(x) dx is about ∑ weights f(x)."""

    x: Tensor
    weights: Tensor

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Where the line begins and ends, scalars: half a panel beyond the middles of the first and the last."""
        half = self.weights[:ORDER].sum() / 2
        return self.x[:ORDER].mean() - half, self.x[-ORDER:].mean() + half

    def integrate(self, values: Tensor) -> Tensor:
        """Integral of a function with `values` at the nodes, (N,), scalar."""
        return (self.weights * values).sum()


def rule(low: float, high: float, panels: int = 100) -> QuadratureRule:
    """Gauss-Legendre quadrature on [low, high] with ten nodes in each of `panels` equal parts.

    Example:
        >>> line = rule(0.0, 1.0)
        >>> line.integrate(line.x**2)
        tensor(0.3333, dtype=torch.float64)
    """
    if not (low < high and panels >= 1):
        raise ValueError(f"[{low}, {high}] in {panels} panels came; low < high and at least one panel are expected.")
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(ORDER))
    edges, half = torch.linspace(low, high, panels + 1, dtype=torch.float64), (high - low) / panels / 2
    return QuadratureRule((edges[:-1, None] + half * (nodes + 1)).flatten(), (half * weights).repeat(panels))


def entropy(log_p: LogDensity, line: QuadratureRule, unit: Unit = "nats") -> Tensor:
    """Differential entropy -∫ p log p, scalar."""
    return cross_entropy(log_p, log_p, line, unit)


def cross_entropy(log_p: LogDensity, log_q: LogDensity, line: QuadratureRule, unit: Unit = "nats") -> Tensor:
    """Cross-entropy -∫ p log q, scalar."""
    return in_unit(-_mean(_at(log_p, line), log_q(line.x).double(), line), unit)


def kl(log_p: LogDensity, log_q: LogDensity, line: QuadratureRule, unit: Unit = "nats") -> Tensor:
    """Kullback-Leibler divergence ∫ p log p/q, scalar."""
    a, b = _at(log_p, line), _at(log_q, line)
    return in_unit(_mean(a, a - b, line), unit)


def jsd(log_p: LogDensity, log_q: LogDensity, line: QuadratureRule, unit: Unit = "nats") -> Tensor:
    """Jensen-Shannon divergence, scalar.

    Example:
        >>> near, far = (torch.distributions.Normal(mean, 1.0) for mean in (0.0, 100.0))
        >>> jsd(near.log_prob, far.log_prob, rule(-10.0, 110.0), "bits")
        tensor(1.0000, dtype=torch.float64)
    """
    a, b = _at(log_p, line), _at(log_q, line)
    middle = torch.logaddexp(a, b) - math.log(2)
    return in_unit(0.5 * (_mean(a, a - middle, line) + _mean(b, b - middle, line)), unit)


def moments(log_p: LogDensity, line: QuadratureRule) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, scalars."""
    p = _at(log_p, line).exp()
    mean = line.integrate(p * line.x)
    return mean, line.integrate(p * (line.x - mean).square()).sqrt()


def masses(log_p: LogDensity, edges: Tensor) -> Tensor:
    """Mass of a density in each cell between rising `edges`, (M + 1,) -> (M,), by ten nodes a cell."""
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(ORDER))
    half = edges.double().diff()[:, None] / 2  # (M, 1)
    x = edges[:-1, None] + half * (nodes + 1)  # (M, 10)
    return (half * weights * log_p(x.flatten()).double().exp().view_as(x)).sum(1)


def quantile(log_p: LogDensity, line: QuadratureRule, share: float = 0.5) -> Tensor:
    """The point that has `share` of a density's mass to its left, scalar: by default the median.

    It is found to a millionth of the line's length, in cells of a hundredth that are cut again.

    Example:
        >>> quantile(torch.distributions.Normal(1.0, 2.0).log_prob, rule(-20.0, 20.0), 0.975)  # 1 + 1.96·2
        tensor(4.9199, dtype=torch.float64)
    """
    if not 0 < share < 1:
        raise ValueError(f"share={share} came; more than 0 and less than 1 is expected. Correct it.")
    _at(log_p, line)
    (low, high), below = line.ends, torch.zeros((), dtype=torch.float64)
    for _ in range(4):
        edges = low + (high - low) * torch.linspace(0, 1, 101, dtype=torch.float64)
        reached = torch.cat([below[None], below + masses(log_p, edges).cumsum(0)])
        cell = int(torch.searchsorted(reached[1:-1], share))
        low, high, below = edges[cell], edges[cell + 1], reached[cell]
    return (low + high) / 2


def pushed(values: Tensor, weights: Tensor, edges: Tensor) -> Tensor:
    """Mass that a map of noise on the line puts into each cell between rising `edges`, (M + 1,) -> (M,).

    The map may turn back on itself: all of its branches count. It is exact for a map that is linear between the
    places where it is known.

    Arguments:
        values: of the map at the ends of pieces of the noise, (N + 1,).
        weights: mass of the noise in each piece, which is taken to be even there, (N,).
        edges: of the cells; the first may be -inf and the last inf.

    Example:
        >>> there_and_back, even = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.5, 0.5])
        >>> pushed(there_and_back, even, torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    values = values.double()
    low, high = torch.minimum(values[:-1], values[1:]), torch.maximum(values[:-1], values[1:])
    width = (high - low).clamp(min=torch.finfo(torch.float64).tiny)
    below = ((edges.double()[:, None] - low) / width).clamp(0, 1)  # (M + 1, N): the part of each piece left of an edge
    return (below @ weights.double()).diff()


def _at(log_p: LogDensity, line: QuadratureRule) -> Tensor:
    values = log_p(line.x).double()
    total = float(line.integrate(values.exp()).detach())
    if not abs(total - 1) < TOLERANCE:
        span = f"[{float(line.x[0]):.4g}, {float(line.x[-1]):.4g}]"
        raise ValueError(f"a density integrates to {total:.6g} over {span}; 1 is expected. Widen or refine the rule.")
    return values


def _mean(log_p: Tensor, values: Tensor, line: QuadratureRule) -> Tensor:
    """∫ p f, in which p = 0 wins over an infinite f."""
    p = log_p.exp()
    return line.integrate(torch.where(p > 0, p * values, 0.0))
