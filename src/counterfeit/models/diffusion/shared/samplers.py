"""From noise to data along any levels of noise: a chain, or the differential equation with the same distributions.

A model tells at every level what it takes x and ε to be in z = α x + σ ε. The equation is dz = x dα + ε dσ. In the unit
of z / α it is one in σ/α alone, and in that of z / (α + σ), the straight path of flow matching, one in α / (α + σ).

References:
    Denoising Diffusion Probabilistic Models, Ho, Jain & Abbeel, 2020 (arXiv 2006.11239): ancestral.
    Denoising Diffusion Implicit Models, Song, Meng & Ermon, 2021 (arXiv 2010.02502): ddim.
    Elucidating the Design Space of Diffusion-Based Generative Models, Karras et al., 2022 (arXiv 2206.00364): heun.
    DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models, Lu et al., 2022 (arXiv 2211.01095).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from counterfeit.models.diffusion.shared.noise import CLEAN, NoiseLevel

__all__ = [
    "SAMPLERS", "SECOND_ORDER", "STRAIGHT", "VARIANCE_EXPLODING", "Path", "Predict", "Prediction", "SamplerName",
    "SamplingSettings", "ancestral", "step_mean", "step_std", "walk",
]  # fmt: skip

MOST_RAISED = math.sqrt(2) - 1  # so that a step at most doubles the variance of noise
SECOND_ORDER = ("dpm-solver++", "heun", "midpoint")
SamplerName = Literal["ancestral", "ddim", "euler", "dpm-solver++", "heun", "midpoint"]


class Prediction(NamedTuple):
    """What a model takes the data and the noise in z to be, (B, *shape) each.

    Arguments:
        x: the data.
        noise: the noise.
        mix: where between its two bounds the log-variance of a step of the chain lies: 0 at the lower, that of the
            posterior given x, and 1 at the upper, that of the noise that the step added.
    """

    x: Tensor
    noise: Tensor
    mix: Tensor | float = 0.0


Predict = Callable[[Tensor, NoiseLevel], Prediction]


class Path(NamedTuple):
    """A unit for z in which the differential equation has one time.

    Arguments:
        scale: what z is multiplied by.
        time: of a level.
        level: of a time.
        velocity: dz/dtime.
        closed: whether a model can be asked at the very end, where there is no noise.
    """

    scale: Callable[[NoiseLevel], Tensor]
    time: Callable[[NoiseLevel], Tensor]
    level: Callable[[Tensor], NoiseLevel]
    velocity: Callable[[Prediction], Tensor]
    closed: bool


VARIANCE_EXPLODING = Path(
    lambda level: 1 / level.alpha,
    lambda level: level.ratio,
    lambda time: NoiseLevel.between(torch.ones_like(time), time),
    lambda found: found.noise,
    False,
)
STRAIGHT = Path(
    lambda level: 1 / (level.alpha + level.sigma),
    lambda level: level.alpha / (level.alpha + level.sigma),
    lambda time: NoiseLevel.between(time, 1 - time),
    lambda found: found.x - found.noise,
    True,
)


def step_mean(x: Tensor, noise: Tensor, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
    """Mean of q(z at the `lower` level | z, x), where z = α x + σ `noise`, (B, *shape) (Ho et al., 2020, eq. 7)."""
    return lower.alpha * x + lower.sigma * (1 - level.share(lower)).clamp(min=0).sqrt() * noise


def step_std(mix: Tensor | float, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
    """Standard deviation of a step of the chain, of which `mix` says where it lies between its bounds."""
    return level.share(lower).sqrt() * lower.sigma ** (1 - mix) * level.sigma**mix


def ancestral(found: Prediction, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
    """A draw of the chain's next step, (B, *shape); its mean where it ends at the data."""
    mean = step_mean(found.x, found.noise, level, lower)
    return mean if bool((lower.sigma == 0).all()) else mean + step_std(found.mix, level, lower) * torch.randn_like(mean)


@dataclass(frozen=True)
class SamplingSettings:
    """How samples are drawn, which can be said anew for every draw.

    Arguments:
        sampler: ancestral, the chain (Ho et al., 2020); ddim, or euler, of first order and deterministic where `eta` is
            0 (Song et al., 2021); dpm-solver++, of second order at the cost of one pass a step (Lu et al., 2022); heun
            or midpoint, of second order at that of two (Karras et al., 2022).
        sampling_steps: how many.
        eta: of ddim: the share of the chain's noise that is added at a step; 1 is the chain itself.
        churn: of heun: by how much noise is raised before steps, as a share, summed over all of them; what a step did
            wrong is thus forgotten (Karras et al., 2022, algorithm 2).
        clip: whether predicted data are held to the range of pictures at every step.
        resampling: times that each step of a completion is taken, the noise of the step being added again in between
            (RePaint, Lugmayr et al., 2022), so that what is drawn fits what is known.
        factor: how many times as many pixels a side `upscale` draws, at least 2.
        likelihood_steps: of the differential equation by which `probability-flow` measures likelihoods, each of which
            asks the net four times.

    Raises:
        ValueError: where there is no step, or no such share.
    """

    sampler: SamplerName = "dpm-solver++"
    sampling_steps: int = 20
    eta: float = 0.0
    churn: float = 0.0
    clip: bool = True
    resampling: int = 5
    factor: int = 2
    likelihood_steps: int = 50

    def __post_init__(self) -> None:
        counts = self.sampling_steps, self.resampling, self.likelihood_steps
        if self.factor < 2:
            raise ValueError(f"factor={self.factor} came; at least 2 is expected. Raise it.")
        if min(counts) < 1 or not 0 <= self.eta <= 1 or not 0 <= self.churn < math.inf:
            came = f"sampling_steps, resampling, likelihood_steps = {counts}, eta={self.eta}, churn={self.churn} came"
            raise ValueError(
                f"{came}; at least 1 of each, a share in [0, 1], and at least 0, are expected. Correct them."
            )


class _Sampler:
    """A way of taking steps, which may remember the last.

    Arguments:
        predict: what the model is asked.
        path: the unit of the differential equation.
        eta: of ddim.
        raised: of heun: by how much noise is raised before a step, as a share.
    """

    def __init__(self, predict: Predict, path: Path, eta: float, raised: float) -> None:
        self.predict, self.path, self.eta, self.raised = predict, path, eta, raised
        self.last: tuple[Tensor, NoiseLevel] | None = None

    def ancestral(self, z: Tensor, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
        """A step of the chain."""
        return ancestral(self.predict(z, level), level, lower)

    def ddim(self, z: Tensor, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
        """Let x and ε stay what they are taken to be (Song et al., 2021, eq. 12)."""
        found = self.predict(z, level)
        variance = self.eta**2 * level.share(lower) * lower.sigma.square()
        z = lower.alpha * found.x + (lower.sigma.square() - variance).clamp(min=0).sqrt() * found.noise
        return z + variance.sqrt() * torch.randn_like(z) if self.eta else z

    def dpm_solver(self, z: Tensor, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
        """Let x change with λ as it did in the last step (Lu et al., 2022, algorithm 2)."""
        x = self.predict(z, level).x
        bent = x
        if self.last is not None and bool(lower.sigma > 0):
            before, above = self.last
            ratio = (lower.log_snr - level.log_snr) / (level.log_snr - above.log_snr)
            bent = x + 0.5 * ratio * (x - before)
        self.last = x, level
        held = lower.sigma / level.sigma
        return held * z + (lower.alpha - held * level.alpha) * bent

    def heun(self, z: Tensor, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
        """The mean of the velocities at both ends of the step (Karras et al., 2022, algorithm 1)."""
        if self.raised and bool(level.alpha > 0):
            z, level = self._with_noise(z, level)
        first, end = self._velocity(z, level), self._moved(z, level, lower)
        z_end = end(first)
        if bool(lower.sigma == 0) and not self.path.closed:
            return z_end
        return end(0.5 * (first + self._velocity(z_end, lower)))

    def _with_noise(self, z: Tensor, level: NoiseLevel) -> tuple[Tensor, NoiseLevel]:
        """The same data with more noise beside them (Karras et al., 2022, algorithm 2, lines 4 to 6)."""
        before = level.ratio
        after = before * (1 + self.raised)
        higher = NoiseLevel.between(torch.ones_like(after), after)
        added = (after.square() - before.square()).sqrt() * torch.randn_like(z)
        return higher.alpha * (z / level.alpha + added), higher

    def midpoint(self, z: Tensor, level: NoiseLevel, lower: NoiseLevel) -> Tensor:
        """The velocity in the middle of the step."""
        middle = self.path.level(0.5 * (self.path.time(level) + self.path.time(lower)))
        halfway = self._moved(z, level, middle)(self._velocity(z, level))
        return self._moved(z, level, lower)(self._velocity(halfway, middle))

    def _velocity(self, z: Tensor, level: NoiseLevel) -> Tensor:
        return self.path.velocity(self.predict(z, level))

    def _moved(self, z: Tensor, level: NoiseLevel, to: NoiseLevel) -> Callable[[Tensor], Tensor]:
        """Where a velocity takes z."""
        taken, before, after = self.path.time(to) - self.path.time(level), self.path.scale(level), self.path.scale(to)
        return lambda velocity: (before * z + taken * velocity) / after


Step = Callable[[_Sampler, Tensor, NoiseLevel, NoiseLevel], Tensor]
SAMPLERS: Mapping[str, Step] = {
    "ancestral": _Sampler.ancestral,
    "ddim": _Sampler.ddim,
    "euler": _Sampler.ddim,
    "dpm-solver++": _Sampler.dpm_solver,
    "heun": _Sampler.heun,
    "midpoint": _Sampler.midpoint,
}


def walk(
    predict: Predict, z: Tensor, levels: Sequence[NoiseLevel], sampler: str, path: Path = VARIANCE_EXPLODING,
    eta: float = 0.0, churn: float = 0.0, end: NoiseLevel = CLEAN,
) -> Iterator[tuple[NoiseLevel, Tensor]]:  # fmt: skip
    """Each level that is reached after the first, and z there, (B, *shape); the last are the data, at `end`.

    Arguments:
        predict: what the model is asked.
        z: at the first of the levels.
        levels: from the most noise to the least, or the other way; `end` comes after them.
        sampler: a key of `SAMPLERS`.
        path: the unit of the differential equation, for heun and midpoint.
        eta: of ddim.
        churn: of heun.
        end: the last level; the data where nothing else is said.
    """
    raised = min(churn / len(levels), MOST_RAISED)
    step, taking = SAMPLERS[sampler], _Sampler(predict, path, eta, raised)
    for level, lower in pairwise([*levels, end]):
        z = step(taking, z, level, lower)
        yield lower, z
