"""What a run was, what it should reach and what was measured, in words."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from counterfeit import catalogue
from counterfeit.common.numbers import measured, number
from counterfeit.engine import checkpoint
from counterfeit.evaluation.measure import beats_real, metric_of
from counterfeit.run.run import Run

__all__ = [
    "Goal", "Measurement", "Row", "duration", "facts", "goals", "judged", "measured", "measurement", "measurements",
    "number", "summary",
]  # fmt: skip

# details that have a place of their own, or that only programs read
SHOWN = ("closest", "references", "warning", "hollow", "note", "histogram", "values", "scores")


class Row(NamedTuple):
    """A number with its name and how many it averages, as text."""

    name: str
    value: str
    n: str


class Measurement(NamedTuple):
    """A metric's result, with what it is to be compared to, how it was measured and what to beware of."""

    row: Row
    summary: str
    references: list[Row]
    protocol: str
    details: str
    histogram: list[float]
    warnings: list[str]
    note: str


class Goal(NamedTuple):
    """A number to reach, and whether it was; `reached` is None where it was not measured."""

    metric: str
    goal: str
    measured: str
    verdict: str
    reached: bool | None
    source: str


def duration(seconds: float) -> str:
    """Seconds in a unit that suits them.

    Example:
        >>> duration(9.46), duration(754), duration(8000)
        ('9.5 s', '12.6 min', '2.2 h')
    """
    scale, unit = (1, "s") if seconds < 120 else (60, "min") if seconds < 7200 else (3600, "h")
    return f"{seconds / scale:.1f} {unit}"


def facts(run: Run) -> dict[str, str]:
    """Key facts: name -> text."""
    config, state, source = run.config, run.state, run.description.get("source", {})
    step, seconds = state["step"], state["seconds"]
    parts = run.description.get("parameters", {})
    counts = ", ".join(f"{name} {count:,}" for name, count in parts.items())
    sizes = ", ".join(f"{size:,} {split}" for split, size in source.get("sizes", {}).items())
    transforms = f" ({', '.join(config.data.transforms)})" if config.data.transforms else ""
    speed = f"{step * config.train.batch_size / max(seconds, 1e-9):,.0f} examples/s"
    versions = ", ".join(f"{name} {version}" for name, version in run.description.get("versions", {}).items())
    device = run.description.get("device", config.train.device)
    return {
        "Recipe": config.recipe,
        "Model": f"{config.model}: {_summary(type(run.model))}",
        "Data": f"{config.data.name}{transforms}",
        "Examples": sizes,
        "Parameters": f"{sum(parts.values()):,} ({counts})",
        "Steps": f"{step:,} of {config.train.steps:,}, batches of {config.train.batch_size}",
        "Training time": f"{duration(seconds)} ({state['cpu_seconds']:,.0f} CPU-seconds, {speed})",
        "Checkpoint": _checkpoint(run),
        "Precision": f"{config.train.precision} on {device}",
        "Seed": str(config.train.seed),
        "Created": str(run.description.get("created", "")).replace("T", " "),
        "Versions": versions,
        "Data fingerprint": str(source.get("fingerprint", "")),
    }


def summary(run: Run) -> str:
    """What the recipe says of itself, and the data where they are others."""
    text = str(run.description.get("summary", ""))
    return text if _own_data(run) else f"{text}; here on {run.config.data.name}"


def goals(run: Run) -> list[Goal]:
    """The recipe's goals beside what was measured; none on data other than the recipe's."""
    if not _own_data(run):
        return []
    wanted = [goal for goal in run.description.get("targets", ()) if "metric" in goal and "value" in goal]
    return [judged(goal, run.evaluation) for goal in wanted]


def measurements(run: Run) -> list[Measurement]:
    """What `evaluation.json` holds."""
    return [measurement(name, entry, run.checkpoint.name) for name, entry in run.evaluation.items()]


def measurement(name: str, entry: Mapping[str, Any], used: str = "") -> Measurement:
    """A result, as in `evaluation.json`, in words; with a warning where it is of another checkpoint than `used`."""
    metric, details = metric_of(name), entry.get("details", {})
    references = [_row(f"{key} (reference)", row) for key, row in details.get("references", {}).items()]
    references += [_row(f"by {key}", _score(row)) for key, row in details.get("scores", {}).items()]
    unit = f", in {metric.unit}" if metric and metric.unit else ""
    better = f"; {metric.better} is better" if metric and metric.better else ""
    what = f"{metric.summary} ({metric.kind})" if metric else name
    rest = "; ".join(f"{key.replace('_', ' ')} {text}" for key, text in _told(details).items())
    return Measurement(
        _row(name, entry), f"{what}{unit}{better}", references, entry["protocol"], rest,
        details.get("histogram", []), _warnings(entry, used), details.get("note", ""),
    )  # fmt: skip


def _told(details: Mapping[str, Any]) -> dict[str, str]:
    """Details that have no place of their own, as text; a share with its interval."""
    ends = {f"{key}{end}" for key in details for end in ("_low", "_high")} | {"low", "high"}
    found = {}
    for key, value in details.items():
        if key not in SHOWN and key not in ends:
            share = {"low": details.get(f"{key}_low"), "high": details.get(f"{key}_high")}
            found[key] = measured({"value": value, **share}) if share["low"] is not None else number(value)
    return found


def _own_data(run: Run) -> bool:
    recipe = catalogue.recipes().get(run.config.recipe)
    return recipe is None or recipe.settings.get("data", {}).get("name", "digits") == run.config.data.name


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").split("\n")[0].rstrip(".")


def _checkpoint(run: Run) -> str:
    state = checkpoint.read_state(run.checkpoint)
    how = f"best {run.config.train.monitor} on the validation split" if state.get("score") is not None else "the newest"
    return f"step {state['step']:,} ({how if run.which == 'best' else run.which})"


def judged(goal: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Goal:
    """Whether a goal of a recipe was reached; what is better than real data in their place, or says of itself
    that it is hollow, reaches none.

    Arguments:
        goal: metric and value, as a recipe has it.
        evaluation: row -> entry, as in `evaluation.json`.
    """
    name, value, error = goal["metric"], goal["value"], goal.get("error")
    metric = metric_of(name)
    lower = (goal.get("better") or (metric.better if metric else None)) == "lower"
    text = f"{'≤' if lower else '≥'} {value:,g}{f' ± {error:g}' if error else ''}"
    source = str(goal.get("source", ""))
    if name not in evaluation:
        return Goal(name, text, "", "not measured", None, source)
    found = evaluation[name]
    short = (found["value"] - value) * (1 if lower else -1)
    close = ", within its error" if error and short <= error else ""
    verdict = "reached" if short <= 0 else f"{'too high' if lower else 'short'} by {short:.3g}{close}"
    if beats := beats_real(found, "lower" if lower else "higher"):
        verdict = "not reached: better than real data in their place"
    if hollow := found.get("details", {}).get("hollow"):
        verdict = f"not reached: {hollow}"
    return Goal(name, text, measured(found), verdict, short <= 0 and not (beats or hollow), source)


def _row(name: str, row: Mapping[str, Any]) -> Row:
    n = row.get("n")
    return Row(name, measured(row), f"{n:,}" if n else "")


def _score(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """AUROC by one kind of score, of which `anomaly` gives several."""
    return {"value": row["auroc"], "error": row["error"]}


def _warnings(entry: Mapping[str, Any], used: str) -> list[str]:
    details, measured = entry.get("details", {}), entry.get("checkpoint", used) if used else used
    found = [str(details["warning"])] if details.get("warning") else []
    if details.get("copies"):
        found.append(f"{details['copies']} of {entry['n']:,} samples are copies of training examples")
    if measured != used:
        found.append(f"measured at {measured}, while this page shows {used}; evaluate it again")
    return found
