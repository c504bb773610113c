"""Results that are kept: what several runs measured, what they cost, and the commands that derive them again."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from counterfeit import catalogue
from counterfeit.config import command
from counterfeit.metrics.metric import Result
from counterfeit.run import Run, write_json

__all__ = ["machine", "record"]


def record(runs: Sequence[Run], results: Mapping[str, Mapping[str, Result]], path: Path) -> Path:
    """Write measured results with their costs, commands and protocols as JSON.

    Arguments:
        runs: trained runs, for instance one a seed.
        results: run name -> metric -> result.
        path: the file to write.
    """
    rows = [_row(run, results[run.name]) for run in runs]
    names = list(next(iter(results.values())))
    content = {
        "name": path.stem,
        "measured": f"{datetime.now():%Y-%m-%d}",
        "machine": machine(),
        "commands": [row["command"] for row in rows] + [f"counterfeit evaluate RUN… --metrics {','.join(names)}"],
        "summary": {name: _spread([row["metrics"][name]["value"] for row in rows]) for name in names},
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
    return path


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": platform.machine(), "cores": os.cpu_count(), "gpu": gpu, "torch": str(torch.__version__),
        "python": platform.python_version(),
    }  # fmt: skip


def _row(run: Run, results: Mapping[str, Result]) -> dict[str, Any]:
    state = run.state
    return {
        "run": run.name,
        "command": command(run.config, catalogue.configure(catalogue.recipe(run.config.recipe))),
        "seed": run.config.train.seed,
        "checkpoint": run.checkpoint.name,
        "steps": state["step"],
        "seconds": state["seconds"],
        "cpu_seconds": state["cpu_seconds"],
        "metrics": {name: result.to_dict() for name, result in results.items()},
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "std": deviation, "runs": len(values)}
