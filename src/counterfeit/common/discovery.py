"""Finding what lies in a package without registering it by hand."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

__all__ = ["by_name", "concrete", "declared", "modules"]

T = TypeVar("T")


def modules(package: str) -> tuple[str, ...]:
    """The whole dotted name of every file below a package, in any folder, found without importing them."""
    root = Path(importlib.import_module(package).__path__[0])
    files = (path.relative_to(root).with_suffix("").parts for path in root.rglob("*.py"))
    named = (parts for parts in files if parts[-1] != "__init__" and all(part.isidentifier() for part in parts))
    return tuple(".".join((package, *parts)) for parts in sorted(named))


def by_name(found: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Things by name, in the order of names.

    Raises:
        ValueError: two bear the same name, of which one would vanish.

    Example:
        >>> by_name([("b", 2), ("a", 1)])
        {'a': 1, 'b': 2}
    """
    named: dict[str, T] = {}
    for name, one in found:
        if name in named and named[name] is not one:
            raise ValueError(f"{named[name]!r} and {one!r} are both called {name}. Rename either.")
        named[name] = one
    return dict(sorted(named.items()))


def declared(package: str, kind: type[T]) -> dict[str, T]:
    """Name -> each thing of a `kind`, which has a name, that a file below a package declares at its top level."""
    held = (vars(importlib.import_module(path)).values() for path in modules(package))
    return by_name((one.name, one) for things in held for one in things if isinstance(one, kind))  # type: ignore[attr-defined]


def concrete(module: ModuleType, base: type) -> dict[str, Any]:
    """The public classes of a module that are of `base` and can be made."""
    members = {n: c for n, c in vars(module).items() if inspect.isclass(c) and not n.startswith("_")}
    own = {n: c for n, c in members.items() if c.__module__ == module.__name__}
    return {n: c for n, c in own.items() if issubclass(c, base) and not inspect.isabstract(c)}
