"""One factorization p(x) = Π p(x_i | x before i): all conditionals at once, or one after another from a cache.

References:
    Sequential Monte Carlo Methods in Practice, Doucet, de Freitas & Gordon, 2001: particles and their resampling.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from counterfeit.models.autoregressive.shared.conditionals import Conditional

__all__ = ["PARTICLES", "Chain", "Recomputed", "State", "draw", "fill"]

PARTICLES = 16  # of a completion whose known values do not all come first
State = tuple[Tensor, ...]
"""What a chain remembers of values that it has met, each (n, …); it may change in place."""


class Chain(ABC):
    """The conditionals of a model in one order.

    Subclasses implement both ways to them: `parameters` of all at once, where x is known, and `begin`, `ask` and
    `take`, which remember what later conditionals share.

    Arguments:
        order: places of the values from the first to the last, int64 (D,).
        conditional: the distribution of each value.
    """

    def __init__(self, order: Tensor, conditional: Conditional) -> None:
        self.order, self.conditional = order, conditional
        self.places: list[int] = order.tolist()

    @abstractmethod
    def parameters(self, x: Tensor) -> Tensor:
        """Parameters of the conditional of every value of `x`, (B, D) -> (B, D) or (B, D, parameters)."""

    @abstractmethod
    def begin(self, n: int) -> State:
        """What is known of `n` examples before their first values."""

    @abstractmethod
    def ask(self, state: State, i: int) -> Tensor:
        """Parameters of the i-th conditional in order, (n,) or (n, parameters)."""

    @abstractmethod
    def take(self, state: State, i: int, value: Tensor) -> State:
        """What is known when the i-th values in order, (n,), have come."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (B, D) -> (B,)."""
        return self.conditional.log_prob(self.parameters(x), x).sum(1)


class Recomputed(Chain):
    """A chain without a cache: every conditional comes from a pass through all of x.

    What sampling is without `begin`, `ask` and `take`: tests and benchmarks compare the two.
    """

    def __init__(self, chain: Chain) -> None:
        super().__init__(chain.order, chain.conditional)
        self.chain = chain

    def parameters(self, x: Tensor) -> Tensor:
        """Those of the chain."""
        return self.chain.parameters(x)

    def begin(self, n: int) -> State:
        """Zeros for all values."""
        return (torch.zeros(n, len(self.places), device=self.order.device),)

    def ask(self, state: State, i: int) -> Tensor:
        """All conditionals, of which one is kept."""
        return self.chain.parameters(state[0])[:, self.places[i]]

    def take(self, state: State, i: int, value: Tensor) -> State:
        """The values so far."""
        state[0][:, self.places[i]] = value
        return state


def draw(chain: Chain, n: int) -> Tensor:
    """Draw `n` examples one value after another, (n, D)."""
    return fill(chain, *torch.zeros(2, n, len(chain.places), device=chain.order.device))[0]


def fill(chain: Chain, x: Tensor, known: Tensor, particles: int = 1) -> tuple[Tensor, Tensor]:
    """Draw what is missing given what is known, and estimate how likely what is known is.

    Where all known values come before all others, draws are exact. A known value that comes later weighs the particles
    by its likelihood, and one of them is chosen in the end: exact as their number grows.

    Arguments:
        chain: what to draw from.
        x: examples, (B, D).
        known: 1 where they are known, 0 elsewhere, (B, D).
        particles: how many for each example.

    Returns:
        examples, (B, D), and the estimate of log p(known), nats, (B,).
    """
    n, d = x.shape
    x, known = (torch.where(known == 1, x, 0).repeat_interleave(particles, 0), known.repeat_interleave(particles, 0))
    state, log_w, evidence = chain.begin(len(x)), x.new_zeros(n, particles), x.new_zeros(n)
    given, free = (known == 1).any(0).tolist(), False
    for i, place in enumerate(chain.places):
        asked = chain.ask(state, i)
        value = torch.where(known[:, place] == 1, x[:, place], chain.conditional.sample(asked))
        x[:, place] = value
        state = chain.take(state, i, value)
        if given[place]:
            log_likelihood = torch.where(known[:, place] == 1, chain.conditional.log_prob(asked, value), 0)
            log_w = log_w + log_likelihood.view(n, particles)
            if free and particles > 1:
                rows, gained, log_w = _resampled(log_w)
                evidence = evidence + gained
                x, state = x[rows], tuple(part[rows] for part in state)
        free = free or not bool(known[:, place].all())
    chosen = torch.multinomial(log_w.softmax(1), 1) if particles > 1 else torch.zeros(n, 1, dtype=torch.int64)
    evidence = evidence + log_w.logsumexp(1) - math.log(particles)
    return x.view(n, particles, d)[torch.arange(n), chosen[:, 0]], evidence


def _resampled(log_w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows that replace the particles, (B P,), the log mean weight that they gave up, (B,), and their new weights.

    Only examples whose effective number of particles, 1 / Σ w², is less than half of them are resampled.
    """
    n, particles = log_w.shape
    w = log_w.softmax(1)
    poor = (1 / w.square().sum(1) < particles / 2)[:, None]
    kept = torch.arange(particles, device=w.device).expand(n, particles)
    rows = torch.where(poor, torch.multinomial(w, particles, replacement=True), kept)
    gained = torch.where(poor[:, 0], log_w.logsumexp(1) - math.log(particles), 0)
    start = torch.arange(n, device=w.device)[:, None] * particles
    return (start + rows).flatten(), gained, torch.where(poor, 0, log_w)
