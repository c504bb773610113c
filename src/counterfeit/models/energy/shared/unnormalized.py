"""Energies of real values whose normalizers nobody knows, though some have one in closed form to compare with.

References:
    Noise-Contrastive Estimation of Unnormalized Statistical Models, Gutmann & Hyvärinen, 2012.
    Estimation of Non-Normalized Statistical Models by Score Matching, Hyvärinen, 2005.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from counterfeit.core import Net
from counterfeit.nets.mlp import MLP

__all__ = ["ENERGIES", "EnergyName", "Unnormalized", "langevin", "unnormalized"]

EnergyName = Literal["mlp", "gaussian", "mixture", "ica"]
REACH = 4.0  # standard deviations of the data, beyond which an MLP's energy is held by a parabola
ACCEPTED = 0.6  # of the moves of a chain, towards which its step goes


class Unnormalized(Net):
    """An energy of values, standardized by their mean and standard deviation in the training data.

    Arguments:
        dims: how many values.
    """

    double_backward = True
    loc: Tensor
    std: Tensor

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims
        self.register_buffer("loc", torch.zeros(dims))
        self.register_buffer("std", torch.ones(dims))

    def forward(self, x: Tensor) -> Tensor:
        """Energy in nats up to a constant, (B, D) -> (B,)."""
        return self.standardized((x - self.loc) / self.std)

    def score(self, x: Tensor) -> Tensor:
        """The gradient of -E, (B, D), which can be differentiated again while gradients are taken."""
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(-self(at).sum(), at, create_graph=True)
        return gradient

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """See the moments of examples, (N, D)."""
        self.loc.copy_(x.mean(0))
        self.std.copy_(x.std(0, correction=0).clamp(min=1e-6))

    @abstractmethod
    def standardized(self, u: Tensor) -> Tensor:
        """The energy of standardized values, (B, D) -> (B,)."""

    def log_z(self) -> Tensor | None:
        """The normalizer's logarithm, scalar, where it has a closed form."""
        within = self.standardized_log_z()
        return None if within is None else within + self.std.log().sum()

    def standardized_log_z(self) -> Tensor | None:
        """That of standardized values."""
        return None


class Perceptron(Unnormalized):
    """What a multilayer perceptron gives, held together by a wide parabola."""

    def __init__(self, dims: int, hidden: tuple[int, ...], components: int) -> None:  # noqa: ARG002
        super().__init__(dims)
        self.net = MLP(dims, hidden, 1, activation="softplus")
        self.net.last.register_parameter("bias", None)  # energies have no zero
        self.net.double_backward = True

    def standardized(self, u: Tensor) -> Tensor:
        """(B, D) -> (B,)."""
        return self.net(u).squeeze(1) + (u / REACH).square().sum(1) / 2


class Quadratic(Unnormalized):
    """A Gaussian without its normalizer: |Lᵀ(u - m)|²/2 with L lower triangular."""

    def __init__(self, dims: int, hidden: tuple[int, ...], components: int) -> None:  # noqa: ARG002
        super().__init__(dims)
        self.mean, self.factor = nn.Parameter(torch.zeros(dims)), nn.Parameter(torch.eye(dims))

    def standardized(self, u: Tensor) -> Tensor:
        """(B, D) -> (B,)."""
        return ((u - self.mean) @ self.factor.tril()).square().sum(1) / 2

    def standardized_log_z(self) -> Tensor:
        """D/2 ln 2π - ln |det L|."""
        return self.dims / 2 * math.log(2 * math.pi) - self.factor.diagonal().abs().log().sum()


class Mixture(Unnormalized):
    """A mixture of Gaussians, each of one scale, without its normalizer: -ln Σ exp(a_k - |u - m_k|²/2s_k²)."""

    def __init__(self, dims: int, hidden: tuple[int, ...], components: int) -> None:  # noqa: ARG002
        super().__init__(dims)
        self.means, self.heights = nn.Parameter(torch.randn(components, dims)), nn.Parameter(torch.zeros(components))
        self.log_scales = nn.Parameter(torch.full((components,), -0.5))

    def standardized(self, u: Tensor) -> Tensor:
        """(B, D) -> (B,)."""
        distances = (u[:, None] - self.means).square().sum(2)
        return -(self.heights - distances / 2 * torch.exp(-2 * self.log_scales)).logsumexp(1)

    def standardized_log_z(self) -> Tensor:
        """Ln Σ exp(a_k) (2π s_k²)^(D/2)."""
        volumes = self.dims * (self.log_scales + math.log(2 * math.pi) / 2)
        return (self.heights + volumes).logsumexp(0)


class Independent(Unnormalized):
    """Independent components s = W u, each of the logistic density's shape: 2 ln cosh(s/2)."""

    def __init__(self, dims: int, hidden: tuple[int, ...], components: int) -> None:  # noqa: ARG002
        super().__init__(dims)
        self.unmixing = nn.Parameter(torch.linalg.qr(torch.randn(dims, dims)).Q.contiguous())

    def standardized(self, u: Tensor) -> Tensor:
        """(B, D) -> (B,)."""
        s = (u @ self.unmixing.mT).abs()
        return (s + 2 * softplus(-s) - 2 * math.log(2)).sum(1)

    def standardized_log_z(self) -> Tensor:
        """D ln 4 - ln |det W|."""
        return self.dims * math.log(4) - torch.linalg.slogdet(self.unmixing).logabsdet


ENERGIES: Mapping[str, Callable[[int, tuple[int, ...], int], Unnormalized]] = dict(
    zip(get_args(EnergyName), (Perceptron, Quadratic, Mixture, Independent), strict=True)
)


def unnormalized(name: EnergyName, dims: int, hidden: tuple[int, ...], components: int) -> Unnormalized:
    """An energy by its name.

    Arguments:
        name: mlp, a perceptron; gaussian; mixture, of Gaussians; or ica, independent components.
        dims: of the data.
        hidden: sizes of the perceptron's hidden layers.
        components: of the mixture.
    """
    return ENERGIES[name](dims, hidden, components)


@torch.no_grad()
def langevin(energy: Unnormalized, x: Tensor, steps: int, size: float) -> Tensor:
    """Chains, (B, D), after steps of Langevin dynamics that are accepted or refused, so that exp(-E) stays as it is.

    Arguments:
        energy: whose density it is.
        x: where the chains stand.
        steps: how many.
        size: of the first step, in standard deviations of the data; it goes to where 60 % are accepted.

    References:
        Exponential Convergence of Langevin Distributions and Their Discrete Approximations, Roberts & Tweedie, 1996.
    """
    before, slope = energy(x), energy.score(x).detach()
    for _ in range(steps):
        width = size * energy.std
        proposal = x + width.square() / 2 * slope + width * torch.randn_like(x)
        after, back = energy(proposal), energy.score(proposal).detach()
        there = (proposal - x - width.square() / 2 * slope).div(width).square().sum(1)
        here = (x - proposal - width.square() / 2 * back).div(width).square().sum(1)
        accepted = torch.rand_like(after).log() < before - after + (there - here) / 2
        x, slope = (torch.where(accepted[:, None], new, old) for new, old in ((proposal, x), (back, slope)))
        before = torch.where(accepted, after, before)
        size = size * (1.05 if float(accepted.float().mean()) > ACCEPTED else 1 / 1.05)
    return x
