"""The value of the adversarial game, its optimal discriminator, and what remains for the generator to descend.

Distributions are given by log-densities at the nodes of a quadrature rule with its `weights`, or by log-probabilities
of discrete outcomes, without; a discriminator by its logits a = log D / (1 - D) there.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from counterfeit.losses import OBJECTIVES

__all__ = ["EQUILIBRIUM", "cost", "distance", "optimal_logits", "pulls", "table", "value"]

EQUILIBRIUM = -math.log(4)
"""The value of the game where the generator has won: C(G) for p_g = p_data, in nats (theorem 1)."""


def optimal_logits(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Logits of the optimal discriminator D* = p / (p + q): log p - log q, (N,) (proposition 1).

    Example:
        >>> optimal_logits(torch.tensor([0.3]).log(), torch.tensor([0.1]).log()).sigmoid()
        tensor([0.7500])
    """
    return log_p - log_q


def value(logits: Tensor, log_p: Tensor, log_q: Tensor, weights: Tensor | None = None) -> Tensor:
    """V(G, D) = E_p log D + E_q log(1 - D) in nats, scalar (eq. 1).

    Arguments:
        logits: of the discriminator, (N,).
        log_p: of the data, (N,).
        log_q: of the generator, (N,).
        weights: of a quadrature rule, (N,); one each where None.

    Example:
        >>> even = torch.full((4,), 0.25).log()
        >>> value(torch.zeros(4), even, even)  # the equilibrium, -log 4
        tensor(-1.3863)
    """
    return _mean(log_p, logsigmoid(logits), weights) + _mean(log_q, logsigmoid(-logits), weights)


def cost(log_p: Tensor, log_q: Tensor, weights: Tensor | None = None) -> Tensor:
    """C(G) = max_D V(G, D) = V(G, D*) in nats, scalar (eq. 4); equal to -log 4 + 2 JSD(p, q) (theorem 1)."""
    return value(optimal_logits(log_p, log_q), log_p, log_q, weights)


def table(p: Tensor, levels: Tensor) -> Tensor:
    """The game as a table, (M^K, K): rows are discriminators, columns are outcomes that the generator can give.

    Every discriminator says one of the levels of each outcome. The generator's distribution is its mixed strategy: the
    mean of a row over p_g is V(G, D), so that the game is solved as any zero-sum game is.

    Arguments:
        p: of the data, (K,).
        levels: that a discriminator can say, (M,) in (0, 1).

    Example:
        >>> table(torch.tensor([0.5, 0.5]), torch.tensor([0.5]))  # it cannot tell: -log 4 whatever the generator gives
        tensor([[-1.3863, -1.3863]], dtype=torch.float64)
    """
    said = torch.cartesian_prod(*[levels.double()] * len(p)).view(-1, len(p))  # (M^K, K)
    return said.log() @ p.double()[:, None] + (-said).log1p()


def distance(logits: Tensor, log_p: Tensor, log_q: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean absolute error |D - D*| over what the discriminator sees, (p + q)/2, scalar in [0, 1]."""
    error = (logits.sigmoid() - optimal_logits(log_p, log_q).sigmoid()).abs()
    return 0.5 * (_mean(log_p, error, weights) + _mean(log_q, error, weights))


def pulls(logits: Tensor) -> Mapping[str, Tensor]:
    """How strongly each objective pulls a sample's logit upwards, -∂ loss / ∂a at `logits`, (N,) each."""
    found: dict[str, Tensor] = {}
    for name, objective in OBJECTIVES.items():
        a = logits.detach().requires_grad_()
        losses = torch.stack([objective.generator(one[None]) for one in a])
        found[name] = -torch.autograd.grad(losses.sum(), a)[0]
    return found


def _mean(log_p: Tensor, values: Tensor, weights: Tensor | None) -> Tensor:
    """Expectation of `values`, in which p = 0 wins over an infinite value."""
    p = log_p.exp()
    terms = torch.where(p > 0, p * values, 0.0)
    return terms.sum() if weights is None else (weights * terms).sum()
