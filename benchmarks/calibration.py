"""What moves which metric: held-out digits, spoilt a little more each time, in the place of a generator's samples.

    python benchmarks/calibration.py --out results/calibration.json --figure docs/_static/calibration.svg

Samples are images of the validation split, so that a perfect generator is what is spoilt: by noise, by blur, by
leaving out classes, and by putting training images in their place. Each metric is asked as it is of a model. It is said
to move where, at the strongest severity, it leaves its value on unspoilt images by more than four standard errors of
the difference.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterfeit import catalogue
from counterfeit.common.files import write_json
from counterfeit.common.seeding import seeded
from counterfeit.core import Batch
from counterfeit.data.source import InMemory, Source
from counterfeit.evaluation.subject import FixedSamples, Subject
from counterfeit.report.html.plot import LIGHT, svg
from counterfeit.report.results_file import machine

Row = dict[str, Any]
Spoil = Callable[[Batch, Tensor, float], Tensor]
SAMPLES = 4_500
METRICS = ("fid", "kid", "precision", "recall", "density", "coverage", "class-coverage", "memorization")
FIGURE = {
    "fid": "FID", "precision": "precision", "recall": "recall", "class-kl": "KL of classes",
    "memorization": "memorization",
}  # fmt: skip


def noise(held_out: Batch, train: Tensor, severity: float) -> Tensor:  # noqa: ARG001
    """Gaussian noise of that standard deviation."""
    x = held_out.x[:SAMPLES]
    return (x + severity * torch.randn_like(x)).clamp(0, 1)


def blur(held_out: Batch, train: Tensor, severity: float) -> Tensor:  # noqa: ARG001
    """A Gaussian blur of that standard deviation in pixels."""
    x = held_out.x[:SAMPLES]
    taps = torch.exp(-0.5 * (torch.arange(-6, 7) / max(severity, 1e-3)).square())
    kernel = torch.outer(taps, taps)[None, None] / taps.sum() ** 2
    return torch.nn.functional.conv2d(x, kernel, padding=6).clamp(0, 1)


def dropped(held_out: Batch, train: Tensor, severity: float) -> Tensor:  # noqa: ARG001
    """Without that many of the ten classes."""
    if held_out.y is None:
        raise ValueError("data without labels came; labels are expected. Choose mnist.")
    return held_out.x[held_out.y >= severity][:SAMPLES]


def copied(held_out: Batch, train: Tensor, severity: float) -> Tensor:
    """That share of training images."""
    count = round(severity * SAMPLES)
    return torch.cat([train[:count], held_out.x[count:SAMPLES]])


FIDELITY = {"fid", "kid", "precision", "recall", "density", "coverage"}  # what is spoilt is unlike data
SPOILT: Mapping[str, tuple[Spoil, str, tuple[float, ...], set[str]]] = {
    "noise": (noise, "standard deviation", (0, 0.05, 0.1, 0.2, 0.4), FIDELITY),
    "blur": (blur, "standard deviation in pixels", (0, 0.5, 0.75, 1, 1.5), FIDELITY),
    "missing classes": (dropped, "of ten", (0, 1, 2, 3, 5), {"fid", "kid", "recall", "coverage", "class-kl"}),
    "copies": (copied, "share of samples", (0, 0.1, 0.25, 0.5, 1), {"memorization"}),
}


def measure(source: Source, x: Tensor) -> dict[str, Row]:
    """Metric -> value, standard error and protocol of samples `x`."""
    outside = Subject("samples", FixedSamples(source.spec, InMemory(x), "samples"), source)
    results = outside.evaluate(*METRICS, samples=len(x))
    said = {name: {"value": r.value, "error": r.error, "protocol": r.protocol} for name, r in results.items()}
    classes, about = said.pop("class-coverage"), results["class-coverage"].details
    counts = torch.tensor(about["histogram"], dtype=torch.float64)
    spread = math.sqrt(2 * (len(counts) - 1)) / (2 * float(counts.sum()))  # 2 n KL is chi-squared where all is well
    return said | {"class-kl": {**classes, "value": about["kl"], "error": spread}}


def rows(source: Source) -> list[Row]:
    """A row for each way to spoil and severity."""
    held_out, train = source.split("valid").first(10_000), source.split("train").first(SAMPLES).x
    found: list[Row] = []
    for kind, (spoil, unit, severities, _) in SPOILT.items():
        for severity in severities:
            with seeded(0):
                x = spoil(held_out, train, severity)
            found.append({"spoilt by": kind, "severity": severity, "unit": unit, "metrics": measure(source, x)})
            print(kind, severity, flush=True)
    return found


def verdicts(found: list[Row]) -> list[Row]:
    """How far each metric moved, in standard errors of the difference, and whether it should have."""
    out: list[Row] = []
    for kind, (_, _, _, expected) in SPOILT.items():
        first, *_, last = (row["metrics"] for row in found if row["spoilt by"] == kind)
        for name in first:
            spread = math.hypot(*(metrics[name]["error"] or 0.0 for metrics in (first, last)))
            moved = (last[name]["value"] - first[name]["value"]) / max(spread, 1e-12)
            far = (moved if name == "memorization" else abs(moved)) > 4  # being far from training data is no copying
            out.append(
                {
                    "spoilt by": kind, "metric": name, "standard errors": round(moved, 1), "moves": far,
                    "should move": name in expected,
                }
            )  # fmt: skip
    return out


def draw(found: list[Row], axes: Any) -> None:
    """Each metric over severities, a curve for each way to spoil."""
    for panel, (name, title) in zip(axes, FIGURE.items(), strict=True):
        for color, kind in zip(LIGHT.curves, SPOILT, strict=False):
            values = [row["metrics"][name]["value"] for row in found if row["spoilt by"] == kind]
            panel.plot(range(len(values)), values, marker=".", color=color, label=kind, linewidth=1.6)
        panel.set_title(title)
        panel.set_xlabel("severity")
        if name == "fid":
            panel.set_yscale("log")
        elif name != "class-kl":
            panel.set_ylim(-0.03, 1.03)
    axes[-1].legend(frameon=False, labelcolor="linecolor", handlelength=1.2)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    start = time.process_time()
    found = rows(catalogue.source(args.data))
    content = {
        "name": "calibration", "commands": ["python benchmarks/calibration.py"], "machine": machine(),
        "data": args.data, "samples": SAMPLES, "cpu_seconds": round(time.process_time() - start), "rows": found,
        "verdicts": verdicts(found),
    }  # fmt: skip
    print(json.dumps(content["verdicts"], indent=1))
    if args.out:
        write_json(args.out, content)
    if args.figure:
        args.figure.write_bytes(svg(lambda axes: draw(found, axes), LIGHT, (13, 2.6), len(FIGURE)))


if __name__ == "__main__":
    main()
