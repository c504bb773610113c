"""Distributions of one value given those before it: likelihoods of levels, mixtures of Gaussians of real values.

References:
    RNADE: The Real-Valued Neural Autoregressive Density-Estimator, Uria, Murray & Larochelle, 2013 (arXiv 1306.0186).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from counterfeit.likelihoods import LIKELIHOODS, Likelihood

__all__ = ["Bernoulli", "Conditional", "GaussianMixture", "Likely"]


class Conditional(ABC):
    """How a conditional's parameters, (…) or (…, parameters), give probabilities and values, (…)."""

    @abstractmethod
    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-likelihood of each value in nats, (…)."""

    @abstractmethod
    def sample(self, parameters: Tensor) -> Tensor:
        """One value of each, (…)."""


class Likely(Conditional):
    """A value of a likelihood; its parameters are (…) where it has one, else (…, parameters).

    Arguments:
        likelihood: of a value.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-likelihood of each value in nats, (…)."""
        return self.likelihood.log_prob(x, self._beside(parameters))

    def sample(self, parameters: Tensor) -> Tensor:
        """One value of each, (…)."""
        return self.likelihood.sample(self._beside(parameters))

    def _beside(self, parameters: Tensor) -> Tensor:
        """(…, parameters)."""
        return parameters.unsqueeze(-1) if self.likelihood.parameters == 1 else parameters


class Bernoulli(Likely):
    """A binary value, 0 or 1; its parameter is the log-odds of 1, (…)."""

    def __init__(self) -> None:
        super().__init__(LIKELIHOODS["bernoulli"])


class GaussianMixture(Conditional):
    """A real value of a mixture of K Gaussians: K logits, means and log standard deviations, (…, 3 K) (2013, eq. 8)."""

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-density in nats, (…)."""
        logits, loc, log_scale = parameters.chunk(3, -1)
        z = (x.unsqueeze(-1) - loc) * (-log_scale).exp()
        log_normal = -0.5 * z.square() - log_scale - 0.5 * math.log(2 * math.pi)
        return (logits.log_softmax(-1) + log_normal).logsumexp(-1)

    def sample(self, parameters: Tensor) -> Tensor:
        """A component by its weight, and a value from it, (…)."""
        logits, loc, log_scale = parameters.chunk(3, -1)
        below = logits.softmax(-1).cumsum(-1)[..., :-1]
        which = (torch.rand_like(logits[..., :1]) > below).sum(-1, keepdim=True)
        loc, log_scale = (t.gather(-1, which).squeeze(-1) for t in (loc, log_scale))
        return loc + log_scale.exp() * torch.randn_like(loc)
