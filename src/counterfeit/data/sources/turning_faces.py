"""Videos of faces that turn from side to side: the photographs of Olivetti on a head's round surface."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from counterfeit.core import Spec
from counterfeit.data.images import to_bytes
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick, resized
from counterfeit.data.sources.olivetti import Olivetti

__all__ = ["TurningFaces", "turned"]

COUNTS = {"train": 4_000, "valid": 400, "test": 400}
SIZE = 32
ACROSS, ALONG = 0.9, 1.2  # half axes of the head, of half a frame's side
WIDEST, FASTEST, SLOWEST = 0.6, 0.15, 0.05  # radians to either side, and from frame to frame
CHUNK = 200  # videos rendered at once


def turned(faces: Tensor, angles: Tensor) -> Tensor:
    """Faces on a head that is turned about the upright axis.

    The head is an ellipsoid, seen from far away: what lies at the angle a on it is seen at the angle a + φ. Of what
    a photograph does not show, the far side, the edge is repeated.

    Arguments:
        faces: in [0, 1], (N, C, S, S), seen from the front.
        angles: by which they are turned, in radians, to the right if positive, (N, T).

    Returns:
        (N, T, C, S, S).

    Example:
        >>> faces = torch.rand(1, 1, 8, 8)
        >>> torch.allclose(turned(faces, torch.zeros(1, 1))[0, 0, 0, 2:6, 2:6], faces[0, 0, 2:6, 2:6], atol=1e-5)
        True
    """
    (count, frames), side = angles.shape, faces.shape[-1]
    middles = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    radius = ACROSS * (1 - (y / ALONG).square()).clamp(min=0).sqrt()  # of the head at each height
    seen = torch.asin((x / radius.clamp(min=1e-6)).clamp(-1, 1)) - angles[:, :, None, None]  # angle on the head
    on_head = radius * seen.clamp(-torch.pi / 2, torch.pi / 2).sin()
    place = torch.where(x.abs() < radius, on_head, x)  # beside the head the background stays as it is
    grid = torch.stack([place, y.expand_as(place)], -1).flatten(0, 1)
    shown = grid_sample(faces.repeat_interleave(frames, 0), grid, align_corners=False, padding_mode="border")
    return shown.unflatten(0, (count, frames))


class TurningFaces(Source):
    """Videos of faces that turn to and fro at a steady pace, made of the photographs of Olivetti.

    The videos are the same every time. Those of a split are made of the photographs of that split.

    Arguments:
        size: side of a frame in pixels; 32 where None, 64 at most have detail.
        frames: of a video.

    Raises:
        ValueError: where a number is out of its range.
    """

    name = "turning-faces"
    summary = "videos of faces of Olivetti that turn from side to side"

    def __init__(self, size: int | None = None, frames: int = 12) -> None:
        size = SIZE if size is None else size
        for key, value, low in (("size", size, 8), ("frames", frames, 2)):
            if not (isinstance(value, int) and value >= low):
                raise ValueError(f"{key}={value!r} came; {self.name} expects an integer of at least {low}. Raise it.")
        self.spec, self.faces = Spec((frames, 1, size, size)), Olivetti()

    @property
    def files(self) -> Mapping[str, bool]:
        """Where the photographs came from, and whether a checksum confirmed it."""
        return self.faces.files

    def split(self, name: str) -> InMemory:
        """The videos of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    @cached_property
    def _splits(self) -> Mapping[str, InMemory]:
        return {name: self._videos(name, seed) for seed, name in enumerate(SPLITS)}

    def _videos(self, split: str, seed: int) -> InMemory:
        random, count = np.random.RandomState(seed), COUNTS[split]  # legacy: its stream is frozen
        photographs, frames = self.faces.split(split), self.spec.shape[0]
        faces = resized(photographs, self.spec.shape[-1]).first().x
        chosen = torch.from_numpy(random.randint(len(faces), size=count))
        phase = random.uniform(0, 4 * WIDEST, (count, 1))  # of a way there and back
        pace = random.uniform(SLOWEST, FASTEST, (count, 1))
        way = (phase + pace * np.arange(frames)) % (4 * WIDEST)
        angles = torch.from_numpy(np.abs(way - 2 * WIDEST) - WIDEST).float()
        parts = [slice(i, i + CHUNK) for i in range(0, count, CHUNK)]
        return InMemory(torch.cat([to_bytes(turned(faces[chosen[p]], angles[p])) for p in parts]))
