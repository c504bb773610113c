"""What can be evaluated, a run or samples made elsewhere, and how metrics are asked in turn."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from counterfeit import catalogue
from counterfeit.common.presentation import html
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, called
from counterfeit.data.source import Source
from counterfeit.inference.draws import Drawn
from counterfeit.metrics import registry
from counterfeit.metrics.base import Answer, Metric, Result
from counterfeit.metrics.shared import sharing

__all__ = [
    "Results", "Tell", "UnmeasuredError", "applicable", "beats_real", "measure", "metric_of", "refusal",
]  # fmt: skip


FEW = 20  # examples, the mean of fewer of which says little

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


def applicable(subject: Drawn, names: Sequence[str] | None = None) -> list[str]:
    """Those of the metrics, all where None, that the model has the capability for, and the data what they need.

    Each stands once. Of all, those are left out that only give what other metrics give one by one.
    """
    every = registry.metrics()
    singly = [m for m in every.values() if not m.rows or not set(m.rows) <= set(every)]
    chosen = singly if names is None else _named(names)
    return [m.name for m in chosen if not refusal(m, subject.model, subject.source, subject.name)]


def refusal(metric: Metric, model: Generator, source: Source, who: str) -> str:
    """Why a metric cannot be asked of a model, called `who`, and these data; "" where it can."""
    if not isinstance(model, metric.needs):
        has = ", ".join(catalogue.capabilities(type(model)))
        return f"{metric.name} asks for a model that has {called(metric.needs)}; {who} has {has}."
    if metric.labels and not source.spec.classes:
        return f"{metric.name} asks for data with labels; {source.name} has none."
    if source.spec.kind not in metric.kinds or not metric.applies(source):
        came = f"{source.spec.kind} data of shape {source.spec.shape}"
        return f"{metric.name} ({metric.summary}) does not apply to {source.name}, {came}."
    return "" if metric.suits(model) else f"{metric.name} ({metric.summary}) cannot be asked of {who}."


def _named(names: Sequence[str]) -> list[Metric]:
    """The metrics of those names, each once, without those that another of them gives too."""
    chosen = [registry.metric(name) for name in dict.fromkeys(names)]
    return [one for one in chosen if not any(one.name in other.rows for other in chosen if other is not one)]


def measure(subject: Drawn, names: Sequence[str], settings: Evaluation, tell: Tell | None = None) -> Results:
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
    return Results(results, skipped)


def _asked(metric: Metric, subject: Drawn, settings: Evaluation) -> Answer:
    """What one metric says, by row, with the spread over seeds of the samples where there are several."""
    seeds = range(settings.seed, settings.seed + settings.seeds)
    asked = [dataclasses.replace(settings, seed=seed) for seed in seeds]
    answers = [_rows(metric, metric.measure(subject.model, subject.source, one)) for one in asked]
    rows = {name: [answer[name] for answer in answers if name in answer] for name in answers[0]}
    return {name: _together(results, metric.rows.get(name, metric.better)) for name, results in rows.items()}


def _together(answers: Sequence[Result | str], better: str | None) -> Result | str:
    """One of several seeds' answers: their mean, or why there is none under one of them."""
    if reasons := [answer for answer in answers if isinstance(answer, str)]:
        return reasons[0]
    found = _few(_over_seeds([one for one in answers if isinstance(one, Result)]))
    return found.adding(warning=BEATS) if beats_real(found, better) else found


def beats_real(found: Result, better: str | None) -> bool:
    """Whether a result is better, by more than two standard errors, than real data that stand beside it.

    Where these are fewer, as many of the samples are looked at.

    Arguments:
        found: the result.
        better: "higher" or "lower"; nothing is better where None.
    """
    references = {name: row for name, row in found.references.items() if not math.isnan(row.value)}
    theirs = [references[name] for name in REAL if name in references]
    ours = references.get("samples, as many", found.estimate)
    sign = {"higher": 1, "lower": -1}.get(better or "", 0)
    margins = (2 * math.hypot(ours.standard_error, row.standard_error) for row in theirs)
    leads = [sign * (ours.value - row.value) > margin for row, margin in zip(theirs, margins, strict=True)]
    return bool(leads) and all(leads)


def _rows(metric: Metric, answer: Result | Answer) -> dict[str, Result | str]:
    return {metric.name: answer} if isinstance(answer, Result) else dict(answer)


def metric_of(row: str) -> Metric | None:
    """The metric that gives a row of `evaluation.json`, as that row has it; None where the catalogue has none such."""
    if row in registry.metrics():
        return registry.metrics()[row]
    several = next((metric for metric in registry.metrics().values() if row in metric.rows), None)
    return several and dataclasses.replace(several, better=several.rows[row])


def _over_seeds(results: Sequence[Result]) -> Result:
    """Their mean; its error remains that of one of them, beside which the deviation between seeds stands."""
    if len(results) == 1:
        return results[0]
    values, errors = [r.value for r in results], [r.error for r in results if r.error is not None]
    error = math.sqrt(statistics.fmean(e**2 for e in errors)) if errors else None
    seeds = {"seeds": len(values), "between seeds": statistics.stdev(values), "values": values}
    return dataclasses.replace(results[0].adding(seeds), value=statistics.fmean(values), error=error)


def _few(result: Result) -> Result:
    if result.n >= FEW:
        return result
    return result.adding(warning=f"measured on {result.n} examples only, which says little; take more")
