"""An unnormalized Gaussian in the plane, learned by `nce` from noise like the data, far away, or far and learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch

from counterfeit.common.seeding import mix
from counterfeit.config.settings import Train
from counterfeit.core import Batch
from counterfeit.data.sources.toy import Gaussian2D
from counterfeit.models.energy.nce import NCE, NoiseName
from counterfeit.models.energy.shared.unnormalized import Quadratic
from counterfeit.models.flow.shared.model import Flow
from counterfeit.report.theory.stepped import stepped
from counterfeit.theory import gaussian
from counterfeit.theory.gaussian import Gaussian

__all__ = ["AWAY", "NOISES", "PROTOCOL", "Look", "learned", "runs"]

AWAY = 4.0  # along both axes: by how much noise is moved from the data
NOISES: Mapping[str, tuple[NoiseName, float]] = {
    "fixed, like the data": ("gaussian", 0.0), "fixed, far away": ("gaussian", AWAY),
    "adaptive, far at first": ("adaptive", AWAY),
}  # fmt: skip
STEPS, EVERY, SEEN = 400, 20, 10_000
TRAIN = Train(
    lr=1e-2, schedule="cosine", steps=STEPS, batch_size=256, ema=0.95, device="cpu", parts={"noise": {"lr": 3e-3}}
)  # fmt: skip
PROTOCOL = (
    f"nce of a Gaussian energy on gaussian-2d, {STEPS} steps of {TRAIN.batch_size} fresh draws, noise like the data or "
    f"moved by {AWAY:g} along both axes; adaptive: a Real NVP of four couplings, at a third of the learning rate"
)


class Look(NamedTuple):
    """What a run was at a step: KL(p ‖ model) and the classifier's loss, in nats."""

    step: int
    divergence: float
    loss: float


def runs(seed: int) -> dict[str, list[Look]]:
    """Every kind of noise, from the initial weights on."""
    return {name: _run(*kind, name, seed) for name, kind in NOISES.items()}


def _run(noise: NoiseName, away: float, name: str, seed: int) -> list[Look]:
    source, found = Gaussian2D(), list[Look]()
    shown, truth = source.sample(SEEN, mix(seed) % 2**32), source.mixture()
    p = Gaussian(torch.zeros(2), torch.from_numpy(truth.scale @ truth.scale.T))

    def make() -> NCE:
        model = NCE(source.spec, energy="gaussian", noise=noise)
        model.initialize(Batch(shown))
        place = model.noise.standardize.loc if isinstance(model.noise, Flow) else model.noise.loc
        place += away
        return model

    @torch.no_grad()
    def look(step: int, model: NCE) -> None:
        loss, _ = model.contrast(shown, model.begin(SEEN))
        found.append(Look(step, float(gaussian.kl(p, learned(model))), float(loss)))

    def draw(size: int, step: int) -> Batch:
        return Batch(source.sample(size, mix(seed, step) % 2**32))

    stepped(make, draw, replace(TRAIN, seed=seed), f"nce, noise {name}", EVERY, look)
    return found


@torch.no_grad()
def learned(model: NCE) -> Gaussian:
    """The density of a model whose energy is Gaussian."""
    net = model.net
    if not isinstance(net, Quadratic):
        raise ValueError(f"energy {type(net).__name__} came; gaussian is expected. Set model.energy.")
    loc, std = net.loc.double(), net.std.double()
    root = std[:, None] * torch.linalg.inv(net.factor.double().tril()).mT  # the energy is |Lᵀ(u - m)|²/2
    covariance = root @ root.mT
    return Gaussian(loc + std * net.mean.double(), (covariance + covariance.mT) / 2)
