"""What a topic found: numbers beside what theory says of them, and figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch

from counterfeit.common.files import write_json
from counterfeit.common.spelling import nearest
from counterfeit.report.html import plot
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.report.results_file import machine
from counterfeit.report.theory import TOPICS
from counterfeit.theory.information import Unit, in_unit

__all__ = ["Evidence", "Lesson", "check", "drawn", "informed", "lesson", "normal_draws", "record"]

Relation = Literal["=", "<=", ">="]
SIGNS = {"=": "", "<=": "≤ ", ">=": "≥ "}


@dataclass(frozen=True)
class Evidence:
    """A number that was found and what theory says of it.

    Arguments:
        what: in words, with the unit where there is one.
        found: as computed or measured.
        theory: what it is to be.
        tolerance: by which it may be missed.
        relation: whether `theory` is the value or a bound.
    """

    what: str
    found: float
    theory: float
    tolerance: float = 0.0
    relation: Relation = "="

    @property
    def holds(self) -> bool:
        """Whether theory is seen to hold."""
        over = self.found - self.theory
        sides = {"=": abs(over), "<=": over, ">=": -over}
        return sides[self.relation] <= self.tolerance

    @property
    def expected(self) -> str:
        """The theory's side in words."""
        tolerance = f" ± {self.tolerance:.2g}" if self.tolerance and self.relation == "=" else ""
        return f"{SIGNS[self.relation]}{self.theory:.5g}{tolerance}"


def informed(
    unit: Unit, what: str, found: float, theory: float, tolerance: float = 0.0, relation: Relation = "="
) -> Evidence:
    """A finding about information, of which all numbers are in nats and told in `unit`."""
    nat = float(in_unit(torch.ones((), dtype=torch.float64), unit))
    return Evidence(f"{what}, {unit}", found * nat, theory * nat, tolerance * nat, relation)


@dataclass(frozen=True)
class Lesson:
    """What a topic found, its figures, and how it was measured."""

    findings: tuple[Evidence, ...]
    figures: tuple[Figure, ...]
    protocol: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON; figures by the names of their files."""
        findings = [
            {"what": f.what, "found": float(f"{f.found:.6g}"), "theory": f.expected, "holds": f.holds}
            for f in self.findings
        ]
        figures = [
            {"name": f.name, "suffix": f.picture.suffix, "caption": f.caption, "alt": f.alt} for f in self.figures
        ]
        return {"findings": findings, "protocol": self.protocol, "figures": figures}


def check(topics: Sequence[str]) -> None:
    """Raise a ValueError for a topic that is unknown."""
    for topic in topics:
        if topic not in TOPICS:
            raise ValueError(f"topic {topic!r} is unknown; {nearest(topic, [*TOPICS])}")


def lesson(topic: str, unit: Unit | None = None, seed: int = 0) -> Lesson:
    """Work out a topic.

    Arguments:
        topic: one of `TOPICS`.
        unit: of information; the topic's customary one where None.
        seed: of what is trained or drawn.

    Raises:
        ValueError: for a topic or unit that is unknown.

    Example:
        >>> all(finding.holds for finding in lesson("parameters").findings)
        True
    """
    check([topic])
    module = import_module(f"counterfeit.report.theory.{topic.replace('-', '_')}")
    worked: Lesson = module.lesson(unit or TOPICS[topic].unit, seed)
    return worked


def normal_draws(seed: int, *shape: int) -> torch.Tensor:
    """Draws of N(0, 1) that a topic's seed gives, float64 of that shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(
    name: str, caption: str, draw: Callable[[plot.Theme, Any], None], size: tuple[float, float], columns: int = 1
) -> Figure:
    """A figure that `draw`, (theme, axes), draws for light and for dark pages."""
    light, dark = (
        Picture(plot.svg(lambda axes, theme=theme: draw(theme, axes), theme, size, columns), ".svg")  # type: ignore[misc]
        for theme in (plot.LIGHT, plot.DARK)
    )
    return Figure(name, "Theory", caption, f"Plot: {caption}", light, dark)


def record(lessons: Mapping[str, Lesson], path: Path, command: str) -> Path:
    """Write findings, protocols and the command to a JSON file, in the place of what it held of the same topics."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": [], "topics": {}}
    told = {topic: worked.to_dict() for topic, worked in lessons.items()}
    rows = [row for row in before["rows"] if row["topic"] not in told]
    rows += [{"topic": topic, **row} for topic, worked in told.items() for row in worked.pop("findings")]
    topics = before["topics"] | {topic: {**worked, "command": command} for topic, worked in told.items()}
    content = {
        "name": path.stem, "measured": f"{datetime.now():%Y-%m-%d}", "machine": machine(),
        "commands": [*dict.fromkeys(topic["command"] for topic in topics.values())], "topics": topics,
        "rows": sorted(rows, key=lambda row: [*TOPICS].index(row["topic"])),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)
    return path
