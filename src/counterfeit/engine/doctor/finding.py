"""What the training doctor finds, for programs: signs with their numbers, and the settings to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from counterfeit.engine.doctor import prose

__all__ = ["Change", "Finding", "Sign"]

NO_WORDS = (LookupError, TypeError, ValueError, ArithmeticError)  # of signs that are unknown or lack their numbers


@dataclass(frozen=True)
class Sign:
    """What was seen.

    Arguments:
        name: which sign, such as "few-groups": one of `prose.SIGNS`.
        values: its numbers by name, and the names of parts and layers.
    """

    name: str
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return prose.sign(self.name, self.values)


@dataclass(frozen=True)
class Change:
    """A setting to change.

    Arguments:
        setting: its dotted name, such as "train.lr".
        value: what it should be.
        together: further changes that go with this one, such as the learning rates of parts that have their own.

    Example:
        >>> str(Change("train.lr", 1e-4))
        '`--train.lr 0.0001`'
    """

    setting: str
    value: Any
    together: tuple[Change, ...] = ()

    def __str__(self) -> str:
        return " with ".join([f"`--{self.setting} {prose.value(self.value)}`", *map(str, self.together)])


@dataclass(frozen=True)
class Finding:
    """What is wrong.

    Arguments:
        kind: a name for programs, such as "mode-collapse".
        severity: "failure" where the run will hardly recover by itself.
        step: at which it was found.
        signs: what was seen, at least one.
        changes: any one of which may help; only of settings that the run has, and that are not so yet.
    """

    kind: str
    severity: Literal["warning", "failure"]
    step: int
    signs: tuple[Sign, ...]
    changes: tuple[Change, ...] = ()

    @property
    def saw(self) -> str:
        """What was seen, with numbers, in words."""
        return "; ".join(map(str, self.signs))

    @property
    def why(self) -> str:
        """Why it matters."""
        return prose.WHY.get(self.kind, "")

    @property
    def change(self) -> str:
        """What to do, with the settings to change between backticks as on the command line."""
        advice = prose.ADVICE.get(self.kind, "Try another setting")
        return f"{advice}: {' or '.join(map(str, self.changes))}." if self.changes else f"{advice}."

    def __str__(self) -> str:
        name = self.kind.replace("-", " ")
        return f"{name} at step {self.step} ({self.severity}): {self.saw}. {self.why} {self.change}"

    def to_dict(self) -> dict[str, Any]:
        """As in events.jsonl: what it holds, and the same in words."""
        return {**asdict(self), "saw": self.saw, "why": self.why, "change": self.change}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Finding:
        """What `to_dict` gave; where only its words are left, these are its one sign.

        Example:
            >>> found = Finding("blur", "warning", 9, (Sign("smooth", {"times": 0.5}),), (Change("train.steps", 36),))
            >>> Finding.of(found.to_dict()) == found
            True
        """
        signs = tuple(Sign(one["name"], one["values"]) for one in row.get("signs", ()))
        found = cls(row["kind"], row["severity"], row["step"], signs, tuple(map(_change, row.get("changes", ()))))
        try:
            told = found.saw == row["saw"]
        except NO_WORDS:
            told = False
        return found if told else replace(found, signs=(Sign("said", {"text": row["saw"]}),))


def _change(row: Mapping[str, Any]) -> Change:
    return Change(row["setting"], row["value"], tuple(map(_change, row["together"])))
