"""Information of Gaussians in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterfeit.theory.information import Unit, in_unit

__all__ = ["Gaussian", "cross_entropy", "entropy", "kl"]


@dataclass(frozen=True)
class Gaussian:
    """N(mean, covariance) in D dimensions; two numbers make one on the line.

    Arguments:
        mean: (D,).
        covariance: symmetric and positive definite, (D, D).

    Raises:
        ValueError: where the shapes disagree or the covariance is not positive definite.

    Example:
        >>> Gaussian(2.0, 0.25).log_prob(torch.tensor([[2.0]])).exp()  # 2 / √2π
        tensor([0.7979], dtype=torch.float64)
    """

    mean: Tensor
    covariance: Tensor

    def __init__(self, mean: Tensor | Sequence[float] | float, covariance: Tensor | float) -> None:
        mean, covariance = (torch.as_tensor(value, dtype=torch.float64) for value in (mean, covariance))
        mean, covariance = mean.reshape(-1), covariance.reshape(1, 1) if covariance.ndim == 0 else covariance
        if covariance.shape != (len(mean), len(mean)):
            raise ValueError(
                f"a covariance of shape {tuple(covariance.shape)} came with a mean of {len(mean)} values; "
                f"({len(mean)}, {len(mean)}) is expected. Give both in the same dimension."
            )
        if not torch.equal(covariance, covariance.mT) or bool(torch.linalg.cholesky_ex(covariance).info):
            raise ValueError("a covariance came that is not symmetric and positive definite; one that is is expected.")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats at `x`, (B, D) -> (B,)."""
        return torch.distributions.MultivariateNormal(self.mean, self.covariance).log_prob(x.double())


def entropy(p: Gaussian, unit: Unit = "nats") -> Tensor:
    """Differential entropy ½ log det 2πe Σ, scalar; it may be negative.

    Example:
        >>> entropy(Gaussian(0.0, 1.0))
        tensor(1.4189, dtype=torch.float64)
    """
    return in_unit(0.5 * (len(p.mean) * math.log(2 * math.pi * math.e) + p.covariance.logdet()), unit)


def cross_entropy(p: Gaussian, q: Gaussian, unit: Unit = "nats") -> Tensor:
    """Cross-entropy -E_p log q = ½ log det 2π Σ_q + ½ tr Σ_q⁻¹ (Σ_p + δδᵀ), δ = μ_p - μ_q, scalar."""
    if p.mean.shape != q.mean.shape:
        raise ValueError(f"Gaussians in {len(p.mean)} and {len(q.mean)} dimensions came; the same space is expected.")
    delta = p.mean - q.mean
    spread = torch.linalg.solve(q.covariance, p.covariance + delta.outer(delta)).trace()
    return in_unit(0.5 * (len(q.mean) * math.log(2 * math.pi) + q.covariance.logdet() + spread), unit)


def kl(p: Gaussian, q: Gaussian, unit: Unit = "nats") -> Tensor:
    """Kullback-Leibler divergence KL(p ‖ q), scalar.

    Example:
        >>> kl(Gaussian(0.0, 1.0), Gaussian(2.0, 1.0))  # δ²/2σ²
        tensor(2., dtype=torch.float64)
    """
    return cross_entropy(p, q, unit) - entropy(p, unit)
