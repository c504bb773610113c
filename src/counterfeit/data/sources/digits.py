"""Handwritten digits of 8x8 pixels, which travel with the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import numpy as np
import torch

from counterfeit.core import Spec
from counterfeit.data.source import InMemory
from counterfeit.data.sources.in_memory import Fixed, cut

__all__ = ["Digits"]


class Digits(Fixed):
    """The test set of the Optical Recognition of Handwritten Digits: 1,797 digits of 13 writers in 17 shades.

    A fixed permutation deals them into 1,297 for training, 250 for validation and 250 for the test.

    References:
        Optical Recognition of Handwritten Digits, Alpaydin and Kaynak, 1998 (UCI Machine Learning Repository).

    Example:
        >>> dict(Digits().sizes)
        {'train': 1297, 'valid': 250, 'test': 250}
    """

    name = "digits"
    summary = "1,797 handwritten digits, 8x8, bundled"
    native = Spec((1, 8, 8), "image", 10)
    class_names = tuple("0123456789")

    def load(self) -> Mapping[str, InMemory]:
        """Every split, 8x8."""
        with files("counterfeit.data").joinpath("digits.npz").open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            images, labels = archive["images"], archive["labels"]
        order = np.random.RandomState(0).permutation(len(images))  # legacy: its stream is frozen
        x = torch.from_numpy(images[order])[:, None]
        return cut(x, torch.from_numpy(labels[order]).long(), 1297, 250, 250, scale=16.0)
