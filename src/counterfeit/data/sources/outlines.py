"""Pictures and their outlines: pairs of which the drawing is given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from counterfeit.core import Spec
from counterfeit.data.images import to_bytes
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.cifar10 import CIFAR10
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.in_memory import Fixed, pick
from counterfeit.data.sources.mnist import MNIST
from counterfeit.data.sources.olivetti import Olivetti

__all__ = ["Outlines", "outlines"]

KINDS: Mapping[str, type[Fixed]] = {"mnist": MNIST, "digits": Digits, "cifar10": CIFAR10, "olivetti": Olivetti}
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
BINOMIAL = (0.25, 0.5, 0.25)
AROUND = ((0, 1), (1, 1), (1, 0), (1, -1))  # steps across an edge whose gradient has an angle of 0, 45, 90, 135 degrees
CHUNK = 4_096


def outlines(x: Tensor, threshold: float = 0.25) -> Tensor:
    """Drawings of pictures: thin black lines on white where brightness changes most, (B, C, H, W) -> (B, 1, H, W).

    Pictures are smoothed, their gradients taken, and of each edge the ridge is kept, as Canny does.

    References:
        A Computational Approach to Edge Detection, Canny, 1986.

    Arguments:
        x: pictures in [0, 1].
        threshold: the smallest gradient that is drawn, as a share of the picture's largest.

    Example:
        >>> x = torch.zeros(1, 1, 8, 8)
        >>> x[..., 4:] = 1
        >>> outlines(x)[0, 0, 0].tolist()
        [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    """
    gray = x.mean(1, keepdim=True)
    line, sobel = x.new_tensor(BINOMIAL), x.new_tensor(SOBEL)
    gray = conv2d(pad(gray, (1, 1, 1, 1), "replicate"), torch.outer(line, line)[None, None])
    across, down = conv2d(pad(gray, (1, 1, 1, 1), "replicate"), torch.stack([sobel, sobel.T])[:, None]).unbind(1)
    strength = torch.hypot(across, down)
    turn = ((torch.atan2(down, across) * (4 / torch.pi)).round().long() % 4).unsqueeze(0)
    height, width = strength.shape[1:]
    room = pad(strength, (1, 1, 1, 1))

    def beside(rows: int, columns: int) -> Tensor:
        return room[:, 1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

    before = torch.stack([beside(-rows, -columns) for rows, columns in AROUND]).gather(0, turn)[0]
    after = torch.stack([beside(rows, columns) for rows, columns in AROUND]).gather(0, turn)[0]
    ridge = (strength >= before) & (strength >= after)
    drawn = ridge & (strength > threshold * strength.amax((1, 2), keepdim=True).clamp(min=1e-6))
    return (~drawn).to(x.dtype)[:, None]


class Outlines(Source):
    """Pictures of any kind, each to be made from its outline, black on white.

    Arguments:
        of: mnist, digits, cifar10, olivetti, or the path of a folder or zip of pictures.
        size: resize pictures to `size` x `size` pixels; None keeps their own.
        threshold: the smallest gradient that is drawn, as a share of the picture's largest.

    Raises:
        ValueError: for pictures that are unknown, or a threshold that is no share.
    """

    name = "outlines"
    summary = "pictures and their outlines, from which they are to be made: pairs"

    def __init__(self, of: str = "mnist", size: int | None = None, threshold: float = 0.25) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"data.options.threshold: {threshold} came; a share between 0 and 1 is expected.")
        path = Path(str(of)).expanduser()
        if of not in KINDS and not path.exists():
            known = f"{', '.join(KINDS)} or the path of a folder or zip of pictures"
            raise ValueError(f"data.options.of: {of!r} came; {known} is expected. Correct it.")
        self.pictures: Source = KINDS[of](size) if of in KINDS else Folder(path, size)
        self.threshold, self.warning, self.span = threshold, self.pictures.warning, self.pictures.span
        shape = self.pictures.spec.shape
        self.spec = Spec(shape, "image", given=(1, *shape[1:]))

    @property
    def files(self) -> Mapping[str, bool]:
        """Where the pictures came from, and whether a checksum confirmed it."""
        return self.pictures.files if isinstance(self.pictures, Fixed) else {}

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    @cached_property
    def _splits(self) -> dict[str, InMemory]:
        return {name: self._drawn(name) for name in SPLITS}

    def _drawn(self, name: str) -> InMemory:
        examples = self.pictures.split(name)
        parts = [examples[place].x for place in torch.arange(len(examples)).split(CHUNK)]
        x = torch.cat([to_bytes(part) for part in parts])
        drawn = (outlines(part.float() / 255, self.threshold) for part in x.split(CHUNK))
        return InMemory(x, torch.cat([to_bytes(part) for part in drawn]))
