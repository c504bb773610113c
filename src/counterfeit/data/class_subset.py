"""Some classes of a source, as a source of their own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from counterfeit.data.source import Examples, InMemory, Source, Streamed

__all__ = ["chosen"]


class Some(Streamed):
    """Examples at some positions of a split that is decoded as it is drawn, with other labels.

    Arguments:
        examples: the split.
        positions: of those that are left, int64 (N,).
        y: the label of each of these, int64 (N,).
    """

    def __init__(self, examples: Streamed, positions: Tensor, y: Tensor) -> None:
        self.examples, self.positions, self.y = examples, positions, y

    def __len__(self) -> int:
        return len(self.positions)

    def read(self, index: int) -> tuple[Tensor, int]:
        """Decode one example: uint8 (*shape) and its label."""
        return self.examples.read(int(self.positions[index]))[0], int(self.y[index])

    @property
    def labels(self) -> Tensor | None:
        """The labels of all examples, int64 (N,)."""
        return self.y


class _Chosen(Source):
    """A source whose other classes are left out."""

    def __init__(self, whole: Source, names: Sequence[str]) -> None:
        self.whole, self.labels = whole, [_position(name, whole) for name in names]
        self.class_names = tuple(whole.class_names[label] for label in self.labels)
        if len({*self.labels}) < max(1, len(names)):
            raise ValueError(f"data.classes: {', '.join(names)} came; different classes are expected. Name each once.")
        self.name, self.summary = whole.name, whole.summary  # type: ignore[misc]
        self.warning, self.span, self.rate = whole.warning, whole.span, whole.rate
        self.spec = replace(whole.spec, classes=len(self.labels))
        self.kept: dict[str, Examples] = {}

    @property
    def files(self) -> Mapping[str, bool]:
        """Where the content came from, and whether a checksum confirmed it."""
        return getattr(self.whole, "files", {})

    @property
    def variant(self) -> str:
        """What sets the content apart from the original data."""
        return "; ".join(filter(None, [getattr(self.whole, "variant", ""), f"only {', '.join(self.class_names)}"]))

    def split(self, name: str) -> Examples:
        if name not in self.kept:
            self.kept[name] = self._some(self.whole.split(name))
        return self.kept[name]

    def _some(self, examples: Examples) -> Examples:
        y = examples.labels
        assigned = torch.full((self.whole.spec.classes,), -1)
        assigned[self.labels] = torch.arange(len(self.labels))
        new = assigned[y.cpu()] if y is not None else assigned[:0]
        positions = torch.where(new >= 0)[0]
        if not len(positions):
            raise ValueError(f"{self.name} has a split without {', '.join(self.class_names)}. Choose other classes.")
        if isinstance(examples, InMemory):
            return InMemory(examples.x[positions], new[positions], examples.scale)
        if isinstance(examples, Streamed):
            return Some(examples, positions, new[positions])
        raise ValueError(f"classes of {self.name} cannot be chosen: its examples are no pictures. Leave classes out.")

    @property
    def fingerprint(self) -> str:
        return f"{self.whole.fingerprint}+{'+'.join(map(str, self.labels))}"


def chosen(source: Source, classes: Sequence[str]) -> Source:
    """The examples of `source` of those classes alone, which become the labels 0, 1, … in the order they are named.

    Raises:
        ValueError: the data have no labels, no class of that name, or one is named twice.

    Example:
        >>> from counterfeit.data.sources.digits import Digits
        >>> pair = chosen(Digits(), ["8", "3"])
        >>> pair.spec.classes, sorted(set(pair.split("test").first().y.tolist()))
        (2, [0, 1])
    """
    return _Chosen(source, [str(name) for name in classes])


def _position(name: str, source: Source) -> int:
    if not source.spec.classes or not source.class_names:
        raise ValueError(f"data.classes came; {source.name} has no classes. Leave it out, or put them into folders.")
    if name not in source.class_names:
        close = difflib.get_close_matches(name, source.class_names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(source.class_names)}"
        raise ValueError(f"data.classes: {name!r} is no class of {source.name}; {hint}")
    return [*source.class_names].index(name)
