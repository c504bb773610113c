"""What can be evaluated, a run or samples made elsewhere, and how metrics are asked in turn."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from counterfeit import catalogue
from counterfeit.config import Data
from counterfeit.core import Decodes, Model, Samples, check_request, labels_of
from counterfeit.data.arrays import adopt
from counterfeit.data.conditions import conditions
from counterfeit.data.source import SPLITS, Source
from counterfeit.engine.classifier import train_classifier
from counterfeit.metrics.anomaly import finder
from counterfeit.metrics.classifier import trainer
from counterfeit.metrics.given import Array, Given, read_samples
from counterfeit.metrics.metric import Answer, Evaluation, Metric, Result
from counterfeit.metrics.provided import html
from counterfeit.metrics.sampling import evaluating
from counterfeit.metrics.sharing import sharing
from counterfeit.metrics.threads import using

__all__ = [
    "Outside", "Results", "Subject", "Tell", "UnmeasuredError", "applicable", "beats_real", "draw", "evaluate",
    "measure", "metric_of", "outside", "refusal", "standard_error",
]  # fmt: skip

trainer.by(train_classifier)  # metrics know no engine
finder.by(lambda name, size: catalogue.source(Data(name, size)))  # and no catalogue

FEW = 20  # examples, the mean of fewer of which says little
SAMPLES = 10_000  # that are evaluated where nobody says how many

FAILURES = (ValueError, ArithmeticError, RuntimeError, MemoryError, OSError)  # of one metric; others are asked on

REAL = ("real", "halves", "held-out")  # reference rows of what no model can be better than
BEATS = "better than real data in their place, as samples are that are blurred, repeated, copied or noise: look at them"

Tell = Callable[[str, int, int], None]
"""Told which metric is asked next, its number and how many there are."""


class Results(dict[str, Result]):
    """Row -> result, in the order asked; beside them what gave none.

    Arguments:
        measured: row -> result.
        skipped: metric -> why it gave none.
    """

    def __init__(self, measured: Mapping[str, Result], skipped: Mapping[str, str]) -> None:
        super().__init__(measured)
        self.skipped = dict(skipped)

    def __repr__(self) -> str:
        skipped = f"; skipped: {', '.join(self.skipped)}" if self.skipped else ""
        return ", ".join(f"{row} {result}" for row, result in self.items()) + skipped

    def _repr_html_(self) -> str:
        return html(self)


class UnmeasuredError(ValueError):
    """Every metric that was asked gave a reason in place of a number.

    Arguments:
        skipped: metric -> why it gave none.
    """

    def __init__(self, skipped: Mapping[str, str]) -> None:
        self.skipped = dict(skipped)
        reasons = [f"{name}: {why}" for name, why in self.skipped.items()]
        super().__init__(next(iter(self.skipped.values())) if len(reasons) == 1 else " | ".join(reasons))


class Subject(Protocol):
    """What can be evaluated: a run, or samples made elsewhere."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def model(self) -> Model:
        """What is asked."""

    @property
    def source(self) -> Source:
        """The data that it is measured against."""

    def sample(self, n: int, seed: int = 0, y: Any = None, mean: bool = False) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), on the CPU."""


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
        with using(1):  # what an operation of a metric is worth, it takes
            return measure(self, metrics or ("all",), self.settings(**options), tell)


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


def draw(subject: Subject, n: int, seed: int = 0, y: Any = None, mean: bool = False) -> Tensor:
    """Draw `n` examples in the data's natural unit, (n, *shape), on the CPU.

    Arguments:
        subject: what is asked.
        n: how many.
        seed: the same seed gives the same samples.
        y: for a model that takes labels or captions, one for all or one each: `data.conditions` says how.
        mean: decoded means in place of draws, where the model decodes codes and no labels are asked for.
    """
    model = subject.model
    if not isinstance(model, Samples):
        raise ValueError(f"{type(model).__name__} does not sample; a model that samples is expected.")
    check_request(n)
    chunks = [min(1_000, n - done) for done in range(0, n, 1_000)]
    asked = conditions(y, n, subject.source, labels_of(model))
    labels = asked.split(chunks) if asked is not None else [None] * len(chunks)
    with evaluating(model, seed):
        if mean and asked is None and isinstance(model, Decodes):
            x = torch.cat([model.decode(model.prior(size)) for size in chunks])
        else:
            x = torch.cat([model.sample(size, label) for size, label in zip(chunks, labels, strict=True)])
        return subject.source.natural(x).cpu()


def applicable(subject: Subject, names: Sequence[str] | None = None) -> list[str]:
    """Those of the metrics, all where None, that the model has the capability for, and the data what they need.

    Each stands once. Of all, those are left out that only give what other metrics give one by one.
    """
    every = catalogue.metrics()
    singly = [m for m in every.values() if not m.rows or not set(m.rows) <= set(every)]
    chosen = singly if names is None else _named(names)
    return [m.name for m in chosen if not refusal(m, subject.model, subject.source, subject.name)]


def refusal(metric: Metric, model: Model, source: Source, who: str) -> str:
    """Why a metric cannot be asked of a model, called `who`, and these data; "" where it can."""
    if not isinstance(model, metric.needs):
        has = ", ".join(catalogue.capabilities(type(model)))
        return f"{metric.name} asks for a model that has {metric.needs.__name__}; {who} has {has}."
    if metric.labels and not source.spec.classes:
        return f"{metric.name} asks for data with labels; {source.name} has none."
    if not metric.applies(source):
        came = f"{source.spec.kind} data of shape {source.spec.shape}"
        return f"{metric.name} ({metric.summary}) does not apply to {source.name}, {came}."
    return "" if metric.suits(model) else f"{metric.name} ({metric.summary}) cannot be asked of {who}."


def _named(names: Sequence[str]) -> list[Metric]:
    """The metrics of those names, each once, without those that another of them gives too."""
    chosen = [catalogue.metric(name) for name in dict.fromkeys(names)]
    return [one for one in chosen if not any(one.name in other.rows for other in chosen if other is not one)]


def measure(subject: Subject, names: Sequence[str], settings: Evaluation, tell: Tell | None = None) -> Results:
    """Ask metrics in turn: row -> result, and the reason of each metric that gives none.

    Arguments:
        subject: what is evaluated.
        names: of the metrics; "all" stands for those that apply.
        settings: how to evaluate.
        tell: told of each metric before it is asked.

    Raises:
        ValueError: where a metric is unknown.
        UnmeasuredError: where none of them gives a number.
    """
    others = [name for name in names if name != "all"]
    named = _named(others)  # an unknown name is refused beside "all" too
    chosen = _named([*applicable(subject), *others]) if "all" in names else named
    results: dict[str, Result] = {}
    skipped = {
        metric.name: f"{why} Take {', '.join(applicable(subject))}."
        for metric in chosen if (why := refusal(metric, subject.model, subject.source, subject.name))
    }  # fmt: skip
    able = [metric for metric in chosen if metric.name not in skipped]
    with sharing():
        for number, metric in enumerate(able, 1):
            if tell:
                tell(metric.name, number, len(able))
            try:
                answer = _asked(metric, subject, settings)
            except FAILURES as error:
                answer = {metric.name: " ".join(str(error).split()) or type(error).__name__}
            results |= {row: found for row, found in answer.items() if isinstance(found, Result)}
            skipped |= {row: found for row, found in answer.items() if isinstance(found, str)}
    if skipped and not results:
        raise UnmeasuredError(skipped)
    return Results(_against_itself(subject, settings, results), skipped)


def _against_itself(subject: Subject, settings: Evaluation, results: Mapping[str, Result]) -> Mapping[str, Result]:
    """The results, with a warning where a split was measured against itself."""
    if not (isinstance(subject, Outside) and subject.real):
        return results
    if subject.name != f"{subject.source.raw.name}:{settings.split}":
        return results
    itself = f"{subject.name} is measured against itself; take {subject.source.raw.name}:train"
    return {name: _warning(result, itself) for name, result in results.items()}


def _asked(metric: Metric, subject: Subject, settings: Evaluation) -> Answer:
    """What one metric says, by row, with the spread over seeds of the samples where there are several."""
    seeds = range(settings.seed, settings.seed + settings.seeds)
    asked = [dataclasses.replace(settings, seed=seed) for seed in seeds]
    answers = [_rows(metric, metric.compute(subject.model, subject.source, one)) for one in asked]
    rows = {name: [answer[name] for answer in answers if name in answer] for name in answers[0]}
    return {name: _together(results, metric.rows.get(name, metric.better)) for name, results in rows.items()}


def _together(answers: Sequence[Result | str], better: str | None) -> Result | str:
    """One of several seeds' answers: their mean, or why there is none under one of them."""
    if reasons := [answer for answer in answers if isinstance(answer, str)]:
        return reasons[0]
    found = _warned(_over_seeds([one for one in answers if isinstance(one, Result)]))
    return _warning(found, BEATS) if beats_real(found.to_dict(), better) else found


def beats_real(entry: Mapping[str, Any], better: str | None) -> bool:
    """Whether a result is better, by more than two standard errors, than real data that stand beside it.

    Where these are fewer, as many of the samples are looked at.

    Arguments:
        entry: of a result, as in `evaluation.json`.
        better: "higher" or "lower"; nothing is better where None.
    """
    rows = entry.get("details", {}).get("references", {})
    references = {name: row for name, row in rows.items() if row["value"] is not None}  # as a file has it for NaN
    theirs, ours = [references[name] for name in REAL if name in references], references.get("samples, as many", entry)
    sign = {"higher": 1, "lower": -1}.get(better or "", 0)
    margins = (2 * math.hypot(standard_error(ours), standard_error(row)) for row in theirs)
    leads = [sign * (ours["value"] - row["value"]) > margin for row, margin in zip(theirs, margins, strict=True)]
    return bool(leads) and all(leads)


def standard_error(row: Mapping[str, Any]) -> float:
    """The standard error; of a share, which may be 0 or 1 by chance, a quarter of its 95 % interval at least."""
    ends = row.get("details", row)
    return max(row.get("error") or 0.0, (ends.get("high", 0.0) - ends.get("low", 0.0)) / 4)


def _rows(metric: Metric, answer: Result | Answer) -> dict[str, Result | str]:
    return {metric.name: answer} if isinstance(answer, Result) else dict(answer)


def metric_of(row: str) -> Metric | None:
    """The metric that gives a row of `evaluation.json`, as that row has it; None where the catalogue has none such."""
    if row in catalogue.metrics():
        return catalogue.metrics()[row]
    several = next((metric for metric in catalogue.metrics().values() if row in metric.rows), None)
    return several and dataclasses.replace(several, better=several.rows[row])


def _over_seeds(results: Sequence[Result]) -> Result:
    """Their mean; its error remains that of one of them, beside which the deviation between seeds stands."""
    if len(results) == 1:
        return results[0]
    values, errors = [r.value for r in results], [r.error for r in results if r.error is not None]
    error = math.sqrt(statistics.fmean(e**2 for e in errors)) if errors else None
    seeds = {"seeds": len(values), "between seeds": statistics.stdev(values), "values": values}
    details = {**results[0].details, **seeds}
    return dataclasses.replace(results[0], value=statistics.fmean(values), error=error, details=details)


def _warned(result: Result) -> Result:
    if result.n >= FEW:
        return result
    return _warning(result, f"measured on {result.n} examples only, which says little; take more")


def _warning(result: Result, text: str) -> Result:
    warning = "; ".join(filter(None, [result.details.get("warning"), text]))
    return dataclasses.replace(result, details={**result.details, "warning": warning})
