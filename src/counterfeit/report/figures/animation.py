"""Training as a moving picture: the same noise at every save."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

__all__ = ["Frame", "animation", "frames", "linspaced", "pictures"]

LIMIT = 1_400_000  # bytes
MOST = 32  # frames
SECONDS = 5.0  # from the first frame to the last
HELD = 2000  # milliseconds for which the last frame stays
SMALL, LARGE = 400, 720  # pixels, to which narrower and wider pictures are brought by a whole factor
BAR = (37, 99, 201)


class Frame(NamedTuple):
    """What a run had learned at `step`, in a PNG file."""

    step: int
    path: Path


def frames(run: Path) -> list[Frame]:
    """The pictures in the run folder's `samples`, oldest first."""
    steps = {path: re.fullmatch(r"step-(\d+)\.png", path.name) for path in (run / "samples").glob("*.png")}
    return sorted(Frame(int(match[1]), path) for path, match in steps.items() if match)


def linspaced(n: int, most: int) -> list[int]:
    """At most `most` of the positions 0 … n - 1, evenly spread, with the first and the last.

    Example:
        >>> linspaced(9, 3)
        [0, 4, 8]
    """
    return sorted({round(i * (n - 1) / max(1, min(n, most) - 1)) for i in range(min(n, most))})


def pictures(shown: Sequence[Frame]) -> list[np.ndarray]:
    """Some of the frames, 400 to 720 pixels wide, over a bar that fills as training proceeds: uint8 (H, W, 3)."""
    shown = [shown[i] for i in linspaced(len(shown), MOST)]
    with Image.open(shown[-1].path) as image:
        size = image.size  # that of earlier ones differs where the settings were changed in between
    return [_picture(frame, size, shown[-1].step) for frame in shown]


def animation(shown: Sequence[np.ndarray], limit: int = LIMIT) -> bytes:
    """A WebP of pictures, uint8 (H, W, 3), the last of which stays for a while.

    What is larger than `limit` bytes is encoded with loss, and then without some of the pictures.
    """
    data = _encode(shown, lossless=True)
    while len(data) > limit:
        data = _encode(shown, lossless=False)
        if len(shown) <= 2:
            break
        shown = [shown[i] for i in linspaced(len(shown), max(2, int(0.8 * len(shown))))]
    return data


def _encode(shown: Sequence[np.ndarray], lossless: bool) -> bytes:
    first, *rest = (Image.fromarray(picture) for picture in shown)
    durations = [round(1000 * min(0.5, SECONDS / len(shown)))] * len(rest) + [HELD]
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, lossless=lossless)
    return buffer.getvalue()


def _picture(frame: Frame, size: tuple[int, int], last: int) -> np.ndarray:
    larger, smaller = max(1, SMALL // size[0]), -(-size[0] // LARGE)
    with Image.open(frame.path) as image:
        pixels = np.asarray(image.convert("RGB").resize(size).reduce(smaller)).repeat(larger, 0).repeat(larger, 1)
    bar = np.full((6, *pixels.shape[1:]), 208, np.uint8)
    bar[:, : round(pixels.shape[1] * frame.step / max(1, last))] = BAR
    return np.concatenate([pixels, bar])
