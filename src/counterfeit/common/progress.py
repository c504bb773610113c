"""A progress bar where a person waits at a terminal, and a line a minute elsewhere, as in logs of clusters."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["Bar", "Minutes", "Ticks", "console"]

MINUTE = 60.0
clock = time.monotonic


class Minutes:
    """Whether a minute has passed since the start, or since it was last told so."""

    def __init__(self) -> None:
        self.start = self.last = clock()

    def due(self) -> bool:
        """True once a minute."""
        if clock() - self.last < MINUTE:
            return False
        self.last = clock()
        return True

    def left(self, done: float, total: float) -> str:
        """In words, how long it takes from here at the speed since the start."""
        seconds = (clock() - self.start) * (total - done) / max(done, 1e-9)
        return f"{seconds / 60:,.0f} min left" if seconds >= MINUTE else f"{seconds:.0f} s left"


class Ticks:
    """Calls `tell` once a minute from a thread of its own, while it is entered: for work that tells nothing itself."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self.tell, self.ended = tell, threading.Event()

    def __enter__(self) -> Ticks:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()

    def _run(self) -> None:
        while not self.ended.wait(MINUTE):
            self.tell()


@cache
def console() -> Any:
    """The console of rich on standard error; bars that share it stand below each other, others overwrite them."""
    from rich.console import Console

    return Console(stderr=True)


class Bar:
    """A progress bar on standard error, lines where that is no terminal; also what `pooch` reports to.

    Arguments:
        what: what is being done, in a few words.
        total: how many steps there are; 0 where that is not known yet.
        unit: "bytes" shows megabytes and their rate, anything else counts.
    """

    def __init__(self, what: str, total: int = 0, unit: str = "") -> None:
        from rich import progress

        count = progress.DownloadColumn() if unit == "bytes" else progress.MofNCompleteColumn()
        columns = ("{task.description}", progress.BarColumn(), count, progress.TimeRemainingColumn())
        self._minutes = None if sys.stderr.isatty() else Minutes()
        self._what, self._scale = what, 1e6 if unit == "bytes" else 1.0
        self._bars = progress.Progress(*columns, console=console(), transient=True, disable=self._minutes is not None)
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
        if self._minutes and self._minutes.due():
            print(self._line(self._minutes), file=sys.stderr)

    def _line(self, minutes: Minutes) -> str:
        done, total = self._bars.tasks[0].completed, self.total
        unit = " MB" if self._scale > 1 else ""
        of = f" of {total / self._scale:,.0f}{unit}, {minutes.left(done, total)}" if total else unit
        return f"{self._what}: {done / self._scale:,.0f}{of}"

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
