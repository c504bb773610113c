"""Distributions of the noise that flows begin with.

References:
    NICE: Non-linear Independent Components Estimation, Dinh, Krueger & Bengio, 2015 (arXiv 1410.8516), section 3.4.
    Masked Autoregressive Flow for Density Estimation, Papamakarios, Pavlakou & Murray, 2017 (arXiv 1705.07057).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from counterfeit.models.autoregressive.shared.conditionals import GaussianMixture
from counterfeit.models.flow.shared.masked import MaskedConditioner

__all__ = ["Base", "MaskedMixture", "StandardLogistic", "StandardNormal", "mixture_base"]


class Base(nn.Module, ABC):
    """A distribution of noise, (B, D)."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats, (B, D) -> (B,)."""

    @abstractmethod
    def sample(self, like: Tensor) -> Tensor:
        """Draw noise of the shape, type and device of `like`, (n, D)."""


class StandardNormal(Base):
    """N(0, 1) of each value."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats, (B,)."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def sample(self, like: Tensor) -> Tensor:
        """Draw noise, (n, D)."""
        return torch.randn_like(like)


class StandardLogistic(Base):
    """The logistic distribution of each value, whose tails are heavier (2015, section 3.4)."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats, (B,)."""
        return (logsigmoid(z) + logsigmoid(-z)).sum(1)

    def sample(self, like: Tensor) -> Tensor:
        """Draw noise, (n, D)."""
        return torch.rand_like(like).clamp(1e-7, 1 - 1e-7).logit()


class MaskedMixture(Base):
    """A mixture of Gaussians of each value given those before it (2017, section 4: MAF MoG).

    Arguments:
        conditioner: says logits, means and log standard deviations of the components.
        lowest: log standard deviation that none is below.
    """

    def __init__(self, conditioner: MaskedConditioner, lowest: float) -> None:
        super().__init__()
        self.conditioner, self.lowest, self.mixture = conditioner, lowest, GaussianMixture()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats, (B,)."""
        return self.mixture.log_prob(self._bounded(self.conditioner(z)), z).sum(1)

    @torch.no_grad()
    def sample(self, like: Tensor) -> Tensor:
        """Draw noise value after value, (n, D)."""
        return self.conditioner.one_by_one(lambda _, raw: self.mixture.sample(self._bounded(raw)), like)

    def _bounded(self, raw: Tensor) -> Tensor:
        logits, loc, log_scale = raw.chunk(3, -1)
        return torch.cat([logits, loc, log_scale.clamp(min=self.lowest)], -1)


def mixture_base(conditioner: MaskedConditioner, components: int, lowest: float = -7.0) -> MaskedMixture:
    """A mixture of so many Gaussians a value, which begin beside each other: equal ones would stay so."""
    with torch.no_grad():
        biases = conditioner.net.linears[-1].bias.view(-1, 3 * components)
        biases[:, components : 2 * components] = torch.linspace(-1.5, 1.5, components)
    return MaskedMixture(conditioner, lowest)
