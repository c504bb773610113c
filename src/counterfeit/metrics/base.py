"""What a metric is: a pure function of tensors behind a thin adapter, and a result that carries its protocol."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import UnionType
from typing import Any, Literal, Self

from counterfeit.common.estimate import Estimate
from counterfeit.common.numbers import measured
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import NUMBERS, Generator, Kind
from counterfeit.data.source import Source

__all__ = ["Answer", "Metric", "Result", "attempt"]


@dataclass(frozen=True, repr=False)
class Result:
    """A measured number: value, standard error (None where there is none), count it averages, and protocol in words.

    Arguments:
        value: the number.
        error: its standard error.
        n: how many it averages.
        protocol: how it was measured.
        details: what is of this metric only, as a chosen bandwidth or a histogram.
        low: lower end of the 95 % interval of a share.
        high: upper end of that interval.
        references: what else reaches in the place of what was measured, by name.
        warnings: what to beware of.
        note: what to keep in mind of all such numbers.

    Raises:
        ValueError: where the value is no finite number: whatever led to it, nothing was measured.
    """

    value: float
    error: float | None
    n: int
    protocol: str
    details: Mapping[str, Any] = field(default_factory=dict)
    _: KW_ONLY
    low: float | None = None
    high: float | None = None
    references: Mapping[str, Estimate] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(
                f"{self.value} came of {self.protocol.partition(';')[0]}; a finite number is expected. Look at samples "
                "and data for what is not finite or very large."
            )
        if self.error is not None and not math.isfinite(self.error):
            object.__setattr__(self, "error", None)

    def __repr__(self) -> str:
        return f"{measured(self.estimate)} (n={self.n:,})"

    @classmethod
    def of(cls, found: Estimate, protocol: str, details: Mapping[str, Any] | None = None, **more: Any) -> Self:
        """The result that an estimate is, with its interval; `more` are fields."""
        ends = {"low": found.low, "high": found.high}
        return cls(found.value, found.error, found.n or 0, protocol, details or {}, **{**ends, **more})

    @property
    def estimate(self) -> Estimate:
        """The number and what is known of its error."""
        return Estimate(self.value, self.error, self.n, self.low, self.high)

    @property
    def warning(self) -> str:
        """All warnings as one text; "" where there are none."""
        return "; ".join(self.warnings)

    @property
    def fingerprint(self) -> str:
        """Short hash of the protocol: results with equal fingerprints may be compared."""
        return hashlib.sha256(self.protocol.encode()).hexdigest()[:12]

    def adding(self, details: Mapping[str, Any] | None = None, warning: str = "") -> Self:
        """The result with further details, or a warning more."""
        warnings = (*self.warnings, *filter(None, [warning]))
        return dataclasses.replace(self, details={**self.details, **(details or {})}, warnings=warnings)

    def to_dict(self) -> dict[str, Any]:
        """As in `evaluation.json`."""
        return {
            "value": self.value, "error": self.error, "n": self.n, "protocol": self.protocol,
            "fingerprint": self.fingerprint, "details": self._details(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """The result that an entry of `evaluation.json` tells of, which `file_schemas.RESULTS` has checked."""
        details = dict(entry.get("details", {}))
        warning = details.pop("warning", "")
        references = {name: Estimate.from_dict(row) for name, row in details.pop("references", {}).items()}
        fields = {"low": details.pop("low", None), "high": details.pop("high", None), "note": details.pop("note", "")}
        return cls(
            entry["value"], entry["error"], entry["n"], entry["protocol"], details, references=references,
            warnings=(warning,) if warning else (), **fields,
        )  # fmt: skip

    def _details(self) -> dict[str, Any]:
        """What belongs beside the number, as JSON has it."""
        rows = {name: row.to_dict() for name, row in self.references.items()}
        ends = {"low": self.low, "high": self.high} if self.low is not None and self.high is not None else {}
        named = {"warning": self.warning, "references": rows, "note": self.note}
        return {**self.details, **ends, **{name: value for name, value in named.items() if value}}


Answer = Mapping[str, Result | str]
"""Several numbers of one computation by row, or, in the place of one, why there is none."""


def attempt(measure: Callable[[], Result]) -> Result | str:
    """What is measured, or why it cannot be, so that other numbers of the same computation stand.

    Example:
        >>> attempt(lambda: Result(float("nan"), None, 3, "a mean"))[:30]
        'nan came of a mean; a finite n'
    """
    try:
        return measure()
    except ValueError as error:
        return str(error)


@dataclass(frozen=True)
class Metric:
    """A number that any model with the capability `needs` can be given.

    Arguments:
        name: as on the command line.
        summary: one line for listings.
        unit: "nats", "" for pure numbers.
        better: which direction is better, None where neither is.
        needs: the capability (a protocol of `core`) that `compute` asks of a model, or several of which one will do.
        compute: (model, source, evaluation) -> Result, or several by name where they come of one computation, each of
            which may be the reason why there is none; `measure` calls it.
        labels: whether it asks for data with labels.
        applies: whether it can speak of a source.
        kinds: of data that it can speak of.
        suits: whether it can speak of a model that has the capability.
        kind: what it is of the quantity that its summary names.
        rows: the names of the numbers, where there are several, and which direction of each is better, None as above.
    """

    name: str
    summary: str
    unit: str
    better: Literal["higher", "lower"] | None
    needs: type | UnionType
    compute: Callable[[Generator, Source, Evaluation], Result | Answer]
    labels: bool = False
    applies: Callable[[Source], bool] = lambda source: True  # noqa: ARG005
    kinds: tuple[Kind, ...] = NUMBERS
    suits: Callable[[Generator], bool] = lambda model: True  # noqa: ARG005
    kind: Literal["exact", "bound", "estimate"] = "estimate"
    rows: Mapping[str, Literal["higher", "lower"] | None] = field(default_factory=dict)

    def measure(self, model: Generator, source: Source, evaluation: Evaluation) -> Result | Answer:
        """What `compute` finds; all that is drawn, by samples and by random transforms, comes of `evaluation.seed`."""
        with seeded(evaluation.seed, model.device):
            return self.compute(model, source, evaluation)
