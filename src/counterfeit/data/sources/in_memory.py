"""Sources that are loaded whole into memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from counterfeit.core import Spec
from counterfeit.data.downloads import File, find
from counterfeit.data.images import resize
from counterfeit.data.source import SPLITS, InMemory, Source

T = TypeVar("T")
__all__ = ["Fixed", "cut", "pick"]


def pick(splits: Mapping[str, T], name: str) -> T:
    """The split called `name`.

    Raises:
        ValueError: there is none.
    """
    if name not in splits:
        raise ValueError(f"there is no split {name!r}. Take one of {', '.join(SPLITS)}.")
    return splits[name]


def cut(x: Tensor, y: Tensor | None, *counts: int, scale: float = 255.0) -> dict[str, InMemory]:
    """Cut examples, in order, into splits of the given counts: train, valid and, if a third is given, test."""
    ys = [None] * len(counts) if y is None else y.split(counts)
    return {name: InMemory(xs, labels, scale) for name, xs, labels in zip(SPLITS, x.split(counts), ys, strict=False)}


def resized(examples: InMemory, size: int) -> InMemory:
    """Images center-cropped and resized to `size` x `size`."""
    x = examples.x if examples.scale == 255 else (examples.x * (255 / examples.scale)).round().to(torch.uint8)
    return InMemory(resize(x, size), examples.y)


class Fixed(Source):
    """A source of known shape, loaded whole on first use.

    Subclasses set `native` and implement `load`.

    Arguments:
        size: resize images to `size` x `size` pixels; None keeps their own.
    """

    native: ClassVar[Spec]
    variant: str = ""
    """What sets the content apart from the original data, if anything."""

    def __init__(self, size: int | None = None) -> None:
        self.spec = self.native
        self.files: dict[str, bool] = {}  # where the content came from, and whether a checksum confirmed it
        if size is not None and self.native.shape[1:] != (size, size):
            self.spec = replace(self.native, shape=self._square(size))

    @abstractmethod
    def load(self) -> Mapping[str, InMemory]:
        """Every split at its native size."""

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    def need(self, file: File, keep: bool = True) -> bytes:
        """The content of `file`, found or downloaded, and then kept in the cache where `keep`."""
        found = find(file, self.name, keep)
        self.files[str(found.path)] = found.verified
        return found.data

    @cached_property
    def _splits(self) -> Mapping[str, InMemory]:
        splits = self.load()
        if self.spec.shape == self.native.shape:
            return splits
        return {name: resized(examples, self.spec.shape[-1]) for name, examples in splits.items()}

    def _square(self, size: int) -> tuple[int, int, int]:
        if self.native.kind != "image":
            raise ValueError(f"{self.name} cannot be resized to {size}: its values are not shades. Leave `size` out.")
        if size < 1:
            raise ValueError(f"`size` is {size}; {self.name} expects 1 pixel or more. Leave it out for its own size.")
        return self.native.shape[0], size, size
