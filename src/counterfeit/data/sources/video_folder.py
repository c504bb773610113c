"""A folder or a zip of videos: animated GIFs and WebPs, or a folder of numbered frames for each."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageSequence

from counterfeit.common.files import DataError
from counterfeit.common.progress import Bar
from counterfeit.core import Spec
from counterfeit.data.folder_layout import FOLDERS, deal, shuffled
from counterfeit.data.image_files import Pictures, named_pictures
from counterfeit.data.images import FORMATS, Span, bombs_refused, decode, encode_png
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.folder import LARGEST_NATIVE
from counterfeit.data.sources.in_memory import pick

__all__ = ["Videos"]

MEMORY = 4 << 30  # bytes that all videos may take
MOST = 10_000  # frames of one file: more is no video that fits


class Video(NamedTuple):
    """One video: its name, and the positions of its frames in the folder, or of the file that holds them all."""

    name: str
    frames: tuple[int, ...]


class Videos(Source):
    """A folder or zip of videos, of which clips of equal length are learnt.

    Each animated GIF or WebP is a video, and so is each folder of frames, which are ordered by the numbers in their
    names. Top folders called train, valid and test are splits; what is missing takes 5 % of the videos, at least one.
    Of a video longer than a clip, clips are cut one after the other.

    Arguments:
        path: the folder or zip, or one animated file.
        frames: length of a clip.
        size: the central square of each frame is resized to `size` x `size` pixels; may be left out where all frames
            share one size of at most 128 pixels a side.
        every: every so many frames of a video are kept, the first among them.
        span: the values that are black and white, as for pictures.

    Raises:
        DataError: no such folder or zip, no videos in it, one that is too short or damaged, or sizes that differ.
    """

    name = "videos"
    summary = "a folder or zip of animated GIFs or WebPs, or of folders of numbered frames"

    def __init__(
        self, path: str | Path, frames: int = 20, size: int | None = None, every: int = 1, span: Span | None = None
    ) -> None:
        for key, value, low in (("frames", frames, 2), ("every", every, 1)):
            if not (isinstance(value, int) and value >= low):
                raise ValueError(f"data.{key}: {value!r} came; an integer of at least {low} is expected. Raise it.")
        self.pictures = named_pictures(path)
        self.videos = _videos(self.pictures)
        self.frames, self.size, self.every, self.span = frames, size, every, span
        self._clips, self._homes = self._read()
        self.spec = Spec(tuple(self._clips.shape[1:]))
        places, self.warning = _dealt(self.videos)
        self._held = {name: self._of(places[name]) for name in SPLITS}

    def split(self, name: str) -> InMemory:
        """The clips of the split "train", "valid" or "test"; those of one video are in one split."""
        return pick(self._held, name)

    @property
    def clips(self) -> InMemory:
        """The clips of all splits, video after video."""
        return InMemory(torch.from_numpy(self._clips))

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of names and of the clips."""
        names = repr([video.name for video in self.videos]).encode()
        return hashlib.sha256(names + self._clips.tobytes()).hexdigest()[:16]

    def _of(self, videos: Sequence[int]) -> InMemory:
        index = np.concatenate([np.flatnonzero(self._homes == video) for video in videos])
        return InMemory(torch.from_numpy(self._clips[index]))

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """All clips, uint8 (N, frames, C, H, W), and the video that each is of, (N,)."""
        clips, homes, bytes_read = [], [], 0
        with bombs_refused(), Bar(f"reading {self.pictures.path.name}", len(self.videos)) as bar:
            for number, video in enumerate(self.videos):
                found = self._clip(video)
                clips += found
                homes += [number] * len(found)
                bytes_read += sum(clip.nbytes for clip in found)
                if bytes_read > MEMORY:
                    raise DataError(
                        f"{self.pictures.path} holds videos of more than 4 GiB. Shrink frames: --data.size."
                    )
                bar.update(1)
        shapes = {clip.shape[2:] for clip in clips}
        if len(shapes) > 1 or (self.size is None and max(*next(iter(shapes))) > LARGEST_NATIVE):
            sizes = ", ".join(f"{w}x{h}" for h, w in sorted(shapes)[:3])
            raise DataError(f"{self.pictures.path} holds frames of {sizes} pixels. Say how large: --data.size 32.")
        if all(_gray(clip) for clip in clips):
            clips = [clip[:, :1] for clip in clips]
        return np.stack(clips), np.array(homes)

    def _clip(self, video: Video) -> list[np.ndarray]:
        frames = self._frames(video)[:: self.every]
        count = len(frames) // self.frames
        if not count:
            kept = f"{len(frames)} frames" if self.every == 1 else f"{len(frames)} frames, every {self.every}th"
            raise DataError(
                f"{self.pictures.path}/{video.name} has {kept}; {self.frames} are asked for. Add --data.frames "
                f"{max(2, len(frames))}, or remove it."
            )
        if len({frame.shape for frame in frames}) > 1:
            raise DataError(f"{self.pictures.path}/{video.name} has frames of different sizes. Add --data.size 32.")
        return [np.stack(frames[i * self.frames : (i + 1) * self.frames]) for i in range(count)]

    def _frames(self, video: Video) -> list[np.ndarray]:
        """The frames of a video in color, uint8 (3, H, W) each."""
        if len(video.frames) > 1:
            return [self._decoded(self.pictures.read(i), self.pictures.where(i)) for i in video.frames]
        (index,) = video.frames
        data, who = self.pictures.read(index), self.pictures.where(index)
        return [self._decoded(frame, who) for frame in _unpacked(data, who)]

    def _decoded(self, data: bytes, who: str) -> np.ndarray:
        return decode(data, who, 3, self.size, self.span)


def _unpacked(data: bytes, who: str) -> list[bytes]:
    """The frames of an animation, each as a PNG."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if getattr(image, "n_frames", 1) > MOST:
                raise ValueError(f"it has more than {MOST:,} frames")
            return [encode_png(np.asarray(frame.convert("RGB"))) for frame in ImageSequence.Iterator(image)]
    except Exception as error:  # decoders raise anything on damaged files
        raise DataError(f"{who} is damaged or no video ({error}). Replace or remove it.") from error


def _videos(pictures: Pictures) -> list[Video]:
    """Animations, and folders of frames in the order of the numbers in their names."""
    folders: dict[str, list[int]] = {}
    videos = []
    for index, name in enumerate(pictures.names):
        if name.lower().endswith((".gif", ".webp")) and _animated(pictures, index):
            videos.append(Video(name, (index,)))
        else:
            folders.setdefault(name.rpartition("/")[0], []).append(index)
    videos += [
        Video(folder, tuple(sorted(frames, key=lambda i: _number(pictures.names[i]))))
        for folder, frames in folders.items()
    ]
    single = [video.name or "its root" for video in videos if len(video.frames) == 1 and video.name in folders]
    if single:
        raise DataError(
            f"{pictures.path} holds single pictures in {', '.join(single[:3])}; animated GIFs or WebPs, or folders of "
            "numbered frames are expected. Remove them, or leave data.frames out for pictures."
        )
    return sorted(videos)


def _animated(pictures: Pictures, index: int) -> bool:
    try:
        with Image.open(io.BytesIO(pictures.read(index)), formats=FORMATS) as image:
            return getattr(image, "n_frames", 1) > 1
    except Exception as error:
        raise DataError(f"{pictures.where(index)} is damaged or no video ({error}). Replace or remove it.") from error


def _number(name: str) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", name.rpartition("/")[2])], name


def _dealt(videos: Sequence[Video]) -> tuple[dict[str, tuple[int, ...]], str]:
    """The videos of each split."""
    homes = [FOLDERS.get(video.name.split("/")[0].lower(), "train") for video in videos]
    names = [video.name for video in videos]
    given = {split: shuffled(names, [i for i, home in enumerate(homes) if home == split]) for split in SPLITS}
    if not given["train"]:
        raise DataError("no video is left for training: there is no folder train. Add one, or none of valid and test.")
    return deal(given, None, ())


def _gray(clip: np.ndarray) -> bool:
    return bool((clip[:, :1] == clip).all())
