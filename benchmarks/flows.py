"""Training of flows beside the package `zuko`: examples a second, and log-likelihoods of the same nets.

    pip install zuko
    python benchmarks/flows.py [--rounds 7] [--steps 1000] [--seeds 3] [--out results/flows.json]

The masked autoregressive flow has five layers of 64 x 64 units and the spline flow four couplings of 64 x 64 units with
eight bins on ±5, in both packages. Data are two moons and the bundled digits, dequantized and through the logit, both
standardized. Each step is a minibatch of 256, its mean negative log-likelihood, its gradient and Adam's step: zuko's as
its examples write it, ours by the project's step loop. Rounds alternate, on one thread, in a process that keeps memory
that is freed; a ratio is the median over rounds. Then both learn for as many steps from each seed, and their
log-likelihoods of the median test example are compared: a few digits with ink where training has none decide the mean.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from counterfeit.common.files import write_json
from counterfeit.common.memory import keep_freed
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Spec
from counterfeit.data.source import Source, transformed
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.toy import TwoMoons
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.models.flow.maf import MAF
from counterfeit.models.flow.shared.masked import MaskedSettings
from counterfeit.models.flow.shared.model import Flow
from counterfeit.models.flow.spline_flow import SplineFlow
from counterfeit.report.results_file import machine
from counterfeit.transforms import build

BATCH, STEPS, HIDDEN, LR = 256, 20, (64, 64), 1e-3
Row = dict[str, object]


class Contender(NamedTuple):
    """A flow of either package: what learns, its log-likelihood in nats, (B, D) -> (B,), and a step on (B, D)."""

    module: nn.Module
    log_prob: Callable[[Tensor], Tensor]
    step: Callable[[Tensor], object]


def ours(name: str, dims: int) -> Contender:
    """A flow of this package."""
    spec = Spec((dims,), "real")
    flow: Flow = MAF(spec, settings=MaskedSettings(5, HIDDEN)) if name == "maf" else SplineFlow(spec, HIDDEN, 4, 8, 5.0)
    stepper = Stepper(flow, Train(steps=1, batch_size=BATCH, lr=LR), Processes())
    steps = count()  # every step draws noise of its own
    return Contender(flow, flow.log_prob, lambda x: stepper.step([lambda: Batch(x)], Clock(next(steps), 1)))


def theirs(name: str, dims: int) -> Contender:
    """The same of zuko."""
    from zuko.flows import MAF, NICE
    from zuko.transforms import MonotonicRQSTransform

    if name == "maf":
        flow = MAF(dims, transforms=5, hidden_features=HIDDEN)
    else:
        shapes = [(8,), (8,), (7,)]
        flow = NICE(dims, transforms=4, hidden_features=HIDDEN, univariate=MonotonicRQSTransform, shapes=shapes)
    adam = torch.optim.Adam(flow.parameters(), LR)

    def step(x: Tensor) -> None:
        adam.zero_grad()
        (-flow().log_prob(x).mean()).backward()
        adam.step()

    return Contender(flow, lambda x: flow().log_prob(x), step)


PACKAGES = {"ours": ours, "zuko": theirs}


def data() -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, training and test examples, standardized by the training examples, (N, D)."""
    sources: dict[str, Source] = {
        "two-moons": TwoMoons(), "digits": transformed(Digits(), build(["dequantize", "logit", "flatten"]))
    }  # fmt: skip
    for name, source in sources.items():
        with seeded(0):
            train, test = (source.split(split).first(100_000).x for split in ("train", "test"))
        loc, std = train.mean(0), train.std(0)
        yield name, (train - loc) / std, (test - loc) / std


def minibatches(x: Tensor, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """So many minibatches, drawn by a generator of their own: a step may set the global one."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield x[torch.randint(len(x), (BATCH,), generator=generator)]


def seconds(flow: Contender, x: Tensor) -> float:
    """Seconds of the processor a step, over STEPS of them, minibatches being drawn."""
    start = time.process_time()
    for batch in minibatches(x, STEPS):
        flow.step(batch)
    return (time.process_time() - start) / STEPS


def speed(name: str, x: Tensor, rounds: int) -> Row:
    """Examples a second of both, and their ratio."""
    flows = {package: make(name, x.shape[1]) for package, make in PACKAGES.items()}
    taken = [{package: seconds(flow, x) for package, flow in flows.items()} for _ in range(rounds + 1)][1:]
    ratio = statistics.median(each["zuko"] / each["ours"] for each in taken)
    return {package: round(BATCH / statistics.median(each[package] for each in taken)) for package in flows} | {
        "ratio": round(ratio, 3)
    }


def nats(name: str, x: Tensor, test: Tensor, steps: int, seeds: int) -> Row:
    """Log-likelihoods of the median test example of both, means over seeds; their difference and its standard error."""
    found: dict[str, list[float]] = {package: [] for package in PACKAGES}
    for package, make in PACKAGES.items():
        for seed in range(seeds):
            with seeded(seed):
                flow = make(name, x.shape[1])
                for batch in minibatches(x, steps, seed):
                    flow.step(batch)
            flow.module.eval()
            with torch.no_grad():
                found[package].append(float(flow.log_prob(test).median()))
    means = {f"{package}_nats": round(statistics.mean(values), 4) for package, values in found.items()}
    error = math.sqrt(sum(statistics.variance(values) / seeds for values in found.values())) if seeds > 1 else math.nan
    gap = statistics.mean(found["ours"]) - statistics.mean(found["zuko"])
    return {**means, "difference": round(gap, 4), "error": round(error, 4)}


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
    rows = [
        {"flow": name, "data": called, **speed(name, x, args.rounds), **nats(name, x, test, args.steps, args.seeds)}
        for called, x, test in data() for name in ("maf", "spline-flow")
    ]  # fmt: skip
    options = f"--rounds {args.rounds} --steps {args.steps} --seeds {args.seeds}"
    content = {
        "name": "flows", "commands": [f"python benchmarks/flows.py {options}"], "machine": machine(),
        "batch": BATCH, "rows": rows,
    }  # fmt: skip
    print(json.dumps(content, indent=1))
    if args.out:
        write_json(args.out, content)


if __name__ == "__main__":
    main()
