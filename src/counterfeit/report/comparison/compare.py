"""Runs, and samples made elsewhere, side by side: numbers that share a protocol are ranked, others never are.

A cell is best in its row, or within two standard errors of the best, only among results of equal fingerprint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterfeit.common.numbers import measured, number
from counterfeit.common.presentation import html
from counterfeit.config.settings import Evaluation
from counterfeit.evaluation.measure import Results, Tell, UnmeasuredError, applicable, measure
from counterfeit.evaluation.subject import Subject, Trained
from counterfeit.metrics import registry
from counterfeit.metrics.base import Result
from counterfeit.report.comparison.cost import COSTS, costs
from counterfeit.report.comparison.differences import differences, remedy
from counterfeit.report.comparison.protocols import footnoted
from counterfeit.report.comparison.rows import OTHER, Line, best
from counterfeit.report.paper.cells import Cell, Table
from counterfeit.run.run import Run

__all__ = ["Comparison", "compare", "cost_table", "lines", "named", "notes", "skips", "table"]


@dataclass(frozen=True, repr=False)
class Comparison:
    """What is known of several contestants, by name.

    Arguments:
        contestants: name -> run, or samples made elsewhere.
        lines: what was measured.
        differences: a sentence for every metric that was measured under several protocols.
        remedy: what makes protocols agree, where anything does.
        costs: name -> quantity -> number.
        skipped: name -> metric -> why it gave no number.
    """

    contestants: Mapping[str, Subject]
    lines: Sequence[Line]
    differences: Sequence[str]
    remedy: str
    costs: Mapping[str, Mapping[str, float]]
    skipped: Mapping[str, Mapping[str, str]]

    def __repr__(self) -> str:
        wins = {name: sum(name in line.best for line in self.lines) for name in self.contestants}
        best = ", ".join(f"{name} {count}" for name, count in wins.items())
        return f"Comparison by {len(self.lines)} numbers; best, or close to it, in: {best}"

    def _repr_html_(self) -> str:
        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """As `counterfeit compare --json` prints it."""
        return {
            "runs": {name: {"cost": dict(self.costs[name])} for name in self.contestants},
            "metrics": [_line_to_dict(line) for line in self.lines],
            "not applicable": {name: self.lacking(name) for name in self.contestants},
            "skipped": {name: dict(reasons) for name, reasons in self.skipped.items() if reasons},
            "differences": list(self.differences),
            "remedy": self.remedy,
        }

    def lacking(self, name: str) -> list[str]:
        """What is shown that a contestant has not the capability for."""
        able = applicable(self.contestants[name])
        return [*dict.fromkeys(line.metric for line in self.lines if line.about and line.about.name not in able)]


def compare(
    contestants: Mapping[str, Run | Subject] | Sequence[Run | Subject | str | Path],
    metrics: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    tell: Tell | None = None,
) -> Comparison:
    """Compare, measuring what is missing.

    Arguments:
        contestants: name -> run, or samples made elsewhere; or a list of these, or of run folders.
        metrics: names; all that apply where none are given.
        options: fields of `Evaluation` over each recipe's own.
        tell: told of each metric before it is asked.

    Raises:
        ValueError: where one of `metrics` is unknown, or applies to nobody.
    """
    known = _evaluated_alike(_by_name(contestants))
    for metric in metrics:
        if not any(applicable(one, [metric]) for one in known.values()):
            raise ValueError(f"{metric} applies to none of {', '.join(known)}. Choose another metric.")
    options = options or {}
    fewest = min(one.settings(**options).samples for one in known.values())  # what all can be measured by
    answers = {
        name: results(one, metrics, _with_samples(one, options, fewest), named(name, tell))
        for name, one in known.items()
    }
    skipped = {name: found.skipped for name, found in answers.items()}
    measured = lines(answers, {name for name, one in known.items() if one.real})
    said = differences(measured, known)
    way = remedy(known, options) if said else ""
    return Comparison(known, measured, said, way, costs(known), skipped)


def _by_name(contestants: Any) -> Mapping[str, Subject]:
    """Contestants by name, or a ValueError where something else came."""
    if not isinstance(contestants, Mapping):
        if isinstance(contestants, (str, Path)) or not isinstance(contestants, Iterable):
            contestants = [contestants]
        found = [Run(one) if isinstance(one, (str, Path)) else one for one in contestants]
        names = [getattr(one, "name", "") for one in found]
        contestants = {
            name if names.count(name) == 1 else f"{name} ({i})": one
            for i, (name, one) in enumerate(zip(names, found, strict=True), 1)
        }
    for one in contestants.values():
        if not isinstance(one, (Run, Subject)):
            raise ValueError(f"{type(one).__name__} came; runs, their folders or samples by `outside` are expected.")
    if not contestants:
        raise ValueError("nothing came to compare; runs, or samples by `outside`, are expected. Give some.")
    return {name: one.subject if isinstance(one, Run) else one for name, one in contestants.items()}


def _evaluated_alike(known: Mapping[str, Subject]) -> Mapping[str, Subject]:
    """Samples made elsewhere, which no recipe tells how to evaluate, as the runs beside them are, where these agree."""
    ways = {one.usual for one in known.values() if one.run}
    if len(ways) != 1:
        return known
    return {name: one if one.run else dataclasses.replace(one, usual=next(iter(ways))) for name, one in known.items()}


def notes(comparison: Comparison) -> list[str]:
    """What is to be said of a comparison as a whole: what differs, what to do, and whose samples are no draws."""
    views = [f"{name}: {one.note}" for name, one in comparison.contestants.items() if one.note]
    doubts = [f"{name}: {', '.join(metrics)}: {why}." for name, why, metrics in _doubts(comparison)]
    said = [*comparison.differences, *filter(None, [comparison.remedy]), *(f"{text}." for text in views)]
    return [*said, *skips(comparison), *doubts]


def skips(comparison: Comparison) -> list[str]:
    """Whose metrics gave no number, and why."""
    return [f"{name}: {why}: {', '.join(metrics)} skipped." for name, why, metrics in _reasons(comparison)]


def _doubts(comparison: Comparison) -> Iterator[tuple[str, str, list[str]]]:
    """Who is called best in spite of a warning, and of which metrics."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in comparison.lines:
        for name in sorted(line.best):
            if why := line.cells[name].warning:
                found.setdefault((name, why), []).append(line.metric)
    yield from ((name, why, metrics) for (name, why), metrics in found.items())


def _reasons(comparison: Comparison) -> Iterator[tuple[str, str, list[str]]]:
    """Who has no number, why, and of which metrics."""
    for name, reasons in comparison.skipped.items():
        for why in dict.fromkeys(reasons.values()):
            yield name, why.rstrip("."), [metric for metric, one in reasons.items() if one == why]


def _with_samples(one: Subject, options: Mapping[str, Any], samples: int) -> Mapping[str, Any]:
    """The options, and the number of samples where the contestant's own is another."""
    return options if one.settings(**options).samples == samples else {**options, "samples": samples}


def results(one: Subject, metrics: Sequence[str], options: Mapping[str, Any], tell: Tell | None) -> Results:
    """What a contestant's evaluation.json holds for its checkpoint and settings; the rest is measured.

    What is measured by the recipe's own settings is kept there; under `options` only where nothing stood before.

    Returns:
        Row -> result, with the reason of each metric that gave none.
    """
    asked, settings = applicable(one, metrics or None), one.settings(**options)
    if one.run is None or one.note:  # which keep nothing
        return _measured(lambda: one.evaluate(*asked, tell=tell, **options))
    kept = _kept(one.run, asked)
    fits = {name: _agree(rows, settings, strict=bool(options)) for name, rows in kept.items()}
    beside = [name for name in asked if kept[name] and not fits[name] and options]  # what stands is not overwritten
    missing = [name for name in asked if not fits[name] and name not in beside]
    written = _measured(lambda: one.evaluate(*missing, tell=tell, **options)) if missing else Results({}, {})
    measured = _measured(lambda: measure(one, beside, settings, tell)) if beside else Results({}, {})
    standing = _kept(one.run, [name for name in asked if name not in beside])  # with what was written
    rows = {row: Result.from_dict(entry) for found in standing.values() for row, entry in found.items()}
    return Results(rows | measured, written.skipped | measured.skipped)


def _measured(ask: Callable[[], Results]) -> Results:
    """What was measured, nothing perhaps."""
    try:
        return ask()
    except UnmeasuredError as error:
        return Results({}, error.skipped)


def _kept(run: Trained, metrics: Sequence[str]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Metric -> its rows in evaluation.json, where all are there and of the run's checkpoint, none elsewhere."""
    used, kept = run.checkpoint.name, {}
    entries = {row: entry for row, entry in run.evaluation.items() if entry.get("checkpoint") == used}
    for name in metrics:
        rows = [*registry.metric(name).rows] or [name]
        found = {row: entry for row, entry in entries.items() if row in rows}
        kept[name] = found if len(found) == len(rows) else {}
    return kept


def _agree(rows: Mapping[str, Mapping[str, Any]], settings: Evaluation, strict: bool) -> bool:
    """Whether rows were measured by `settings`; those that do not say by which pass unless `strict`."""
    wanted = dataclasses.asdict(settings)
    own = [entry.get("settings") for entry in rows.values()]
    return bool(own) and all(all(wanted.get(k) == v for k, v in one.items()) if one else not strict for one in own)


def named(name: str, tell: Tell | None) -> Tell | None:
    """`tell` that says of whom each metric is asked."""
    return tell and (lambda metric, number, count: tell(f"{name}, {metric}", number, count))


def lines(results: Mapping[str, Mapping[str, Result]], aside: Collection[str] = ()) -> list[Line]:
    """Sort results, name -> metric -> result, into one line a metric and protocol, the commonest protocol first.

    Names that stand `aside`, as real data do, are shown, but not ranked.
    """
    out = []
    for metric in dict.fromkeys(metric for found in results.values() for metric in found):
        groups: dict[str, dict[str, Result]] = {}
        for name, found in results.items():
            if metric in found:
                groups.setdefault(found[metric].fingerprint, {})[name] = found[metric]
        everyone = {name for group in groups.values() for name in group}
        for group in sorted(groups.values(), key=len, reverse=True):
            protocol = next(iter(group.values())).protocol
            ranked = best(metric, {name: entry for name, entry in group.items() if name not in aside})
            out.append(Line(metric, protocol, group, ranked, frozenset(everyone - set(group))))
    return out


def table(comparison: Comparison) -> Table:
    """A row for each metric and protocol; below it what differs, and every protocol."""
    names = list(comparison.contestants)
    several = {line.metric for line in comparison.lines if line.others}
    rows: list[list[Cell]] = []
    protocols: dict[str, str] = {}
    count = dict.fromkeys(several, 0)
    for line in comparison.lines:
        if line.metric in several:
            count[line.metric] += 1
        label = f"{line.metric} [{count[line.metric]}]" if line.metric in several else line.metric
        cells = [cell(comparison, line, name) for name in names]
        rows.append([Cell(label), Cell(line.kind), *cells])
        protocols[label] = line.protocol
    return Table(["metric", "kind", *names], rows, [*notes(comparison), *footnoted(protocols)])


def cell(comparison: Comparison, line: Line, name: str) -> Cell:
    """What one contestant has in a line: a number, or why there is none."""
    if name in line.cells:
        return Cell(measured(line.cells[name].estimate), name in line.best)
    if name in line.others:
        return Cell(OTHER)
    return Cell("not applicable" if line.metric in comparison.lacking(name) else "not measured")


def cost_table(comparison: Comparison) -> Table:
    """A row for each quantity that some contestant has."""
    names = list(comparison.contestants)
    shown = [key for key in COSTS if any(key in comparison.costs[name] for name in names)]
    rows = [[Cell(key), *(Cell(_cost(comparison.costs[name].get(key))) for name in names)] for key in shown]
    return Table(["cost", *names], rows)


def _cost(value: float | None) -> str:
    return "–" if value is None else number(value)


def _line_to_dict(line: Line) -> dict[str, Any]:
    metric, first = line.about, next(iter(line.cells.values()))
    values = {
        name: {"value": found.value, "error": found.error, **found.estimate.to_dict(), "best": name in line.best}
        for name, found in line.cells.items()
    }
    return {
        "metric": line.metric, "kind": metric.kind if metric else "estimate", "unit": metric.unit if metric else "",
        "better": metric.better if metric else None, "protocol": line.protocol, "fingerprint": first.fingerprint,
        "references": {who: row.to_dict() for who, row in first.references.items()}, "values": values,
    }  # fmt: skip
