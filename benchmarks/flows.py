"""Training of flows beside the package `zuko`: examples a second, and log-likelihoods of the same nets.

    pip install zuko
    python benchmarks/flows.py [--rounds 7] [--steps 1000] [--seeds 3] [--out results/flows.json]

The masked autoregressive flow has five layers of 64 x 64 units and the spline flow four couplings of 64 x 64 units with
eight bins on ±5, in both packages. Data are two moons and the bundled digits, dequantized and through the logit, both
standardized; and so MNIST, with five masked layers of 1,024 units as the recipe `maf-mnist` has. Each step is a
minibatch of 256, its mean negative log-likelihood, its gradient and Adam's step: zuko's as its examples write it, ours
by the project's step loop, in float32 and with matrix products in bfloat16 (`--train.precision bf16`). Rounds
alternate, on one thread, in a process that keeps memory that is freed; a ratio is the median over rounds. Then all
learn for as many steps from each seed, and their log-likelihoods of the median test example are compared: a few
examples with ink where training has none decide the mean.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from beside import Precision, Row, Step, minibatches, our_step, seconds, their_step
from torch import Tensor, nn

from counterfeit.common.memory import keep_freed
from counterfeit.common.seeding import seeded
from counterfeit.core import Spec
from counterfeit.data.source import Source, transformed
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.mnist import MNIST
from counterfeit.data.sources.toy import TwoMoons
from counterfeit.models.flow.maf import MAF
from counterfeit.models.flow.shared.masked import MaskedSettings
from counterfeit.models.flow.shared.model import Flow
from counterfeit.models.flow.spline_flow import SplineFlow
from counterfeit.report.results_file import publish
from counterfeit.transforms import build

BATCH, LR = 256, 1e-3
SMALL, WIDE = (64, 64), (1024,)
Parts = tuple[Tensor, Tensor, int]  # training and test examples (N, D), and steps of learning


class Contender(NamedTuple):
    """A flow of either package: what learns, its log-likelihood in nats, (B, D) -> (B,), and a step on (B, D)."""

    module: nn.Module
    log_prob: Callable[[Tensor], Tensor]
    step: Step


def ours(name: str, dims: int, hidden: tuple[int, ...], precision: Precision = "fp32") -> Contender:
    """A flow of this package."""
    spec = Spec((dims,), "real")
    flow: Flow = MAF(spec, settings=MaskedSettings(5, hidden)) if name == "maf" else SplineFlow(spec, hidden, 4, 8, 5.0)
    return Contender(flow, flow.log_prob, our_step(flow, BATCH, LR, precision))


def theirs(name: str, dims: int, hidden: tuple[int, ...]) -> Contender:
    """The same of zuko."""
    from zuko.flows import MAF, NICE
    from zuko.transforms import MonotonicRQSTransform

    if name == "maf":
        flow = MAF(dims, transforms=5, hidden_features=hidden)
    else:
        shapes = [(8,), (8,), (7,)]
        flow = NICE(dims, transforms=4, hidden_features=hidden, univariate=MonotonicRQSTransform, shapes=shapes)
    step = their_step(flow, lambda x: -flow().log_prob(x).mean(), torch.optim.Adam(flow.parameters(), LR))
    return Contender(flow, lambda x: flow().log_prob(x), step)


PACKAGES = {"ours": ours, "bf16": partial(ours, precision="bf16"), "zuko": theirs}


def data() -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, training and test examples, standardized by the training examples, (N, D)."""
    real = build(["dequantize", "logit", "flatten"])
    sources: dict[str, Source] = {
        "two-moons": TwoMoons(), "digits": transformed(Digits(), real), "mnist": transformed(MNIST(), real)
    }  # fmt: skip
    for name, source in sources.items():
        with seeded(0):
            train, test = (source.split(split).first(100_000).x for split in ("train", "test"))
        loc, std = train.mean(0), train.std(0)
        yield name, (train - loc) / std, (test - loc) / std


def speed(name: str, x: Tensor, hidden: tuple[int, ...], rounds: int) -> Row:
    """Examples a second of all, and ratios to zuko's time."""
    flows = {package: make(name, x.shape[1], hidden) for package, make in PACKAGES.items()}
    taken = [{package: seconds(flow.step, x, BATCH) for package, flow in flows.items()} for _ in range(rounds + 1)][1:]
    rates = {package: round(BATCH / statistics.median(each[package] for each in taken)) for package in flows}
    ratios = {
        "ratio" if package == "ours" else f"{package}_ratio": statistics.median(
            each["zuko"] / each[package] for each in taken
        )
        for package in flows if package != "zuko"
    }  # fmt: skip
    return rates | {name: round(ratio, 3) for name, ratio in ratios.items()}


def learned(make: Callable[..., Contender], name: str, hidden: tuple[int, ...], parts: Parts, seed: int) -> float:
    """Nats of the median test example after so many steps."""
    x, test, steps = parts
    with seeded(seed):
        flow = make(name, x.shape[1], hidden)
        for batch in minibatches(x, steps, BATCH, seed):
            flow.step(batch)
    flow.module.eval()
    with torch.no_grad():
        return float(torch.cat([flow.log_prob(part) for part in test.split(1_000)]).median())


def nats(name: str, hidden: tuple[int, ...], parts: Parts, seeds: int) -> Row:
    """Log-likelihoods of the median test example, means over seeds; differences from zuko's and standard errors."""
    found = {
        package: [learned(make, name, hidden, parts, seed) for seed in range(seeds)]
        for package, make in PACKAGES.items()
    }  # fmt: skip
    row: Row = {f"{package}_nats": round(statistics.mean(values), 4) for package, values in found.items()}
    for package, prefix in (("ours", ""), ("bf16", "bf16_")):
        pair = found[package], found["zuko"]
        error = math.sqrt(sum(statistics.variance(values) / seeds for values in pair)) if seeds > 1 else math.nan
        gap = statistics.mean(pair[0]) - statistics.mean(pair[1])
        row |= {f"{prefix}difference": round(gap, 4), f"{prefix}error": round(error, 4)}
    return row


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
    rows: list[Row] = []
    for called, x, test in data():
        for name, hidden in (("maf", WIDE),) if called == "mnist" else (("maf", SMALL), ("spline-flow", SMALL)):
            measured = speed(name, x, hidden, args.rounds) | nats(name, hidden, (x, test, args.steps), args.seeds)
            rows.append({"flow": name, "data": called, "hidden": list(hidden), **measured})
    options = f"--rounds {args.rounds} --steps {args.steps} --seeds {args.seeds}"
    publish("flows", f"python benchmarks/flows.py {options}", args.out, batch=BATCH, rows=rows)


if __name__ == "__main__":
    main()
