"""A game on the line that is watched while it is trained: generator, discriminator and both densities at every save."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from counterfeit.data.sources.toy import Bimodal1D
from counterfeit.models.adversarial.shared.sampling_gan import SamplingGAN
from counterfeit.report.theory.watch import watched
from counterfeit.theory import quadrature

__all__ = ["CENTERS", "CODES", "PROTOCOL", "SIGMA", "Moment", "data", "traced"]

STEPS, EVERY = 2_000, 25
CELL = 0.01  # width of the cells that the line is cut into
EDGES = torch.linspace(-8, 8, round(16 / CELL) + 1, dtype=torch.float64)
CENTERS = (EDGES[1:] + EDGES[:-1]) / 2
OPEN = torch.cat([EDGES.new_tensor([-torch.inf]), EDGES[1:-1], EDGES.new_tensor([torch.inf])])
CODES = torch.linspace(-(3**0.5), 3**0.5, 4_001, dtype=torch.float64)  # even over the noise; G is linear between
SIGMA = 0.3  # of the instance noise, which makes the densities that D sees smooth
SETTINGS = {
    "model.instance_noise": SIGMA, "model.discriminator_steps": 5, "train.parts.discriminator.lr": 3e-3,  # D keeps up
    "train.parts.generator.lr": 5e-4, "train.parts.generator.ema": 0.0,
}  # fmt: skip
PROTOCOL = (
    f"gan-bimodal with k = 5, learning rates 0.003 (D) and 0.0005 (G), instance noise {SIGMA}, no moving average, "
    f"{STEPS:,} steps, seen every {EVERY}; p_g by exact change of variables over all branches of G, linear between "
    f"{len(CODES):,} codes, in cells of {CELL}; both densities with the instance noise, as D sees them"
)


@dataclass(frozen=True)
class Moment:
    """What the game was after `step` steps.

    Arguments:
        step: of training.
        samples: G(z) at `CODES`, (N + 1,).
        logits: of the discriminator at the centers of the cells, (M,).
        mass: of the generator in each cell, with the instance noise, (M,).
    """

    step: int
    samples: Tensor
    logits: Tensor
    mass: Tensor


@cache
def data() -> Tensor:
    """Mass of the data in each cell, with the instance noise, (M,)."""
    clean = Bimodal1D().mixture()
    blurred = clean._replace(scale=np.sqrt(clean.scale**2 + SIGMA**2))
    mass = quadrature.masses(lambda x: blurred.log_prob(x[:, None]), EDGES)
    return mass / mass.sum()


@cache
def traced(seed: int) -> tuple[Moment, ...]:
    """Train `gan-bimodal` and look at it at every save, from the initial weights on."""
    return tuple(_moment(game, step) for step, game in watched("gan-bimodal", STEPS, EVERY, seed, SETTINGS))


@torch.no_grad()
def _moment(model: SamplingGAN, step: int) -> Moment:
    samples = model.generator(CODES.float()[:, None])[:, 0].double()
    logits = model.discriminator(CENTERS.float()[:, None])[:, 0].double()
    even = torch.full((len(CODES) - 1,), 1 / (len(CODES) - 1), dtype=torch.float64)
    return Moment(step, samples, logits, _blurred(quadrature.pushed(samples, even, OPEN)))


def _blurred(mass: Tensor) -> Tensor:
    """`mass` with the instance noise, (M,) -> (M,)."""
    reach = round(6 * SIGMA / CELL)
    kernel = (-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) * CELL / SIGMA).square()).softmax(0)
    return torch.nn.functional.conv1d(mass[None, None], kernel[None, None], padding=reach)[0, 0]
