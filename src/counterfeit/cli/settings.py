"""Settings on the command line: `--train.lr 1e-4` and the shorthands that stand for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["SHORTHANDS", "settings"]

SHORTHANDS: Mapping[str, str] = {"data": "data.name", "steps": "train.steps", "seed": "train.seed"}


def settings(arguments: Sequence[str]) -> dict[str, str]:
    """Dotted key -> text of what `--key value`, `--key=value` and `--key` (true) say.

    Example:
        >>> settings(["--data", "mnist", "--train.lr=1e-4", "--model.init_bias_from_data"])
        {'data.name': 'mnist', 'train.lr': '1e-4', 'model.init_bias_from_data': 'true'}
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise ValueError(f"{word!r} came where an option is expected. Put it after its option, as --train.lr 1e-4.")
        key, equals, value = word[2:].partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        full = SHORTHANDS.get(key, key)
        if full in found:
            came = f"--{full} came twice, as {found[full]!r} and {value!r}"
            raise ValueError(f"{came}; one value is expected. Leave one out.")
        found[full] = value
    return found
