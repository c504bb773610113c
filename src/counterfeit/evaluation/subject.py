"""What is evaluated: a model against data, a run's or any other, or samples in the place of a model's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from counterfeit.common.threads import using
from counterfeit.config.settings import Config, Evaluation
from counterfeit.core import Generator, Spec, check_request
from counterfeit.data.source import Examples, Source
from counterfeit.evaluation.measure import Results, Tell, measure
from counterfeit.inference.draws import Drawn, draw
from counterfeit.metrics.base import Result

__all__ = ["FixedSamples", "Subject", "Trained"]

SAMPLES = 10_000  # that are evaluated where nobody says how many


class FixedSamples(Generator):
    """Hands out samples that exist already, in an order drawn afresh for every metric; it can do nothing else.

    Arguments:
        spec: what the samples are.
        examples: the samples.
        name: what to call them in messages.

    Example:
        >>> from counterfeit.data.source import InMemory
        >>> FixedSamples(Spec((2,), "real"), InMemory(torch.zeros(5, 2)), "zeros").sample(3).shape
        torch.Size([3, 2])
    """

    def __init__(self, spec: Spec, examples: Examples, name: str) -> None:
        super().__init__(spec)
        self.examples, self.name = examples, name
        self.left, self.fresh = torch.empty(0, dtype=torch.int64), True

    @property
    def device(self) -> torch.device:
        """The CPU: it has no parameters."""
        return torch.device("cpu")

    def restart(self) -> None:
        """Hand out all samples again, in another order; every evaluation begins so."""
        self.fresh = True

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """The next `n` samples, (n, *shape), none of them twice.

        Raises:
            ValueError: where fewer are left.
        """
        check_request(n, y)
        if self.fresh:
            self.left, self.fresh = torch.randperm(len(self.examples)), False
        if n > len(self.left):
            count = len(self.examples)
            raise ValueError(f"{self.name} holds {count:,} samples; more are asked for. Add --samples {count}.")
        taken, self.left = self.left[:n], self.left[n:]
        return self.examples[taken].x


class Trained(Drawn, Protocol):
    """What a comparison and a record ask of a run beside its numbers: how it was trained, and what that cost."""

    path: Path
    config: Config

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoint in use."""

    @property
    def state(self) -> dict[str, Any]:
        """Step, seconds and CPU seconds of the newest checkpoint."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was logged, oldest first."""

    @property
    def evaluation(self) -> dict[str, Any]:
        """Row -> what was measured so far."""

    @property
    def threads(self) -> int | None:
        """CPU threads that it was trained with."""

    @property
    def commands(self) -> list[str]:
        """What trains it again, command after command."""

    @property
    def subject(self) -> Subject:
        """The run as what is evaluated."""

    def evaluate(self, *metrics: str, tell: Tell | None = None, **options: Any) -> Results:
        """Measure, and remember in the run folder."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is evaluated: a model, or samples in the place of one, against data.

    Arguments:
        name: what to call it.
        model: what is asked.
        source: the data that it is measured against.
        usual: how to evaluate where nobody says otherwise.
        note: what stands for samples, in words, where they are no plain draws; "" where they are.
        real: whether it is real data in the place of samples.
        run: the run whose model it is; None for samples made elsewhere.
    """

    name: str
    model: Generator
    source: Source
    usual: Evaluation = dataclasses.field(default_factory=Evaluation)
    note: str = ""
    real: bool = False
    run: Trained | None = None

    def settings(self, **options: Any) -> Evaluation:
        """How to evaluate: the usual way with `options` over it.

        Of samples that exist already all are taken, up to 10,000, where `options` say no number, under one seed.
        """
        if not isinstance(self.model, FixedSamples):
            return dataclasses.replace(self.usual, **options)
        held = len(self.model.examples)
        chosen = dataclasses.replace(self.usual, **{"samples": min(SAMPLES, held), **options})
        if chosen.samples > held:
            raise ValueError(f"samples={chosen.samples} came; {self.name} holds {held:,}. Ask for as many at most.")
        return dataclasses.replace(chosen, seeds=1) if chosen.samples == held else chosen

    def sample(self, n: int, seed: int = 0, y: Any = None, mean: bool = False) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), on the CPU."""
        return draw(self, n, seed, y, mean)

    def evaluate(self, *metrics: str, tell: Tell | None = None, **options: Any) -> Results:
        """Measure and return metric -> result; a run remembers them, anything else is only measured."""
        if self.run and not self.note:
            return self.run.evaluate(*metrics, tell=tell, **options)
        settings = self.settings(**options)
        with using(self.run.threads if self.run else 1):  # what an operation of a metric is worth, it takes
            return self._marked(measure(self, metrics or ("all",), settings, tell), settings)

    def _marked(self, results: Results, settings: Evaluation) -> Results:
        """The results, with what stands for samples, and a warning where a split was measured against itself."""
        rows: Mapping[str, Result] = results
        if self.note:
            rows = {row: result.adding({"samples": self.note}) for row, result in rows.items()}
        if self.real and self.name == f"{self.source.raw.name}:{settings.split}":
            itself = f"{self.name} is measured against itself; take {self.source.raw.name}:train"
            rows = {row: result.adding(warning=itself) for row, result in rows.items()}
        return Results(rows, results.skipped)
