"""Samples made elsewhere in the place of a model: pictures in a folder or zip, an array in a file, a split of a source.

An array has N rows of the data's shape: images (N, C, H, W), with channels last (N, H, W, C), gray ones without a
channel (N, H, W), or flat (N, D) in the order channel, row, column; points (N, D). The first of these that fits counts.
Images are uint8 from 0 to 255 or floats in [0, 1]; binary ones hold 0 and 1, or 0 and 255. Where the data have a range
of their own (`data.range`), arrays hold values of that range, as those that `counterfeit sample` writes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from counterfeit import catalogue
from counterfeit.common.threads import using
from counterfeit.config.settings import Data, Evaluation
from counterfeit.core import Clock, Draw, Model, Spec, Update, check_request
from counterfeit.data.sample_files import Array, read_samples
from counterfeit.data.source import SPLITS, Examples, Source
from counterfeit.data.sources.arrays import adopt
from counterfeit.evaluation.measure import Results, Tell, measure, warned
from counterfeit.inference.draws import draw

__all__ = ["Given", "Outside", "evaluate", "outside"]


class Given(Model):
    """Hands out samples that exist already, in an order drawn afresh for every metric; it can do nothing else.

    Arguments:
        spec: what the samples are.
        examples: the samples.
        name: what to call them in messages.

    Example:
        >>> from counterfeit.data.source import InMemory
        >>> Given(Spec((2,), "real"), InMemory(torch.zeros(5, 2)), "zeros").sample(3).shape
        torch.Size([3, 2])
    """

    def __init__(self, spec: Spec, examples: Examples, name: str) -> None:
        super().__init__(spec)
        self.examples, self.name = examples, name
        self.left = torch.empty(0, dtype=torch.int64)
        self.train()

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """None: nothing is learnt."""
        return iter(())

    @property
    def device(self) -> torch.device:
        """The CPU: it has no parameters."""
        return torch.device("cpu")

    def train(self, mode: bool = True) -> Self:
        """Start again with all samples, as every draw of a metric does that puts its model in evaluation mode."""
        self.fresh = True
        return super().train(mode)

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


SAMPLES = 10_000  # that are evaluated where nobody says how many


@dataclasses.dataclass(frozen=True)
class Outside:
    """Samples of any other program, or real data in their place, measured against `source`."""

    name: str
    model: Given
    source: Source
    real: bool = False

    def settings(self, **options: Any) -> Evaluation:
        """How to evaluate: all samples where `options` say no number, up to 10,000; under one seed if it is all."""
        held = len(self.model.examples)
        chosen = Evaluation(**{"samples": min(SAMPLES, held), **options})
        if chosen.samples > held:
            raise ValueError(f"samples={chosen.samples} came; {self.name} holds {held:,}. Ask for as many at most.")
        return dataclasses.replace(chosen, seeds=1) if chosen.samples == held else chosen

    def sample(self, n: int, seed: int = 0, y: Any = None, mean: bool = False) -> Tensor:
        """`n` of the samples, (n, *shape), in an order drawn under `seed`."""
        return draw(self, n, seed, y, mean)

    def evaluate(self, *metrics: str, tell: Tell | None = None, **options: Any) -> Results:
        """Measure and return metric -> result; all that apply where no metrics are named."""
        settings = self.settings(**options)
        with using(1):  # what an operation of a metric is worth, it takes
            return self._marked(measure(self, metrics or ("all",), settings, tell), settings)

    def _marked(self, results: Results, settings: Evaluation) -> Results:
        """The results, with a warning where a split was measured against itself."""
        if not self.real or self.name != f"{self.source.raw.name}:{settings.split}":
            return results
        itself = f"{self.name} is measured against itself; take {self.source.raw.name}:train"
        return Results({row: warned(result, itself) for row, result in results.items()}, results.skipped)


def outside(what: Any, data: Any = None) -> Outside:
    """Samples made elsewhere, or a split of a source as if it were samples, for a reference row.

    Arguments:
        what: a folder or zip of pictures, a .npy or .npz file, a split such as "mnist:train"; or an array or a tensor.
        data: what they imitate, by name or path, as settings, or as `train` takes data; may be left out for a split.

    Raises:
        ValueError: where they cannot be read, or are not of the data's shape and range.

    Example:
        >>> outside("digits:train").evaluate("nearest", samples=10)["nearest"].value  # each is its own neighbour
        0.0
    """
    if not isinstance(what, (str, Path)):
        return _array(what, data)
    what, data = str(what), Data(str(data)) if isinstance(data, (str, Path)) else data
    name, _, split = what.rpartition(":")
    if name and split in SPLITS and (data is None or isinstance(data, Data)):
        data = data or Data(name)
        source, examples = catalogue.source(data), catalogue.source(dataclasses.replace(data, name=name)).split(split)
        source.spec.check(examples.first(1).x, source.name)
        return Outside(what, Given(source.spec, examples, what), source, real=True)
    if data is None:
        raise ValueError(f"{what} came without the data that it imitates. Say which, as in --data mnist.")
    source = _imitated(data)
    return Outside(Path(what).name, Given(source.spec, read_samples(Path(what).expanduser(), source), what), source)


def evaluate(samples: Any, *metrics: str, data: Any = None, **options: Any) -> Results:
    """Measure samples that were made elsewhere: row -> result; all metrics that apply where none are named.

    Arguments:
        samples: as `outside` takes them.
        metrics: names of metrics.
        data: what the samples imitate.
        options: any field of `Evaluation`, such as split="valid" or seed=1.

    Example:
        >>> evaluate(torch.zeros(30, 1, 8, 8), "nearest", data="digits")["nearest"].n
        30
    """
    return outside(samples, data).evaluate(*metrics, **options)


def _imitated(data: Any) -> Source:
    """The data that samples imitate."""
    if isinstance(data, (str, Path, Data)):
        return catalogue.source(data if isinstance(data, Data) else str(data))
    return adopt(data)


def _array(what: Any, data: Any) -> Outside:
    """Samples in an array or a tensor."""
    rows = what.detach().cpu().numpy() if isinstance(what, Tensor) else what
    if not isinstance(rows, np.ndarray):
        came = f"{type(what).__name__} came"
        raise ValueError(f"{came}; an array, a tensor, or the path of samples is expected. Convert it.")
    if data is None:
        raise ValueError("samples came without the data that they imitate. Say which, as in data='mnist'.")
    source = _imitated(data)
    return Outside("samples", Given(source.spec, Array(rows, source, "the array"), "the array"), source)
