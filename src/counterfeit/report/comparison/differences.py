"""Why numbers of a comparison are not ranked together, and what can be done about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from counterfeit.data.selection import UNITS
from counterfeit.evaluation.subject import Subject
from counterfeit.report.comparison.rows import Line

__all__ = ["differences", "remedy"]

Contestants = Mapping[str, Subject]


def differences(measured: Sequence[Line], contestants: Contestants | None = None) -> list[str]:
    """A sentence for all metrics that were measured under several protocols differing alike: in what they differ."""
    data = _data(contestants or {})
    found: dict[tuple[str, ...], list[str]] = {}
    for metric in dict.fromkeys(line.metric for line in measured):
        group = [line for line in measured if line.metric == metric]
        if len(group) > 1:
            found.setdefault(tuple(_by_data(group, data) or _by_clause(group)), []).append(metric)
    ways = {parts: f"measured in {len(parts)} ways, between which nothing is ranked" for parts in found}
    return [f"{', '.join(names)}: {ways[parts]}: {' against '.join(parts)}." for parts, names in found.items()]


def remedy(contestants: Contestants, options: Mapping[str, Any]) -> str:
    """What makes the protocols of contestants agree; empty where nothing that is known here does."""
    sources = [one.source for one in contestants.values()]
    if len({source.fingerprint for source in sources}) > 1:
        return _one_view(contestants) if len({source.raw.fingerprint for source in sources}) == 1 else OTHER_DATA
    first, *others = (dataclasses.asdict(one.settings(**options)) for one in contestants.values())
    differing = [key for key in first if key not in AGREED and any(own[key] != first[key] for own in others)]
    options_named = [f"--{key.replace('_', '-')}" for key in differing]
    return f"Give {' and '.join(options_named)}, and all are measured alike." if differing else ""


AGREED = ("metrics", "samples")  # all are measured by as many samples as the fewest
OTHER_DATA = "Nothing makes numbers on different data comparable: train on the same data."


def _one_view(contestants: Contestants) -> str:
    named = [run.config.data for one in contestants.values() if (run := one.run)]
    if not named or named[0].options:
        return ""
    size = f" --data.size {named[0].size}" if named[0].size else ""
    return (
        f"Add `--data {named[0].name}{size}`, and all are measured against the pictures before any transforms, models "
        "of binary pixels by their decoded means."
    )


def _data(contestants: Contestants) -> dict[str, str]:
    """Name -> what it is measured against, in words; nothing where words do not tell these apart."""
    seen = {name: one.source for name, one in contestants.items()}
    words = {
        name: f"{source.name}, {'x'.join(map(str, source.spec.shape))} {UNITS[source.spec.kind]}"
        for name, source in seen.items()
    }
    distinct = {(words[name], source.fingerprint) for name, source in seen.items()}
    return words if len(distinct) == len(set(words.values())) else {}


def _by_data(group: Sequence[Line], data: Mapping[str, str]) -> list[str]:
    """Who was measured against what; nothing where that does not explain the lines."""
    against = [{data.get(name, "") for name in line.cells} for line in group]
    if any(len(words) > 1 for words in against) or len(set().union(*against) - {""}) < len(group):
        return []
    return [f"{', '.join(line.cells)} ({words.pop()})" for line, words in zip(group, against, strict=True)]


def _by_clause(group: Sequence[Line]) -> list[str]:
    """Who was measured how, of which only what is not common to all is told."""
    clauses = [line.protocol.split("; ") for line in group]
    own = [[c for c in mine if not all(c in theirs for theirs in clauses)] for mine in clauses]
    return [f"{', '.join(line.cells)} ({'; '.join(what)})" for line, what in zip(group, own, strict=True)]
