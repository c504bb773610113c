"""What a comparison is made of: rows of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from counterfeit.common.estimate import Estimate
from counterfeit.evaluation.measure import metric_of
from counterfeit.metrics.base import Metric, Result

__all__ = ["OTHER", "Line"]


ARROWS: Mapping[str | None, str] = {"higher": "↑", "lower": "↓", None: ""}
OTHER = "other protocol"


@dataclass(frozen=True)
class Line:
    """What one metric says under one protocol.

    Arguments:
        metric: its name, or that of one of its numbers.
        protocol: how all of `cells` were measured.
        cells: name -> result.
        best: names of the best, and of those within two standard errors of it; empty where nothing is ranked.
        others: names measured under another protocol.
    """

    metric: str
    protocol: str
    cells: Mapping[str, Result]
    best: frozenset[str]
    others: frozenset[str]

    @property
    def about(self) -> Metric | None:
        """The metric, where the catalogue has one of that name."""
        return metric_of(self.metric)

    @property
    def kind(self) -> str:
        """Exact, bound or estimate, with the unit and the better direction."""
        metric = self.about
        return ", ".join(filter(None, [metric.kind, metric.unit, ARROWS[metric.better]])) if metric else "estimate"


def best(row: str, cells: Mapping[str, Result]) -> frozenset[str]:
    """Who is best, with all within two standard errors of the difference; nobody where there is nothing to rank."""
    about = metric_of(row)
    if about is None or about.better is None or len(cells) < 2:
        return frozenset()
    chosen = (max if about.better == "higher" else min)(cells.values(), key=lambda found: found.value)
    return frozenset(name for name, found in cells.items() if _close(found.estimate, chosen.estimate))


def _close(a: Estimate, b: Estimate) -> bool:
    return abs(a.value - b.value) <= 2 * math.hypot(a.standard_error, b.standard_error)
