"""A model with latent variables in which all is known: likelihood, posterior, and every bound in closed form.

References:
    Probabilistic Principal Component Analysis, Tipping and Bishop, 1999.
    Inference Suboptimality in Variational Autoencoders, Cremer, Li and Duvenaud, 2018 (arXiv 1801.03558).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterfeit.theory import gaussian
from counterfeit.theory.gaussian import Gaussian

__all__ = ["LinearGaussian", "best_encoder", "mean_field", "moment_matched"]


@dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I) in K dimensions and x | z ~ N(Wz + b, σ² I) in D.

    Arguments:
        weight: W, (D, K).
        bias: b, (D,).
        noise: σ > 0.

    Raises:
        ValueError: where the shapes disagree or the noise is not above 0.

    Example:
        >>> model = LinearGaussian([[1.0]], [0.0], 1.0)  # x ~ N(0, 2) and z | x ~ N(x/2, 1/2)
        >>> model.marginal().covariance, model.posterior(torch.tensor([3.0])).mean
        (tensor([[2.]], dtype=torch.float64), tensor([1.5000], dtype=torch.float64))
    """

    weight: Tensor
    bias: Tensor
    noise: float

    def __init__(
        self, weight: Tensor | Sequence[Sequence[float]], bias: Tensor | Sequence[float], noise: float
    ) -> None:
        weight, bias = (torch.as_tensor(value, dtype=torch.float64) for value in (weight, bias))
        if weight.ndim != 2 or bias.shape != weight.shape[:1] or not noise > 0:
            raise ValueError(
                f"a weight of shape {tuple(weight.shape)}, a bias of shape {tuple(bias.shape)} and noise {noise:g} "
                f"came; (D, K), (D,) and noise above 0 are expected."
            )
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "bias", bias)
        object.__setattr__(self, "noise", noise)

    @property
    def prior(self) -> Gaussian:
        """p(z) = N(0, I)."""
        size = self.weight.shape[1]
        return Gaussian(torch.zeros(size), torch.eye(size))

    @property
    def precision(self) -> Tensor:
        """That of the posterior, the same for every x: I + WᵀW/σ², (K, K)."""
        return torch.eye(self.weight.shape[1], dtype=torch.float64) + self.weight.T @ self.weight / self.noise**2

    @property
    def encoder(self) -> Tensor:
        """The matrix that takes x - b to the mean of the posterior, (K, D)."""
        return torch.linalg.solve(self.precision, self.weight.T) / self.noise**2

    def marginal(self) -> Gaussian:
        """p(x) = N(b, WWᵀ + σ² I)."""
        noise = self.noise**2 * torch.eye(len(self.bias), dtype=torch.float64)
        return Gaussian(self.bias, self.weight @ self.weight.T + noise)

    def posterior(self, x: Tensor) -> Gaussian:
        """p(z | x) of one example, (D,)."""
        covariance = torch.linalg.inv(self.precision)
        return Gaussian(self.encoder @ (x.double() - self.bias), (covariance + covariance.T) / 2)

    def elbo(self, x: Tensor, q: Gaussian) -> Tensor:
        """E_q log p(x | z) - KL(q ‖ p(z)) of one example, (D,), in nats, scalar; neither p(x) nor p(z | x) is used."""
        error = x.double() - self.bias - self.weight @ q.mean
        spread = error.square().sum() + (self.weight @ q.covariance @ self.weight.T).trace()
        expected = -0.5 * (len(x) * math.log(2 * math.pi * self.noise**2) + spread / self.noise**2)
        return expected - gaussian.kl(q, self.prior)

    def log_weights(self, x: Tensor, z: Tensor, q: Gaussian) -> Tensor:
        """Logarithms of the importance weights p(x, z) / q(z) of one example, (D,), at codes (N, K), nats, (N,)."""
        likelihood = torch.distributions.Normal(z.double() @ self.weight.T + self.bias, self.noise).log_prob(x).sum(-1)
        return likelihood + self.prior.log_prob(z) - q.log_prob(z)


def mean_field(p: Gaussian) -> Gaussian:
    """The q of independent variables with the least KL(q ‖ p): its mean, and the inverse diagonal of its precision.

    Example:
        >>> mean_field(Gaussian([0.0, 0.0], torch.tensor([[1.0, 0.8], [0.8, 1.0]]))).covariance.diagonal()  # 1 - 0.8²
        tensor([0.3600, 0.3600], dtype=torch.float64)
    """
    return Gaussian(p.mean, (1 / torch.linalg.inv(p.covariance).diagonal()).diag())


def moment_matched(p: Gaussian) -> Gaussian:
    """The q of independent variables with the least KL(p ‖ q), the other way round: its means and variances.

    It is wider than `mean_field`, covers all of p, and so its importance weights have a finite variance.
    """
    return Gaussian(p.mean, p.covariance.diagonal().diag())


def best_encoder(model: LinearGaussian, rank: int) -> tuple[Tensor, float]:
    """The best linear encoder of the posterior's mean with `rank` hidden units, and what it costs.

    It is the matrix A, (K, D), of that rank for which A(x - b) is nearest to the posterior's mean on average over p(x),
    measured as the ELBO does: by ½ δᵀMδ with the precision M and the error δ. With M = LLᵀ and covariance RRᵀ of x that
    is the best approximation of Lᵀ (A_exact) R by rank, whose singular values give the cost in nats (Eckart and Young).

    Example:
        >>> model = LinearGaussian([[1.0, 0.5], [0.0, 1.0]], [0.0, 0.0], 1.0)
        >>> best_encoder(model, 2)[1] < 1e-12 < best_encoder(model, 1)[1]
        True
    """
    if not 0 <= rank <= min(model.weight.shape):
        raise ValueError(f"rank={rank} came; 0 to {min(model.weight.shape)} is expected, the smaller size of W.")
    left, right = torch.linalg.cholesky(model.precision), torch.linalg.cholesky(model.marginal().covariance)
    u, s, v = torch.linalg.svd(left.T @ model.encoder @ right, full_matrices=False)
    kept = u[:, :rank] @ s[:rank].diag() @ v[:rank]
    matrix = torch.linalg.solve(left.T, torch.linalg.solve(right.T, kept.T).T)
    return matrix, float(0.5 * s[rank:].square().sum())
