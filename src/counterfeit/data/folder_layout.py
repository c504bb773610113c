"""What the folders around pictures mean: splits and classes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Layout", "arrange", "deal", "shuffled"]

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
    training pictures of each class, as `deal` says. The next folder is the class, provided that every picture lies in
    one and there are two classes or more.

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
    splits, warning = deal(given, labels, classes)
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


def deal(
    given: Mapping[str, tuple[int, ...]], labels: Sequence[int] | None, classes: Sequence[str]
) -> tuple[dict[str, tuple[int, ...]], str]:
    """Splits that are missing, taken from the training examples, and what a person should know about them.

    Each takes 5 % of every class, at least one example; of a class of too few for one in each split, all are trained
    on. Of fewer than ten examples all serve for training, validation and test alike.

    Arguments:
        given: positions of the examples of each split, in the order they are dealt in; empty where it is missing.
        labels: the class of every example, or None where there are none.
        classes: names of the classes.

    Example:
        >>> deal({"train": tuple(range(40)), "valid": (), "test": ()}, [0] * 30 + [1] * 10, ["a", "b"])[0]["valid"]
        (0, 1, 30)
    """
    splits, train = dict(given), given["train"]
    missing = [split for split in ("valid", "test") if not given[split]]
    if not missing:
        return splits, ""
    if len(train) < FEW:
        few = f"few examples ({len(train)}): {' and '.join(missing)} hold the same as train"
        return splits | dict.fromkeys(missing, train), few
    member = [0] * (max(train) + 1) if labels is None else labels
    sizes = Counter(member[i] for i in train)
    counts = {label: _share(size, len(missing)) for label, size in sizes.items()}
    for split in missing:
        taken = _first(train, member, counts)
        gone = {*taken}
        splits[split], train = taken, tuple(i for i in train if i not in gone)
    return splits | {"train": train}, "; ".join(_remarks(missing, counts, classes if labels is not None else ()))


def _share(size: int, splits: int) -> int:
    """How many of a class's examples each of the missing splits takes."""
    return max(1, int(SHARE * size + 0.5)) if size > splits else 0


def _first(order: Sequence[int], member: Sequence[int], counts: Mapping[int, int]) -> tuple[int, ...]:
    """The first `counts[label]` positions of each class, in their order."""
    left, taken = dict(counts), []
    for i in order:
        if left[member[i]]:
            left[member[i]] -= 1
            taken.append(i)
    return tuple(taken)


def _remarks(missing: Sequence[str], counts: Mapping[int, int], classes: Sequence[str]) -> list[str]:
    if not classes:
        return []
    alone = [name for label, name in enumerate(classes) if label in counts and not counts[label]]
    said = [f"{' and '.join(missing)} take {SHARE:.0%} of every class from train, at least one example"]
    return said + ([f"too few examples of {', '.join(alone)} to leave any out of train"] if alone else [])
