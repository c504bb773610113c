"""Names that nobody knows, answered with the nearest known one."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence

__all__ = ["nearest", "summary"]


def nearest(name: str, known: Sequence[str], listing: str = "") -> str:
    """The end of an error message: the known name nearest to `name`, all of them, or what lists them where many."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if len(known) <= 20 or not listing:
        return f"known: {', '.join(sorted(known))}"
    return f"`{listing}` lists all {len(known)}"


def summary(cls: type) -> str:
    """The first sentence of what a class says of itself, for listings."""
    return (inspect.getdoc(cls) or "").split("\n")[0].rstrip(".")
