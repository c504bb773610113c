"""A folder or a zip of pictures."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import DataError
from counterfeit.common.progress import Bar
from counterfeit.core import Spec
from counterfeit.data.folder_layout import arrange
from counterfeit.data.image_files import Pictures, find_pictures
from counterfeit.data.images import Span, bombs_refused, decode, extremes, fill, open_image
from counterfeit.data.source import SPLITS, Examples, InMemory, Source, Streamed
from counterfeit.data.sources.in_memory import pick

__all__ = ["Folder"]

LARGEST_NATIVE = 128
LOOK = 128  # pictures looked at to tell gray from color, and to compare sizes and brightness
DARK = 0.25  # of what a file's type can hold: where nothing is brighter, a part of it was meant


class Decoded(Streamed):
    """Pictures decoded when they are drawn."""

    def __init__(self, source: Folder, positions: tuple[int, ...]) -> None:
        self.source, self.positions = source, positions

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def labels(self) -> Tensor | None:
        """The classes of all pictures, int64 (N,), without decoding them, or None."""
        labels = self.source.layout.labels
        return None if labels is None else torch.tensor([labels[position] for position in self.positions])

    def read(self, index: int) -> tuple[Tensor, int]:
        """Decode one picture: uint8 (C, H, W) and its class, -1 where there is none."""
        position, labels = self.positions[index], self.source.layout.labels
        with bombs_refused():
            x = torch.from_numpy(self.source.decode(position).copy())
        return x, -1 if labels is None else labels[position]


class Folder(Source):
    """A folder or a zip of pictures, of any sizes, gray or color.

    Top folders called train, valid and test are splits, folders below them classes: `layout.arrange` has the rules.
    Pictures are gray if all of about 128 that are looked at are. They are held in memory as 8-bit values where they
    fit, and decoded when they are drawn where they do not.

    Arguments:
        path: the folder or zip.
        size: the central square of each picture is resized, antialiased, to `size` x `size` pixels; may be left out
            where all pictures share one size of at most 128 pixels a side, which is then kept.
        memory: how many bytes the decoded pictures may take before they are streamed.
        span: the values of the files that are black and white. Where None, those that integers of the files' type can
            hold, and of floats the lowest and the highest of all pictures.

    Raises:
        DataError: no such folder or zip, no pictures in it, one that is damaged, or sizes that differ without `size`.
    """

    name = "folder"
    summary = "a folder or zip of pictures, gray or color, of any size; class folders become labels"

    def __init__(
        self, path: str | Path, size: int | None = None, memory: int = 4 << 30, span: Span | None = None
    ) -> None:
        if size is not None and size < 1:
            raise ValueError(f"`size` is {size}; a picture needs at least 1 pixel.")
        self.pictures: Pictures = find_pictures(path)
        self.layout = arrange(self.pictures.names)
        self.size, self.memory, self.class_names = size, memory, self.layout.classes
        self.span, remark = (span, "") if span else _range(self.pictures, size)
        self.warning = "; ".join(filter(None, [self.layout.warning, remark]))
        self.spec = Spec(self._look(), "image", len(self.layout.classes))

    def split(self, name: str) -> Examples:
        """The examples of the split "train", "valid" or "test"."""
        if self._fits:
            return pick(self._held[0], name)
        return Decoded(self, pick(self.layout.splits, name))

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of names, of the files' content and of the shape they are decoded to."""
        kept = (self.pictures.names, self.spec.shape, *([self.span] if self.span else []))
        digest = hashlib.sha256(repr(kept).encode())
        places = range(len(self.pictures.names))
        for one in self._held[1] if self._fits else (_hash(self.pictures.read(index)) for index in places):
            digest.update(one)
        return digest.hexdigest()[:16]

    def decode(self, index: int) -> np.ndarray:
        """Decode picture `index` of the folder to uint8 (C, H, W)."""
        return self._decoded(index, self.pictures.read(index))

    def _decoded(self, index: int, data: bytes) -> np.ndarray:
        who, shape = self.pictures.where(index), self.spec.shape
        x = decode(data, who, shape[0], self.size, self.span)
        if x.shape != shape:
            raise DataError(f"{who} has {x.shape[2]}x{x.shape[1]} pixels, others {shape[2]}x{shape[1]}. {REMEDY}")
        return x

    @property
    def _fits(self) -> bool:
        return len(self.pictures.names) * self.spec.dims <= self.memory

    @cached_property
    def _held(self) -> tuple[dict[str, InMemory], list[bytes]]:
        """The splits, and the hash of each file, of one reading."""
        hashes = [b""] * len(self.pictures.names)

        def read(index: int) -> np.ndarray:
            data = self.pictures.read(index)
            hashes[index] = _hash(data)
            return self._decoded(index, data)

        x = fill(read, (len(self.pictures.names), *self.spec.shape), f"reading {self.pictures.path.name}")
        y = None if self.layout.labels is None else torch.tensor(self.layout.labels)
        places = {name: torch.tensor(self.layout.splits[name]) for name in SPLITS}
        return {name: InMemory(x[i], None if y is None else y[i]) for name, i in places.items()}, hashes

    def _look(self) -> tuple[int, int, int]:
        sizes, gray = set(), True
        with bombs_refused():
            for index in _some(self.pictures):
                image = open_image(self.pictures.read(index), self.pictures.where(index), self.size, self.span)
                sizes.add(image.size)
                gray = gray and (image.mode == "L" or _is_gray(np.asarray(image)))
        channels = 1 if gray else 3
        return (channels, self.size, self.size) if self.size else (channels, *self._native(sizes))

    def _native(self, sizes: set[tuple[int, int]]) -> tuple[int, int]:
        width, height = max(sizes)
        if len(sizes) == 1 and max(width, height) <= LARGEST_NATIVE:
            return height, width
        (w, h), came = min(sizes), f"of {width}x{height} pixels"
        came = came if len(sizes) == 1 else f"of different sizes, from {w}x{h} to {width}x{height} pixels"
        raise DataError(f"{self.pictures.path} holds pictures {came}. {REMEDY}")


REMEDY = "Say how large they should become: --data.size 64, or size=64 in Python."


def _some(pictures: Pictures) -> range:
    return range(0, len(pictures.names), max(1, len(pictures.names) // LOOK))


def _range(pictures: Pictures, size: int | None) -> tuple[Span | None, str]:
    """The range of pictures of floats, None of others, and what a person should know about the range."""
    with bombs_refused():
        some = [extremes(pictures.read(i), pictures.where(i), size) for i in _some(pictures)]
        if any(math.isinf(full) for _, _, full in some):
            return _range_of_floats(pictures)
    peak, full = max(high for _, high, _ in some), max(full for _, _, full in some)
    if peak >= DARK * full or not peak:
        return None, ""
    meant = 2 ** math.ceil(math.log2(peak + 1)) - 1
    return None, (
        f"the brightest value found is {peak:g} of {full:g}, so pictures are nearly black: "
        f"where {meant} is white, add --data.range 0,{meant}"
    )


def _range_of_floats(pictures: Pictures) -> tuple[Span, str]:
    count, found = len(pictures.names), []
    with Bar(f"range of {pictures.path.name}", count) as bar:
        for index in range(count):
            found.append(extremes(pictures.read(index), pictures.where(index))[:2])
            bar.update(1)
    low, high = min(low for low, _ in found), max(high for _, high in found)
    if low == high:
        raise DataError(f"{pictures.path} holds pictures of {low:g} alone. Say what is black and white: --data.range.")
    return (low, high), f"values from {low:g} to {high:g}, all that there are, become black to white (--data.range)"


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _is_gray(rgb: np.ndarray) -> bool:
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())
