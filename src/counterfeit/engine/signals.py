"""Signals that end training after the step in hand."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType, MethodType
from typing import Any

__all__ = ["Signals"]


class Signals(contextlib.AbstractContextManager["Signals"]):
    """Remembers SIGINT and SIGTERM, so that the step in hand is finished; a second one stops at once.

    One within another, as where a metric trains what it compares by, tells the outer one what it caught.
    """

    def __init__(self) -> None:
        self.caught = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self.before = {n: signal.signal(n, self._catch) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        outer = self.before.get(self.caught)
        if isinstance(outer, MethodType) and isinstance(outer.__self__, Signals):
            outer.__self__.caught = self.caught

    def _catch(self, number: int, _: FrameType | None) -> None:
        if self.caught:
            raise KeyboardInterrupt
        self.caught = number
