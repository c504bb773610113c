"""What the files that the program reads must hold: recipes, run.yaml, state.json, events, evaluation.json, captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterfeit.common.schema import (
    Schema,
    anything,
    fields,
    list_of,
    mapping,
    none,
    number,
    one_of,
    optional,
    text,
    truth,
    whatever,
    whole,
)

__all__ = ["EVENT", "PAIR", "RECIPE", "RESULTS", "RUN", "SECTIONS", "STATE"]

GOAL = fields(
    {"metric": text, "value": number()},
    {"error": optional(number(0)), "better": one_of("higher", "lower"), "source": text},
    none,
)
SECTION = mapping(whatever)  # whose settings are checked against what takes them
SECTIONS = {
    "summary": text, "model": fields({"name": text}, rest=whatever), "data": SECTION, "train": SECTION,
    "evaluate": SECTION, "targets": list_of(GOAL), "smoke": mapping(SECTION), "xfail": mapping(text),
}  # fmt: skip
RECIPE = fields({"model": SECTIONS["model"]}, SECTIONS, none)
"""A recipe: section -> settings."""

RUN = fields(
    {"recipe": text, "model": SECTIONS["model"]},
    {
        **SECTIONS, "parameters": mapping(whole()), "versions": mapping(text), "device": text, "precision": text,
        "created": text,
        "source": fields({}, {"name": text, "fingerprint": text, "sizes": mapping(whole())}),
        "threads": optional(whole(1, 1_024)),
        "resumed": list_of(fields({"step": whole(), "settings": mapping(anything), "before": mapping(anything)})),
    },
)  # fmt: skip
"""A run.yaml: the settings, and what was trained on what by what."""

STATE = fields(
    {
        "step": whole(), "position": whole(), "seconds": number(0), "cpu_seconds": number(0),
        "score": optional(number()), "parts": mapping(whole()),
    },
    {
        "healthy": truth, "rollbacks": whole(0, 64), "memory": whole(), "top": optional(number()), "stale": whole(),
        "meter": fields({"sums": mapping(optional(number())), "count": whole()}), "tensors": whole(),
    },
)  # fmt: skip
"""A checkpoint's state.json."""


def _change(value: Any, place: str) -> None:
    """A setting to change, with others that go with it."""
    fields({"setting": text, "value": anything, "together": list_of(_change)}, rest=none)(value, place)


FINDING = fields(
    {"kind": text, "severity": one_of("warning", "failure"), "step": whole(), "saw": text, "why": text, "change": text},
    {"signs": list_of(fields({"name": text, "values": mapping(anything)}, rest=none)), "changes": list_of(_change)},
    none,
)
BACK = {"from": whole(), "to": whole(), "lr_times": number(0), "because": text}
EVENT = fields(
    {"step": whole()},
    {
        "finding": FINDING, "rollback": fields(BACK), "early": fields({"because": text}),
        "unvalidated": text,
    },
    optional(number()),
)  # fmt: skip
"""A line of events.jsonl: numbers by name, or something that happened."""

ENDS = {"low": number(), "high": number()}


def _whole_ends(schema: Schema) -> Schema:
    """`schema`, where an interval has both ends and what it is of: `low` and `high`, or `x_low`, `x_high` and `x`."""

    def check(value: Any, place: str) -> None:
        schema(value, place)
        for key in [key for key in value if key.rpartition("_")[2] in ENDS]:
            of, bar, _ = key.rpartition("_")
            names = (*([of] if bar else []), f"{of}{bar}low", f"{of}{bar}high")
            fields(dict.fromkeys(names, number()))(value, place)

    return check


REFERENCE = {"error": optional(number(0)), "n": whole(), "details": none, **ENDS}
SCORE = fields({"auroc": number(), "error": optional(number(0))})
DETAILS = {
    "references": mapping(_whole_ends(fields({"value": optional(number())}, REFERENCE))), "scores": mapping(SCORE),
    "histogram": list_of(number()), "values": list_of(number()), "warning": text, "note": text, "copies": whole(),
    **ENDS,
}  # fmt: skip
MEASURED = fields(
    {"value": number(), "error": optional(number(0)), "n": whole(), "protocol": text, "fingerprint": text},
    {"checkpoint": text, "settings": mapping(anything), "details": _whole_ends(fields({}, DETAILS))},
)
SKIPPED = fields({"skipped": text})


def _result(value: Any, place: str) -> None:
    (SKIPPED if isinstance(value, Mapping) and "skipped" in value else MEASURED)(value, place)


RESULTS = mapping(_result)
"""An evaluation.json: metric -> what was measured, at which checkpoint and how, or why nothing was."""

PAIR = fields({"file": text, "caption": text})
"""A line of captions.jsonl."""
