"""Time of a training step against the eager script that everyone writes, on the same nets, side by side in one run.

    python benchmarks/step.py [--game maxout] [--rounds 9] [--threads 2] [--out results/step.json]
    python benchmarks/step.py --game dcgan [--rounds 9] [--threads 2] [--out results/step-dcgan.json]

`maxout` is `gan-mnist-2014`: the paper's nets (100 -> 1200 -> 1200 -> 784; maxout 240 x 5 twice, dropout) and its
minibatches of 100. `dcgan` has the nets of the widely copied convolutional script (PyTorch-GAN's dcgan.py: upsampling
and 3x3 convolutions, 128 to 16 channels, dropout, batch normalization) at 32x32 and minibatches of 64. Data are in
memory already. The eager scripts are fp32 PyTorch as tutorials have it: three discriminator passes a step and the
default optimizers. Ours is the project's step loop. Rounds alternate; a ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from counterfeit import catalogue
from counterfeit.core import Batch, Clock, Model, Net, Spec
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.models.adversarial.shared import sampling_gan as adversarial
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.layers import DoublingConv2d
from counterfeit.report.results_file import publish

STEPS = 20
NOISE = 100


class Maxout(nn.Module):
    """Maxout as it is usually written."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, units)."""
        return self.linear(x).view(-1, self.units, self.pieces).max(-1)[0]


class Chain(Net):
    """Layers in order, as a net that the step loop takes; with float32 outputs whatever the precision inside."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *event) -> what the last layer says."""
        return self.layers(x).float()


def maxout_players() -> tuple[Chain, Chain]:
    """The nets of 2014; the discriminator gives a logit."""
    generator = Chain(
        nn.Linear(NOISE, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(), nn.Linear(1200, 784), nn.Sigmoid(),
        nn.Unflatten(1, (1, 28, 28)),
    )  # fmt: skip
    discriminator = Chain(
        nn.Flatten(), nn.Dropout(0.2), Maxout(784, 240, 5), nn.Dropout(0.5), Maxout(240, 240, 5), nn.Dropout(0.5),
        nn.Linear(240, 1),
    )  # fmt: skip
    return generator, discriminator


def conv_players(ours: bool = False) -> tuple[Chain, Chain]:
    """The nets of the convolutional script at 32x32, gray, with images in [0, 1] and a logit.

    With `ours`, repeating pixels and convolving, the same function of the same weights, are one layer of the project.
    """

    def larger(inputs: int, outputs: int) -> list[nn.Module]:
        usual = [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1)]
        doubled = [DoublingConv2d(inputs, outputs)] if ours else usual
        return [*doubled, nn.BatchNorm2d(outputs, 0.8), nn.LeakyReLU(0.2, inplace=True)]

    def smaller(inputs: int, outputs: int, norm: bool = True) -> list[nn.Module]:
        layers = [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True), nn.Dropout2d(0.25)]
        return layers + ([nn.BatchNorm2d(outputs, 0.8)] if norm else [])

    generator = Chain(
        nn.Linear(NOISE, 128 * 64), nn.Unflatten(1, (128, 8, 8)), nn.BatchNorm2d(128), *larger(128, 128),
        *larger(128, 64), nn.Conv2d(64, 1, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    discriminator = Chain(
        *smaller(1, 16, norm=False),
        *smaller(16, 32),
        *smaller(32, 64),
        *smaller(64, 128),
        nn.Flatten(),
        nn.Linear(128 * 4, 1),
    )
    return generator, discriminator


class Game(NamedTuple):
    """What is played: nets, data, minibatch, recipe whose training settings ours takes, the script's optimizer."""

    players: Callable[[], tuple[Chain, Chain]]
    shape: tuple[int, int, int]
    batch: int
    recipe: str
    optimizer: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]


GAMES = {
    "maxout": Game(maxout_players, (1, 28, 28), 100, "gan-mnist-2014", lambda p: torch.optim.SGD(p, 0.1, momentum=0.5)),
    "dcgan": Game(conv_players, (1, 32, 32), 64, "dcgan", lambda p: torch.optim.Adam(p, 2e-4, (0.5, 0.999))),
}


def eager(game: Game, images: Tensor) -> Callable[[], None]:
    """A step of the usual script."""
    generator, critic = game.players()
    discriminator = nn.Sequential(critic, nn.Sigmoid())
    move_d, move_g = game.optimizer(discriminator.parameters()), game.optimizer(generator.parameters())
    loss, ones, zeros = nn.BCELoss(), torch.ones(game.batch, 1), torch.zeros(game.batch, 1)

    def step() -> None:
        real = images[torch.randint(len(images), (game.batch,))]
        fake = generator(torch.rand(game.batch, NOISE) * 2 - 1)
        move_d.zero_grad()
        (loss(discriminator(real), ones) + loss(discriminator(fake.detach()), zeros)).backward()
        move_d.step()
        move_g.zero_grad()
        loss(discriminator(fake), ones).backward()
        move_g.step()

    return step


def ours(game: Game, images: Tensor, precision: str) -> Callable[[], None]:
    """A step of the project's loop with the training settings of the recipe."""
    config = catalogue.configure(catalogue.recipe(game.recipe), {"train": {"precision": precision}})
    spec = Spec(game.shape)
    if game.recipe == "dcgan":  # the script's nets; the paper's are the recipe's own
        rules = GANSettings(resample_noise=False)
        model: Model = adversarial.SamplingGAN(spec, *conv_players(ours=True), Prior(noise_dim=NOISE), rules)
    else:
        model = catalogue.model_class(config.model)(spec, **config.arguments)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    stepper = Stepper(model, config.train, Processes())
    draws = [lambda: Batch(images[torch.randint(len(images), (game.batch,))])]
    return lambda: stepper.step(draws, Clock(0, config.train.steps)) and None


def seconds(step: Callable[[], None]) -> float:
    """Seconds a step, over STEPS of them."""
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - start) / STEPS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", choices=GAMES, default="maxout")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    game = GAMES[args.game]
    images = torch.rand(10_000, *game.shape)
    steps = {
        "eager": eager(game, images), "fp32": ours(game, images, "fp32"), "bf16": ours(game, images, "bf16")
    }  # fmt: skip
    for step in steps.values():
        seconds(step)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(args.rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    rows = [
        {
            "variant": name,
            "milliseconds": round(1e3 * statistics.median(taken), 2),
            "images_per_second": round(game.batch / statistics.median(taken)),
            "ratio": round(statistics.median(t / e for t, e in zip(taken, times["eager"], strict=True)), 3),
        }
        for name, taken in times.items()
    ]
    options = f"--game {args.game} --rounds {args.rounds} --threads {args.threads}"
    publish("step", f"python benchmarks/step.py {options}", args.out, game=args.game, batch=game.batch, rows=rows)


if __name__ == "__main__":
    main()
