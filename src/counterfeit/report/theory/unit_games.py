"""One game of small digits with four kinds of hidden units and two optimizers: how gradients pass, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.data.sources.digits import Digits
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.mlp import MLP, MLPPlayers
from counterfeit.report.theory.code_games import fresh, pixel_fid
from counterfeit.report.theory.small_digits import gray
from counterfeit.report.theory.stepped import stepped
from counterfeit.theory.signals import UnitName

__all__ = ["DEPTH", "LARGE", "PLACES", "PROTOCOL", "WAYS", "Look", "made", "mean_only", "signals", "watched_game"]

DEPTH, WIDTH, CODE, PIECES = 3, 64, 16, 2
ADAM = Train(
    lr=1e-3, betas=(0.5, 0.99), schedule="linear", lr_hold_fraction=0.5, steps=600, batch_size=64, device="cpu",
    parts={"generator": {"ema": 0.99}},
)  # fmt: skip
SGD = replace(ADAM, optimizer="sgd", lr=0.1, momentum=0.5)
LARGE = (6 / WIDTH) ** 0.5  # uniform in ± this, weights of 64 inputs have 2/64 as variance, as He and others have it
WAYS: Mapping[str, tuple[Train, float | None]] = {
    "SGD, default weights": (SGD, None), "Adam, default weights": (ADAM, None), "Adam, large weights": (ADAM, LARGE),
}  # fmt: skip
EVERY, SAMPLES, SEEN = 100, 2_000, 500
PLACES = ("z", *(f"G{i + 1}" for i in range(DEPTH)), "x", *(f"D{i + 1}" for i in range(DEPTH)))
PROTOCOL = (
    f"gan on 8x8 digits, {DEPTH} hidden layers of {WIDTH} units in both players, maxout of {PIECES} pieces, initial "
    f"weights uniform in ±1/√inputs, PyTorch's default, or in ±{LARGE:.2f}, codes of "
    f"{CODE}, {ADAM.steps} steps of {ADAM.batch_size}; Adam at {ADAM.lr:g}, or SGD at {SGD.lr:g} with momentum "
    f"{SGD.momentum:g}; gradients of the logit, root mean square over {SEEN} codes; FID in pixels of {SAMPLES:,} "
    f"samples to the 500 digits that nobody trained on"
)


class Look(NamedTuple):
    """A game at a step.

    Arguments:
        step: of training.
        fid: Fréchet distance in pixels.
        variety: total variance of samples over that of data.
        norms: of gradients at `PLACES`, (places,).
    """

    step: int
    fid: float
    variety: float
    norms: Tensor


def made(unit: UnitName, init: float | None = None) -> GAN:
    """A game of that kind of units, with weights uniform in ±`init`, or as PyTorch has them."""
    hidden = (WIDTH,) * DEPTH
    nets = MLPPlayers(
        hidden=hidden, activation=unit, norm="none", discriminator_hidden=hidden, discriminator_activation=unit,
        maxout_pieces=PIECES, init=init, discriminator_init=init,
    )  # fmt: skip
    return GAN(Digits.native, nets, prior=Prior(noise_dim=CODE), settings=GANSettings(instance_noise=0.2))


def watched_game(unit: UnitName, way: str, seed: int, steps: int = ADAM.steps) -> list[Look]:
    """Play a game, and look at it from the initial weights on.

    Arguments:
        unit: of all hidden layers.
        way: to train it, one of `WAYS`.
        seed: of initial weights, data and codes.
        steps: of training.
    """
    train, init = WAYS[way]
    found = list[Look]()

    def look(step: int, game: GAN) -> None:
        with seeded(seed):
            samples = game.sample(SAMPLES).detach().flatten(1)
            variety = float(samples.var(0).sum()) / mean_only()
            found.append(Look(step, pixel_fid(samples), variety, signals(game, game.prior(SEEN))))

    train = replace(train, seed=seed, steps=steps)
    stepped(partial(made, unit, init), partial(gray, seed), train, f"{unit}, {way}", EVERY, look)
    return found


@cache
def mean_only() -> float:
    """FID in pixels of the mean picture alone, which is the total variance of data."""
    return float(fresh().var(0).sum())


def signals(game: GAN, z: Tensor) -> Tensor:
    """Norms of the gradient of the discriminator's logit in all values on its way back to the code, root mean squares.

    Arguments:
        game: one of multilayer perceptrons.
        z: codes, (N, code_dim).

    Returns:
        In the code, the generator's hidden layers, the sample and the discriminator's hidden layers, (places,).
    """
    z = z.clone().requires_grad_()
    made = _layers(game.generator.body, z)
    x = game.generator.body.last(made[-1]).sigmoid()
    judged = _layers(game.discriminator, x)
    values = [z, *made, x, *judged]
    gradients = torch.autograd.grad(game.discriminator.last(judged[-1]).sum(), values)
    return torch.stack([gradient.double().square().sum(1).mean().sqrt() for gradient in gradients])


def _layers(net: MLP, x: Tensor) -> list[Tensor]:
    """The values of every hidden layer, (N, units) each."""
    found = list[Tensor]()
    for module in net.hidden:
        x = module(x)
        if not isinstance(module, (nn.Linear, nn.BatchNorm1d)):
            found.append(x)
    return found
