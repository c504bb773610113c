"""Signals that end training after the step in hand."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Signals"]


class Signals(contextlib.AbstractContextManager["Signals"]):
    """Remembers SIGINT and SIGTERM, so that the step in hand is finished; a second one stops at once."""

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

    def _catch(self, number: int, _: FrameType | None) -> None:
        if self.caught:
            raise KeyboardInterrupt
        self.caught = number
