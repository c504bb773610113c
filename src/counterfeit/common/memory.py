"""How memory is given back: what a step of training frees, the next one needs again."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed"]

TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT, LARGE = 256 << 20, 32 << 20  # bytes


def keep_freed() -> bool:
    """Let the C library keep up to 256 MiB that were freed; whether it can.

    By default glibc gives the system back what tensors of more than some 100 kB held as soon as they are freed, and
    each step of training pays for the same pages again: up to a third of its time on a CPU.

    Example:
        >>> keep_freed() in (True, False)
        True
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(mallopt(MMAP, LARGE) and mallopt(TRIM, KEPT))
