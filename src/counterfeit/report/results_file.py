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

from counterfeit.common.files import dumps, write_json
from counterfeit.evaluation.subject import Subject, Trained
from counterfeit.metrics.base import Result

__all__ = ["machine", "publish", "record", "spreads"]


def record(
    subjects: Mapping[str, Subject], results: Mapping[str, Mapping[str, Result]], path: Path, derive: str
) -> Path:
    """Write measured results with their costs, commands and protocols as JSON.

    Arguments:
        subjects: name -> trained run, for instance one a seed, or samples made elsewhere.
        results: name -> metric -> result.
        path: the file to write.
        derive: the command that measures them.
    """
    runs = {name: one.run for name, one in subjects.items()}
    rows = [{"run": name, **_of_run(run), "metrics": _metrics(results[name])} for name, run in runs.items()]
    ours = {name: results[name] for name, run in runs.items() if run}
    content = {
        "name": path.stem,
        "measured": f"{datetime.now():%Y-%m-%d}",
        "machine": machine(),
        "commands": [*(line for run in runs.values() if run for line in run.commands), derive],
        "summary": spreads(ours),
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
    return path


def spreads(results: Mapping[str, Mapping[str, Result]]) -> dict[str, dict[str, Any]]:
    """Row -> mean, standard deviation and number, of rows that all have under one protocol; others have no mean.

    Arguments:
        results: name -> row -> result, for instance of one run a seed.

    Example:
        >>> one, other = ({"fid": Result(value, None, 9, "by hand")} for value in (1.0, 2.0))
        >>> spreads({"a": one, "b": other})["fid"]["mean"]
        1.5
    """
    found = list(results.values())
    names = [name for name in (found[0] if found else ()) if all(name in one for one in found)]
    alike = [name for name in names if len({one[name].fingerprint for one in found}) == 1]
    return {name: _spread([one[name].value for one in found]) for name in alike}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": platform.machine(), "cores": os.cpu_count(), "gpu": gpu, "torch": str(torch.__version__),
        "python": platform.python_version(),
    }  # fmt: skip


def publish(name: str, command: str, out: Path | None, **measured: Any) -> None:
    """Print what a benchmark measured as JSON, with its command and the machine; and write it to `out`."""
    content = {"name": name, "commands": [command], "machine": machine(), **measured}
    print(dumps(content, indent=1))
    if out:
        write_json(out, content)


def _metrics(results: Mapping[str, Result]) -> dict[str, Any]:
    return {name: result.to_dict() for name, result in results.items()}


def _of_run(run: Trained | None) -> dict[str, Any]:
    if not run:
        return {}
    state = run.state
    return {
        "command": "; ".join(run.commands),
        "seed": run.config.train.seed,
        "checkpoint": run.checkpoint.name,
        "steps": state["step"],
        "seconds": state["seconds"],
        "cpu_seconds": state["cpu_seconds"],
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "std": deviation, "runs": len(values)}
