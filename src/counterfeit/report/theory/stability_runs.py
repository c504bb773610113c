"""A flow, a variational autoencoder, a diffusion model and adversarial nets on two moons, from several seeds each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.seeding import mix, seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Model, Spec
from counterfeit.data.sources.toy import TwoMoons
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.autoencoding.vae import VAE
from counterfeit.models.diffusion.diffusion_edm import DiffusionEDM
from counterfeit.models.diffusion.shared.nets import DenoiserNets
from counterfeit.models.flow.spline_flow import SplineFlow
from counterfeit.nets.coder import CoderNets
from counterfeit.nets.mlp import MLPPlayers
from counterfeit.report.theory.stepped import stepped
from counterfeit.theory.montecarlo import energy_distance

__all__ = ["MODELS", "PROTOCOL", "SEEDS", "STEPS", "Contestant", "Outcome", "floor", "outcomes"]

SEEDS, STEPS, EVERY, SEEN = 4, 600, 100, 2_000
WIDE = (64, 64)
TRAIN = Train(lr=2e-3, schedule="cosine", steps=STEPS, batch_size=256, ema=0.99, device="cpu")
PLAYED = replace(
    TRAIN, lr=1e-3, betas=(0.5, 0.99), schedule="linear", lr_hold_fraction=0.5, ema=0.0,
    parts={"generator": {"ema": 0.99}},
)  # fmt: skip


class Contestant(NamedTuple):
    """A model of points and how it is trained."""

    make: Callable[[Spec], Model]
    train: Train


def _game(spec: Spec) -> GAN:
    nets, settings = MLPPlayers(WIDE, norm="none", discriminator_hidden=WIDE), GANSettings(instance_noise=0.1)
    return GAN(spec, nets, prior=Prior(noise_dim=2), settings=settings)


MODELS: Mapping[str, Contestant] = {
    "flow": Contestant(lambda spec: SplineFlow(spec, WIDE, couplings=3), TRAIN),
    "VAE": Contestant(lambda spec: VAE(spec, latent_dim=2, nets=CoderNets(hidden=WIDE)), TRAIN),
    "diffusion": Contestant(lambda spec: DiffusionEDM(spec, nets=DenoiserNets(hidden=WIDE)), TRAIN),
    "GAN": Contestant(_game, PLAYED),
}
PROTOCOL = (
    f"two-moons, {SEEDS} seeds each, {STEPS:,} steps of {TRAIN.batch_size} fresh draws, the same for all models of a "
    f"seed; hidden layers of 64; spline couplings, Gaussian decoder, EDM, non-saturating game with instance noise 0.1"
    f"; weights averaged; energy distance of {SEEN:,} samples from as "
    f"many fresh draws, every {EVERY} steps"
)


class Outcome(NamedTuple):
    """Distances from the data after so many steps, and the last samples, (N, 2)."""

    steps: list[int]
    distances: list[float]
    samples: Tensor


def _draw(seed: int, size: int, step: int) -> Tensor:
    return TwoMoons().sample(size, mix(seed, step) % 2**32)


def floor(seed: int) -> list[float]:
    """Distances of as many draws of the data as are looked at from others: what a perfect model would have."""
    return [energy_distance(_draw(seed, SEEN, -1), _draw(seed, SEEN, -2 - i)) for i in range(SEEDS)]


def outcomes(seed: int) -> dict[str, list[Outcome]]:
    """Every model from every seed."""
    first = SEEDS * seed
    return {name: [_outcome(name, recipe, first + i) for i in range(SEEDS)] for name, recipe in MODELS.items()}


def _outcome(name: str, contestant: Contestant, seed: int) -> Outcome:
    found = Outcome([], [], torch.empty(0))
    real = _draw(seed, SEEN, -1)

    def make() -> Model:
        model = contestant.make(TwoMoons.native)
        if initialize := getattr(model, "initialize", None):
            initialize(Batch(real))
        return model

    samples = [torch.empty(0)]

    @torch.no_grad()
    def look(step: int, model: Model) -> None:
        with seeded(seed):
            samples[0] = model.sample(SEEN)  # type: ignore[operator]
        found.steps.append(step)
        found.distances.append(energy_distance(samples[0], real))

    train = replace(contestant.train, seed=seed)
    stepped(make, lambda size, step: Batch(_draw(seed, size, step)), train, name, EVERY, look)
    return found._replace(samples=samples[0])
