"""Seeds: mixed from integers, and random states that are left as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["mix", "seeded"]


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Draw from `seed` inside, on the CPU and on `device`, and restore the random states after.

    Example:
        >>> before = torch.get_rng_state()
        >>> with seeded(0):
        ...     torch.rand(1)
        tensor([0.4963])
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    device = torch.device(device)
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            torch.cuda.default_generators[index].manual_seed(seed)
        elif device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)
        yield


def mix(*numbers: int) -> int:
    """A seed in [0, 2^63) for a tuple of integers, the same on every machine (splitmix64).

    Example:
        >>> mix(0, 1) != mix(1, 0)
        True
    """
    state = 0
    for number in numbers:
        state = (state ^ number) + 0x9E3779B97F4A7C15 & MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return state >> 1


MASK = 2**64 - 1
