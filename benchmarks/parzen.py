"""Time the Parzen window against the loop that everyone writes, side by side in one run.

    python benchmarks/parzen.py

Both score MNIST test images under the first training images, with sigma chosen on 1,000 validation images. The loop
goes image by image in float64 and sigma by sigma, so it is timed on every `--stride`-th image and the time scaled up to
the whole protocol; accuracy is measured on those images.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from counterfeit.common.files import write_json
from counterfeit.data.sources.mnist import MNIST
from counterfeit.metrics.likelihood.parzen import SIGMAS, log_likelihood, select_sigma
from counterfeit.report.results_file import machine


def loop(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """One example at a time, in float64."""
    scores = []
    for row in x:
        exponents = -((samples - row) ** 2).sum(1) / (2 * sigma**2)
        scores.append(torch.logsumexp(exponents, 0) - math.log(len(samples)))
    return torch.stack(scores) - x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))


def protocol(x: Tensor, valid: Tensor, samples: Tensor) -> tuple[float, Tensor]:
    """The whole protocol by the package: sigma and scores."""
    sigma = select_sigma(valid, samples)
    return sigma, log_likelihood(x, samples, [sigma])[0]


def measure(n_samples: int, examples: int, stride: int, repeats: int) -> dict[str, float]:
    """Run both in turns, so that they meet the same neighbours on the machine; medians."""
    source = MNIST()
    sizes = {"train": n_samples, "valid": 1_000, "test": examples}
    samples, valid, x = (source.split(split).first(n).x.flatten(1) for split, n in sizes.items())
    few, wide = x[::stride].double(), samples.double()
    rows = len(x) + len(SIGMAS) * len(valid)  # that the loop scores in the whole protocol
    sigma, _ = protocol(x, valid, samples)  # warm up
    ours, theirs = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        _, found = protocol(x, valid, samples)
        middle = time.perf_counter()
        expected = loop(few, wide, sigma)
        ours.append(middle - start)
        theirs.append((time.perf_counter() - middle) * rows / len(few))
    difference = found[::stride].double() - expected
    return {
        "seconds": statistics.median(ours),
        "loop_seconds": statistics.median(theirs),
        "ratio": statistics.median(theirs) / statistics.median(ours),
        "nats": float(found.double().mean()),
        "sigma": sigma,
        "mean_difference": float(difference.mean()),
        "largest_difference": float(difference.abs().max()),
        "samples": len(samples),
        "examples": len(x),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--samples", type=int, default=10_000, help="samples of the window")
    parser.add_argument("--examples", type=int, default=10_000, help="test images scored")
    parser.add_argument("--stride", type=int, default=100, help="the loop is timed on every so many images")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each, of which the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, help="keep the result in a JSON file")
    arguments = parser.parse_args()
    result = measure(arguments.samples, arguments.examples, arguments.stride, arguments.repeats)
    if arguments.out:
        kept = {"name": "parzen", "commands": ["python benchmarks/parzen.py"], "machine": machine(), "rows": [result]}
        write_json(arguments.out, kept)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"Parzen window, {result['samples']} samples, {result['examples']} images, {result['threads']} threads")
    print(f"  float64 loop  {result['loop_seconds']:8.1f} s (scaled up from every {arguments.stride}th image)")
    print(f"  counterfeit   {result['seconds']:8.2f} s, {result['ratio']:.0f} times faster; {result['nats']:.2f} nats")
    largest = result["largest_difference"]
    print(f"  difference    {result['mean_difference']:+.1e} nats, at most {largest:.1e} for an image")


if __name__ == "__main__":
    main()
