"""A progress bar where a person waits at a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

__all__ = ["Bar", "console"]


@cache
def console() -> Any:
    """The console of rich on standard error; bars that share it stand below each other, others overwrite them."""
    from rich.console import Console

    return Console(stderr=True)


class Bar:
    """A progress bar on standard error, silent where that is no terminal; also the kind of object `pooch` reports to.

    Arguments:
        what: what is being done, in a few words.
        total: how many steps there are; 0 where that is not known yet.
        unit: "bytes" shows megabytes and their rate, anything else counts.
    """

    def __init__(self, what: str, total: int = 0, unit: str = "") -> None:
        from rich import progress

        count = progress.DownloadColumn() if unit == "bytes" else progress.MofNCompleteColumn()
        columns = ("{task.description}", progress.BarColumn(), count, progress.TimeRemainingColumn())
        quiet = not sys.stderr.isatty()
        self._bars = progress.Progress(*columns, console=console(), transient=True, disable=quiet)
        self._task = self._bars.add_task(what, total=total or None)

    @property
    def total(self) -> int:
        """How many steps there are, 0 where that is not known."""
        return int(self._bars.tasks[0].total or 0)

    @total.setter
    def total(self, total: int) -> None:
        self._bars.update(self._task, total=total or None)

    def update(self, steps: int) -> None:
        """Advance by `steps`."""
        self._bars.advance(self._task, steps)

    def reset(self) -> None:
        """Start again at zero."""
        self._bars.update(self._task, completed=0)

    def close(self) -> None:
        """Take the bar off the terminal."""
        self._bars.stop()

    def __enter__(self) -> Bar:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
