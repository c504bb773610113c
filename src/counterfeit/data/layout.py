"""What the folders around pictures mean: splits and classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Layout", "arrange", "shuffled"]

FOLDERS = {
    "train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
SHARE = 0.05
FEW = 10


class Layout(NamedTuple):
    """Which picture belongs to which split and class.

    Arguments:
        splits: positions of the pictures of each split, shuffled.
        labels: the class of each picture, or None.
        classes: their names, sorted.
        warning: what a person should know about the splits, if anything.
    """

    splits: Mapping[str, tuple[int, ...]]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]
    warning: str


def shuffled(names: Sequence[str], positions: Iterable[int]) -> tuple[int, ...]:
    """Positions in the order of a hash of their names: as if random, the same everywhere, steady as some are added."""
    return tuple(sorted(positions, key=lambda i: hashlib.sha256(names[i].encode(errors="surrogateescape")).digest()))


def arrange(names: Sequence[str]) -> Layout:
    """Read splits and classes off the names of pictures.

    Top folders called train, valid (val, validation) and test are splits. A split without a folder takes 5 % of the
    training pictures, at least one; of fewer than ten pictures all serve for training, validation and test alike. The
    next folder is the class, provided that every picture lies in one and there are two classes or more.

    Example:
        >>> arrange(["train/cat/1.png", "train/dog/1.png", "test/cat/2.png"]).classes
        ('cat', 'dog')
    """
    paths = _below_common([tuple(name.split("/")) for name in names])
    homes = [FOLDERS.get(path[0].lower(), "") if len(path) > 1 else "" for path in paths]
    if not all(homes) or "train" not in homes:
        homes = ["train"] * len(names)
    else:
        paths = [path[1:] for path in paths]
    labels, classes = _classes(paths)
    keys = ["/".join((home, *path)) for home, path in zip(homes, paths, strict=True)]
    members = {split: [i for i, home in enumerate(homes) if home == split] for split in ("train", "valid", "test")}
    given = {split: shuffled(keys, positions) for split, positions in members.items()}
    splits, warning = _deal(given)
    return Layout(splits, labels, classes, warning)


def _below_common(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    while all(len(path) > 1 and path[0] == paths[0][0] for path in paths):
        paths = [path[1:] for path in paths]
    return paths


def _classes(paths: list[tuple[str, ...]]) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    classes = tuple(sorted({path[0] for path in paths}))
    if len(classes) < 2 or any(len(path) < 2 for path in paths):
        return None, ()
    place = {name: label for label, name in enumerate(classes)}
    return tuple(place[path[0]] for path in paths), classes


def _deal(given: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, tuple[int, ...]], str]:
    splits, train = dict(given), given["train"]
    missing = [split for split in ("valid", "test") if not given[split]]
    if missing and len(train) < FEW:
        few = f"few pictures ({len(train)}): {' and '.join(missing)} hold the same as train"
        return splits | dict.fromkeys(missing, train), few
    count = max(1, round(SHARE * len(train)))
    for split in missing:
        splits[split], train = train[:count], train[count:]
    return splits | {"train": train}, ""
