"""The runs in a folder: where each stands, what it reached, and which settings set it apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterfeit import catalogue
from counterfeit.catalogue import UnknownClassError
from counterfeit.common.numbers import measured
from counterfeit.config.parse import changed
from counterfeit.engine.checkpoint import checkpoints
from counterfeit.engine.lock import holder
from counterfeit.metrics.base import Result
from counterfeit.run.run import Run

__all__ = ["listed"]

NUMBERS, SETTINGS = 3, 4  # shown of each run at most


def listed(folder: Path) -> list[dict[str, Any]]:
    """A mapping for each run in `folder`, the newest first: run, recipe, data, state, step, numbers, settings.

    Raises:
        ValueError: there is no such folder, or no run in it.
    """
    files = [*folder.glob("*/run.yaml"), *folder.glob("*/*/run.yaml")] if folder.is_dir() else []
    if not files:
        what = "holds no run" if folder.is_dir() else "is no folder"
        raise ValueError(f"{folder} {what}; a folder of runs is expected. Train one: counterfeit train gan.")
    newest = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    return [_entry(file.parent) for file in newest]


def _entry(path: Path) -> dict[str, Any]:
    try:
        run = Run(path, device="cpu")
        step = run.state["step"] if checkpoints(path) else 0
        numbers = [f"{name} {measured(found.estimate)}" for name, found in _key_numbers(run).items()]
    except UnknownClassError:
        return _row(path, state="of a class of your own")
    except (ValueError, OSError):
        return _row(path, state="damaged")
    ended = step >= run.config.train.steps
    state = "training" if holder(path) else "ended" if ended else "stopped"
    at = f"{step:,} of {max(step, run.config.train.steps):,}"
    return _row(path, run.config.recipe, run.config.data.name, state, at, numbers, _settings(run))


def _row(
    path: Path, recipe: str = "", data: str = "", state: str = "", step: str = "",
    numbers: list[str] | None = None, settings: list[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "run": str(path), "recipe": recipe, "data": data, "state": state, "step": step, "numbers": numbers or [],
        "settings": settings or [],
    }  # fmt: skip


def _key_numbers(run: Run) -> dict[str, Result]:
    """Those of the recipe's goals first, then the others that were measured."""
    goals = [str(goal.get("metric")) for goal in run.description.get("targets", ()) if isinstance(goal, Mapping)]
    held = run.evaluation
    names = [name for name in dict.fromkeys([*goals, *held]) if name in held]
    return {name: Result.from_dict(held[name]) for name in names[:NUMBERS]}


def _settings(run: Run) -> list[str]:
    """What differs from the recipe's own settings."""
    recipe = catalogue.recipes().get(run.config.recipe)
    if recipe is None or recipe.model != run.config.model:
        return []
    told = [
        f"{key} {value}"
        for key, value in changed(run.config, catalogue.usual(recipe, run.config)).items()
        if key != "data.name"
    ]
    return told[:SETTINGS] + ([f"and {len(told) - SETTINGS} more"] if len(told) > SETTINGS else [])
