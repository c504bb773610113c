"""Listings of what there is: models, recipes, data and metrics, with what a person or a program asks of each."""

from __future__ import annotations

from typing import Any

from counterfeit.catalogue import able, branch, capabilities, family, models, recipes, sources
from counterfeit.common.spelling import nearest, summary
from counterfeit.core import called
from counterfeit.metrics import registry

__all__ = ["entries"]


def entries(kind: str) -> list[dict[str, Any]]:
    """Everything of one kind ("models", "recipes", "data", "metrics"), a mapping each with name and summary."""
    listings = {"models": _list_models, "recipes": _list_recipes, "data": _list_data, "metrics": _list_metrics}
    if kind not in listings:
        raise ValueError(f"{kind!r} cannot be listed; {nearest(kind, [*listings])}")
    return listings[kind]()


def _list_models() -> list[dict[str, Any]]:
    used: dict[str, list[str]] = {}
    for entry in recipes().values():
        used.setdefault(entry.model, []).append(entry.name)
    return [
        {
            "name": name, "family": family(cls), "density": branch(cls), "summary": summary(cls),
            "capabilities": capabilities(cls), "recipes": used.get(name, []),
        }
        for name, cls in models().items()
    ]  # fmt: skip


def _list_recipes() -> list[dict[str, Any]]:
    return [
        {
            "name": r.name, "summary": r.summary, "model": r.model,
            "data": r.settings.get("data", {}).get("name", "digits"), "targets": [dict(goal) for goal in r.targets],
        }
        for r in recipes().values()
    ]  # fmt: skip


def _list_data() -> list[dict[str, Any]]:
    return [{"name": name, "summary": cls.summary} for name, cls in sources().items()]


def _list_metrics() -> list[dict[str, Any]]:
    return [
        {
            "name": m.name, "summary": m.summary, "unit": m.unit, "better": m.better, "needs": called(m.needs),
            "models": [name for name, cls in models().items() if able(cls, m.needs)],
        }
        for m in registry.metrics().values()
    ]  # fmt: skip
