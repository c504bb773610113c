"""How much noise: levels z = α x + σ ε with α² + σ² = 1, and schedules that spread them over time.

A level is known by its log-SNR λ = log α²/σ², in nats. Every schedule runs between the same two levels, and differs
from others only in how much of the time it spends at each.

References:
    Denoising Diffusion Probabilistic Models, Ho, Jain & Abbeel, 2020 (arXiv 2006.11239): the linear schedule.
    Improved Denoising Diffusion Probabilistic Models, Nichol & Dhariwal, 2021 (arXiv 2102.09672): the cosine schedule.
    Variational Diffusion Models, Kingma, Salimans, Poole & Ho, 2021 (arXiv 2107.00630): log-SNR.
    Elucidating the Design Space of Diffusion-Based Generative Models, Karras et al., 2022 (arXiv 2206.00364).
    Scalable Adaptive Computation for Iterative Generation, Jabri, Fleet & Chen, 2022 (arXiv 2212.11972): sigmoid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["CLEAN", "SCHEDULES", "NoiseLevel", "NoiseSettings", "Schedule", "ScheduleName", "rho_levels"]

ScheduleName = Literal["linear", "cosine", "sigmoid"]
BETA = 0.1, 20.0  # of the linear schedule at both ends, where time is 1 in all: 1,000 steps of 1e-4 to 0.02
SPAN = 3.0  # of the sigmoid's argument, to both sides (Jabri et al., 2022, section 2.2)
EXTREME = 20.0  # log-SNR at which nets take what has no noise, or nothing else, to be


class NoiseLevel(NamedTuple):
    """Signal and noise in z = α x + σ ε, α² + σ² = 1: scalars, or (B, 1, …) where examples differ.

    Example:
        >>> NoiseLevel.of(torch.zeros(())).alpha
        tensor(0.7071)
    """

    alpha: Tensor
    sigma: Tensor

    @classmethod
    def of(cls, log_snr: Tensor) -> NoiseLevel:
        """The level of that log-SNR."""
        return cls(log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt())

    @classmethod
    def between(cls, signal: Tensor, noise: Tensor) -> NoiseLevel:
        """The level of x times `signal` and noise times `noise`, whose squares may sum to anything."""
        norm = (signal.square() + noise.square()).sqrt()
        return cls(signal / norm, noise / norm)

    @property
    def log_snr(self) -> Tensor:
        """Log α²/σ², held between ±20 where one of them is 0."""
        return (2 * (self.alpha.log() - self.sigma.log())).clamp(-EXTREME, EXTREME)

    @property
    def ratio(self) -> Tensor:
        """σ / α: the standard deviation of the noise beside x itself."""
        return self.sigma / self.alpha

    def noised(self, x: Tensor, noise: Tensor) -> Tensor:
        """Examples at this level, (B, *shape)."""
        return self.alpha * x + self.sigma * noise

    def like(self, x: Tensor) -> NoiseLevel:
        """Levels of examples, (B,) each, to multiply `x`, (B, *shape), by."""
        shape = (-1, *[1] * (x.ndim - 1))
        return NoiseLevel(self.alpha.to(x).view(shape), self.sigma.to(x).view(shape))

    def share(self, lower: NoiseLevel) -> Tensor:
        """1 - SNR / SNR of the `lower` level: the share of this level's noise that is new since then."""
        return 1 - (self.alpha * lower.sigma / (lower.alpha * self.sigma)).square()


CLEAN = NoiseLevel(torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64))
"""The data themselves."""


class Schedule(NamedTuple):
    """A decreasing function of time and its inverse; between which times it is used is for others to say.

    Arguments:
        log_snr: time in (0, 1) -> λ.
        time: λ -> time.
    """

    log_snr: Callable[[Tensor], Tensor]
    time: Callable[[Tensor], Tensor]


def _linear(time: Tensor) -> Tensor:
    first, last = BETA
    return -torch.expm1(first * time + 0.5 * (last - first) * time.square()).log()  # α² = exp(-∫ β)


def _linear_time(log_snr: Tensor) -> Tensor:
    first, last = BETA
    return ((first**2 + 2 * (last - first) * softplus(-log_snr)).sqrt() - first) / (last - first)


def _cosine(time: Tensor) -> Tensor:
    return -2 * torch.tan(0.5 * math.pi * time).log()  # α = cos πt/2


def _cosine_time(log_snr: Tensor) -> Tensor:
    return 2 / math.pi * torch.atan((-0.5 * log_snr).exp())


def _sigmoid(time: Tensor) -> Tensor:
    x = SPAN * (2 * time - 1)  # α² falls as the sigmoid of x rises
    return (math.tanh(SPAN / 2) - (x / 2).tanh()).log() - (math.tanh(SPAN / 2) + (x / 2).tanh()).log()


def _sigmoid_time(log_snr: Tensor) -> Tensor:
    x = 2 * torch.atanh(-math.tanh(SPAN / 2) * (0.5 * log_snr).tanh())
    return 0.5 * (x / SPAN + 1)


SCHEDULES: Mapping[str, Schedule] = {
    "linear": Schedule(_linear, _linear_time),
    "cosine": Schedule(_cosine, _cosine_time),
    "sigmoid": Schedule(_sigmoid, _sigmoid_time),
}


@dataclass(frozen=True)
class NoiseSettings:
    """Between which levels noise is added, how time is spread over them, and in how many steps a bound counts them.

    Arguments:
        schedule: how log-SNR falls with time: linear (β rises linearly, Ho et al., 2020), cosine (Nichol & Dhariwal,
            2021) or sigmoid (Jabri et al., 2022).
        log_snr_max: log-SNR of the least noise, in nats; 10 leaves a standard deviation of 0.007.
        log_snr_min: log-SNR of the most noise, which hides the data.
        spacing: of the levels at which samplers stop: even in time or in log-SNR; auto: the latter for samplers of
            second order, the former for others.
        timesteps: of the chain whose likelihood is bounded; samplers may take any other number of steps.
        bound_terms: how many of these steps a bound looks at, evenly spread from a random one on, to estimate the sum
            over all without bias; 0, or more than there are, for all.

    Raises:
        ValueError: where the levels are in no order, or there is no step.

    Example:
        >>> NoiseSettings("linear").log_snr(torch.tensor([0.0, 1.0]))
        tensor([ 10.0000, -10.0000])
    """

    schedule: ScheduleName = "cosine"
    log_snr_max: float = 10.0
    log_snr_min: float = -10.0
    spacing: Literal["auto", "time", "log-snr"] = "auto"
    timesteps: int = 1_000
    bound_terms: int = 20

    def __post_init__(self) -> None:
        if not -EXTREME <= self.log_snr_min < self.log_snr_max <= EXTREME:
            came = f"log_snr_min={self.log_snr_min}, log_snr_max={self.log_snr_max} came"
            raise ValueError(f"{came}; numbers in this order between -{EXTREME:g} and {EXTREME:g} are expected.")
        if self.timesteps < 1 or self.bound_terms < 0:
            came = f"timesteps={self.timesteps}, bound_terms={self.bound_terms} came"
            raise ValueError(f"{came}; at least 1 step, and at least 0 terms, are expected. Correct them.")

    def log_snr(self, t: Tensor) -> Tensor:
        """λ of times in [0, 1]: the most log-SNR at 0, the least at 1."""
        of, ends = SCHEDULES[self.schedule], torch.tensor([self.log_snr_max, self.log_snr_min], dtype=torch.float64)
        start, end = of.time(ends).tolist()
        return of.log_snr(start + (end - start) * t)

    def levels(self, steps: int) -> list[NoiseLevel]:
        """So many levels from the most noise to the least, evenly spread in time; the most alone where `steps` is 1."""
        return [NoiseLevel.of(one) for one in self.log_snr(torch.linspace(1, 0, steps, dtype=torch.float64))]

    def even_levels(self, steps: int) -> list[NoiseLevel]:
        """The same, evenly spread in log-SNR."""
        ends = self.log_snr_min, self.log_snr_max
        return [NoiseLevel.of(one) for one in torch.linspace(*ends, steps, dtype=torch.float64)]


def rho_levels(largest: float, smallest: float, steps: int, rho: float) -> list[NoiseLevel]:
    """Levels from σ/α = `largest` to `smallest`, evenly spread in their `rho`-th root (Karras et al., 2022, eq. 5)."""
    roots = torch.linspace(largest ** (1 / rho), smallest ** (1 / rho), steps, dtype=torch.float64)
    return [NoiseLevel.between(torch.ones_like(one), one) for one in roots**rho]
