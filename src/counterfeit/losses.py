"""Adversarial objectives: pure functions of the discriminator's logits.

`real` and `fake` are logits a = log D / (1 - D), (B, 1) or (B,), so every logarithm is a softplus and none overflows.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
    On Distinguishability Criteria for Estimating Generative Models, Goodfellow, 2014 (arXiv 1412.6515).
    NIPS 2016 Tutorial: Generative Adversarial Networks, Goodfellow, 2016 (arXiv 1701.00160).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["OBJECTIVES", "Objective", "ObjectiveName"]

ObjectiveName = Literal["non-saturating", "minimax", "maximum-likelihood", "classification-error"]


class Objective(NamedTuple):
    """What each player descends."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator: -½ E log D(x) - ½ E log(1 - D(G(z))) in nats, scalar (tutorial, eq. 8)."""
    return 0.5 * (softplus(-real).mean() + softplus(fake).mean())


def minimax(fake: Tensor) -> Tensor:
    """Generator: ½ E log(1 - D(G(z))), the other side of the zero-sum game, scalar (tutorial, eq. 10)."""
    return -0.5 * softplus(fake).mean()


def non_saturating(fake: Tensor) -> Tensor:
    """Generator: -E log D(G(z)), whose gradient does not vanish while it is poor, scalar (2014, section 3)."""
    return softplus(-fake).mean()


def maximum_likelihood(fake: Tensor) -> Tensor:
    """Generator: -½ E exp(logit D(G(z))), scalar; at the optimal D its gradient is half that of KL(data || model)."""
    return -0.5 * fake.exp().mean()


def soft_error(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator: its probability of error, ½ E (1 - D(x)) + ½ E D(G(z)), scalar in [0, 1]."""
    return 0.5 * ((-real).sigmoid().mean() + fake.sigmoid().mean())


def error_raiser(fake: Tensor) -> Tensor:
    """Generator: -½ E D(G(z)), which raises the discriminator's error, scalar."""
    return -0.5 * fake.sigmoid().mean()


OBJECTIVES: Mapping[str, Objective] = {
    "non-saturating": Objective(cross_entropy, non_saturating),
    "minimax": Objective(cross_entropy, minimax),
    "maximum-likelihood": Objective(cross_entropy, maximum_likelihood),
    "classification-error": Objective(soft_error, error_raiser),
}
