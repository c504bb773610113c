"""Every metric by name: a `Metric` of a file in `metrics/`, found without being registered by hand."""

from __future__ import annotations

from functools import cache

from counterfeit.common.discovery import declared
from counterfeit.common.spelling import nearest
from counterfeit.metrics.base import Metric

__all__ = ["metric", "metrics"]


@cache
def metrics() -> dict[str, Metric]:
    """Every metric by name."""
    return declared("counterfeit.metrics", Metric)


def metric(name: str) -> Metric:
    """The metric of that name."""
    if name not in metrics():
        raise ValueError(f"metric {name!r} is unknown; {nearest(name, _said(), 'counterfeit list metrics')}")
    return metrics()[name]


def _said() -> dict[str, str]:
    return {name: found.summary for name, found in metrics().items()}
