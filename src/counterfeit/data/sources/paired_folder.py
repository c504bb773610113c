"""A folder or a zip of pairs of pictures: in folders A and B, or side by side."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import DataError
from counterfeit.core import Spec
from counterfeit.data.folder_layout import arrange
from counterfeit.data.image_files import Pictures, find_pictures
from counterfeit.data.images import Span, bombs_refused, crop_resize, fill, open_image
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.folder import LARGEST_NATIVE, REMEDY
from counterfeit.data.sources.in_memory import pick

__all__ = ["PairedFolder"]

SIDE = re.compile(r"(train|training|valid|val|validation|test|testing)?[-_]?([ab])", re.IGNORECASE)
MEMORY = 4 << 30  # bytes that all pairs may take


class Pair(NamedTuple):
    """What a pair is called, and the positions of its files: of either picture, or of one that holds both."""

    name: str
    places: tuple[int, ...]


class PairedFolder(Source):
    """A folder or a zip of pairs of pictures, of which the second is to be made from the first.

    Pictures of one name lie in folders A and B, at the top or below train, valid and test, or in trainA, trainB and so
    on; or each file holds both, left and right. Splits are those of any folder of pictures.

    Arguments:
        path: the folder or zip.
        pairs: folders, or halves.
        size: the central square of each picture is resized to `size` x `size` pixels; may be left out where all share
            one size of at most 128 pixels a side.
        span: the values that are black and white, as for pictures.
        swap: make the first of each pair from the second.

    Raises:
        DataError: no such folder or zip, no pairs in it, a picture without its partner, one that is damaged, or sizes
            that differ.
    """

    name = "paired-folder"
    summary = "a folder or zip of pairs of pictures: in folders A and B, or side by side"

    def __init__(
        self, path: str | Path, pairs: Literal["folders", "halves"] = "folders", size: int | None = None,
        span: Span | None = None, swap: bool = False,
    ) -> None:  # fmt: skip
        self.pictures, self.pairs, self.size, self.span = find_pictures(path), pairs, size, span
        found = (
            [Pair(n, (i,)) for i, n in enumerate(self.pictures.names)] if pairs == "halves" else _pairs(self.pictures)
        )
        layout = arrange([pair.name for pair in found])
        self.warning = layout.warning
        sides = [side for files in zip(*(pair.places for pair in found), strict=True) for side in self._read(files)]
        self._given, self._made = sides[::-1] if swap else sides
        if self._given.shape[2:] != self._made.shape[2:]:
            (h, w), (height, width) = self._given.shape[2:], self._made.shape[2:]
            raise DataError(
                f"{path} holds pairs of {w}x{h} and {width}x{height} pixels; equal ones are expected. {REMEDY}"
            )
        self.spec = Spec(tuple(self._made.shape[1:]), "image", given=tuple(self._given.shape[1:]))
        self._places = {split: torch.tensor(layout.splits[split]) for split in SPLITS}

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        place = pick(self._places, name)
        return InMemory(self._made[place], self._given[place])

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of names and of both pictures of every pair."""
        kept = repr((self.pictures.names, self.span)).encode()
        return hashlib.sha256(kept + self._given.numpy().tobytes() + self._made.numpy().tobytes()).hexdigest()[:16]

    def _read(self, files: Sequence[int]) -> list[Tensor]:
        """The pictures in some files, uint8 (N, C, H, W): the first ones, and the second ones where there are two."""
        with bombs_refused():
            count, height, width, _ = self._decoded(files[0]).shape
        if self.size is None and max(height, width) > LARGEST_NATIVE:
            raise DataError(f"{self.pictures.path} holds pairs of {width}x{height} pixels. {REMEDY}")
        if 6 * len(files) * height * width > MEMORY:
            raise DataError(f"{self.pictures.path} holds pairs of more than 4 GiB. Shrink them: --data.size.")

        def read(index: int) -> np.ndarray:
            x = self._decoded(files[index])
            if x.shape[1:3] != (height, width):
                who = self.pictures.where(files[index])
                raise DataError(f"{who} has {x.shape[2]}x{x.shape[1]} pixels, others {width}x{height}. {REMEDY}")
            return x.transpose(0, 3, 1, 2)

        found = fill(read, (len(files), count, 3, height, width), f"reading {self.pictures.path.name}").unbind(1)
        return [x[:, : 1 if bool((x == x[:, :1]).all()) else 3].contiguous() for x in found]

    def _decoded(self, index: int) -> np.ndarray:
        """The picture in a file, or both of them, in color: uint8 (1 or 2, H, W, 3)."""
        who = self.pictures.where(index)
        images = [open_image(self.pictures.read(index), who, None, self.span).convert("RGB")]
        if self.pairs == "halves":
            width, height = images[0].size
            if width % 2:
                raise DataError(f"{who} has {width} columns; an even number is expected, two pictures. Cut it.")
            images = [images[0].crop((left, 0, left + width // 2, height)) for left in (0, width // 2)]
        return np.stack([np.asarray(one if self.size is None else crop_resize(one, self.size)) for one in images])


def _pairs(pictures: Pictures) -> list[Pair]:
    """Pictures of one name in folders A and B."""
    sides: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for index, name in enumerate(pictures.names):
        *folders, file = name.split("/")
        marks = [(place, found) for place, folder in enumerate(folders) if (found := SIDE.fullmatch(folder))]
        if not marks:
            raise DataError(f"{pictures.where(index)} lies in no folder A or B; pairs are expected there. Move it, or "
                            "set data.pairs to halves for pictures side by side.")  # fmt: skip
        place, found = marks[-1]
        folders[place : place + 1] = [found[1]] if found[1] else []
        sides[found[2].lower() == "b"]["/".join([*folders, file.rpartition(".")[0]])] = index
    for one, other, missing in ((*sides, "B"), (*sides[::-1], "A")):
        alone = next((name for name in one if name not in other), None)
        if alone is not None:
            raise DataError(f"{pictures.where(one[alone])} has no partner of its name in {missing}. Add or remove it.")
    return [Pair(name, (index, sides[1][name])) for name, index in sides[0].items()]
