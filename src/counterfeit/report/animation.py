"""Training as a moving picture: the same noise at every save."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from counterfeit.data.images import encode_webp

__all__ = ["Frame", "animation", "frames", "pictures", "spread"]

LIMIT = 1_400_000  # bytes
MOST = 32  # frames
SECONDS = 5.0  # from the first frame to the last
HELD = 2.0  # seconds for which the last frame stays
SMALL = 400  # pixels, to which narrower pictures are enlarged by a whole factor
BAR = (37, 99, 201)


class Frame(NamedTuple):
    """What a run had learned at `step`, in a PNG file."""

    step: int
    path: Path


def frames(run: Path) -> list[Frame]:
    """The pictures in the run folder's `samples`, oldest first."""
    steps = {path: re.fullmatch(r"step-(\d+)\.png", path.name) for path in (run / "samples").glob("*.png")}
    return sorted(Frame(int(match[1]), path) for path, match in steps.items() if match)


def spread(n: int, most: int) -> list[int]:
    """At most `most` of the positions 0 … n - 1, evenly spread, with the first and the last.

    Example:
        >>> spread(9, 3)
        [0, 4, 8]
    """
    return sorted({round(i * (n - 1) / max(1, min(n, most) - 1)) for i in range(min(n, most))})


def pictures(shown: Sequence[Frame]) -> list[np.ndarray]:
    """Some of the frames, each over a bar that fills as training proceeds: uint8 (H, W, 3)."""
    shown = [shown[i] for i in spread(len(shown), MOST)]
    with Image.open(shown[-1].path) as image:
        size = image.size  # that of earlier ones differs where the settings were changed in between
    return [_picture(frame, size, shown[-1].step) for frame in shown]


def animation(shown: Sequence[np.ndarray], limit: int = LIMIT) -> bytes:
    """A WebP of at most `limit` bytes, or of two pictures: evenly spread ones, the last of which stays for a while."""
    data = _encode(shown)
    while len(data) > limit and len(shown) > 2:
        most = max(2, min(len(shown) - 1, int(0.9 * len(shown) * limit / len(data))))
        shown = [shown[i] for i in spread(len(shown), most)]
        data = _encode(shown)
    return data


def _encode(shown: Sequence[np.ndarray]) -> bytes:
    duration = min(0.5, SECONDS / len(shown))
    return encode_webp([*shown, *[shown[-1]] * round(HELD / duration)], duration)


def _picture(frame: Frame, size: tuple[int, int], last: int) -> np.ndarray:
    scale = max(1, SMALL // size[0])
    with Image.open(frame.path) as image:
        pixels = np.asarray(image.convert("RGB").resize(size)).repeat(scale, 0).repeat(scale, 1)
    bar = np.full((6, *pixels.shape[1:]), 208, np.uint8)
    bar[:, : round(pixels.shape[1] * frame.step / max(1, last))] = BAR
    return np.concatenate([pixels, bar])
