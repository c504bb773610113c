"""A benchmark as one table, a row for each recipe, the nearest to the data first."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence

from counterfeit.benchmarking.result import Benchmark, Row
from counterfeit.common.numbers import number
from counterfeit.metrics.base import Result
from counterfeit.report.comparison.compare import lines
from counterfeit.report.comparison.cost import CPU_SECONDS, SAMPLING, SECONDS, STEPS
from counterfeit.report.comparison.protocols import footnoted
from counterfeit.report.comparison.rows import Line
from counterfeit.report.paper.cells import Cell, Table

__all__ = ["by_recipe", "combined", "leaders", "likeliest", "likelihood", "ordered", "table"]

COLUMNS = ("fid", "precision", "recall")
"""Rows of metrics of samples that the table has room for."""

EXACT = ("bits-per-dim", "log-likelihood", "nats-per-token")
LIKELIHOODS = (*EXACT, "ais", "probability-flow", "elbo")
"""What tells of the likelihood, the most exact first."""


def by_recipe(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Recipe -> its rows, one a seed, of those that have numbers."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.results:
            found.setdefault(row.entry.recipe, []).append(row)
    return found


def combined(rows: Sequence[Row]) -> dict[str, Result]:
    """Row -> result of one recipe: over several seeds the mean, whose error is the deviation between them."""
    if len(rows) == 1:
        return dict(rows[0].results)
    names = [name for name in rows[0].results if all(name in row.results for row in rows)]
    found = {name: [row.results[name] for row in rows] for name in names}
    return {name: _mean(one) for name, one in found.items() if len({each.fingerprint for each in one}) == 1}


def _mean(results: Sequence[Result]) -> Result:
    values = [one.value for one in results]
    error = statistics.stdev(values)
    return dataclasses.replace(results[0], value=statistics.fmean(values), error=error, low=None, high=None)


def leaders(made: Benchmark) -> list[Line]:
    """What each metric says under each protocol, with who is best, or within two standard errors of it."""
    return lines({recipe: combined(rows) for recipe, rows in by_recipe(made.rows).items()})


def ordered(made: Benchmark) -> list[str]:
    """Recipes that have numbers, those whose samples are nearest to the data first."""
    found = {recipe: combined(rows) for recipe, rows in by_recipe(made.rows).items()}
    return sorted(found, key=lambda recipe: found[recipe]["fid"].value if "fid" in found[recipe] else float("inf"))


def likelihood(results: Mapping[str, Result], kind: str) -> tuple[str, str]:
    """The most exact likelihood among results as text, and which metric gave it; a bound says so.

    Pictures have bits a dimension, everything else nats.

    Example:
        >>> likelihood({"elbo": Result(-90.0, 0.5, 9, "a bound")}, "binary")
        ('≥ −90.00 ± 0.50 nats', 'elbo')
    """
    name, bits = likeliest(results, kind)
    if not name:
        return "–", ""
    found = results[name]
    bound = {"elbo": "≤ " if bits is not None else "≥ "}.get(name, "" if name in EXACT else "≈ ")
    if bits is not None:
        return f"{bound}{number(bits)} bits/dim", name
    return f"{bound}{number(found.value, found.error)} nats", name


def likeliest(results: Mapping[str, Result], kind: str) -> tuple[str, float | None]:
    """The metric that tells most exactly of the likelihood, "" for none, and its bits a dimension of pictures."""
    name = next((one for one in LIKELIHOODS if one in results), "")
    if name == "bits-per-dim":
        return name, results[name].value
    return name, results[name].details.get("bits_per_dim") if name and kind == "image" else None


def table(made: Benchmark) -> Table:
    """A row for each recipe, then real data; below it how all was measured, and what failed or was left out."""
    best = {(line.metric, recipe) for line in leaders(made) for recipe in line.best}
    groups = by_recipe(made.rows)
    rows = [_of(recipe, groups[recipe], best) for recipe in ordered(made)]
    rows += [_reference(name, results) for name, results in made.references.items() if results]
    shown = [*COLUMNS, "likelihood", "steps", "training, s", "1,000 samples, s"]
    held = [place for place in range(len(shown)) if any(row[2 + place].text != "–" for row in rows)]
    kept = [[*row[:2], *(row[2 + place] for place in held)] for row in rows]
    return Table(["recipe", "family", *(shown[place] for place in held)], kept, [*_notes(made)])


def _of(recipe: str, rows: Sequence[Row], best: set[tuple[str, str]]) -> list[Cell]:
    results = combined(rows)
    cells = [_cell(name, recipe, results, best) for name in COLUMNS]
    text, metric = likelihood(results, rows[0].kind)
    time = CPU_SECONDS if rows[0].cost.get(CPU_SECONDS) else SECONDS
    costs = [_cost(rows, name) for name in (STEPS, time, SAMPLING)]
    return [Cell(recipe), Cell(rows[0].entry.family), *cells, Cell(text, (metric, recipe) in best), *map(Cell, costs)]


def _cell(name: str, recipe: str, results: Mapping[str, Result], best: set[tuple[str, str]]) -> Cell:
    if name not in results:
        return Cell("–")
    text = number(results[name].value, results[name].error) if name == "fid" else f"{results[name].value:.2f}"
    return Cell(text, (name, recipe) in best)


def _cost(rows: Sequence[Row], name: str) -> str:
    found = [row.cost[name] for row in rows if name in row.cost]
    return number(statistics.fmean(found)) if found else "–"


def _reference(name: str, results: Mapping[str, Result]) -> list[Cell]:
    return [Cell(name), Cell("–"), *(_cell(one, name, results, set()) for one in COLUMNS), *[Cell("–")] * 4]


def _notes(made: Benchmark) -> Iterator[str]:
    seeds = {len(rows) for rows in by_recipe(made.rows).values()}
    if seeds and max(seeds) > 1:
        yield f"± is the deviation between {max(seeds)} seeds."
    else:
        yield "± is the standard error of measuring one run; other seeds give other runs."
    yield from footnoted({line.metric: line.protocol for line in leaders(made) if line.metric in COLUMNS})
    yield from (f"{row.entry.name}: {row.failed}" for row in made.rows if row.failed)
    yield from (f"left out: {recipe}: {why}" for recipe, why in made.refused.items())
