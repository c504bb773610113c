"""A look at a source: what it holds, whether it is what it should be, and whether its splits overlap."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from counterfeit.core import Batch
from counterfeit.data.source import SPLITS, Examples, Source

__all__ = ["Check", "SplitCheck", "check"]


@dataclass(frozen=True)
class SplitCheck:
    """What one split holds.

    Arguments:
        size: number of examples.
        low, high, mean: of all values, in the natural unit.
        classes: number of examples of each class, by name.
        repeated: examples that occur before in the same split.
        shared: examples that occur in the training split as well; 0 for that split itself.
    """

    size: int
    low: float
    high: float
    mean: float
    classes: Mapping[str, int]
    repeated: int
    shared: int


@dataclass(frozen=True)
class Check:
    """What a source holds.

    Arguments:
        name, shape, kind, fingerprint: of the source.
        variant: what sets its content apart from the original data, if anything.
        files: where it came from, and whether a checksum confirmed each file; empty for sources without checksums.
        splits: train, valid and test.
        warnings: what a person should know, one line each.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    fingerprint: str
    variant: str
    files: Mapping[str, bool]
    splits: Mapping[str, SplitCheck]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON would have it."""
        return asdict(self)


def check(source: Source) -> Check:
    """Read all of `source` once.

    Raises:
        DataError: some of it is missing or damaged.

    Example:
        >>> from counterfeit.data.sources.digits import Digits
        >>> check(Digits()).splits["test"].size
        250
    """
    splits, train = {}, set[bytes]()
    for split in SPLITS:
        splits[split], hashes = _read(source, source.split(split), train)
        train = train or hashes
    return Check(
        name=source.name,
        shape=source.spec.shape,
        kind=source.spec.kind,
        fingerprint=source.fingerprint,
        variant=getattr(source, "variant", ""),
        files=dict(getattr(source, "files", {})),
        splits=splits,
        warnings=tuple(_warnings(source, splits)),
    )


def _read(source: Source, examples: Examples, train: set[bytes]) -> tuple[SplitCheck, set[bytes]]:
    lows, highs, sums, hashes, labels = [], [], [], Counter[bytes](), Counter[int]()
    for x, y in _batches(examples):
        lows.append(float(x.min()))
        highs.append(float(x.max()))
        sums.append(float(x.sum(dtype=torch.float64)))
        hashes.update(hashlib.blake2b(row, digest_size=16).digest() for row in x.flatten(1).numpy())
        labels.update([] if y is None or y.ndim > 1 else y.tolist())  # captions and pictures are none
    classes = {name: labels[label] for label, name in enumerate(source.class_names) if labels}
    shared = sum(count for row, count in hashes.items() if row in train)
    repeated = len(examples) - len(hashes)
    mean = sum(sums) / (len(examples) * source.spec.dims)
    return SplitCheck(len(examples), min(lows), max(highs), mean, classes, repeated, shared), set(hashes)


def _batches(examples: Examples, size: int = 1000) -> Iterator[Batch]:
    for index in torch.arange(len(examples)).split(size):
        x, y = examples[index]
        yield Batch(x.cpu(), None if y is None else y.cpu())


def _warnings(source: Source, splits: Mapping[str, SplitCheck]) -> Iterator[str]:
    yield from (text for text in (getattr(source, "variant", ""), getattr(source, "warning", "")) if text)
    for split, found in splits.items():
        if found.repeated:
            yield f"{found.repeated} of {found.size} examples of {split} occur more than once in it"
        if found.shared:
            yield f"{found.shared} of {found.size} examples of {split} occur in train as well"
        empty = [name for name, count in found.classes.items() if not count]
        if empty:
            yield f"{split} has no examples of {', '.join(empty)}"
