"""Information of densities from their samples, with standard errors.

A density is given as a function that returns its logarithm in nats at points, (N, D) or (N,) -> (N,). The energy
distance needs samples alone.

References:
    Energy statistics: a class of statistics based on distances, Székely and Rizzo, 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.theory.information import Unit, in_unit

__all__ = ["SampleMean", "cross_entropy", "energy_distance", "entropy", "importance_weighted", "jsd", "kl"]

LogDensity = Callable[[Tensor], Tensor]


class SampleMean(NamedTuple):
    """A mean over samples and its standard error."""

    value: float
    error: float


def entropy(log_p: LogDensity, x: Tensor, unit: Unit = "nats") -> SampleMean:
    """Differential entropy -E_p log p from draws `x` of p, (N, …)."""
    return cross_entropy(log_p, x, unit)


def cross_entropy(log_q: LogDensity, x: Tensor, unit: Unit = "nats") -> SampleMean:
    """Cross-entropy -E_p log q from draws `x` of p, (N, …); p itself need not be known."""
    return _estimate(unit, -log_q(x))


def kl(log_p: LogDensity, log_q: LogDensity, x: Tensor, unit: Unit = "nats") -> SampleMean:
    """Kullback-Leibler divergence E_p log p/q from draws `x` of p, (N, …).

    Example:
        >>> p, q = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(1.0, 1.0)
        >>> x = torch.linspace(-2.0, 2.0, 101)  # in the place of draws
        >>> round(kl(p.log_prob, q.log_prob, x).value, 6)
        0.5
    """
    return _estimate(unit, log_p(x) - log_q(x))


def jsd(log_p: LogDensity, log_q: LogDensity, x: Tensor, y: Tensor, unit: Unit = "nats") -> SampleMean:
    """Jensen-Shannon divergence from draws `x` of p, (N, …), and `y` of q, (M, …)."""

    def against_mixture(log_own: LogDensity, points: Tensor) -> Tensor:
        return log_own(points) - torch.logaddexp(log_p(points), log_q(points)) + math.log(2)

    return _estimate(unit, 0.5 * against_mixture(log_p, x), 0.5 * against_mixture(log_q, y))


def importance_weighted(log_w: Tensor, k: int, unit: Unit = "nats") -> SampleMean:
    """The importance-weighted bound E log 1/k ∑ w with k samples, which is the ELBO for k = 1.

    Arguments:
        log_w: log p(x, z) - log q(z) of independent draws z of q, (N,), which are taken in groups of k.
        k: samples a bound, of which at least two groups can be made.
        unit: nats or bits.

    References:
        Importance Weighted Autoencoders, Burda, Grosse and Salakhutdinov, 2016 (arXiv 1509.00519), eq. 8.

    Example:
        >>> log_w = torch.tensor([0.5, 0.25, 0.5, 0.25]).log()
        >>> importance_weighted(log_w, k=2).value - math.log(3 / 8) < 1e-6
        True
    """
    if k < 1:
        raise ValueError(f"k={k} came; at least one sample a bound is expected.")
    groups = log_w.double()[: len(log_w) // k * k].view(-1, k)
    return _estimate(unit, groups.logsumexp(1) - math.log(k))


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


def _estimate(unit: Unit, *samples: Tensor) -> SampleMean:
    """The sum of the means of independent `samples`, (N,) each."""
    if not all(len(values) > 1 for values in samples):
        raise ValueError("fewer than two draws came; more are expected, to tell an error. Draw some thousands.")
    columns = [in_unit(values.detach().double(), unit) for values in samples]
    variance = sum(float(values.var()) / len(values) for values in columns)
    return SampleMean(sum(float(values.mean()) for values in columns), math.sqrt(variance))


def _spread(x: Tensor) -> Tensor:
    """The mean distance of two different samples."""
    return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))
