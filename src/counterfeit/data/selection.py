"""Examples chosen from a split: the first, or evenly spaced ones; and how a protocol names them."""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.common.seeding import mix, seeded
from counterfeit.core import Batch
from counterfeit.data.source import SPLITS, Source

__all__ = ["describe", "evenly_spaced", "halves", "load", "spaced", "to_device"]


UNITS = {"image": "pixels in [0, 1]", "binary": "binary pixels", "real": "real values", "tokens": "tokens"}


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The same examples on `device`."""
    return Batch(batch.x.to(device), None if batch.y is None else batch.y.to(device))


def load(source: Source, split: str, n: int | None = None, seed: int = 0, device: torch.device | str = "cpu") -> Batch:
    """The first `n` examples of a split (all where None or 0) on `device`; random transforms draw under `seed`."""
    with seeded(mix(seed, SPLITS.index(split))):  # each split its own draws, or their noise would agree
        batch = source.split(split).first(n or None)
    return to_device(batch, device)


def spaced(n: int, count: int) -> Tensor:
    """`n` of `count` positions, evenly spaced, int64 (n,).

    Even steps would take even positions alone, and sources may alternate, as MNIST does between writers: where steps
    are even, even and odd positions take turns.

    Example:
        >>> spaced(3, 9).tolist(), spaced(3, 6).tolist()
        ([0, 3, 6], [0, 3, 4])
    """
    turns = torch.arange(n)
    positions = turns * count // max(n, 1)
    return positions + (positions + turns) % 2 if n and count // n % 2 == 0 else positions


def halves(count: int) -> tuple[Tensor, Tensor]:
    """Positions of two random halves of `count`, always the same and rising, for sources may be sorted or alternate.

    Example:
        >>> [len(half) for half in halves(5)]
        [2, 3]
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[: count // 2].sort().values, order[count // 2 :].sort().values


def evenly_spaced(
    source: Source, split: str, n: int | None = None, seed: int = 0, device: torch.device | str = "cpu",
    among: Tensor | None = None,
) -> Batch:  # fmt: skip
    """`n` examples evenly spaced through a split, or those of its positions `among`, since some splits are sorted.

    All where `n` is None or 0, or where there are fewer; random transforms draw under `seed`.
    """
    examples = source.split(split)
    among = torch.arange(len(examples)) if among is None else among
    positions = among[spaced(min(n or len(among), len(among)), len(among))]
    with seeded(mix(seed, SPLITS.index(split))):
        batch = examples[positions]
    return to_device(batch, device)


def describe(source: Source, split: str, n: int, limit: int = 0) -> str:
    """The data's part of a protocol: `n` examples of a split, evenly spaced where a `limit` left some of it out."""
    some = " evenly spaced" if 0 < limit < len(source.split(split)) else ""
    return f"{split} n={n}{some}; {UNITS[source.spec.kind]}; {source.name} {source.fingerprint}"
