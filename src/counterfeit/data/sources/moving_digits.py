"""Videos of digits that move on straight lines and bounce off the edges."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from counterfeit.core import Spec
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.in_memory import Fixed, pick, resized
from counterfeit.data.sources.mnist import MNIST

__all__ = ["MovingDigits", "bounced", "render"]

COUNTS = {"train": 8_000, "valid": 1_000, "test": 1_000}
SHARE = 28 / 64  # of the frame's side that a digit takes
STEP = 0.1  # of the way from edge to edge that a digit goes from one frame to the next
SIZE = 32
CHUNK = 250  # videos rendered at once


def bounced(position: np.ndarray) -> np.ndarray:
    """Where something that goes straight on lies when it bounces off 0 and 1.

    Example:
        >>> bounced(np.array([0.25, 1.25, 2.25, -0.25])).tolist()
        [0.25, 0.75, 0.25, 0.25]
    """
    return 1 - np.abs(position % 2 - 1)


def render(digits: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    """Videos of digits, the brighter one where they overlap.

    Arguments:
        digits: uint8 (N, K, S, S).
        corners: row and column of each digit's upper left pixel in each frame, int (N, K, T, 2).
        size: of a frame in pixels.

    Returns:
        uint8 (N, T, 1, size, size).
    """
    count, frames = len(digits), corners.shape[2]
    videos = np.zeros((count, frames, size, size), np.uint8)
    video, frame = np.arange(count)[:, None, None, None], np.arange(frames)[:, None, None]
    inside = np.arange(digits.shape[2])
    for k in range(digits.shape[1]):
        rows = corners[:, k, :, 0, None, None] + inside[:, None]  # (N, T, S, 1)
        columns = corners[:, k, :, 1, None, None] + inside  # (N, T, 1, S)
        videos[video, frame, rows, columns] = np.maximum(videos[video, frame, rows, columns], digits[:, k, None])
    return videos[:, :, None]


class MovingDigits(Source):
    """Videos of digits that bounce in a frame, made from a seed; no digit appears in two splits.

    Each goes a tenth of the way from edge to edge from one frame to the next, in a direction of its own.

    References:
        Unsupervised Learning of Video Representations using LSTMs, Srivastava, Mansimov and Salakhutdinov, 2015
            (arXiv 1502.04681).

    Arguments:
        size: side of a frame in pixels; 32 where None, 64 in the paper.
        frames: of a video.
        digits: in a video.
        of: which digits: "mnist", or the bundled 8x8 "digits".

    Raises:
        ValueError: where there is nothing to move or no room to move in.

    Example:
        >>> MovingDigits(size=16, frames=5, of="digits").split("valid")[torch.arange(2)].x.shape
        torch.Size([2, 5, 1, 16, 16])
    """

    name = "moving-digits"
    summary = "videos of two digits that bounce in a frame, 20 frames of 32x32"

    def __init__(
        self, size: int | None = None, frames: int = 20, digits: int = 2, of: Literal["mnist", "digits"] = "mnist"
    ) -> None:
        size = SIZE if size is None else size
        for key, value, low in (("size", size, 8), ("frames", frames, 2), ("digits", digits, 1)):
            if not (isinstance(value, int) and value >= low):
                raise ValueError(f"{key}={value!r} came; {self.name} expects an integer of at least {low}. Raise it.")
        if of not in ("mnist", "digits"):
            raise ValueError(f"of={of!r} came; {self.name} moves mnist or digits. Take one of them.")
        self.spec, self.digits = Spec((frames, 1, size, size)), digits
        self.cast: Fixed = MNIST() if of == "mnist" else Digits()

    @property
    def files(self) -> Mapping[str, bool]:
        """Where the digits came from, and whether a checksum confirmed it."""
        return self.cast.files

    def split(self, name: str) -> InMemory:
        """The videos of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    @cached_property
    def _splits(self) -> Mapping[str, InMemory]:
        return {name: self._video(name, seed) for seed, name in enumerate(SPLITS)}

    def _video(self, split: str, seed: int) -> InMemory:
        random = np.random.RandomState(seed)  # legacy: its stream is frozen
        (frames, _, size, _), count, pictures = self.spec.shape, COUNTS[split], self.cast.split(split)
        chosen = torch.from_numpy(random.randint(len(pictures), size=count * self.digits))
        side = round(SHARE * size)
        digits = resized(InMemory(pictures.x[chosen], scale=pictures.scale), side).x.numpy()[:, 0]
        digits = digits.reshape(count, self.digits, side, side)
        start = random.uniform(size=(count, self.digits, 1, 2))
        angle = random.uniform(0, 2 * np.pi, (count, self.digits, 1))
        way = STEP * np.stack([np.sin(angle), np.cos(angle)], -1) * np.arange(frames)[:, None]  # (N, K, T, 2)
        corners = np.rint(bounced(start + way) * (size - side)).astype(np.int64)
        parts = [slice(i, i + CHUNK) for i in range(0, count, CHUNK)]
        return InMemory(torch.from_numpy(np.concatenate([render(digits[p], corners[p], size) for p in parts])))
