"""Units in two layers, connected across and not within: energies, conditionals, Gibbs sampling and paths of annealing.

References:
    Information Processing in Dynamical Systems: Foundations of Harmony Theory, Smolensky, 1986.
    Training Products of Experts by Minimizing Contrastive Divergence, Hinton, 2002.
    On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov & Murray, 2008.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from counterfeit.core import AnnealingPath
from counterfeit.nets.layers import at_least_float32

__all__ = ["BinaryUnits", "Bipartite", "GaussianUnits", "base_rates", "bits", "states"]

MOST = 20  # binary units whose states are summed over
AT_ONCE = 2**14  # of these states


def bits(p: Tensor) -> Tensor:
    """Draw independent values that are 1 with probability `p`, in [0, 1], else 0."""
    return (torch.rand_like(p) < p).to(p.dtype)


def base_rates(x: Tensor) -> Tensor:
    """Logits of the mean of values in [0, 1], (N, D) -> (D,), as if each had once more been 0 and once 1."""
    return ((x.sum(0) + 1) / (len(x) + 2)).logit()


def states(n: int, device: torch.device | None = None) -> Tensor:
    """All states of `n` binary units, float64 (2^n, n)."""
    numbers = torch.arange(2**n, device=device)
    return (numbers[:, None] >> torch.arange(n, device=device) & 1).double()


@dataclass(frozen=True)
class Bipartite(ABC):
    """Visible units v and binary hidden units h: the energy is linear in h, so that h is summed out exactly.

    Arguments:
        weight: (V, H).
        visible: biases or means of the visible units, (V,).
        hidden: biases of the hidden units, (H,).
    """

    weight: Tensor
    visible: Tensor
    hidden: Tensor

    def __post_init__(self) -> None:
        shapes = tuple(self.weight.shape), tuple(self.visible.shape), tuple(self.hidden.shape)
        if self.weight.ndim != 2 or shapes[1:] != ((shapes[0][0],), (shapes[0][1],)):
            raise ValueError(f"shapes {shapes} came; weight (V, H), visible (V,) and hidden (H,) are expected.")

    def inputs(self, v: Tensor) -> Tensor:
        """What reaches the hidden units: log-odds of 1, (B, V) -> (B, H)."""
        return at_least_float32(self.seen(v) @ self.weight) + self.hidden

    def free_energy(self, v: Tensor) -> Tensor:
        """-ln Σ_h exp(-E(v, h)), (B, V) -> (B,)."""
        return self.alone(v) - softplus(self.inputs(v)).sum(1)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h), (B,); linear in `h`, (B, H), which may be means."""
        return self.alone(v) - (self.inputs(v) * h).sum(1)

    def draw_hidden(self, v: Tensor) -> Tensor:
        """Draws of p(h | v), (B, H)."""
        return bits(self.inputs(v).sigmoid())

    def gibbs(self, v: Tensor, steps: int, known: Tensor | None = None) -> Tensor:
        """Visible units after `steps` of h ~ p(h | v), v ~ p(v | h), (B, V).

        Arguments:
            v: where the chains stand.
            steps: how many.
            known: 1 where values stay as they are, (B, V).
        """
        start = v
        for _ in range(steps):
            v = self.draw_visible(self.draw_hidden(v))
            v = v if known is None else torch.where(known == 1, start, v)
        return v

    @abstractmethod
    def seen(self, v: Tensor) -> Tensor:
        """Visible units as hidden units see them, (B, V)."""

    @abstractmethod
    def alone(self, v: Tensor) -> Tensor:
        """The part of the energy that does not depend on h, (B,)."""

    def emitted(self, h: Tensor, means: bool) -> Tensor:
        """Draws of p(v | h), or its means, (B, H) -> (B, V)."""
        return self.visible_mean(h) if means else self.draw_visible(h)

    @abstractmethod
    def log_prob(self, v: Tensor, h: Tensor) -> Tensor:
        """Log p(v | h) in nats, (B,)."""

    @abstractmethod
    def visible_mean(self, h: Tensor) -> Tensor:
        """Means of p(v | h), (B, H) -> (B, V)."""

    @abstractmethod
    def draw_visible(self, h: Tensor) -> Tensor:
        """Draws of p(v | h), (B, H) -> (B, V)."""

    @abstractmethod
    def path(self, x: Tensor) -> AnnealingPath:
        """From independent values with the moments of `x`, (N, V), to these units, moved by Gibbs sampling."""

    @abstractmethod
    def log_z(self) -> Tensor | None:
        """The normalizer's logarithm, float64, summed over all states of one layer; None where these are too many."""

    @abstractmethod
    def times(self, factor: float) -> Bipartite:
        """The units of `factor` times the energy."""

    def detached(self) -> Self:
        """The same in float32, without gradients."""
        return type(self)(**{name: value.detach().float() for name, value in vars(self).items()})


@dataclass(frozen=True)
class BinaryUnits(Bipartite):
    """Binary visible units: E(v, h) = -v·b - h·c - v·W h.

    Example:
        >>> units = BinaryUnits(torch.zeros(3, 2), torch.zeros(3), torch.zeros(2))
        >>> round(float(units.log_z()), 4)  # 5 ln 2
        3.4657
    """

    def seen(self, v: Tensor) -> Tensor:
        """As they are."""
        return v

    def alone(self, v: Tensor) -> Tensor:
        """-v·b."""
        return -(v * self.visible).sum(1)

    def log_odds(self, h: Tensor) -> Tensor:
        """Of 1 of the visible units, (B, H) -> (B, V)."""
        return at_least_float32(h @ self.weight.mT) + self.visible

    def log_prob(self, v: Tensor, h: Tensor) -> Tensor:
        """Of independent bits; of values between 0 and 1, the mean over bits with these probabilities."""
        return -binary_cross_entropy_with_logits(self.log_odds(h), v, reduction="none").sum(1)

    def visible_mean(self, h: Tensor) -> Tensor:
        """Probabilities of 1."""
        return self.log_odds(h).sigmoid()

    def times(self, factor: float) -> BinaryUnits:
        """Weights and biases `factor` times as large."""
        return self if factor == 1 else BinaryUnits(*(factor * t for t in (self.weight, self.visible, self.hidden)))

    def draw_visible(self, h: Tensor) -> Tensor:
        """Bits."""
        return bits(self.visible_mean(h))

    def log_z(self) -> Tensor | None:
        """Summed over the smaller layer's states."""
        w, b, c = (t.detach().double() for t in (self.weight, self.visible, self.hidden))
        if len(b) < len(c):
            w, b, c = w.mT, c, b
        if len(c) > MOST:
            return None
        parts = [h @ c + softplus(h @ w.mT + b).sum(1) for h in states(len(c), c.device).split(AT_ONCE)]
        return torch.cat(parts).logsumexp(0)

    def path(self, x: Tensor) -> AnnealingPath:
        """Biases go from the base rates' to the model's, weights and hidden biases from 0 (2008, section 4.1)."""
        return self.path_from(base_rates(x))

    def path_from(self, base: Tensor | None = None) -> AnnealingPath:
        """The path from independent bits of the log-odds `base`, (V,); of even ones where None."""
        units = self.detached()
        base = torch.zeros_like(units.visible) if base is None else base.to(units.visible)
        if base.shape != units.visible.shape:
            raise ValueError(f"base of shape {tuple(base.shape)} came; {tuple(units.visible.shape)} is expected.")
        shift, wide = units.visible - base, units.hidden.double()
        both = torch.cat([units.weight, shift[:, None]], 1)  # one product for both that v enters
        back = units.weight.mT.contiguous()

        def step(v: Tensor, before: float, after: float) -> tuple[Tensor, Tensor]:
            inputs = (v @ both).double()  # (R, H + 1)
            total = inputs[:, :-1] + wide
            change = (softplus(after * total) - softplus(before * total)).sum(1) + (after - before) * inputs[:, -1]
            h = bits((after * total).float().sigmoid())
            return change, bits(torch.addmm(base + after * shift, h, back, alpha=after).sigmoid_())

        log_z = float(softplus(base.double()).sum()) + len(wide) * math.log(2)
        return AnnealingPath(lambda n: bits(base.sigmoid().expand(n, -1)), log_z, step)


@dataclass(frozen=True)
class GaussianUnits(Bipartite):
    """Real visible units: E(v, h) = |u|²/2 - h·c - u·W h with u = (v - b) / s.

    Arguments:
        scale: standard deviations s of the visible units given the hidden, (V,).
    """

    scale: Tensor

    def seen(self, v: Tensor) -> Tensor:
        """Standardized by b and s."""
        return (v - self.visible) / self.scale

    def alone(self, v: Tensor) -> Tensor:
        """|u|²/2."""
        return self.seen(v).square().sum(1) / 2

    def times(self, factor: float) -> GaussianUnits:
        """Only of 1: nobody has asked for others."""
        if factor != 1:
            raise ValueError(f"{factor} times the energy came; Gaussian units have their own only. Take binary ones.")
        return self

    def log_prob(self, v: Tensor, h: Tensor) -> Tensor:
        """Of independent normal values."""
        return torch.distributions.Normal(self.visible_mean(h), self.scale).log_prob(v).sum(1)

    def visible_mean(self, h: Tensor) -> Tensor:
        """B + s W h."""
        return self.visible + self.scale * (h @ self.weight.mT)

    def draw_visible(self, h: Tensor) -> Tensor:
        """Normal, with standard deviations s."""
        mean = self.visible_mean(h)
        return mean + self.scale * torch.randn_like(mean)

    def log_z(self) -> Tensor | None:
        """Summed over the hidden states, whose visible units are integrated over in closed form."""
        w, c, s = (t.detach().double() for t in (self.weight, self.hidden, self.scale))
        if len(c) > MOST:
            return None
        parts = [h @ c + (h @ w.mT).square().sum(1) / 2 for h in states(len(c), c.device).split(AT_ONCE)]
        return torch.cat(parts).logsumexp(0) + s.log().sum() + len(s) / 2 * math.log(2 * math.pi)

    def path(self, x: Tensor) -> AnnealingPath:
        """The geometric path from a normal distribution; given h, values stay independent and normal on all of it."""
        units = self.detached()
        loc, std = x.mean(0), x.std(0, correction=0).clamp(min=1e-6)
        start = torch.distributions.Normal(loc, std)
        c = units.hidden.double()

        def step(v: Tensor, before: float, after: float) -> tuple[Tensor, Tensor]:
            total = (units.seen(v) @ units.weight).double() + c
            moved = -units.alone(v).double() - start.log_prob(v).double().sum(1)
            change = (softplus(after * total) - softplus(before * total)).sum(1) + (after - before) * moved
            h = bits((after * total).float().sigmoid())
            precision = (1 - after) / std.square() + after / units.scale.square()
            pull = (1 - after) * loc / std.square()
            pull = pull + after * (units.visible / units.scale + h @ units.weight.mT) / units.scale
            return change, pull / precision + torch.randn_like(v) / precision.sqrt()

        return AnnealingPath(lambda n: start.sample(torch.Size([n])), len(c) * math.log(2), step)
