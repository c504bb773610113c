"""Time metrics on features against the packages that everyone uses, side by side in one run.

    python benchmarks/metrics.py

Features are drawn: real ones standard normal through a ReLU, others shifted by 0.03. Each measurement runs in a process
of its own, in turns with its opponents, and says how much memory it took beyond the features themselves, and how far
its values lie from those of the last opponent, which is exact. Opponents are
`prdc` for precision, recall, density and coverage, `torchmetrics` (all pairs at once) for the kernel distance, and
scipy's matrix square root for the Fréchet distance.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import write_json
from counterfeit.metrics.features.frechet import frechet_error
from counterfeit.metrics.features.kid import kernel_distance
from counterfeit.metrics.features.prdc import prdc
from counterfeit.metrics.features.reference import moments
from counterfeit.report.results_file import machine

NEIGHBOURS = 5
KILOBYTE = 1_024


def drawn(n: int, d: int) -> tuple[Tensor, Tensor]:
    """Features of real examples and of samples, float32 (n, d) each."""
    generator = torch.Generator().manual_seed(0)
    return tuple((torch.randn(n, d, generator=generator) + loc).relu_() for loc in (0.0, 0.03))  # type: ignore[return-value]


def our_prdc(x: Tensor, y: Tensor) -> dict[str, float]:
    return {name: score.value for name, score in prdc(x, y, NEIGHBOURS, NEIGHBOURS).items()}


def our_prdc_with_errors(x: Tensor, y: Tensor) -> dict[str, float]:
    return {name: score.value for name, score in prdc(x, y, NEIGHBOURS, NEIGHBOURS, resamples=20).items()}


def their_prdc(x: Tensor, y: Tensor) -> dict[str, float]:
    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return {name: float(value) for name, value in compute_prdc(x.numpy(), y.numpy(), NEIGHBOURS).items()}


def our_kid(x: Tensor, y: Tensor) -> dict[str, float]:
    return {"kid": kernel_distance(x, y)[0]}


def their_kid(x: Tensor, y: Tensor) -> dict[str, float]:
    from torchmetrics.image.kid import poly_mmd

    return {"kid": float(poly_mmd(x, y))}


def their_kid_exactly(x: Tensor, y: Tensor) -> dict[str, float]:
    return their_kid(x.double(), y.double())


def our_fid(x: Tensor, y: Tensor) -> dict[str, float]:
    return {"fid": frechet_error(x, y, moments(x), moments(y))[0]}


def their_fid(x: Tensor, y: Tensor) -> dict[str, float]:
    from scipy.linalg import sqrtm

    a, b = x.double().numpy(), y.double().numpy()
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(sqrtm(s @ t))
    return {"fid": float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root))}


METRICS: dict[str, list[tuple[str, Callable[[Tensor, Tensor], dict[str, float]]]]] = {
    "prdc": [("counterfeit", our_prdc), ("counterfeit, with errors", our_prdc_with_errors), ("prdc", their_prdc)],
    "kid": [
        ("counterfeit, with error", our_kid),
        ("torchmetrics", their_kid),
        ("torchmetrics, float64", their_kid_exactly),
    ],
    "fid": [("counterfeit, with error", our_fid), ("scipy sqrtm", their_fid)],
}


def alone(who: Callable[[Tensor, Tensor], dict[str, float]], n: int, d: int, threads: int, pipe: Any) -> None:
    """Measure in this process: seconds, and the most memory beyond what features and packages take."""
    torch.set_num_threads(threads)
    x, y = drawn(n, d)
    few = slice(max(64, min(n, 2 * NEIGHBOURS)))
    who(x[few, :8], y[few, :8])  # packages are imported
    before, start = _peak(), time.perf_counter()
    values = who(x, y)
    pipe.send((time.perf_counter() - start, (_peak() - before) * KILOBYTE / 1e9, values))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(name: str, n: int, d: int, repeats: int, threads: int) -> list[dict[str, Any]]:
    """A row for each opponent, who take turns: medians."""
    runs: dict[str, list[Any]] = {who: [] for who, _ in METRICS[name]}
    context = multiprocessing.get_context("spawn")
    for _ in range(repeats):
        for who, function in METRICS[name]:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=alone, args=(function, n, d, threads, theirs))
            process.start()
            runs[who].append(ours.recv())
            process.join()
    reference = runs[METRICS[name][-1][0]][0][2]
    return [
        {
            "metric": name, "n": n, "d": d, "by": who,
            "seconds": statistics.median(run[0] for run in found), "gigabytes": max(run[1] for run in found),
            "largest_relative_difference": max(abs(found[0][2][key] / value - 1) for key, value in reference.items()),
            "threads": threads,
        }
        for who, found in runs.items()
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--metrics", default="prdc,kid,fid", help="which, separated by commas")
    parser.add_argument("--examples", type=int, default=10_000, help="real examples, and as many samples")
    parser.add_argument("--dims", default="64,2048", help="numbers of features, separated by commas")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, help="keep the result in a JSON file")
    arguments = parser.parse_args()
    names, dims = arguments.metrics.split(","), [int(d) for d in arguments.dims.split(",")]
    rows = []
    for name in names:
        for d in dims:
            rows += measure(name, arguments.examples, d, arguments.repeats, arguments.threads)
            if not arguments.json:
                for row in rows[-len(METRICS[name]) :]:
                    took = f"{row['seconds']:8.2f} s  {row['gigabytes']:6.2f} GB"
                    off = f"off by {row['largest_relative_difference']:.0e}"
                    print(f"{name} {row['n']} x {d}  {row['by']:<26} {took}  {off}", flush=True)
    kept = {"name": "metrics-speed", "commands": ["python benchmarks/metrics.py"], "machine": machine(), "rows": rows}
    if arguments.out:
        write_json(arguments.out, kept)
    if arguments.json:
        print(json.dumps(kept))


if __name__ == "__main__":
    main()
