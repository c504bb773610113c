"""What a run logged and what can be changed about it, as the training doctor reads it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

from counterfeit.config.parse import groups
from counterfeit.config.settings import Train
from counterfeit.core import Model
from counterfeit.engine.doctor import prose
from counterfeit.engine.doctor.finding import Change

__all__ = ["PREFIX", "Chart"]

PREFIX = "doctor/"  # of what an examination logs
PATIENCE = 2  # examinations in a row that a sign must be seen in: generators come back from many a slump
EARLIEST = (200, 0.05)  # steps, and share of all steps, before which a model is too young to be examined


@dataclass(frozen=True)
class Chart:
    """The rows that a run logged, with what can be changed about it.

    Arguments:
        rows: of events.jsonl, oldest first.
        train: settings of training.
        model: which settings it takes.
        complete: whether no further examination will follow.
        patience: examinations in a row that a sign must be seen in.
    """

    rows: Sequence[Mapping[str, Any]]
    train: Train
    model: Model
    complete: bool = False
    patience: int = PATIENCE

    @property
    def step(self) -> int:
        """Of the last row."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def young(self) -> bool:
        """Whether samples say nothing yet."""
        return self.step < self._earliest

    @property
    def _earliest(self) -> float:
        return max(EARLIEST[0], EARLIEST[1] * self.train.steps)

    @cached_property
    def _examined(self) -> list[Mapping[str, Any]]:
        return [row for row in self.rows if any(key.startswith(PREFIX) for key in row)]

    def lately(self, name: str) -> list[float]:
        """What the last examinations gave for `name`, oldest first; nothing where they are too few to judge by."""
        rows = [row for row in self._examined if row["step"] >= self._earliest][-self.patience :]
        values = [value for row in rows if (value := _number(row.get(PREFIX + name))) is not None]
        enough = len(rows) == self.patience or self.complete
        return values if enough and len(values) == len(rows) else []

    def last(self, name: str) -> float:
        """The last value of `name`; not a number where there is none."""
        return next((v for row in reversed(self.rows) if (v := _number(row.get(PREFIX + name))) is not None), math.nan)

    def names(self, prefix: str) -> list[str]:
        """What the last examination gave under `prefix`."""
        keys = [key.removeprefix(PREFIX) for row in self._examined[-1:] for key in row if key.startswith(PREFIX)]
        return [key for key in keys if key.startswith(prefix)]

    def series(self, key: str) -> list[float]:
        """Every value logged as `key`, oldest first."""
        return [value for row in self.rows if (value := _number(row.get(key))) is not None]

    def keys(self, last: str) -> list[str]:
        """What is logged whose last word is `last`."""
        found = {key: None for row in self.rows for key in row if key.rpartition("/")[2] == last}
        return [key for key in found if not key.startswith((PREFIX, "valid/"))]

    def option(self, setting: str, value: float | str | tuple[float, ...]) -> list[Change]:
        """The change that gives a setting another value; none where the run does not take it, or has that value."""
        section, _, key = setting.partition(".")
        holder = self.train if section == "train" else self._taken.get(key)
        same = prose.value(getattr(holder, key, "")) == prose.value(value)
        return [] if holder is None or same else [Change(setting, value)]

    def held(self, key: str) -> Any:
        """The model's value of a setting, or its default where the model keeps none; None where it does not take it."""
        own = inspect.signature(type(self.model).__init__).parameters
        default = own[key].default if key in own else inspect.Parameter.empty
        return getattr(self._taken.get(key), key, None if default is inspect.Parameter.empty else default)

    def setting(self, key: str, otherwise: float) -> float:
        """The model's value of a setting that it takes."""
        held = self.held(key)
        return otherwise if held is None else float(held)

    @cached_property
    def _taken(self) -> dict[str, object]:
        """Settings that the model takes, its own and those of its groups, each with what holds its value."""
        kept = {type(value): value for value in vars(self.model).values() if is_dataclass(value)}
        grouped = groups(type(self.model))
        own = set(inspect.signature(type(self.model).__init__).parameters) - set(grouped)
        inner = {f.name: kept.get(type(group), group) for group in grouped.values() for f in fields(group)}
        return inner | dict.fromkeys(own, self.model)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
