"""What a person or a program reads after a command."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterfeit.engine.fit import Summary
    from counterfeit.metrics.metric import Result
    from counterfeit.run import Run

__all__ = ["finish", "measured", "say", "table"]


def say(text: str) -> None:
    """A line for a person, on standard error, so that standard output stays for what was asked."""
    print(text, file=sys.stderr)


def finish(run: Run, summary: Summary, evaluate: bool, report: bool, as_json: bool) -> int:
    """After training: evaluate, write the report, and say what came of it."""
    from counterfeit.engine.distributed import processes

    if not processes().leads:
        return 0
    say(
        f"Trained {run.name}: {summary.steps} steps in {summary.seconds:.1f} s "
        f"({summary.cpu_seconds:.1f} CPU-seconds, {summary.images_per_second:,.0f} images/s)"
    )
    results = run.evaluate() if evaluate else {}
    if results and not as_json:
        table(("metric", "value", "error", "n"), [_row(name, result) for name, result in results.items()])
    if report:
        from counterfeit.report.page import write

        say(f"Report: {write(run)}")
    if as_json:
        values = {name: {"value": r.value, "error": r.error} for name, r in results.items()}
        print(json.dumps({"run": str(run.path), **dataclasses.asdict(summary), "evaluation": values}))
    return 0


def measured(by_run: Mapping[str, Mapping[str, Result]], as_json: bool) -> None:
    """Print each run's results as a table with their protocols, or as JSON."""
    if as_json:
        content = {run: {name: r.to_dict() for name, r in results.items()} for run, results in by_run.items()}
        print(json.dumps(content if len(content) > 1 else next(iter(content.values()))))
        return
    for run, results in by_run.items():
        print(run)
        _tell(results)


def _tell(results: Mapping[str, Result]) -> None:
    table(("metric", "value", "error", "n"), [_row(name, result) for name, result in results.items()])
    for name, result in results.items():
        print(f"{name}: {result.protocol}")
        for key, value in result.details.items():
            print(f"  {key}: {value}")


def _row(name: str, result: Result) -> tuple[str, ...]:
    error = "" if result.error is None else f"± {result.error:.4g}"
    return name, f"{result.value:.6g}", error, f"{result.n:,}"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table as wide as the terminal."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    view = Table(*columns, box=SIMPLE, pad_edge=False)
    for row in rows:
        view.add_row(*(str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(view)
