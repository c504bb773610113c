"""What several metrics need is computed once: samples, features, neighbours."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

__all__ = ["once", "sharing"]

T = TypeVar("T")
_kept: ContextVar[dict[Hashable, Any] | None] = ContextVar("kept", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Inside, `once` remembers; the models evaluated must not change until the end, when everything is forgotten.

    Example:
        >>> with sharing():
        ...     [once("answer", lambda: print("computing") or 42) for _ in range(2)]
        computing
        [42, 42]
    """
    if _kept.get() is not None:  # within another: that one forgets
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def once(key: Hashable, compute: Callable[[], T]) -> T:
    """What `compute` returns, remembered under `key` within `sharing`; computed at every call elsewhere."""
    kept = _kept.get()
    if kept is None:
        return compute()
    if key not in kept:
        kept[key] = compute()
    return kept[key]
