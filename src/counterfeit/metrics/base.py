"""What a metric is: a pure function of tensors behind a thin adapter, and a result that carries its protocol."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from counterfeit.common.numbers import measured
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator
from counterfeit.data.source import Source

__all__ = ["Answer", "Metric", "Result", "attempt"]


@dataclass(frozen=True, repr=False)
class Result:
    """A measured number: value, standard error (None where there is none), count it averages, and protocol in words.

    `details` holds what belongs beside it: reference rows, the chosen bandwidth, warnings.

    Raises:
        ValueError: where the value is no finite number: whatever led to it, nothing was measured.
    """

    value: float
    error: float | None
    n: int
    protocol: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(
                f"{self.value} came of {self.protocol.partition(';')[0]}; a finite number is expected. Look at samples "
                "and data for what is not finite or very large."
            )
        if self.error is not None and not math.isfinite(self.error):
            object.__setattr__(self, "error", None)

    def __repr__(self) -> str:
        return f"{measured({'value': self.value, 'error': self.error, 'details': self.details})} (n={self.n:,})"

    @property
    def fingerprint(self) -> str:
        """Short hash of the protocol: results with equal fingerprints may be compared."""
        return hashlib.sha256(self.protocol.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """As in `evaluation.json`."""
        return {
            "value": self.value, "error": self.error, "n": self.n, "protocol": self.protocol,
            "fingerprint": self.fingerprint, "details": dict(self.details),
        }  # fmt: skip


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
        needs: the capability (a protocol of `core`) that `compute` asks of a model.
        compute: (model, source, evaluation) -> Result, or several by name where they come of one computation, each of
            which may be the reason why there is none; draws under `evaluation.seed`, leaves random states alone.
        labels: whether it asks for data with labels.
        applies: whether it can speak of a source.
        suits: whether it can speak of a model that has the capability.
        kind: what it is of the quantity that its summary names.
        rows: the names of the numbers, where there are several, and which direction of each is better, None as above.
    """

    name: str
    summary: str
    unit: str
    better: Literal["higher", "lower"] | None
    needs: type
    compute: Callable[[Generator, Source, Evaluation], Result | Answer]
    labels: bool = False
    applies: Callable[[Source], bool] = lambda source: True  # noqa: ARG005
    suits: Callable[[Generator], bool] = lambda model: True  # noqa: ARG005
    kind: Literal["exact", "bound", "estimate"] = "estimate"
    rows: Mapping[str, Literal["higher", "lower"] | None] = field(default_factory=dict)
