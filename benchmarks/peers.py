"""Training beside public packages: the same nets, data and minibatches, side by side in one run, on one thread.

    pip install --no-deps pythae zuko pyro-ppl pyro-api opt_einsum
    pip install pydantic tqdm imageio cloudpickle scikit-learn scipy
    python benchmarks/peers.py [--rounds 7] [--steps 1000] [--seeds 3] [--out results/peers.json]

Data are the static binary MNIST, minibatches 100, by Adam at 0.001. The variational autoencoder is 784-512-16 with
rectifiers, in `pythae`. MADE is one mask on 784-500-784 in `zuko` (its MaskedMLP) and 784-1000-784 in `pyro` (its
AutoRegressiveNN, which refuses fewer units than values). Theirs step as the packages' examples do, ours by the
project's step loop, and both draw from data in memory; `pythae` is also timed as it trains, by its trainer and loader,
against a whole run of ours without validation. Rounds alternate in one process, which keeps the memory that is freed;
a ratio is the median over rounds. Then both learn for as many steps from each seed, and the test split is measured.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from counterfeit.common.files import write_json
from counterfeit.common.memory import keep_freed
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Model, Spec
from counterfeit.data.sources.mnist import BinarizedMNIST
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.models.autoencoding.vae import VAE
from counterfeit.models.autoregressive.made import MADE
from counterfeit.nets.coder import CoderNets
from counterfeit.report.results_file import machine
from counterfeit.run.run import train

SPEC, BATCH, LR, STEPS = Spec((1, 28, 28), "binary"), 100, 1e-3, 20
EPOCH = 500  # steps of a run by either trainer
Row = dict[str, object]


class Contender(NamedTuple):
    """A step of training on (B, 1, 28, 28), and the mean bound or log-likelihood of a minibatch in nats."""

    step: Callable[[Tensor], object]
    nats: Callable[[Tensor], Tensor]


def ours(model: Model, nats: Callable[[Tensor], Tensor]) -> Contender:
    """A model of this package by its step loop."""
    stepper = Stepper(model, Train(steps=EPOCH, batch_size=BATCH, lr=LR), Processes())
    steps = count()  # every step draws noise of its own
    return Contender(lambda x: stepper.step([lambda: Batch(x)], Clock(next(steps), EPOCH)), nats)


def theirs(module: nn.Module, loss: Callable[[Tensor], Tensor]) -> Contender:
    """A model of another package, by a loop as everyone writes it."""
    adam = torch.optim.Adam(module.parameters(), LR)

    def step(x: Tensor) -> None:
        module.train()
        adam.zero_grad()
        loss(x).backward()
        adam.step()

    def nats(x: Tensor) -> Tensor:
        module.eval()
        return -loss(x)

    return Contender(step, nats)


def vae() -> Contender:
    """Ours."""
    model = VAE(SPEC, 16, nets=CoderNets(hidden=(512,)))
    return ours(model, lambda x: model.eval().elbo(x).mean())


def pythae() -> Contender:
    """The same of pythae."""
    model = _pythae()
    return theirs(model, lambda x: model({"data": x}).loss)


def _pythae() -> nn.Module:
    from pythae import models

    return models.VAE(models.VAEConfig(input_dim=SPEC.shape, latent_dim=16, reconstruction_loss="bce"))


def made(hidden: int) -> Contender:
    """Ours of one hidden layer."""
    model = MADE(SPEC, (hidden,))
    return ours(model, lambda x: model.eval().log_prob(x).mean())


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


PAIRS: dict[str, tuple[str, Callable[[], Contender], Callable[[], Contender]]] = {
    "vae 784-512-16": ("pythae", vae, pythae), "made 784-500-784": ("zuko", lambda: made(500), zuko),
    "made 784-1000-784": ("pyro", lambda: made(1000), pyro),
}  # fmt: skip


def minibatches(x: Tensor, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """So many minibatches, drawn by a generator of their own: a step may set the global one."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield x[torch.randint(len(x), (BATCH,), generator=generator)]


def seconds(step: Callable[[Tensor], object], x: Tensor) -> float:
    """Seconds of the processor a step, over STEPS of them, minibatches being drawn."""
    start = time.process_time()
    for batch in minibatches(x, STEPS):
        step(batch)
    return (time.process_time() - start) / STEPS


def compared(taken: list[tuple[float, float]], per: float) -> Row:
    """Images a second of both and their ratio, medians over rounds of (ours, theirs) in seconds for `per` images."""
    mine, other = (per / statistics.median(times) for times in zip(*taken, strict=True))
    ratio = statistics.median(theirs / ours for ours, theirs in taken)
    return {"ours": round(mine), "theirs": round(other), "ratio": round(ratio, 3)}


def speed(pair: tuple[Callable[[], Contender], Callable[[], Contender]], x: Tensor, rounds: int) -> Row:
    """Of steps on data in memory."""
    steps = [make().step for make in pair]
    found = [(seconds(steps[0], x), seconds(steps[1], x)) for _ in range(rounds + 1)]
    return compared(found[1:], BATCH)


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
        for batch in minibatches(x, steps, seed):
            contender.step(batch)
        with torch.no_grad():
            return statistics.fmean(float(contender.nats(part)) for part in test.split(1_000))


def nats(pair: tuple[Callable[[], Contender], Callable[[], Contender]], x: Tensor, test: Tensor, args: tuple) -> Row:
    """Means over seeds of the nats of both, their difference and its standard error."""
    steps, seeds = args
    found = [[learned(make, x, test, steps, seed) for seed in range(seeds)] for make in pair]
    mine, other = map(statistics.fmean, found)
    error = math.sqrt(sum(statistics.variance(values) / seeds for values in found)) if seeds > 1 else math.nan
    return {
        "our_nats": round(mine, 3), "their_nats": round(other, 3), "difference": round(mine - other, 3),
        "error": round(error, 3), "steps": steps,
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
    for name, (peer, *pair) in PAIRS.items():
        measured = speed(tuple(pair), x, args.rounds) | nats(tuple(pair), x, test, (args.steps, args.seeds))
        rows.append({"what": name, "peer": peer, **measured})
    options = f"--rounds {args.rounds} --steps {args.steps} --seeds {args.seeds}"
    content = {
        "name": "peers", "commands": [f"python benchmarks/peers.py {options}"], "machine": machine(),
        "batch": BATCH, "rows": rows,
    }  # fmt: skip
    print(json.dumps(content, indent=1))
    if args.out:
        write_json(args.out, content)


if __name__ == "__main__":
    main()
