"""Nested settings: flattened to dotted keys, merged, and as YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from counterfeit.common.files import write_text
from counterfeit.common.schema import MisfitError, mapping, parse_yaml, whatever

__all__ = ["dump", "flatten", "load_yaml", "merge", "nest", "write_yaml"]


def load_yaml(text: str, where: str) -> dict[str, Any]:
    """Read a mapping with the safe loader; an error is one line."""
    try:
        return dict(parse_yaml(text, mapping(whatever)))
    except MisfitError as error:
        raise ValueError(f"{where}: {error}. Correct it.") from None


def dump(content: Mapping[str, Any]) -> str:
    """YAML text that `load_yaml` reads back."""
    return yaml.safe_dump(plain(content), sort_keys=False, width=120)


def flatten(settings: Mapping[str, Any], known: Sequence[str] = (), prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of nested settings; a mapping that is itself the value of a known key stays whole."""
    for key, value in settings.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and dotted not in known:
            yield from flatten(value, known, f"{dotted}.")
        else:
            yield dotted, value


def nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of dotted keys.

    Example:
        >>> nest({"train.lr": 0.1, "train.steps": 5})
        {'train': {'lr': 0.1, 'steps': 5}}
    """
    out: dict[str, Any] = {}
    for dotted, value in settings.items():
        for part in reversed(dotted.split(".")):
            value = {part: value}
        out = merge(out, value)
    return out


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings `over` laid upon `under`.

    Example:
        >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    out = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merge(out[key], value) if both else value
    return out


def plain(value: Any) -> Any:
    """Tuples as lists, so that the safe dumper and loader agree."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write YAML whole or not at all."""
    write_text(path, dump(content))
