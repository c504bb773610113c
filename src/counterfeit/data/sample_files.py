"""Samples made elsewhere, read from files: pictures in a folder or zip, an array in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import DataError
from counterfeit.core import Batch
from counterfeit.data.image_files import Pictures, find_pictures
from counterfeit.data.images import bombs_refused, decode, fill
from counterfeit.data.source import Examples, InMemory, Source, Streamed
from counterfeit.data.sources.arrays import SUFFIXES, chosen_arrays, read_arrays

__all__ = ["Array", "Shown", "read_samples"]


CHUNK = 2**22  # values looked at together


ROUNDING = 1e-5  # that resizing in float32 leaves a value beyond 0 or 1


MEMORY = 4 << 30  # bytes that decoded pictures may take


class Array(Examples):
    """Rows of an array, which may stay in its file, as examples.

    Arguments:
        rows: (N, …) in one of the layouts above.
        source: the data that say what an example is.
        who: the array's name, for messages.

    Raises:
        DataError: rows of another shape or type, or values out of range.
    """

    def __init__(self, rows: np.ndarray, source: Source, who: str) -> None:
        self.rows, self.spec, self.who = rows, source.spec, who
        if not rows.ndim or not len(rows):
            raise DataError(f"{who} holds no rows; an array of samples is expected. Save at least one.")
        if rows.dtype != np.uint8 and rows.dtype.kind not in "fb":
            raise DataError(f"{who} has dtype {rows.dtype}; uint8 or floats are expected. Convert it with `astype`.")
        self.last = _channels_last(rows.shape[1:], source, who)
        low, high = source.span or (0.0, self._scale())
        self.low, self.scale = low, high - low
        for index in torch.arange(len(rows)).split(max(1, CHUNK // source.spec.dims)):
            try:
                source.spec.check(self[index].x, source.name)
            except ValueError as error:
                raise DataError(f"{who}: {error}") from None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""
        x = torch.from_numpy(np.asarray(self.rows[index.numpy()], dtype=np.float32))
        x = x.movedim(-1, 1) if self.last else x
        x = (x.reshape(-1, *self.spec.shape) - self.low) / self.scale
        return Batch(_within(x) if self.spec.bounded else x)

    def _scale(self) -> float:
        """What stands for 1: 255 in 8-bit images."""
        if self.rows.dtype != np.uint8 or self.spec.kind == "real":
            return 1.0
        chunk = max(1, CHUNK // self.spec.dims)
        most = max(int(self.rows[i : i + chunk].max()) for i in range(0, len(self.rows), chunk))
        if most != 1:  # black is black by either scale
            return 255.0
        if self.spec.kind == "image":
            raise DataError(f"{self.who} is uint8 and holds 0 and 1 alone; 0 to 255 is expected. Save it as floats.")
        return 1.0


class Shown(Streamed):
    """Pictures of the data's size, decoded when they are drawn; color becomes gray where the data are gray.

    Arguments:
        pictures: their files.
        source: the data that say how large they are.
    """

    def __init__(self, pictures: Pictures, source: Source) -> None:
        self.pictures, self.source = pictures, source

    def __len__(self) -> int:
        return len(self.pictures.names)

    def read(self, index: int) -> tuple[Tensor, int]:
        """Decode one picture: uint8 (C, H, W), and no class."""
        with bombs_refused():
            return torch.from_numpy(self.decode(index).copy()), -1

    def decode(self, index: int) -> np.ndarray:
        """Decode one picture: uint8 (C, H, W)."""
        who, shape = self.pictures.where(index), self.source.spec.shape
        x = decode(self.pictures.read(index), who, shape[0], None)
        if x.shape != shape:
            raise DataError(_mismatch(who, x.shape, self.source))
        return x


def read_samples(path: Path, source: Source) -> Examples:
    """The samples in a folder or zip of pictures, or in a .npy or .npz file, as examples of `source`.

    Arguments:
        path: where they are; a .npz holds them under one of the names that `data.arrays` knows.
        source: the data that they are compared with.

    Raises:
        DataError: they cannot be read, or are not of the data's shape and range.
    """
    if path.suffix.lower() in SUFFIXES:
        return Array(chosen_arrays(read_arrays(path), str(path))[0], source, str(path))
    if len(source.spec.shape) != 3 or source.spec.kind != "image":
        raise DataError(f"{path} holds no array; {source.name} holds {source.spec.kind} values. Give a .npy or .npz.")
    pictures = Shown(find_pictures(path), source)
    if len(pictures) * source.spec.dims > MEMORY:
        return pictures
    return InMemory(fill(pictures.decode, (len(pictures), *source.spec.shape), f"reading {path.name}"))


def _within(x: Tensor) -> Tensor:
    """Values beyond 0 and 1 by no more than rounding put back within."""
    beyond = (x - x.clamp(0, 1)).abs()
    return torch.where(beyond <= ROUNDING, x.clamp(0, 1), x)


def _channels_last(event: tuple[int, ...], source: Source, who: str) -> bool:
    shape = source.spec.shape
    usual = {shape, (source.spec.dims,)} | ({shape[1:]} if len(shape) == 3 and shape[0] == 1 else set())
    if event in usual:
        return False
    if len(shape) != 3 or event != (*shape[1:], shape[0]):
        raise DataError(_mismatch(who, event, source))
    return True


def _mismatch(who: str, event: tuple[int, ...], source: Source) -> str:
    sides = {side for side in event if side not in (1, 3)}  # what is left but channels
    other = len(sides) == 1 and len(event) > 1 and source.spec.kind == "image" and sides.isdisjoint(source.spec.shape)
    remedy = f"Add --data.size {sides.pop()} for data of that size, or resize them." if other else "Convert them."
    came, want = (f"({', '.join(map(str, shape))})" for shape in (event, source.spec.shape))
    return f"{who} holds samples of shape {came}; {source.name} expects {want}. {remedy}"
