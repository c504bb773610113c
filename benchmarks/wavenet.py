"""What WaveNet gains in sampling by queues, beside passes through all samples and through the receptive field alone.

    python benchmarks/wavenet.py [--length 8000] [--passes 200] [--out results/wavenet-sampling.json]

Times are CPU seconds of one thread for one sound, by the nets of the recipe `wavenet`, untrained. Every pass through
all samples costs the same, so that some of them, evenly spaced, tell how long all take. Draws of both ways from one
seed are compared in a sound of `--compared` samples.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from counterfeit.common.seeding import seeded
from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.chain import Chain, Recomputed, draw
from counterfeit.models.autoregressive.wavenet import WaveNet
from counterfeit.report.results_file import publish


def seconds(do: Callable[[], object], repeats: int = 1) -> float:
    """The fewest CPU seconds that it took."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        do()
        taken.append(time.process_time() - start)
    return min(taken)


def differing(model: WaveNet) -> int:
    """How many values of a sound differ between both ways of drawing it."""
    found = []
    for chain in (model.chain(0), Recomputed(model.chain(0))):
        with seeded(0):
            found.append(draw(chain, 1))
    return int((found[0] != found[1]).sum())


def passes(chain: Chain, length: int, count: int) -> float:
    """Seconds that as many passes as there are samples take, from `count` of them."""
    state = Recomputed(chain).begin(1)
    places = [i * length // count for i in range(count)]
    return seconds(lambda: [Recomputed(chain).ask(state, i) for i in places]) * length / count


@torch.no_grad()
def measured(length: int, count: int, compared: int) -> dict[str, float]:
    """Seconds of a sound of `length` samples in three ways, and how many values differ."""
    whole, part = (WaveNet(Spec((1, size), "real")).eval() for size in (length, compared))
    window = WaveNet(Spec((1, whole.receptive_field + 1), "real")).eval()
    queues = seconds(lambda: draw(whole.chain(0), 1), 3)
    every = passes(whole.chain(0), length, count)
    near = passes(window.chain(0), window.spec.dims, count) * length / window.spec.dims
    return {
        "queues": round(queues, 3), "whole passes": round(every, 1), "ratio": round(every / queues, 1),
        "passes through the receptive field": round(near, 1), "ratio to these": round(near / queues, 1),
        "microseconds a sample": round(1e6 * queues / length), "differing": differing(part),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=8_000, help="samples of the sound")
    parser.add_argument("--passes", type=int, default=200, help="through all of them, that are timed")
    parser.add_argument("--compared", type=int, default=1_000, help="samples drawn in both ways")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    options = f"--length {args.length} --passes {args.passes} --compared {args.compared}"
    publish(
        "wavenet-sampling",
        f"python benchmarks/wavenet.py {options}",
        args.out,
        length=args.length,
        **measured(args.length, args.passes, args.compared),
    )


if __name__ == "__main__":
    main()
