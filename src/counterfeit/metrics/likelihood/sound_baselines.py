"""Simple densities of sound, fitted to training clips: n-grams of μ-law levels, and linear prediction.

Clips are (N, D), their channels taking turns; every density is one of the values as given, in nats.

References:
    A Hierarchical Dirichlet Language Model, MacKay & Peto, 1995: the smoothing of n-grams.
    Linear Prediction: A Tutorial Review, Makhoul, 1975.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.models.autoregressive.shared.mu_law import MuLaw

__all__ = ["LinearPrediction", "NGram", "fit_linear_predictions", "fit_ngrams"]

ORDERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # of linear prediction
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the prior of an n-gram's probabilities, in counts
LEVELS = 256
HALVES = MuLaw(LEVELS)  # levels of half of what a linear prediction misses, which lies in [-2, 2]
RIDGE = 1e-9  # of the variance, added to it: clips may be silent


class Counts(NamedTuple):
    """Contexts and what followed, as numbers, rising, and how often each came."""

    contexts: Tensor
    of_context: Tensor
    pairs: Tensor
    of_pair: Tensor

    def shares(self, contexts: Tensor, pairs: Tensor, below: Tensor, strength: float) -> Tensor:
        """(N(c, v) + α p(v | shorter c)) / (N(c) + α)."""
        seen, came = (_count(*known, asked) for known, asked in (
            ((self.contexts, self.of_context), contexts), ((self.pairs, self.of_pair), pairs)
        ))  # fmt: skip
        return (came + strength * below) / (seen + strength)


@dataclass(frozen=True)
class NGram:
    """A level's probability given the `order` before it, smoothed by those of shorter contexts.

    Arguments:
        counts: of contexts of each length, from 0 on.
        strengths: of each prior.
        law: the levels.
    """

    counts: tuple[Counts, ...]
    strengths: tuple[float, ...]
    law: MuLaw

    @property
    def name(self) -> str:
        """What to call it, by its order: 0 takes values to be independent."""
        return f"n-gram of {len(self.counts)}"

    def probabilities(self, levels: Tensor) -> Tensor:
        """Of each level given those before it in its clip, int64 (N, D) -> float64 (N, D)."""
        p = torch.full(levels.shape, 1 / self.law.levels, dtype=torch.float64)
        for order, (known, strength) in enumerate(zip(self.counts, self.strengths, strict=True)):
            p = known.shares(*_numbered(levels, order, self.law.levels), p, strength)
        return p

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (N, D) -> (N,)."""
        levels = self.law.level(x)
        return (self.probabilities(levels).log() - self.law.widths.double().log()[levels]).sum(1)


def fit_ngrams(train: Tensor, valid: Tensor, orders: int = 4, levels: int = LEVELS) -> list[NGram]:
    """N-grams of 0 to `orders` - 1 levels before each, whose priors are as strong as suits the validation clips best.

    Arguments:
        train: clips, (N, D).
        valid: clips, (M, D).
        orders: how many n-grams.
        levels: of the μ-law.
    """
    law, found = MuLaw(levels), list[NGram]()
    ours, theirs = law.level(train), law.level(valid)
    below = torch.full(theirs.shape, 1 / levels, dtype=torch.float64)
    for order in range(orders):
        known = _counted(*_numbered(ours, order, levels))
        asked = _numbered(theirs, order, levels)
        tried = {strength: known.shares(*asked, below, strength) for strength in STRENGTHS}
        best = max(tried, key=lambda strength: float(tried[strength].log().sum()))
        below, last = tried[best], found[-1] if found else NGram((), (), law)
        found.append(NGram((*last.counts, known), (*last.strengths, best), law))
    return found


def _numbered(levels: Tensor, order: int, base: int) -> tuple[Tensor, Tensor]:
    """The context of each level, and the context with it, as numbers; before a clip is a level of its own."""
    context = torch.zeros_like(levels)
    for back in range(1, order + 1):
        before = torch.full_like(levels, base)
        before[:, back:] = levels[:, :-back]
        context = context * (base + 1) + before
    return context, context * (base + 1) + levels


def _counted(contexts: Tensor, pairs: Tensor) -> Counts:
    return Counts(*contexts.unique(return_counts=True), *pairs.unique(return_counts=True))


def _count(known: Tensor, counts: Tensor, asked: Tensor) -> Tensor:
    place = torch.searchsorted(known, asked).clamp(max=len(known) - 1)
    return torch.where(known[place] == asked, counts[place], 0).double()


@dataclass(frozen=True)
class LinearPrediction:
    """A value is the same linear function of the `order` before it, and an error of a fixed distribution.

    Arguments:
        weights: of the values before, the nearest first, float64 (order,).
        log_density: of errors, even over each of the levels of half of them, (levels,); None for a Gaussian.
        std: of errors.
    """

    weights: Tensor
    log_density: Tensor | None
    std: float

    @property
    def name(self) -> str:
        """What to call it."""
        return f"linear prediction of {len(self.weights)}, {'Gaussian' if self.log_density is None else 'free'} errors"

    def errors(self, x: Tensor) -> Tensor:
        """What the prediction misses, (N, D)."""
        return _errors(x, self.weights)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (N, D) -> (N,)."""
        errors = self.errors(x)
        if self.log_density is None:
            return (-0.5 * (errors / self.std).square() - math.log(self.std) - 0.5 * math.log(2 * math.pi)).sum(1)
        return self.log_density[_level(errors)].sum(1)


def fit_linear_predictions(train: Tensor, valid: Tensor) -> list[LinearPrediction]:
    """Linear predictions of every order by least squares, the best of which on the validation clips comes last.

    Arguments:
        train: clips, (N, D).
        valid: clips, (M, D).
    """
    most = min(max(ORDERS), train.shape[1] - 1)
    covariance = _covariance(train.double(), most)
    found: list[LinearPrediction] = []
    for order in sorted({min(order, most) for order in ORDERS}):
        inner = covariance[1 : order + 1, 1 : order + 1]
        inner = inner + RIDGE * covariance[0, 0] * torch.eye(order, dtype=inner.dtype)
        weights = torch.linalg.solve(inner, covariance[1 : order + 1, 0])
        errors = _errors(train, weights)
        std = max(float(errors.square().mean().sqrt()), 1e-8)
        counts = torch.bincount(_level(errors).flatten(), minlength=LEVELS).double() + 0.1
        free = (counts / counts.sum() / (2 * HALVES.widths)).log()
        found += [LinearPrediction(weights, None, std), LinearPrediction(weights, free, std)]
    return sorted(found, key=lambda one: float(one.log_prob(valid).mean()))


def _level(errors: Tensor) -> Tensor:
    return HALVES.level((errors / 2).clamp(-1, 1))


def _covariance(x: Tensor, order: int) -> Tensor:
    """Σ x[t - i] x[t - j] over all clips and t, zero before a clip, (order + 1, order + 1).

    One row further, all products are the same but for those at the end of the clip, which are no more.
    """
    spectrum = torch.fft.rfft(x, 2 * x.shape[1])
    lags = torch.fft.irfft(spectrum.abs().square().sum(0), 2 * x.shape[1])[: order + 1]
    ends = x[:, -(order + 1) :].flip(1)
    last = ends.mT @ ends
    total = lags.repeat(order + 1, 1)
    for i in range(order):
        total[i + 1, 1:] = total[i, :-1] - last[i, :-1]
        total[i + 1, 0] = lags[i + 1]
    return total


def _errors(x: Tensor, weights: Tensor) -> Tensor:
    order = len(weights)
    padded = torch.nn.functional.pad(x.double(), (order, 0))[:, None, :-1]
    return x - torch.nn.functional.conv1d(padded, weights.flip(0)[None, None])[:, 0]
