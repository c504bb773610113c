"""The Olivetti faces."""

from __future__ import annotations

import io
from collections.abc import Mapping

import torch

from counterfeit.common.files import DataError
from counterfeit.core import Spec
from counterfeit.data.downloads import File
from counterfeit.data.source import InMemory
from counterfeit.data.sources.in_memory import Fixed

__all__ = ["Olivetti"]

FACES = File(
    "olivettifaces.mat",
    (
        "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794",  # as published
        "b1988d02c72fe5b8ee82b5ef3bb7982eafc74f1e1ff0ae0ade35061ad0af534d",  # the faces alone
    ),
    ("https://cs.nyu.edu/~roweis/data/olivettifaces.mat", "https://ndownloader.figshare.com/files/5976027"),
)


class Olivetti(Fixed):
    """Ten pictures of each of forty people, 64x64, gray.

    Of each person's pictures the first eight are for training, the ninth for validation and the tenth for the test.

    References:
        Parameterisation of a Stochastic Model for Human Face Identification, Samaria and Harter, 1994.
    """

    name = "olivetti"
    summary = "400 faces of forty people, 64x64"
    native = Spec((1, 64, 64), "image", 40)
    class_names = tuple(f"person {i}" for i in range(1, 41))

    def load(self) -> Mapping[str, InMemory]:
        """Every split, 64x64."""
        from scipy.io import loadmat

        faces = loadmat(io.BytesIO(self.need(FACES)))["faces"]
        if faces.shape != (4096, 400):
            raise DataError(f"olivettifaces.mat holds faces of shape {faces.shape}, not (4096, 400). Replace it.")
        x = torch.from_numpy(faces.round().astype("uint8")).T.reshape(400, 1, 64, 64).mT.contiguous()  # columns first
        person, shot = torch.arange(400) // 10, torch.arange(400) % 10
        places = {"train": shot < 8, "valid": shot == 8, "test": shot == 9}
        return {split: InMemory(x[place], person[place]) for split, place in places.items()}
