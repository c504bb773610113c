"""MNIST and its fixed binarization."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Spec
from counterfeit.data.downloads import Arrays, File, keep_arrays, load_arrays, locate
from counterfeit.data.source import SPLITS, InMemory
from counterfeit.data.sources.in_memory import Fixed, cut

__all__ = ["MNIST", "BinarizedMNIST"]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "http://yann.lecun.com/exdb/mnist",
)
AMAT = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"


def _idx(name: str, md5: str) -> File:
    return File(f"{name}-ubyte.gz", (md5,), tuple(f"{mirror}/{name}-ubyte.gz" for mirror in MIRRORS))


TRAIN_IMAGES = _idx("train-images-idx3", "6bbc9ace898e44ae57da46a324031adb")
TRAIN_LABELS = _idx("train-labels-idx1", "a25bea736e30d166cdddb491f175f624")
TEST_IMAGES = _idx("t10k-images-idx3", "2646ac647ad5339dbf082846283269ea")
TEST_LABELS = _idx("t10k-labels-idx1", "27ae3e4e09519cfbb04c329615203637")
TEXTS = {
    split: File(f"binarized_mnist_{split}.amat", (sha256,), (f"{AMAT}/binarized_mnist_{split}.amat",))
    for split, sha256 in (
        ("train", "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
        ("valid", "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"),
        ("test", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
    )
}
PACKED = "binarized_mnist.npz"
PACKED_SHA256 = "c462f82a020638a4d5d8d44e4c83242ee0145ee1d125869d0e030c35011837e6"  # of all splits in turn


def pack(text: bytes) -> np.ndarray:
    """Lines of 784 digits 0 and 1 between single spaces, packed eight to a byte: uint8 (N, 98)."""
    return np.packbits(np.frombuffer(text, np.uint8)[::2].reshape(-1, 784) & 1, axis=1)


def is_packed(arrays: Arrays) -> bool:
    """Whether `arrays` holds the packed rows of all three splits, by their checksum."""
    content = b"".join(arrays[split].tobytes() for split in SPLITS if split in arrays)
    return hashlib.sha256(content).hexdigest() == PACKED_SHA256


def read_idx(data: bytes) -> Tensor:
    """The array of an IDX file of bytes: its fourth byte counts dimensions, which follow as big-endian int32."""
    dims = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(dims).copy())


class MNIST(Fixed):
    """Handwritten digits of 28x28 pixels in 256 shades.

    The first 50,000 pictures of the training file are for training, its last 10,000 for validation.

    References:
        Gradient-Based Learning Applied to Document Recognition, LeCun, Bottou, Bengio and Haffner, 1998.
    """

    name = "mnist"
    summary = "70,000 handwritten digits, 28x28"
    native = Spec((1, 28, 28), "image", 10)
    class_names = tuple("0123456789")

    def load(self) -> Mapping[str, InMemory]:
        """Every split, 28x28."""
        x = read_idx(self.need(TRAIN_IMAGES))[:, None]
        splits = cut(x, read_idx(self.need(TRAIN_LABELS)).long(), 50_000, 10_000)
        test = read_idx(self.need(TEST_IMAGES))[:, None]
        return splits | {"test": InMemory(test, read_idx(self.need(TEST_LABELS)).long())}


class BinarizedMNIST(Fixed):
    """MNIST binarized once and for all, each pixel drawn with its shade as the probability; without labels.

    References:
        On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov and Murray, 2008.
        The Neural Autoregressive Distribution Estimator, Larochelle and Murray, 2011.
    """

    name = "binarized-mnist"
    summary = "MNIST in its fixed (static) binarization, 28x28, values 0 and 1"
    native = Spec((1, 28, 28), "binary")

    def load(self) -> Mapping[str, InMemory]:
        """Every split, uint8 0 and 1."""
        rows = {split: np.unpackbits(packed, axis=1) for split, packed in self._packed().items()}
        return {split: InMemory(torch.from_numpy(x).unflatten(1, (1, 28, 28)), scale=1.0) for split, x in rows.items()}

    def _packed(self) -> Arrays:
        for path in locate(PACKED):
            arrays = load_arrays(path)
            if arrays is not None and is_packed(arrays):
                self.files[str(path)] = True
                return arrays
        arrays = {split: pack(self.need(text, keep=False)) for split, text in TEXTS.items()}
        keep_arrays(PACKED, arrays)
        return arrays
