"""Handwritten digits, of 8x8 and of 28x28 pixels, which travel with the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import numpy as np
import torch

from counterfeit.core import Spec
from counterfeit.data.source import InMemory
from counterfeit.data.sources.in_memory import Fixed, cut

__all__ = ["Digits", "MNISTSmall"]


def bundled(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures, uint8 (N, H, W), and labels, (N,), of an archive that travels with the package."""
    with files("counterfeit.data").joinpath(name).open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        return archive["images"], archive["labels"]


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
        images, labels = bundled("digits.npz")
        order = np.random.RandomState(0).permutation(len(images))  # legacy: its stream is frozen
        x = torch.from_numpy(images[order])[:, None]
        return cut(x, torch.from_numpy(labels[order]).long(), 1297, 250, 250, scale=16.0)


class MNISTSmall(Fixed):
    """The first 10,000 digits of MNIST's training file, of 28x28 pixels: 8,000 for training, 1,000 twice to look at.

    They are among the training digits of `mnist`, so that numbers of one say nothing of the other.

    References:
        Gradient-Based Learning Applied to Document Recognition, LeCun, Bottou, Bengio and Haffner, 1998.

    Example:
        >>> dict(MNISTSmall().sizes)
        {'train': 8000, 'valid': 1000, 'test': 1000}
    """

    name = "mnist-small"
    summary = "10,000 handwritten digits of MNIST, 28x28, bundled"
    native = Spec((1, 28, 28), "image", 10)
    class_names = tuple("0123456789")

    def load(self) -> Mapping[str, InMemory]:
        """Every split, 28x28."""
        images, labels = bundled("mnist-small.npz")
        return cut(torch.from_numpy(images)[:, None], torch.from_numpy(labels).long(), 8_000, 1_000, 1_000)
