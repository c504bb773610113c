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
from counterfeit.evaluation import Outside
from counterfeit.metrics.metric import Result
from counterfeit.run import Run, write_json

__all__ = ["machine", "record"]


def record(
    subjects: Mapping[str, Run | Outside], results: Mapping[str, Mapping[str, Result]], path: Path
) -> Path:
    """Write measured results with their costs, commands and protocols as JSON.

    Arguments:
        subjects: name -> trained run, for instance one a seed, or samples made elsewhere.
        results: name -> metric -> result.
        path: the file to write.
    """
    rows = [{"run": name, **_of_run(one), "metrics": _metrics(results[name])} for name, one in subjects.items()]
    names = [name for name in next(iter(results.values())) if all(name in found for found in results.values())]
    ours = [results[name] for name, one in subjects.items() if isinstance(one, Run)]
    content = {
        "name": path.stem,
        "measured": f"{datetime.now():%Y-%m-%d}",
        "machine": machine(),
        "commands": [
            *(row["command"] for row in rows if "command" in row),
            f"counterfeit evaluate RUN… --metrics {','.join(names)}",
        ],
        "summary": {name: _spread([one[name].value for one in ours]) for name in names if _alike(ours, name)},
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
    return path


def _alike(results: Sequence[Mapping[str, Result]], name: str) -> bool:
    """Whether numbers share a protocol; others have no mean."""
    return len({found[name].fingerprint for found in results if name in found}) == 1


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": platform.machine(), "cores": os.cpu_count(), "gpu": gpu, "torch": str(torch.__version__),
        "python": platform.python_version(),
    }  # fmt: skip


def _metrics(results: Mapping[str, Result]) -> dict[str, Any]:
    return {name: result.to_dict() for name, result in results.items()}


def _of_run(run: Run | Outside) -> dict[str, Any]:
    if not isinstance(run, Run):
        return {}
    state = run.state
    return {
        "command": command(run.config, catalogue.configure(catalogue.recipe(run.config.recipe))),
        "seed": run.config.train.seed,
        "checkpoint": run.checkpoint.name,
        "steps": state["step"],
        "seconds": state["seconds"],
        "cpu_seconds": state["cpu_seconds"],
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "std": deviation, "runs": len(values)}
