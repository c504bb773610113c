"""f-divergences between Gaussians, estimated by the variational bound of a trained discriminator, against the truth.

    python benchmarks/divergences.py [--seeds 5] [--steps 3000] [--out results/divergences.json]

For every divergence of `fgan` and two pairs of Gaussians, in one and in two dimensions, a discriminator (two hidden
layers of 64) raises the bound of f-GAN's equation 4 on fresh samples of both. Its value on a million more is compared
with E_Q f(p / q), integrated on a grid.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from counterfeit.common.files import write_json
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Draw, Model, Spec, Update
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.losses import DIVERGENCES, Divergence, variational
from counterfeit.nets.mlp import MLP
from counterfeit.report.results_file import machine

HELD_OUT, BATCH = 1_000_000, 1_000


class Pair(NamedTuple):
    """Two Gaussians with independent coordinates: data N(0, I) and model N(mean, std² I)."""

    dims: int
    mean: float
    std: float

    @property
    def data(self) -> Independent:
        """P."""
        return Independent(Normal(torch.zeros(self.dims), torch.ones(self.dims)), 1)

    @property
    def model(self) -> Independent:
        """Q."""
        return Independent(Normal(torch.full((self.dims,), self.mean), torch.full((self.dims,), self.std)), 1)

    def truth(self, divergence: Divergence) -> float:
        """E_Q f(p / q) on a grid."""
        axis = torch.linspace(-14, 14, 4_001 if self.dims == 1 else 1_401, dtype=torch.float64)
        x = torch.cartesian_prod(*[axis] * self.dims).view(-1, self.dims)
        log_q = _log_prob(x, self.mean, self.std)
        ratio = (_log_prob(x, 0.0, 1.0) - log_q).exp()
        volume = float(axis[1] - axis[0]) ** self.dims
        return float((log_q.exp() * divergence.f(ratio)).nan_to_num(0.0).sum() * volume)


PAIRS = (Pair(1, 0.8, 1.2), Pair(1, 1.0, 1.0), Pair(2, 0.5, 1.2), Pair(2, 0.8, 1.0))


def _log_prob(x: Tensor, mean: float, std: float) -> Tensor:
    return Independent(Normal(torch.full_like(x[0], mean), torch.full_like(x[0], std)), 1).log_prob(x)


class Bound(Model):
    """A discriminator that raises the bound between two distributions that stand still."""

    def __init__(self, pair: Pair, divergence: Divergence) -> None:
        super().__init__(Spec((pair.dims,), "real"))
        self.pair, self.divergence = pair, divergence
        self.discriminator = MLP(pair.dims, (64, 64), 1, "softplus")

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """One step of the discriminator."""
        yield Update(-self.value(draw().x, self.pair.model.sample((BATCH,))), ("discriminator",))

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        """The bound on samples of both, (N, dims)."""
        return variational(self.divergence, self.discriminator(real), self.discriminator(fake))


def estimate(pair: Pair, divergence: Divergence, seed: int, steps: int) -> float:
    """The bound of a trained discriminator on samples it has not seen."""
    torch.manual_seed(seed)
    model = Bound(pair, divergence)
    train = Train(steps=steps, batch_size=BATCH, lr=3e-3, betas=(0.9, 0.99), schedule="cosine", seed=seed, ema=0.99)
    stepper = Stepper(model, train, Processes())
    for step in range(steps):
        stepper.step([lambda: Batch(pair.data.sample((BATCH,)))], Clock(step, steps))
    with torch.no_grad():
        averaged = stepper.average.model()
        return float(averaged.value(pair.data.sample((HELD_OUT,)), pair.model.sample((HELD_OUT,))))  # type: ignore[operator]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = []
    for pair in PAIRS:
        for name, divergence in DIVERGENCES.items():
            truth = pair.truth(divergence)
            found = [estimate(pair, divergence, seed, args.steps) for seed in range(args.seeds)]
            mean = statistics.mean(found)
            rows.append(
                {
                    "divergence": name, "model": f"N({pair.mean:g}, {pair.std:g}²) in {pair.dims}-D",
                    "truth": round(truth, 5), "estimate": round(mean, 5),
                    "spread": round(statistics.stdev(found), 5) if args.seeds > 1 else None,
                    "off_percent": round(100 * (mean - truth) / abs(truth), 2),
                    "worst_seed_percent": round(100 * max(abs(v - truth) for v in found) / abs(truth), 2),
                }
            )  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    content = {
        "name": "divergences", "machine": machine(), "rows": rows,
        "commands": [f"python benchmarks/divergences.py --seeds {args.seeds} --steps {args.steps}"],
    }  # fmt: skip
    if args.out:
        write_json(args.out, content)


if __name__ == "__main__":
    main()
