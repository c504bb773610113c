"""Estimate normalizers that are known: of a published RBM of 784 x 15 units, and of small random ones.

    python benchmarks/ais.py --rbm mnistvh.mat

The file is the one that Salakhutdinov and Murray published with their code; its ln Z is 215.138405525, all 2^15 hidden
states summed. The base distribution has the base rates of MNIST's training images.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import softplus

from counterfeit.common.files import write_json
from counterfeit.common.seeding import seeded
from counterfeit.data.sources.mnist import MNIST
from counterfeit.metrics.likelihood.annealing import annealed_importance, schedule, tuned
from counterfeit.models.energy.shared.bipartite import BinaryUnits, base_rates
from counterfeit.report.results_file import machine

Row = dict[str, object]


def exact(weight: Tensor, visible: Tensor, hidden: Tensor) -> float:
    """ln Z by summing over every state of the hidden units, in float64."""
    weight, visible, hidden = weight.double(), visible.double(), hidden.double()
    states = torch.tensor([*product((0.0, 1.0), repeat=len(hidden))], dtype=torch.float64)
    parts = [h @ hidden + softplus(h @ weight.T + visible).sum(1) for h in states.split(4_096)]
    return float(torch.cat(parts).logsumexp(0))


def measure(
    name: str, parameters: tuple[Tensor, ...], base: Tensor, steps: int, runs: int, seed: int, fit: bool
) -> Row:
    """One estimate, timed from the parameters on."""
    start, cpu = time.perf_counter(), time.process_time()
    with seeded(seed):
        path = BinaryUnits(*parameters).path_from(base)
        estimate = annealed_importance(path, tuned(path, steps, runs) if fit else schedule(steps), runs)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    truth = exact(*parameters)
    return {
        "rbm": name, "schedule": "tuned" if fit else "published", "steps": steps, "runs": runs, "seed": seed,
        "log_z": estimate.value, "error": estimate.error, "low": estimate.low, "high": estimate.high,
        "exact": truth, "difference": estimate.value - truth, "covered": estimate.low < truth < estimate.high,
        "effective_runs": estimate.effective, "seconds": seconds, "cpu_seconds": cpu,
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def published(file: Path, steps: int, runs: int, seeds: int) -> list[Row]:
    """The RBM in the .mat file, by both schedules."""
    from scipy.io import loadmat

    found = loadmat(file)
    parameters = tuple(torch.from_numpy(found[n]).squeeze().float() for n in ("vishid", "visbiases", "hidbiases"))
    base = base_rates(MNIST().split("train").first().x.flatten(1))
    cases = [(fit, seed) for fit in (False, True) for seed in range(seeds)]
    return [measure("mnistvh 784x15", parameters, base, steps, runs, seed, fit) for fit, seed in cases]


def random(steps: int, runs: int, seeds: int) -> list[Row]:
    """RBMs of 20 x 12 units with weights and biases from N(0, 0.5²)."""
    rows = []
    for seed in range(seeds):
        g = torch.Generator().manual_seed(seed)
        parameters = tuple(0.5 * torch.randn(shape, generator=g) for shape in ((20, 12), (20,), (12,)))
        base = parameters[1] + parameters[0].sum(1) / 2  # about its own base rates
        rows.append(measure("random 20x12", parameters, base, steps, runs, seed, True))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rbm", type=Path, help="the file mnistvh.mat; random RBMs only where it is not given")
    parser.add_argument("--steps", type=int, default=14_500, help="of annealing")
    parser.add_argument("--runs", type=int, default=100, help="chains")
    parser.add_argument("--seeds", type=int, default=5, help="estimates of each kind")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=Path, help="keep the result in a JSON file")
    arguments = parser.parse_args()
    of_file = published(arguments.rbm, arguments.steps, arguments.runs, arguments.seeds) if arguments.rbm else []
    rows = of_file + random(arguments.steps, arguments.runs, arguments.seeds)
    if arguments.out:
        commands = ["python benchmarks/ais.py --rbm mnistvh.mat"]
        write_json(arguments.out, {"name": "ais", "commands": commands, "machine": machine(), "rows": rows})
    if arguments.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{key} {value:.4f}" if isinstance(value, float) else f"{value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
