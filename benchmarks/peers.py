"""Training beside public packages: the same nets, data and minibatches, side by side in one run, on one thread.

    pip install --no-deps pythae zuko pyro-ppl pyro-api opt_einsum
    pip install pydantic tqdm imageio cloudpickle scikit-learn scipy
    python benchmarks/peers.py [--rounds 7] [--steps 1000] [--seeds 3] [--out results/peers.json]

Data are the static binary MNIST, minibatches 100, by Adam at 0.001. The variational autoencoder is 784-512-16 with
rectifiers, in `pythae`, whose encoder gives log-variances; so here ours does too, for Adam moves what it is given. MADE
is one mask on 784-500-784 in `zuko` (its MaskedMLP) and 784-1000-784 in `pyro` (its AutoRegressiveNN, which refuses
fewer units than values). Theirs step as the packages' examples do, ours by the project's step loop, and both draw from
data in memory; `pythae` is also timed as it trains, by its trainer and loader, against a whole run of ours without
validation. Rounds alternate in one process, which keeps the memory that is freed; a ratio is the median over rounds.
Then both learn for as many steps from each seed, and the test split is measured. Ours is timed and learns twice, in
float32 as theirs and with matrix products in bfloat16 (`--train.precision bf16`).
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from beside import Precision, Row, Step, compared, minibatches, our_step, seconds, their_step
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from counterfeit.common.memory import keep_freed
from counterfeit.common.seeding import seeded
from counterfeit.core import Model, Spec
from counterfeit.data.sources.mnist import BinarizedMNIST
from counterfeit.models.autoencoding.vae import VAE
from counterfeit.models.autoregressive.made import MADE
from counterfeit.nets.coder import CoderNets
from counterfeit.report.results_file import publish
from counterfeit.run.run import train

SPEC, BATCH, LR = Spec((1, 28, 28), "binary"), 100, 1e-3
EPOCH = 500  # steps of a run by either trainer


class Contender(NamedTuple):
    """A step of training on (B, 1, 28, 28), and the mean bound or log-likelihood of a minibatch in nats."""

    step: Step
    nats: Callable[[Tensor], Tensor]


def ours(model: Model, nats: Callable[[Tensor], Tensor], precision: Precision) -> Contender:
    """A model of this package."""
    return Contender(our_step(model, BATCH, LR, precision, EPOCH), nats)


def theirs(module: nn.Module, loss: Callable[[Tensor], Tensor]) -> Contender:
    """A model of another package."""

    def nats(x: Tensor) -> Tensor:
        module.eval()
        return -loss(x)

    return Contender(their_step(module, loss, torch.optim.Adam(module.parameters(), LR)), nats)


class LogVariances(nn.Module):
    """An encoder whose second half of outputs is log-variances rather than logarithms of standard deviations."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, 2 D), means and logarithms of standard deviations."""
        loc, log_variance = self.encoder(x).chunk(2, 1)
        return torch.cat([loc, log_variance / 2], 1)


def vae(precision: Precision) -> Contender:
    """Ours."""
    model = VAE(SPEC, 16, nets=CoderNets(hidden=(512,)))
    model.encoder = LogVariances(model.encoder)
    return ours(model, lambda x: model.eval().elbo(x).mean(), precision)


def pythae() -> Contender:
    """The same of pythae."""
    model = _pythae()
    return theirs(model, lambda x: model({"data": x}).loss)


def _pythae() -> nn.Module:
    from pythae import models

    return models.VAE(models.VAEConfig(input_dim=SPEC.shape, latent_dim=16, reconstruction_loss="bce"))


def made(hidden: int, precision: Precision) -> Contender:
    """Ours of one hidden layer."""
    model = MADE(SPEC, (hidden,))
    return ours(model, lambda x: model.eval().log_prob(x).mean(), precision)


def zuko() -> Contender:
    """The same of zuko."""
    from zuko.nn import MaskedMLP

    return _logits(MaskedMLP(torch.ones(SPEC.dims, SPEC.dims).tril(-1).bool(), [500]))


def pyro() -> Contender:
    """The same of pyro."""
    from pyro.nn import AutoRegressiveNN

    return _logits(AutoRegressiveNN(SPEC.dims, [1000], [1], torch.arange(SPEC.dims)))


def _logits(net: nn.Module) -> Contender:
    def loss(x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return binary_cross_entropy_with_logits(net(flat).view_as(flat), flat, reduction="sum") / len(x)

    return theirs(net, loss)


class Pair(NamedTuple):
    """A package, what makes ours of either precision, and what makes theirs."""

    peer: str
    ours: Callable[[Precision], Contender]
    theirs: Callable[[], Contender]

    def makers(self) -> tuple[Callable[[], Contender], ...]:
        """Of ours in float32, ours in bfloat16, and theirs."""
        return partial(self.ours, "fp32"), partial(self.ours, "bf16"), self.theirs


PAIRS = {
    "vae 784-512-16": Pair("pythae", vae, pythae), "made 784-500-784": Pair("zuko", partial(made, 500), zuko),
    "made 784-1000-784": Pair("pyro", partial(made, 1000), pyro),
}  # fmt: skip


def speed(pair: Pair, x: Tensor, rounds: int) -> Row:
    """Of steps on data in memory."""
    steps = [make().step for make in pair.makers()]
    return compared([tuple(seconds(step, x, BATCH) for step in steps) for _ in range(rounds + 1)][1:], BATCH)


def by_trainers(x: Tensor, rounds: int) -> Row:
    """Of runs of 500 steps by the trainers of both packages."""
    return compared([(_our_run(), _pythae_run(x)) for _ in range(rounds)], EPOCH * BATCH)


def _our_run() -> float:
    settings = {
        "model": {"latent_dim": 16, "hidden": [512], "activation": "relu", "kl_warmup_fraction": 0.0},
        "train": {
            "steps": EPOCH, "schedule": "constant", "ema": 0.0, "save_every": EPOCH, "monitor": None, "threads": 1,
        },
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return train("vae-mnist", out=Path(folder) / "run", settings=settings, show=False).state["cpu_seconds"]


def _pythae_run(x: Tensor) -> float:
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=1, learning_rate=LR, per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH, no_cuda=True,
        )  # fmt: skip
        trainer = BaseTrainer(_pythae(), BaseDataset(x[: EPOCH * BATCH], torch.zeros(EPOCH * BATCH)), None, config)
        start = time.process_time()
        trainer.train()
        return time.process_time() - start


def learned(make: Callable[[], Contender], x: Tensor, test: Tensor, steps: int, seed: int) -> float:
    """Nats of the test split after so many steps."""
    with seeded(seed):
        contender = make()
        for batch in minibatches(x, steps, BATCH, seed):
            contender.step(batch)
        with torch.no_grad():
            return statistics.fmean(float(contender.nats(part)) for part in test.split(1_000))


def nats(pair: Pair, x: Tensor, test: Tensor, steps: int, seeds: int) -> Row:
    """Means over seeds of the nats of all; of both of ours their difference from theirs and its standard error."""
    found = [[learned(make, x, test, steps, seed) for seed in range(seeds)] for make in pair.makers()]
    mine, narrow, other = map(statistics.fmean, found)
    variances = [statistics.variance(values) / seeds if seeds > 1 else math.nan for values in found]
    return {
        "our_nats": round(mine, 3), "bf16_nats": round(narrow, 3), "their_nats": round(other, 3),
        "difference": round(mine - other, 3), "error": round(math.sqrt(variances[0] + variances[2]), 3),
        "bf16_difference": round(narrow - other, 3), "bf16_error": round(math.sqrt(variances[1] + variances[2]), 3),
        "steps": steps,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1_000, help="of learning")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed()
    logging.disable(logging.INFO)
    os.environ["TQDM_DISABLE"] = "1"
    source = BinarizedMNIST()
    x, test = (source.split(split).first(100_000).x for split in ("train", "test"))
    rows: list[Row] = [{"what": "vae 784-512-16, by trainers", "peer": "pythae", **by_trainers(x, args.rounds)}]
    for name, pair in PAIRS.items():
        measured = speed(pair, x, args.rounds) | nats(pair, x, test, args.steps, args.seeds)
        rows.append({"what": name, "peer": pair.peer, **measured})
    options = f"--rounds {args.rounds} --steps {args.steps} --seeds {args.seeds}"
    publish("peers", f"python benchmarks/peers.py {options}", args.out, batch=BATCH, rows=rows)


if __name__ == "__main__":
    main()
