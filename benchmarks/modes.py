"""Which objectives and stabilizers keep all modes: the ring of 8 and the grid of 25 Gaussians, several seeds each.

    python benchmarks/modes.py [--seeds 5] [--steps 4000] [--only NAME] [--out results/modes.json]

Every case trains the nets of `gan-grid` (two hidden layers of 128 in both players, codes of 2, batches of 256) for the
same steps; the first cases differ in the objective alone, with nothing to stabilize them, the others stabilize one.
What was measured is kept in the file as it comes, and a second call goes on from there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, get_args

from counterfeit.common.files import write_json
from counterfeit.losses import ObjectiveName
from counterfeit.report.results_file import machine
from counterfeit.run.run import train

DATA = {"ring": 8, "grid": 25}
PLAIN = {"model.instance_noise": 0.0}
QUIET = {
    "train.device": "cpu", "train.threads": 1, "train.tensorboard": False, "train.doctor": "off",
    "train.preview_samples": 1,
}  # fmt: skip
STABILIZED: Mapping[str, Mapping[str, Any]] = {
    "non-saturating, instance noise 0.2": {"model.instance_noise": 0.2},
    "non-saturating, label smoothing 0.1": {"model.label_smoothing": 0.1},
    "non-saturating, R1 0.1": {"model.penalty": "r1", "model.penalty_weight": 0.1},
    "non-saturating, R2 0.1": {"model.penalty": "r2", "model.penalty_weight": 0.1},
    "non-saturating, DRAGAN 1": {"model.penalty": "dragan", "model.penalty_weight": 1.0},
    "hinge, R1 0.1": {"model.objective": "hinge", "model.penalty": "r1", "model.penalty_weight": 0.1},
    "least-squares, R1 0.1": {"model.objective": "least-squares", "model.penalty": "r1", "model.penalty_weight": 0.1},
    "wasserstein, clipping 0.1, k = 5": {
        "model.objective": "wasserstein", "model.weight_clip": 0.1, "model.discriminator_steps": 5,
    },
    "wasserstein, gradient penalty 0.1 (WGAN-GP)": {
        "model.objective": "wasserstein", "model.penalty": "gradient", "model.penalty_weight": 0.1,
        "model.discriminator_steps": 2,
    },
    "reverse-kl, instance noise 0.2": {"model.objective": "reverse-kl", "model.instance_noise": 0.2},
    "kl, instance noise 0.2": {"model.objective": "kl", "model.instance_noise": 0.2},
}  # fmt: skip


def cases() -> Mapping[str, Mapping[str, Any]]:
    """Every case by name: its settings over the recipe."""
    return {**{name: {"model.objective": name} for name in get_args(ObjectiveName)}, **STABILIZED}


def measure(settings: Mapping[str, Any], data: str, seed: int, steps: int) -> dict[str, Any]:
    """One run: modes reached, modes well covered, share of samples near a mode, divergence of their histogram."""
    with tempfile.TemporaryDirectory() as folder:
        often = {"train.save_every": steps, "train.log_every": steps}
        chosen = {**QUIET, **PLAIN, **often, **settings}
        try:
            run = train("gan-grid", data, Path(folder) / "run", steps, seed, chosen, show=False)
        except RuntimeError as error:  # a loss that is not finite
            return {"seed": seed, "modes": 0, "well_covered": 0, "high_quality": 0.0, "kl": None, "failed": str(error)}
        found = run.evaluate("mode-coverage")["mode-coverage"]
    kept = {name: found.details[name] for name in ("high_quality", "kl")}
    return {"seed": seed, "modes": found.details["touched"], "well_covered": int(found.value), **kept}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over seeds."""
    row: dict[str, Any] = {}
    for name in ("modes", "well_covered", "high_quality"):
        values = [run[name] for run in runs]
        row[name] = round(statistics.mean(values), 3)
        row[f"{name}_sd"] = round(statistics.stdev(values), 3) if len(values) > 1 else None
    return row | {"failed": sum("failed" in run for run in runs)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--only", default="", help="measure cases whose name holds this")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    kept = json.loads(args.out.read_text(encoding="utf-8"))["rows"] if args.out and args.out.exists() else []
    runs = {(row["data"], row["case"], run["seed"]): run for row in kept for run in row["runs"]}
    todo = product(range(args.seeds), DATA, cases())  # every case once before any twice
    for seed, data, name in todo:
        if (data, name, seed) in runs or args.only not in name:
            continue
        runs[data, name, seed] = measure(cases()[name], data, seed, args.steps)
        print(json.dumps({"data": data, "case": name, **runs[data, name, seed]}), flush=True)
        if args.out:
            command = f"python benchmarks/modes.py --seeds {args.seeds} --steps {args.steps}"
            write_json(args.out, {"name": "modes", "commands": [command], "machine": machine(), "rows": table(runs)})


def table(runs: Mapping[tuple[str, str, int], dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for every case that has been run, on each of the data."""
    rows = []
    for data, name in product(DATA, cases()):
        some = [run for (on, case, _), run in runs.items() if (on, case) == (data, name)]
        if some:
            rows.append({"data": data, "of": DATA[data], "case": name, **summary(some), "runs": some})
    return rows


if __name__ == "__main__":
    main()
