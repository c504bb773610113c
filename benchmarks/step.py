"""Time of a training step of `gan-mnist-2014` against the eager script that everyone writes, side by side in one run.

    python benchmarks/step.py [--rounds 9] [--threads 2] [--out results/step.json]

Both play the paper's game with the paper's nets (100 -> 1200 -> 1200 -> 784; maxout 240 x 5 twice, dropout) on
minibatches of 100 already in memory. The eager script is fp32 PyTorch as tutorials have it: three discriminator passes
a step and the default SGD. Ours is the project's step loop with the recipe's own settings. Rounds alternate; a ratio is
the median over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from counterfeit import catalogue
from counterfeit.core import Batch, Clock, Spec
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.report.record import machine
from counterfeit.run import write_json

BATCH, STEPS = 100, 20


class Maxout(nn.Module):
    """Maxout as it is usually written."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, units)."""
        return self.linear(x).view(-1, self.units, self.pieces).max(-1)[0]


def eager(images: Tensor) -> Callable[[], None]:
    """A step of the usual script."""
    generator = nn.Sequential(
        nn.Linear(100, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(), nn.Linear(1200, 784), nn.Sigmoid()
    )
    discriminator = nn.Sequential(
        nn.Dropout(0.2), Maxout(784, 240, 5), nn.Dropout(0.5), Maxout(240, 240, 5), nn.Dropout(0.5),
        nn.Linear(240, 1), nn.Sigmoid(),
    )  # fmt: skip
    move_d = torch.optim.SGD(discriminator.parameters(), 0.1, momentum=0.5)
    move_g = torch.optim.SGD(generator.parameters(), 0.1, momentum=0.5)
    loss, ones, zeros = nn.BCELoss(), torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def step() -> None:
        real = images[torch.randint(len(images), (BATCH,))]
        fake = generator(torch.rand(BATCH, 100) * 2 - 1)
        move_d.zero_grad()
        (loss(discriminator(real), ones) + loss(discriminator(fake.detach()), zeros)).backward()
        move_d.step()
        move_g.zero_grad()
        loss(discriminator(fake), ones).backward()
        move_g.step()

    return step


def ours(images: Tensor, precision: str) -> Callable[[], None]:
    """A step of the project's loop with the recipe's settings."""
    settings = {"train": {"precision": precision}}
    config = catalogue.configure(catalogue.recipe("gan-mnist-2014"), settings)
    model = catalogue.model_class(config.model)(Spec((1, 28, 28)), **config.arguments)
    stepper, x = Stepper(model, config.train, Processes()), images.view(-1, 1, 28, 28)
    draws = [lambda: Batch(x[torch.randint(len(x), (BATCH,))])]
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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    images = torch.rand(10_000, 784)
    steps = {"eager": eager(images), "fp32": ours(images, "fp32"), "bf16": ours(images, "bf16")}
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
            "ratio": round(statistics.median(t / e for t, e in zip(taken, times["eager"], strict=True)), 3),
        }
        for name, taken in times.items()
    ]
    content = {
        "name": "step", "commands": [f"python benchmarks/step.py --rounds {args.rounds} --threads {args.threads}"],
        "machine": machine(), "batch": BATCH, "rows": rows,
    }  # fmt: skip
    print(json.dumps(content, indent=1))
    if args.out:
        write_json(args.out, content)


if __name__ == "__main__":
    main()
