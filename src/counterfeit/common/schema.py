"""One door for what is read from disk: JSON and YAML are checked whole against a schema before anybody uses them.

A schema is a function that raises `MisfitError` where a value is not what it says, with the place and what is expected.
What passes can be used without another look.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

__all__ = [
    "MisfitError", "Schema", "anything", "fields", "list_of", "mapping", "none", "number", "one_of", "optional",
    "parse_json", "parse_yaml", "read_json", "read_text", "text", "truth", "whatever",
    "whole",
]  # fmt: skip

MOST = 2**63  # nothing that is counted here is larger
SHOWN = 60  # characters of a value that a message repeats

Schema = Callable[[Any, str], None]
"""Checks a value at a place such as "parts.generator"; raises `MisfitError`."""


class MisfitError(ValueError):
    """A value that does not fit its schema: where it stands, what came and what is expected."""


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        MisfitError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise MisfitError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise MisfitError("it is not text in UTF-8") from None


def read_json(path: Path, schema: Schema) -> Any:
    """What the JSON file holds, checked.

    Raises:
        MisfitError: it cannot be read, is not strict JSON, or does not fit.
    """
    return parse_json(read_text(path), schema)


def parse_json(content: str, schema: Schema) -> Any:
    """What a JSON text holds, checked.

    Example:
        >>> parse_json('{"step": 3}', fields({"step": whole()}))
        {'step': 3}
    """
    try:
        found = json.loads(content, parse_constant=_not_json)
    except RecursionError:
        raise MisfitError("it is nested too deeply") from None
    except ValueError as error:
        raise MisfitError(f"it is not JSON: {error}") from None
    schema(found, "")
    return found


def parse_yaml(content: str, schema: Schema) -> Any:
    """What a YAML text holds, by the safe loader, checked."""
    try:
        found = yaml.safe_load(content)
    except RecursionError:
        raise MisfitError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OverflowError, AttributeError, TypeError) as error:  # of odd dates, say
        raise MisfitError(f"it is not YAML: {' '.join(str(error).split())}") from None
    schema(found, "")
    return found


def whole(low: int = 0, high: int = MOST) -> Schema:
    """An integer within these bounds."""

    def check(value: Any, place: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _refuse(value, place, f"an integer of at least {low}" if high == MOST else f"an integer in {low} to {high}")

    return check


def number(low: float = -math.inf) -> Schema:
    """A finite number of at least `low`."""

    def check(value: Any, place: str) -> None:
        if not _finite(value) or value < low:
            _refuse(value, place, "a number" if low == -math.inf else f"a number of at least {low:g}")

    return check


def text(value: Any, place: str) -> None:
    """Text."""
    if not isinstance(value, str):
        _refuse(value, place, "text")


def truth(value: Any, place: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        _refuse(value, place, "true or false")


def whatever(value: Any, place: str) -> None:
    """Anything at all, which others check."""


def none(value: Any, place: str) -> None:
    """Nothing: what is not known is not allowed."""
    _refuse(value, place, "nothing of that name")


def one_of(*known: str) -> Schema:
    """One of these words."""

    def check(value: Any, place: str) -> None:
        if value not in known if isinstance(value, str) else True:
            _refuse(value, place, f"one of {', '.join(known)}")

    return check


def anything(value: Any, place: str) -> None:
    """Whatever JSON can hold, with numbers that are finite."""
    if isinstance(value, Mapping):
        mapping(anything)(value, place)
    elif isinstance(value, list):
        list_of(anything)(value, place)
    elif value is not None and not isinstance(value, (str, bool)) and not _finite(value):
        _refuse(value, place, "text, a finite number, true, false or null")


def optional(schema: Schema) -> Schema:
    """Null, or what `schema` says."""

    def check(value: Any, place: str) -> None:
        if value is not None:
            schema(value, place)

    return check


def list_of(schema: Schema) -> Schema:
    """A list, each entry of which is as `schema` says."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list):
            _refuse(value, place, "a list")
        for i, inner in enumerate(value):
            schema(inner, f"{place}[{i}]")

    return check


def mapping(schema: Schema) -> Schema:
    """A mapping from names to what `schema` says."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, Mapping):
            _refuse(value, place, "a mapping")
        for key, inner in value.items():
            if not isinstance(key, str):
                _refuse(key, f"a name in {place}" if place else "a name", "text")
            schema(inner, f"{place}.{key}" if place else key)

    return check


def fields(needed: Mapping[str, Schema], known: Mapping[str, Schema] | None = None, rest: Schema = anything) -> Schema:
    """A mapping that holds at least `needed`; of others it may hold, `known` as they say and `rest`."""
    by_name = {**needed, **(known or {})}

    def check(value: Any, place: str) -> None:
        mapping(whatever)(value, place)
        if missing := [name for name in needed if name not in value]:
            raise MisfitError(f"{place or 'it'} lacks {', '.join(missing)}")
        for key, inner in value.items():
            by_name.get(key, rest)(inner, f"{place}.{key}" if place else key)

    return check


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _refuse(value: Any, place: str, expected: str) -> NoReturn:
    shown = repr(value) if not isinstance(value, int) or abs(value) <= MOST else "a huge number"
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    raise MisfitError(f"{place or 'it'} holds {shown}; {expected} is expected")


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
