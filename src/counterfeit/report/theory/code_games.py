"""Adversarial nets on small digits, alike but for the size and prior of their codes, and for a narrow layer."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.numerics import nearest
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.data.sources.digits import Digits
from counterfeit.inference.jacobian import singular_values
from counterfeit.inference.latent import Path, lerp, slerp
from counterfeit.metrics.features.frechet import frechet_distance
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Noise, Prior
from counterfeit.nets.mlp import MLPPlayers
from counterfeit.report.theory.small_digits import gray, split
from counterfeit.report.theory.stepped import stepped

__all__ = ["NARROW", "PROTOCOL", "SIZES", "UNIFORM", "WIDE", "Code", "Played", "fresh", "pixel_fid", "played"]

SIZES, UNIFORM, WIDE = (1, 2, 4, 8, 16, 64), (2, 16, 64), (128, 128)
NARROW = 8  # units of a layer that 64 numbers have to pass
TRAIN = Train(
    lr=3e-3, betas=(0.5, 0.99), schedule="linear", lr_hold_fraction=0.5, steps=1_000, batch_size=64, device="cpu",
    parts={"generator": {"ema": 0.99}},
)  # fmt: skip
SAMPLES, CODES, PAIRS = 2_000, 64, 1_000
PROTOCOL = (
    f"gan on 8x8 digits, hidden layers of {WIDE[0]} and {WIDE[1]} in both players, ReLU and batch normalization in the "
    f"generator, {TRAIN.steps:,} steps of {TRAIN.batch_size}, instance noise 0.2; FID in pixels of {SAMPLES:,} samples "
    f"to the 500 digits that nobody trained on; Jacobians at {CODES} codes, in float64"
)


class Code(NamedTuple):
    """How many numbers a code has, their prior, and the generator's hidden layers."""

    size: int
    noise: Noise = "gaussian"
    hidden: tuple[int, ...] = WIDE


class Played(NamedTuple):
    """What became of a game.

    Arguments:
        fid: Fréchet distance in pixels between samples and data.
        milliseconds: of one core, a step.
        values: singular values of the generator's Jacobian at some codes, falling, (CODES, K).
        halfway: by the name of the path, the same distance for what codes halfway between two are decoded to, and
            their mean distance from the nearest training digit.
        near: mean distance of samples from the nearest training digit.
    """

    fid: float
    milliseconds: float
    values: Tensor
    halfway: dict[str, tuple[float, float]]
    near: float


def played(code: Code, seed: int, steps: int = TRAIN.steps) -> Played:
    """Play a game and look at its generator.

    Arguments:
        code: what the generator is given.
        seed: of initial weights, data and codes.
        steps: of training.
    """
    began = time.process_time()
    game = stepped(
        lambda: _game(code), partial(gray, seed), replace(TRAIN, steps=steps, seed=seed), f"{code.size} {code.noise}"
    )
    spent = time.process_time() - began
    with torch.no_grad(), seeded(seed):
        samples, z = game.sample(SAMPLES).flatten(1), game.prior(CODES)
        halfway = {name: _halfway(game, path) for name, path in (("line", lerp), ("circle", slerp))}
        values = singular_values(copy.deepcopy(game.generator).double(), z.double())
    return Played(pixel_fid(samples), 1_000 * spent / steps, values, halfway, _near(samples))


def _game(code: Code) -> GAN:
    nets = MLPPlayers(hidden=code.hidden, discriminator_hidden=WIDE)
    return GAN(Digits.native, nets, prior=Prior(code.noise, code.size), settings=GANSettings(instance_noise=0.2))


def _halfway(game: GAN, path: Path) -> tuple[float, float]:
    a, b = game.prior(2 * PAIRS).chunk(2)
    samples = game.generator(path(a, b, torch.tensor([0.5]))[:, 0]).flatten(1)
    return pixel_fid(samples), _near(samples)


def pixel_fid(samples: Tensor) -> float:
    """Fréchet distance in pixels of samples, (N, 64), to the digits that nobody trains on."""
    return frechet_distance(samples, fresh())


def fresh() -> Tensor:
    """The digits that nobody trains on, (500, 64)."""
    return torch.cat([split(name).x for name in ("valid", "test")]).flatten(1)


def _near(samples: Tensor) -> float:
    return float(nearest(samples, split("train").x.flatten(1)).distances.mean())
