"""Games between players out of balance: many moves of one to a move of the other, both at once, one alone, few data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from counterfeit.common.seeding import mix, seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Net, Spec
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.toy import Ring
from counterfeit.metrics.coverage.mode_coverage import RADIUS, mode_coverage
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import SamplingGAN
from counterfeit.nets.mlp import MLPPlayers
from counterfeit.report.theory.stepped import stepped
from counterfeit.theory.montecarlo import energy_distance

__all__ = [
    "AT_ONCE", "CENTERS", "FEW", "GAMES", "LR", "PROTOCOL", "START", "Game", "Look", "Opinion", "alone", "balanced",
    "few", "pointed",
]  # fmt: skip

MOVES, SEEN = 2_000, 2_000  # of both players together; samples that are looked at
BLUR = 0.1  # instance noise on the ring, and the standard deviation around a mode in which samples are counted
CENTERS = torch.from_numpy(Ring().mixture().centers).float()  # of the modes, (8, 2)
AT_ONCE = "1 : 1 at once"
GAMES: Mapping[str, GANSettings] = {
    name: GANSettings(instance_noise=BLUR, discriminator_steps=k, generator_steps=m, simultaneous=name == AT_ONCE)
    for name, k, m in (
        ("8 : 1", 8, 1), ("3 : 1", 3, 1), ("1 : 1", 1, 1), (AT_ONCE, 1, 1), ("1 : 3", 1, 3), ("1 : 8", 1, 8),
    )
}  # fmt: skip
TRAIN = Train(lr=1e-3, betas=(0.5, 0.99), schedule="linear", lr_hold_fraction=0.5, batch_size=128, device="cpu")
EARLY, ALONE, GROUP = 300, 40, 10  # steps of both, then of the generator alone, of so many moves each
FEW: Mapping[str, tuple[int, float]] = {"1,297": (1_297, 0.0), "100": (100, 0.0), "100, noise 0.3": (100, 0.3)}
PIXELS, EVERY = 1_000, 100  # steps on digits, and between looks
LR, TURNS, START = 0.1, 1_000, (0.5, 0.0)  # of the Dirac-GAN: learning rate, steps, and θ and ψ at first
PROTOCOL = (
    f"ring: players of two hidden layers of 64, Adam, instance noise {BLUR:g}, {MOVES:,} moves of both together, "
    f"{SEEN:,} samples, modes within {RADIUS * BLUR:.1g}; alone: {ALONE * GROUP} moves of the generator, after "
    f"{EARLY} steps of 1 : 1 and at the end of 3 : 1; digits: {PIXELS:,} steps of 64, batch normalization in the "
    f"generator, its weights averaged; Dirac-GAN: {TURNS:,} steps of gradient descent at learning rate {LR:g}"
)


class Look(NamedTuple):
    """What a generator of the ring was after so many moves: samples, modes, distance and mean logit of them."""

    moves: int
    samples: Tensor
    modes: int
    distance: float
    logit: float


class Game(NamedTuple):
    """A trained game and its last look."""

    model: GAN
    look: Look


class Opinion(NamedTuple):
    """Shares of training and of held-out examples that a discriminator takes for data; the generator's distance."""

    step: int
    train: float
    held: float
    distance: float


@torch.no_grad()
def _look(moves: int, model: GAN) -> Look:
    source = Ring()
    with seeded(moves):
        x = model.sample(SEEN)
    modes = mode_coverage(x, CENTERS, BLUR).well_covered
    distance = energy_distance(x, source.sample(SEEN))
    return Look(moves, x, modes, distance, float(model.discriminator_outputs(x).mean()))


def _game(model: GAN | None, settings: GANSettings, train: Train, looks: int) -> tuple[GAN, list[Look]]:
    """A game on the ring that goes on with `model`, or a new one, and so many looks at it beside the first."""
    source, drawn, found = Ring(), iter(range(10**9)), list[Look]()

    def make() -> GAN:
        if model is not None:
            model.settings = settings
            return model
        nets = MLPPlayers((64, 64), norm="none", discriminator_hidden=(64, 64))
        return GAN(source.spec, nets, prior=Prior(noise_dim=2), settings=settings)

    def draw(size: int, step: int) -> Batch:  # noqa: ARG001
        return Batch(source.sample(size, mix(train.seed, next(drawn)) % 2**32))

    def look(step: int, game: GAN) -> None:
        found.append(_look(step * settings.generator_steps, game))

    return stepped(make, draw, train, "a game on the ring", train.steps // looks, look), found


def balanced(seed: int) -> dict[str, Game]:
    """Every game on the ring, with the same number of moves of both players together."""
    found = {}
    for name, settings in GAMES.items():
        steps = MOVES // (settings.discriminator_steps + settings.generator_steps)
        model, looks = _game(None, settings, replace(TRAIN, steps=steps, seed=seed), 1)
        found[name] = Game(model, looks[-1])
    return found


def alone(finished: GAN, seed: int) -> dict[str, list[Look]]:
    """Generators trained on while their discriminators stand still: of a game that has just begun, and at its end."""
    begun, _ = _game(None, GAMES["1 : 1"], replace(TRAIN, steps=EARLY, schedule="constant", seed=seed), 1)
    waits = replace(TRAIN, steps=ALONE, schedule="constant", seed=seed, parts={"discriminator": {"lr": 0.0}})
    rules = replace(GAMES["1 : 1"], generator_steps=GROUP)
    return {name: _game(model, rules, waits, 20)[1] for name, model in (("early", begun), ("late", finished))}


def few(seed: int) -> dict[str, list[Opinion]]:
    """Games on all training digits, on 100, and on 100 with instance noise."""
    source = Digits()
    x = source.split("train").first(source.sizes["train"]).x
    held = torch.cat([source.split(name).first(source.sizes[name]).x for name in ("valid", "test")])
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]
    return {name: _opinions(x[:count], held, noise, seed) for name, (count, noise) in FEW.items()}


def _opinions(x: Tensor, held: Tensor, noise: float, seed: int) -> list[Opinion]:
    found: list[Opinion] = []
    nets, settings = MLPPlayers((64, 128), discriminator_hidden=(128, 64)), GANSettings(instance_noise=noise)
    train = replace(
        TRAIN, schedule="constant", steps=PIXELS, batch_size=64, seed=seed, parts={"generator": {"ema": 0.99}}
    )

    def draw(size: int, step: int) -> Batch:
        return Batch(
            x[torch.randint(len(x), (size,), generator=torch.Generator().manual_seed(mix(seed, step) % 2**32))]
        )

    @torch.no_grad()
    def look(step: int, model: GAN) -> None:
        with seeded(step):
            samples = model.sample(500)
        train, other = (float((model.discriminator_outputs(some) > 0).double().mean()) for some in (x, held))
        found.append(Opinion(step, train, other, energy_distance(samples, held)))

    stepped(lambda: GAN(Digits.native, nets, prior=Prior(noise_dim=16), settings=settings), draw, train,
            f"a game on {len(x)} digits", EVERY, look)  # fmt: skip
    return found


class Point(Net):
    """A generator with one parameter θ, which it makes of every code, (B, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(START[0]))

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, 1)."""
        return self.place.expand(len(z), 1)


class Slope(Net):
    """A discriminator with one parameter ψ: the logit -ψ x of data."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(START[1]))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1) -> (B, 1)."""
        return -self.slope * x


def pointed(simultaneous: bool) -> Tensor:
    """θ and ψ of the Dirac-GAN at every step of the engine, float64 (steps + 1, 2)."""
    path: list[tuple[float, ...]] = []

    def make() -> SamplingGAN:
        settings = GANSettings(objective="minimax", simultaneous=simultaneous)
        return SamplingGAN(Spec((1,), "real"), Point(), Slope(), Prior(noise_dim=1), settings)

    def look(step: int, model: SamplingGAN) -> None:  # noqa: ARG001
        path.append(tuple(float(p.detach()) for p in model.parameters()))

    # losses of both players are ½ V, so the learning rate is twice that of V
    train = Train(optimizer="sgd", momentum=0.0, lr=2 * LR, steps=TURNS, batch_size=1, device="cpu")
    stepped(make, lambda size, step: Batch(torch.zeros(size, 1)), train, "the Dirac-GAN", 1, look)  # noqa: ARG005
    return torch.tensor(path, dtype=torch.float64)
