"""How metrics ask models and sources: under a seed of their own, and leaving everything as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from counterfeit.core import Batch, Model, Samples
from counterfeit.data.source import SPLITS, Source
from counterfeit.data.stream import mix
from counterfeit.metrics.statistics import seeded

__all__ = ["describe", "draw_samples", "evaluating", "halves", "load", "spaced", "spread"]

UNITS = {"image": "pixels in [0, 1]", "binary": "binary pixels", "real": "real values"}


@contextmanager
def evaluating(model: Model, seed: int) -> Iterator[None]:
    """`model` in evaluation mode, without gradients and under `seed`; every module's mode is restored after."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), seeded(mix(seed, len(SPLITS)), model.device):  # mixed: data may be made from a plain seed
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


def draw_samples(
    model: Model, n: int, seed: int = 0, batch_size: int = 1_000, y: Tensor | None = None
) -> Tensor:
    """Draw `n` examples from `model` in the data's natural unit, (n, *shape), on its device.

    Arguments:
        model: one that samples.
        n: how many.
        seed: of the draw, which leaves the random state as it was.
        batch_size: how many are drawn at once; the draw depends on it.
        y: the label of each, (n,), where the model takes labels and they are not left to it.

    Raises:
        ValueError: where the model does not sample, or its samples are not finite.
    """
    if not isinstance(model, Samples):
        raise ValueError(f"{type(model).__name__} came; a model that samples is expected. Choose another metric.")
    if n < 1 or batch_size < 1:
        raise ValueError(f"n={n} and batch_size={batch_size} came; at least 1 is expected of both. Ask for more.")
    with evaluating(model, seed):
        sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
        labels = [None] * len(sizes) if y is None else y.split(sizes)
        x = torch.cat([model.sample(size, some) for size, some in zip(sizes, labels, strict=True)])
    if not bool(torch.isfinite(x).all()):
        raise ValueError("some samples are not finite; finite ones are expected. Evaluate an earlier checkpoint.")
    return x


def load(source: Source, split: str, n: int | None = None, seed: int = 0, device: torch.device | str = "cpu") -> Batch:
    """The first `n` examples of a split (all where None or 0) on `device`; random transforms draw under `seed`."""
    with seeded(mix(seed, SPLITS.index(split))):  # each split its own draws, or their noise would agree
        batch = source.split(split).first(n or None)
    return Batch(batch.x.to(device), None if batch.y is None else batch.y.to(device))


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


def spread(
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
    return Batch(batch.x.to(device), None if batch.y is None else batch.y.to(device))


def describe(source: Source, split: str, n: int, limit: int = 0) -> str:
    """The data's part of a protocol: `n` examples of a split, evenly spaced where a `limit` left some of it out."""
    some = " evenly spaced" if 0 < limit < len(source.split(split)) else ""
    return f"{split} n={n}{some}; {UNITS[source.spec.kind]}; {source.name} {source.fingerprint}"
