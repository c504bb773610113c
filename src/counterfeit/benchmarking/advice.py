"""Which family to take for what, in words, from the numbers of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from counterfeit.benchmarking.result import Benchmark, Row
from counterfeit.benchmarking.table import by_recipe, combined, leaders, likeliest, likelihood, ordered
from counterfeit.catalogue import able, model_class
from counterfeit.common.numbers import measured, number
from counterfeit.core import Completes, Encodes
from counterfeit.evaluation.measure import metric_of
from counterfeit.metrics.base import Result
from counterfeit.report.comparison.cost import SAMPLING

__all__ = ["Advice", "advice"]

NAMED = 6  # of recipes that share a capability, at most
EARLY = 0.3  # of the time: what is nearest to the data by then learns fast


class Advice(NamedTuple):
    """A purpose, and what the numbers say of it."""

    purpose: str
    text: str


def advice(made: Benchmark) -> list[Advice]:
    """What to take for which purpose, as far as something was measured that speaks of it."""
    found = by_recipe(made.rows)
    groups = {recipe: found[recipe] for recipe in ordered(made)}  # those whose samples are nearer to the data first
    family = {recipe: rows[0].entry.family for recipe, rows in groups.items()}
    results = {recipe: combined(rows) for recipe, rows in groups.items()}
    said = [
        Advice("Samples most like the data", _best(made, "fid", family)),
        Advice("Variety: all of the data, not a part", _best(made, "recall", family)),
        *_likelihoods(groups, results, family),
        Advice("Samples at once", _fast(groups, results, family)),
        Advice("Little training", _early(made, groups, family)),
        Advice("Missing parts filled in", _able(groups, family, Completes)),
        Advice("Codes of examples", _able(groups, family, Encodes)),
    ]
    return [one for one in said if one.text]


def _best(made: Benchmark, metric: str, family: Mapping[str, str]) -> str:
    """Who is best in a metric, and whom nothing tells apart from it."""
    line = next((line for line in leaders(made) if line.metric == metric and len(line.cells) > 1), None)
    if line is None or not line.about or not line.best:
        return ""
    sign = 1 if line.about.better == "lower" else -1
    ranked = sorted(line.cells, key=lambda recipe: sign * line.cells[recipe].value)
    first, rest = ranked[0], [recipe for recipe in ranked[1:] if recipe in line.best]
    text = f"{first} ({family[first]}), {metric} {measured(line.cells[first].estimate)}"
    if rest:
        return f"{text}; {_listed(rest)} cannot be told from it."
    return f"{text}; next is {ranked[1]} ({family[ranked[1]]}) with {measured(line.cells[ranked[1]].estimate)}."


def _likelihoods(
    groups: Mapping[str, Sequence[Row]], results: Mapping[str, Mapping[str, Result]], family: Mapping[str, str]
) -> Iterator[Advice]:
    """For each kind of values, the best likelihood, whether exact, estimated or a bound."""
    for kind in dict.fromkeys(rows[0].kind for rows in groups.values()):
        of_kind = {recipe: results[recipe] for recipe, rows in groups.items() if rows[0].kind == kind}
        known = {recipe: one for recipe, one in of_kind.items() if likeliest(one, kind)[0]}
        if known:
            first, *others = sorted(known, key=lambda recipe: _height(known[recipe], kind), reverse=True)
            text = f"{first} ({family[first]}), {likelihood(known[first], kind)[0]}"
            second = f"; next is {others[0]} with {likelihood(known[others[0]], kind)[0]}" if others else ""
            of = {"image": "gray or color pixels", "binary": "binary pixels"}.get(kind, f"{kind} values")
            yield Advice(f"Likelihood of {of}", f"{text}{second}.")


def _height(results: Mapping[str, Result], kind: str) -> float:
    """The likelihood of values of a kind in the unit that they have, higher where better."""
    name, bits = likeliest(results, kind)
    about, value = metric_of(name), results[name].value if bits is None else bits
    return -value if bits is not None or (about and about.better == "lower") else value


def _fast(
    groups: Mapping[str, Sequence[Row]], results: Mapping[str, Mapping[str, Result]], family: Mapping[str, str]
) -> str:
    """Of the half of recipes whose samples are nearer to the data, the one that draws fastest."""
    drawn = {recipe: rows[0].cost[SAMPLING] for recipe, rows in groups.items() if SAMPLING in rows[0].cost}
    placed = [recipe for recipe in drawn if "fid" in results[recipe]]
    better = placed[: (len(placed) + 1) // 2] or [*drawn]
    if len(drawn) < 2:
        return ""
    first = min(better, key=lambda recipe: drawn[recipe])
    slow = max(better, key=lambda recipe: drawn[recipe])
    among = "of the half whose samples are nearer to the data, " if placed else ""
    return (
        f"{among}{first} ({family[first]}) draws 1,000 in {number(drawn[first])} s, {slow} ({family[slow]}) in "
        f"{number(drawn[slow])} s."
    )


def _early(made: Benchmark, groups: Mapping[str, Sequence[Row]], family: Mapping[str, str]) -> str:
    """Who was nearest to the data early on."""
    found: dict[str, tuple[float, float]] = {}
    for recipe, rows in groups.items():
        points = [one for one in rows[0].curve if one["seconds"] <= EARLY * made.budget]
        if points:
            found[recipe] = (points[-1]["fid"], points[-1]["seconds"])
    if len(found) < 2:
        return ""
    first = min(found, key=lambda recipe: found[recipe][0])
    value, seconds = found[first]
    return f"{first} ({family[first]}) had a Fréchet distance of {number(value)} after {number(round(seconds))} s."


def _able(groups: Mapping[str, Sequence[Row]], family: Mapping[str, str], capability: type) -> str:
    """Which recipes have a capability, in the order in which they come."""
    having = [recipe for recipe, rows in groups.items() if able(model_class(rows[0].model), capability)]
    if not having:
        return ""
    more = f" and {len(having) - NAMED} more" if len(having) > NAMED else ""
    return f"{', '.join(f'{one} ({family[one]})' for one in having[:NAMED])}{more}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
