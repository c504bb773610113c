"""What a run was, in words; what it should reach and what was measured, in numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from counterfeit import catalogue
from counterfeit.common.estimate import Estimate
from counterfeit.engine import checkpoint
from counterfeit.evaluation.measure import beats_real, metric_of
from counterfeit.inference.receptive_field import receptive_field
from counterfeit.metrics.base import Result
from counterfeit.run.run import Run

__all__ = [
    "Goal",
    "Measurement",
    "compared",
    "duration",
    "facts",
    "goals",
    "measurement",
    "measurements",
    "summary",
]  # fmt: skip

# details that have a place of their own, or that only programs read
SHOWN = ("closest", "hollow", "histogram", "values", "scores")


class Measurement(NamedTuple):
    """A metric's result, with what it is to be compared to, how it was measured and what to beware of.

    Arguments:
        name: of the row.
        found: the number.
        summary: what it is, in words.
        references: what it is to be compared to, by name.
        protocol: how it was measured.
        details: numbers beside it that have no place of their own.
        histogram: counts of its classes or modes; empty where there are none.
        warnings: what to beware of.
        note: what to keep in mind of all such numbers.
    """

    name: str
    found: Estimate
    summary: str
    references: Mapping[str, Estimate]
    protocol: str
    details: Mapping[str, Any]
    histogram: Sequence[float]
    warnings: Sequence[str]
    note: str


class Goal(NamedTuple):
    """A number to reach, and whether it was.

    Arguments:
        metric: its name.
        goal: what to reach, with its error where that is known.
        better: which direction is.
        measured: what was reached; None where nothing was measured.
        hollow: why what was measured counts for nothing; "" where it counts.
        source: where the goal is from.
    """

    metric: str
    goal: Estimate
    better: Literal["higher", "lower"]
    measured: Estimate | None
    hollow: str
    source: str

    @property
    def short(self) -> float:
        """By how much the goal was missed; 0 or below where it was not; NaN where nothing was measured."""
        if self.measured is None:
            return math.nan
        return (self.measured.value - self.goal.value) * (1 if self.better == "lower" else -1)

    @property
    def reached(self) -> bool | None:
        """Whether it was; None where nothing was measured."""
        return None if self.measured is None else self.short <= 0 and not self.hollow


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
        "Receptive field": receptive_field(run.model, run.source),
        "Examples": sizes,
        "Parameters": f"{sum(parts.values()):,} ({counts})",
        "Steps": f"{step:,} of {config.train.steps:,}, batches of {config.train.batch_size}",
        "Training time": f"{duration(seconds)} ({state['cpu_seconds']:,.0f} CPU-seconds, {speed})",
        "Checkpoint": _checkpoint(run),
        "Precision": f"{run.description.get('precision', config.train.precision)} on {device}",
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
    results = {row: Result.from_dict(entry) for row, entry in run.evaluation.items()}
    return [compared(goal, results) for goal in wanted]


def measurements(run: Run) -> list[Measurement]:
    """What `evaluation.json` holds, with a warning where it is of another checkpoint than the page."""
    used, found = run.checkpoint.name, []
    for name, entry in run.evaluation.items():
        result, of = Result.from_dict(entry), entry.get("checkpoint", used)
        stale = f"measured at {of}, while this page shows {used}; evaluate it again" if used and of != used else ""
        found.append(measurement(name, result, stale))
    return found


def measurement(name: str, found: Result, stale: str = "") -> Measurement:
    """A result beside what it is to be compared to.

    Arguments:
        name: of the row.
        found: the result.
        stale: why it is none of what else is shown; "" where it is.
    """
    metric, details = metric_of(name), found.details
    references = {f"{key} (reference)": row for key, row in found.references.items()}
    references |= {f"by {key}": Estimate(row["auroc"], row["error"]) for key, row in details.get("scores", {}).items()}
    unit = f", in {metric.unit}" if metric and metric.unit else ""
    better = f"; {metric.better} is better" if metric and metric.better else ""
    what = f"{metric.summary} ({metric.kind})" if metric else name
    warnings = [found.warning, stale]
    if copies := details.get("copies"):
        warnings.insert(1, f"{copies} of {found.n:,} samples are copies of training examples")
    return Measurement(
        name, found.estimate, f"{what}{unit}{better}", references, found.protocol, _rest(details),
        details.get("histogram", []), [*filter(None, warnings)], found.note,
    )  # fmt: skip


def _rest(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details that have no place of their own; a share with its interval."""
    ends = {f"{key}{end}" for key in details for end in ("_low", "_high")}
    found = {}
    for key, value in details.items():
        if key not in SHOWN and key not in ends:
            low, high = details.get(f"{key}_low"), details.get(f"{key}_high")
            found[key] = value if low is None else Estimate(value, low=low, high=high)
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


def compared(goal: Mapping[str, Any], results: Mapping[str, Result]) -> Goal:
    """Whether a goal of a recipe was reached; what is better than real data in their place, or says of itself
    that it is hollow, reaches none.

    Arguments:
        goal: metric and value, as a recipe has it.
        results: row -> result.
    """
    name, wanted, source = goal["metric"], Estimate(goal["value"], goal.get("error")), str(goal.get("source", ""))
    metric, found = metric_of(name), results.get(name)
    better: Literal["higher", "lower"] = goal.get("better") or (metric.better if metric else None) or "higher"
    if found is None:
        return Goal(name, wanted, better, None, "", source)
    beaten = "better than real data in their place" if beats_real(found, better) else ""
    return Goal(name, wanted, better, found.estimate, found.details.get("hollow") or beaten, source)
