"""How things show themselves in notebooks and as reports: rooms above register how, for classes of rooms below."""

from __future__ import annotations

from functools import singledispatch
from html import escape
from pathlib import Path

__all__ = ["html", "write_report"]


@singledispatch
def html(thing: object) -> str:
    """What `thing` looks like in a notebook, as HTML; its `repr` where nothing better is registered.

    Example:
        >>> html(1 < 2)
        '<pre>True</pre>'
    """
    return f"<pre>{escape(repr(thing))}</pre>"


@singledispatch
def write_report(run: object) -> Path:
    """Write the report of a run into its folder; the page's path.

    Raises:
        ValueError: reports of such a thing are unknown: `counterfeit.report` was not imported, or it is no run.
    """
    raise ValueError(f"{type(run).__name__} came; a run is expected. Open its folder with cf.Run.")
