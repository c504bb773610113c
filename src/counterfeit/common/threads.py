"""How many CPU threads share an operation: those that its work is worth, so that a busy machine slows nobody down.

Threads that share an operation wait for each other at its end. Where another process holds one of their cores, that
wait is a time slice of the system's, about ten milliseconds, however small the operation: nets of a laboratory's size
then take twenty times as long, while a single thread waits for nobody. So a thread is worth having for `GRAIN`
floating-point operations, which take it longer than that. They are counted, not timed: timing would choose differently
from run to run, and sums differ in their last digits where more threads share them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

__all__ = ["GRAIN", "available", "clock", "using", "worth"]

GRAIN = 1e9
AVAILABLE = torch.get_num_threads()  # before anybody changed it: cores, or what OMP_NUM_THREADS says


def available() -> int:
    """Threads at hand: PyTorch's own number, which follows OMP_NUM_THREADS."""
    return AVAILABLE


def worth(work: float) -> int:
    """How many threads an operation of so many floating-point operations is worth, at least 1."""
    return max(1, min(available(), int(work / GRAIN)))


@contextmanager
def using(threads: int | None) -> Iterator[None]:
    """Share operations inside among so many threads; as outside where None.

    Example:
        >>> with using(1):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def clock(device: torch.device) -> Callable[[], float]:
    """What to time work by, in seconds: of one thread the processor's time, which other work on it hardly lengthens.

    Example:
        >>> start = clock(torch.device("cpu"))()
    """
    return time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
