"""The μ-law: values in [-1, 1] in levels that are the finer the quieter a sound is.

References:
    Pulse Code Modulation (PCM) of Voice Frequencies, ITU-T Recommendation G.711, 1988.
    WaveNet: A Generative Model for Raw Audio, van den Oord et al., 2016 (arXiv 1609.03499), section 2.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from counterfeit.models.autoregressive.shared.conditionals import Conditional

__all__ = ["MuLaw", "compand", "expand"]


def compand(x: Tensor, mu: float) -> Tensor:
    """sign(x) ln(1 + μ |x|) / ln(1 + μ): [-1, 1] onto itself, stretched around 0, (…).

    Example:
        >>> compand(torch.tensor([-1.0, 0.0, 0.1]), 255.0)
        tensor([-1.0000,  0.0000,  0.5910])
    """
    return x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu)


def expand(y: Tensor, mu: float) -> Tensor:
    """What `compand` makes `y` of, (…)."""
    return y.sign() * torch.expm1(y.abs() * math.log1p(mu)) / mu


class MuLaw(Conditional):
    """A value in [-1, 1] that falls into one of `levels` levels, and anywhere within it alike: logits, (…, levels).

    Levels are as wide as each other after `compand`, with μ = levels - 1. Since the probability of a level is spread
    evenly over its width, this is a density of the values as given, which is 0 beyond -1 and 1.

    Arguments:
        levels: how many there are.

    Raises:
        ValueError: where there are fewer than two.

    Example:
        >>> even = MuLaw(256).log_prob(torch.zeros(2, 256), torch.tensor([0.0, 0.999]))
        >>> even.exp()  # levels are 245 times as wide near the end as in the middle
        tensor([22.4985,  0.0918])
    """

    def __init__(self, levels: int) -> None:
        if levels < 2:
            raise ValueError(f"mu={levels - 1} came; at least 1, for two levels, is expected. The paper has 255.")
        self.levels, self.mu = levels, float(levels - 1)
        self.edges = expand(torch.linspace(-1, 1, levels + 1, dtype=torch.float64), self.mu).float()
        self.widths = self.edges.diff()

    def level(self, x: Tensor) -> Tensor:
        """The level that each value in [-1, 1] lies in, int64 (…)."""
        return torch.bucketize(x.contiguous(), self.edges[1:-1].to(x.device), right=True)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-density in nats, (…)."""
        level = self.level(x.detach())
        log_p = parameters.log_softmax(-1).gather(-1, level.unsqueeze(-1)).squeeze(-1)
        log_p = log_p - self.widths.log().to(x.device)[level]
        return log_p.masked_fill(x.detach().abs() > 1, -math.inf)

    def sample(self, parameters: Tensor) -> Tensor:
        """A level by its probability, and a value from anywhere within it, (…)."""
        below = parameters.softmax(-1).cumsum(-1)[..., :-1]
        level = (torch.rand_like(parameters[..., 0]).unsqueeze(-1) > below).sum(-1)
        low, width = self.edges.to(below.device)[level], self.widths.to(below.device)[level]
        return low + torch.rand_like(low) * width
