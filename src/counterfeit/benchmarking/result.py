"""The result of a benchmark: what each run reached, as files and tables have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from counterfeit.benchmarking.order import Entry, read
from counterfeit.common.presentation import html
from counterfeit.metrics.base import Result

__all__ = ["Benchmark", "Row", "opened", "referenced"]


@dataclass(frozen=True)
class Row:
    """What is known of one entry.

    Arguments:
        entry: which recipe, with which seed.
        model: its model.
        kind: of the values that it was trained on: image, binary, real or tokens.
        plan: steps and what the trial measured.
        results: row -> result.
        skipped: metric -> why it gave none.
        curve: step, seconds and Fréchet distance of checkpoints.
        cost: quantity -> number.
        command: what trains it again.
        failed: why there are no numbers; "" where there are.
    """

    entry: Entry
    model: str
    kind: str
    plan: Mapping[str, Any]
    results: Mapping[str, Result]
    skipped: Mapping[str, str] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float]] = ()
    cost: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
    failed: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As `benchmark.json` has it."""
        entry = self.entry
        return {
            "name": entry.name, "recipe": entry.recipe, "family": entry.family, "seed": entry.seed,
            "model": self.model, "kind": self.kind, "plan": dict(self.plan),
            "metrics": {row: found.to_dict() for row, found in self.results.items()}, "skipped": dict(self.skipped),
            "curve": list(self.curve), "cost": dict(self.cost), "command": self.command, "failed": self.failed,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Row:
        """The row that `benchmark.json` tells of."""
        entry = Entry(*(kept[key] for key in ("name", "recipe", "family", "seed")))
        results = {row: Result.from_dict(found) for row, found in kept["metrics"].items()}
        rest = {key: kept[key] for key in ("skipped", "curve", "cost", "command", "failed")}
        return cls(entry, kept["model"], kept["kind"], kept["plan"], results, **rest)


@dataclass(frozen=True, repr=False)
class Benchmark:
    """What recipes of several families reached on the same data in the same time.

    Arguments:
        data: name of the data.
        budget: seconds of training of each.
        rows: what each reached, in the order of training.
        references: name -> row -> result, of real data in the place of samples.
        refused: recipe -> why it was left out.
        command: what made it.
        machine: what it was measured on.
        device: "cpu", or the name of another device.
    """

    data: str
    budget: float
    rows: Sequence[Row]
    references: Mapping[str, Mapping[str, Result]]
    refused: Mapping[str, str]
    command: str
    machine: Mapping[str, Any]
    device: str = "cpu"

    def __repr__(self) -> str:
        return f"Benchmark of {len(self.rows)} runs on {self.data}, {self.budget:g} s of training each"

    def _repr_html_(self) -> str:
        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """As `benchmark.json` has it, and `counterfeit benchmark --json` prints it."""
        references = {
            name: {row: found.to_dict() for row, found in of_one.items()} for name, of_one in self.references.items()
        }
        return {
            "name": f"benchmark of {self.data}", "data": self.data, "budget": self.budget, "device": self.device,
            "measured": f"{datetime.now():%Y-%m-%d}", "machine": dict(self.machine),
            "commands": [self.command, *(row.command for row in self.rows if row.command)],
            "rows": [row.to_dict() for row in self.rows], "references": references, "refused": dict(self.refused),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Benchmark:
        """The benchmark that a file tells of."""
        rows, references = [Row.from_dict(row) for row in kept["rows"]], referenced(kept["references"])
        return cls(
            kept["data"], kept["budget"], rows, references, kept["refused"], kept["commands"][0], kept["machine"],
            kept["device"],
        )  # fmt: skip

    @property
    def measured(self) -> list[Row]:
        """The rows that have numbers."""
        return [row for row in self.rows if row.results]


def referenced(kept: Mapping[str, Any]) -> dict[str, dict[str, Result]]:
    """Name -> row -> result, of what a file tells of real data."""
    return {name: {row: Result.from_dict(found) for row, found in one.items()} for name, one in kept.items()}


def opened(path: Path) -> Benchmark:
    """The benchmark that a benchmark.json, or one kept elsewhere, holds."""
    kept = read(path)
    try:
        return Benchmark.from_dict(kept)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{path} holds no benchmark: {error} is missing or of another form. Name another.") from None
