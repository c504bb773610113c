"""Every metric by name: a `Metric` of a file in `metrics/`, found without being registered by hand."""

from __future__ import annotations

import importlib
from functools import cache

from counterfeit.common.discovery import by_name, modules
from counterfeit.common.spelling import nearest
from counterfeit.metrics.base import Metric

__all__ = ["metric", "metrics"]


@cache
def metrics() -> dict[str, Metric]:
    """Every metric by name."""
    return by_name(
        (found.name, found)
        for path in modules("counterfeit.metrics")
        for found in vars(importlib.import_module(path)).values() if isinstance(found, Metric)
    )  # fmt: skip


def metric(name: str) -> Metric:
    """The metric of that name."""
    if name not in metrics():
        raise ValueError(f"metric {name!r} is unknown; {nearest(name, [*metrics()], 'counterfeit list metrics')}")
    return metrics()[name]
