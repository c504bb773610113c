"""CIFAR-10, from its binary archive."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from counterfeit.core import Spec
from counterfeit.data.downloads import Arrays, File, local, locate, memo
from counterfeit.data.folder_layout import shuffled
from counterfeit.data.image_files import find_pictures
from counterfeit.data.images import decode, fill
from counterfeit.data.source import InMemory
from counterfeit.data.sources.in_memory import Fixed, cut

__all__ = ["CIFAR10"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = File(
    "cifar-10-binary.tar.gz",
    ("c32a1d4ab5d03f1284b67883e8d87530",),
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
    ),
)
JPEG = "cifar10-jpg.zip"


def read_archive(data: bytes) -> Arrays:
    """The pictures and labels of the binary archive, read in memory: rows of one label and 3 x 32 x 32 values."""
    batches = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
    arrays: dict[str, np.ndarray] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        content = {Path(m.name).name: file.read() for m in archive if m.isfile() and (file := archive.extractfile(m))}
    for split, names in batches.items():
        rows = np.frombuffer(b"".join(content[name] for name in names), np.uint8).reshape(-1, 3073)
        arrays |= {f"{split}_x": rows[:, 1:].reshape(-1, 3, 32, 32).copy(), f"{split}_y": rows[:, 0].copy()}
    return arrays


def read_pictures(path: Path) -> Arrays:
    """The pictures and labels of a zip with train/<class>/ and test/<class>/, each in a fixed shuffled order."""
    pictures = find_pictures(path)
    parts = [name.split("/") for name in pictures.names]
    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        order = shuffled(pictures.names, (i for i, part in enumerate(parts) if part[0] == split and part[1] in CLASSES))

        def read(index: int, order: tuple[int, ...] = order) -> np.ndarray:
            return decode(pictures.read(order[index]), pictures.where(order[index]), 3, None)

        x = fill(read, (len(order), 3, 32, 32), f"reading {path.name}")
        y = np.array([CLASSES.index(parts[i][1]) for i in order], np.uint8)
        arrays |= {f"{split}_x": x.numpy(), f"{split}_y": y}
    return arrays


class CIFAR10(Fixed):
    """Pictures of ten kinds of things, 32x32, in color.

    The first 40,000 pictures of the training batches are for training, the last 10,000 for validation. Where the binary
    archive is not found but `cifar10-jpg.zip` is, its pictures, compressed as JPEG, stand in; `variant` then says so.

    References:
        Learning Multiple Layers of Features from Tiny Images, Krizhevsky, 2009.
    """

    name = "cifar10"
    summary = "60,000 color pictures of ten kinds, 32x32"
    native = Spec((3, 32, 32), "image", 10)
    class_names = CLASSES

    def load(self) -> Mapping[str, InMemory]:
        """Every split, 32x32."""
        arrays = {name: torch.from_numpy(array) for name, array in self._arrays().items()}
        splits = cut(arrays["train_x"], arrays["train_y"].long(), 40_000, 10_000)
        return splits | {"test": InMemory(arrays["test_x"], arrays["test_y"].long())}

    def _arrays(self) -> Arrays:
        stand_in = next(locate(JPEG), None)
        if stand_in is None or local(ARCHIVE):
            archive = self.need(ARCHIVE)
            return memo("cifar10", lambda: read_archive(archive))
        self.variant = "JPEG pictures, not the original pixels"
        self.files[str(stand_in)] = False
        digest = hashlib.sha256(stand_in.read_bytes()).hexdigest()
        return memo(f"cifar10-jpeg-{digest[:16]}", lambda: read_pictures(stand_in))
