"""The Toronto Face Database, from the user's own copy."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from counterfeit.common.files import DataError
from counterfeit.core import Spec
from counterfeit.data.downloads import File
from counterfeit.data.source import InMemory
from counterfeit.data.sources.in_memory import Fixed

__all__ = ["TFD"]

FACES = File(
    "TFD_48x48.mat",
    remedy="TFD is not public: ask its authors for it, put the file into a folder and set COUNTERFEIT_DATA to that.",
)
UNLABELED, TRAIN, VALID, TEST = range(4)
FOLDS = 5


def read_faces(data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (N, 48, 48), expressions 1 to 7 or -1, (N,), and the role of each image in five folds, (N, 5)."""
    from scipy.io import loadmat

    try:
        content = loadmat(io.BytesIO(data), variable_names=["images", "labs_ex", "folds"])
        images, labels, folds = content["images"], content["labs_ex"].ravel(), content["folds"]
    except (KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise DataError(f"TFD_48x48.mat cannot be read ({error}); expected images, labs_ex and folds.") from error
    if images.shape != (len(labels), 48, 48) or folds.shape != (len(labels), 5):
        raise DataError(
            f"TFD_48x48.mat holds images {images.shape}, {len(labels)} labels and folds {folds.shape}; "
            "expected (N, 48, 48), N and (N, 5). Use the file of 48x48 pixels as its authors give it."
        )
    return images, labels, folds


class TFD(Fixed):
    """Faces of 48x48 pixels, gray: many without labels, some with one of seven expressions in five folds.

    References:
        The Toronto Face Dataset, Susskind, Anderson and Hinton, 2010 (UTML TR 2010-001).

    Arguments:
        size: resize images to `size` x `size` pixels; None keeps 48.
        fold: which of the five folds, 0 to 4, says what is for training, validation and the test.
        train: train on the "unlabeled" images, on the fold's "labeled" ones, which then carry expressions, or on "all".
    """

    name = "tfd"
    summary = "Toronto Face Database, 48x48; reads your own TFD_48x48.mat"
    native = Spec((1, 48, 48), "image")

    def __init__(
        self, size: int | None = None, fold: int = 0, train: Literal["unlabeled", "labeled", "all"] = "unlabeled"
    ) -> None:
        super().__init__(size)
        if fold not in range(FOLDS):
            raise ValueError(f"`fold` is {fold}; TFD has folds 0 to 4.")
        roles = {"unlabeled": [UNLABELED], "labeled": [TRAIN], "all": [UNLABELED, TRAIN]}
        if train not in roles:
            raise ValueError(f"`train` is {train!r}; expected unlabeled, labeled or all.")
        self.side, self.fold, self.on, self.labeled = size, fold, train, train == "labeled"
        self.roles = {"train": roles[train], "valid": [VALID], "test": [TEST]}
        if self.labeled:
            self.spec = replace(self.spec, classes=7)
            self.class_names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

    @property
    def folds(self) -> Sequence[TFD]:
        """All five; no unlabeled image belongs to any.

        Raises:
            ValueError: where labeled images of one were trained on, some of which others test on.
        """
        if self.on != "unlabeled":
            came = f"data.options.train {self.on} came"
            raise ValueError(f"{came}; for evaluate.folds, unlabeled is expected: folds test on each other's images.")
        return [TFD(self.side, fold) for fold in range(FOLDS)]

    def load(self) -> Mapping[str, InMemory]:
        """Every split, 48x48, labels 0 to 6 where training is on labeled images."""
        images, labels, folds = read_faces(self.need(FACES))
        return {split: self._pick(images, labels, np.isin(folds[:, self.fold], r)) for split, r in self.roles.items()}

    def _pick(self, images: np.ndarray, labels: np.ndarray, place: np.ndarray) -> InMemory:
        x = torch.from_numpy(images[place].astype(np.uint8))[:, None]
        return InMemory(x, torch.from_numpy(labels[place].astype(np.int64)) - 1 if self.labeled else None)
