"""What a metric is: a pure function of tensors behind a thin adapter, and a result that carries its protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from counterfeit.core import Model
from counterfeit.data.source import Source

__all__ = ["Evaluation", "Metric", "Result"]


@dataclass(frozen=True)
class Evaluation:
    """How to evaluate.

    Arguments:
        metrics: names of the metrics, in order.
        split: the split that results speak of, "valid" or "test".
        samples: number of samples drawn from the model.
        importance: importance samples for each example, for bounds.
        limit: evaluate on the first so many examples of the split; 0 takes all.
        seed: seed of the samples.
        batch_size: examples handed to the model at once.
    """

    metrics: tuple[str, ...] = ()
    split: Literal["valid", "test"] = "test"
    samples: int = 10_000
    importance: int = 200
    limit: int = 0
    seed: int = 0
    batch_size: int = 1_000

    def __post_init__(self) -> None:
        for name, low in {"samples": 1, "importance": 1, "limit": 0, "seed": 0, "batch_size": 1}.items():
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= low):
                raise ValueError(
                    f"evaluate.{name}: {getattr(self, name)!r} came; an integer of at least {low} is expected."
                )
        if self.split not in ("valid", "test"):
            raise ValueError(f"evaluate.split: {self.split!r} came; valid or test is expected.")


@dataclass(frozen=True)
class Result:
    """A measured number: value, standard error (None where there is none), count it averages, and protocol in words.

    `details` holds what belongs beside it: reference rows, the chosen bandwidth, warnings.
    """

    value: float
    error: float | None
    n: int
    protocol: str
    details: Mapping[str, Any] = field(default_factory=dict)

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


@dataclass(frozen=True)
class Metric:
    """A number that any model with the capability `needs` can be given.

    Arguments:
        name: as on the command line.
        summary: one line for listings.
        unit: "nats", "" for pure numbers.
        better: which direction is better, None where neither is.
        needs: the capability (a protocol of `core`) that `compute` asks of a model.
        compute: (model, source, evaluation) -> Result; draws under `evaluation.seed`, leaves random states alone.
        labels: whether it asks for data with labels.
    """

    name: str
    summary: str
    unit: str
    better: Literal["higher", "lower"] | None
    needs: type
    compute: Callable[[Model, Source, Evaluation], Result]
    labels: bool = False
