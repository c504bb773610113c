"""Sound in and out: WAV files to waveforms in [-1, 1] and back, series beside them, and waveforms as pictures."""

from __future__ import annotations

import io
import math
import warnings
import wave
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import DataError
from counterfeit.core import Spec

__all__ = [
    "Recording", "encode_wav", "frames", "mixed", "read_series", "read_wav", "resampled", "series_of_clips", "shown",
    "waveforms",
]  # fmt: skip

RATES = (100, 1_000_000)  # samples a second that a file may claim
PAUSE = 0.1  # seconds between sounds in one file
INK, PAPER = 0.15, 1.0
NO_NUMBERS = ("nan", "inf", "infinity")  # in letters, but no name of a column


class Recording(NamedTuple):
    """A sound: `x`, float32 (channels, T), its samples a second, and how a file held each of them, as "16-bit"."""

    x: np.ndarray
    rate: int
    format: str

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.x.shape[1] / self.rate


def read_wav(data: bytes, who: str) -> Recording:
    """Read a WAV file of 8, 16, 24 or 32 bits, or of floats, of any number of channels.

    Arguments:
        data: the content of the file.
        who: its name, for messages.

    Raises:
        DataError: it is damaged, cut off, of another format, or holds values that are not finite.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Chunk .* not understood")  # remarks of an editor, not sound
            warnings.filterwarnings("error", "Reached EOF")
            rate, x = wavfile.read(io.BytesIO(data))
    except Exception as error:  # readers raise anything on damaged files
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{who} is damaged or no WAV file that can be read ({reason}). Replace or remove it.") from None
    if not RATES[0] <= rate <= RATES[1]:
        expected = f"{RATES[0]:,} to {RATES[1]:,} are expected"
        raise DataError(f"{who} claims {rate:,} samples a second; {expected}. Save it again.")
    values, format_ = _in_unit(x, _bits(data))
    if not np.isfinite(values).all():
        raise DataError(f"{who} holds values that are not finite; finite ones are expected. Save it again.")
    values = values[:, None] if values.ndim == 1 else values
    return Recording(np.ascontiguousarray(values.T), int(rate), format_)


def _bits(data: bytes) -> int:
    """Bits a sample, as the file's format chunk says."""
    at = data.find(b"fmt ")
    return int.from_bytes(data[at + 22 : at + 24], "little")


def _in_unit(x: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    """Values in the unit in which 1 is full scale, float32, and what they were."""
    if x.dtype.kind == "f":
        return x.astype(np.float32), f"{bits}-bit float"
    full = float(1 << (8 * x.dtype.itemsize - 1))  # 24 bits come as the upper ones of 32
    offset = full if x.dtype.kind == "u" else 0.0
    return ((x.astype(np.float64) - offset) / full).astype(np.float32), f"{bits}-bit"


def mixed(x: np.ndarray, channels: int, who: str) -> np.ndarray:
    """A sound (C, T) in so many channels: the mean of all for one, copies of the only one for more.

    Raises:
        DataError: it has another number of channels, and more than one.
    """
    if channels == 1:
        return x.mean(0, keepdims=True)
    if len(x) not in (1, channels):
        raise DataError(f"{who} has {len(x)} channels; 1 or {channels} are expected. Mix it, or leave channels out.")
    return np.broadcast_to(x, (channels, x.shape[1]))


def resampled(x: np.ndarray, rate: int, to: int) -> np.ndarray:
    """A sound (C, T) of `rate` samples a second at another rate, float32; frequencies above half of it are gone.

    Example:
        >>> resampled(np.zeros((1, 44_100), np.float32), 44_100, 8_000).shape
        (1, 8000)
    """
    if rate == to or not x.size:
        return x.astype(np.float32)
    from scipy.signal import resample_poly

    shared = math.gcd(rate, to)
    return resample_poly(x.astype(np.float64), to // shared, rate // shared, axis=1).astype(np.float32)


def frames(length: int, hop: float) -> int:
    """How many frames a second series has beside clips of so many samples, where each is of about `hop` of these.

    Example:
        >>> frames(2_000, 40), frames(100, 30), frames(10, 40)
        (50, 3, 1)
    """
    count = max(1, round(length / hop))
    return -(-length // -(-length // count))  # all frames are of equally many samples, and none is beyond the end


def read_series(data: bytes, who: str) -> np.ndarray:
    """Read a second series, frames by features, from a .npy, or a .csv with or without names of columns.

    Arguments:
        data: the content of the file.
        who: its name, for messages.

    Returns:
        float32 (frames, features).

    Raises:
        DataError: it cannot be read, or holds anything but finite numbers in rows of one length.

    Example:
        >>> read_series(b"440,0.5", "a.csv").shape
        (1, 2)
    """
    try:
        if who.lower().endswith(".npy"):
            x = np.load(io.BytesIO(data), allow_pickle=False).astype(np.float32)
        else:
            rows = [line.split(",") for line in data.decode("utf-8-sig").splitlines() if line.strip()]
            named = any(cell.strip()[:1].isalpha() and cell.strip().lower() not in NO_NUMBERS for cell in rows[0])
            x = np.array(rows[named:], np.float32)
    except Exception as error:  # readers raise anything on damaged files
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{who} cannot be read ({reason}). Save numbers, a row for each frame.") from None
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise DataError(
            f"{who} holds an array of shape {x.shape}, or values that are not finite; (frames, features) of finite "
            "numbers are expected. Save it again."
        )
    return x


def series_of_clips(y: np.ndarray, samples: int, length: int, spec: Spec) -> np.ndarray:
    """The frames of a series that lie beside each whole clip of a sound: float32 (clips, features, frames).

    Arguments:
        y: frames at equal steps through the whole sound, (frames, features).
        samples: of the sound.
        length: of a clip in samples.
        spec: of the clips, which says how long their frames are.
    """
    starts = np.arange(samples // length)[:, None] * length
    middles = np.minimum(starts + (np.arange(spec.series[1]) + 0.5) * spec.hop, starts + length - 1)
    return y[(middles * len(y) / samples).astype(np.int64)].transpose(0, 2, 1)


def encode_wav(x: Tensor, rate: int) -> bytes:
    """Sounds (N, channels, T) one after the other, with pauses, as the bytes of a 16-bit WAV file; clipped at ±1."""
    pause = x.new_zeros(*x.shape[1:-1], round(PAUSE * rate))
    parts = [part for one in x for part in (one, pause)][:-1]
    values = (torch.cat(parts, -1).double().clamp(-1, 1) * 32767).round().numpy().astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(values))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(values.T).tobytes())
    return buffer.getvalue()


def waveforms(x: Tensor, height: int = 56, width: int = 200) -> Tensor:
    """Pictures of sounds: from -1, below, to 1, all values of each moment, channels below each other.

    Arguments:
        x: sounds, (N, channels, T); what lies beyond ±1 is drawn at the edge.
        height: of a channel in pixels.
        width: of a picture in pixels.

    Returns:
        (N, 1, channels height, width) in [0, 1].
    """
    n, channels, length = x.shape
    edges = torch.linspace(0, length, min(width, length) + 1).round().long().tolist()
    spans = [x[:, :, a : max(b, a + 1) + 1] for a, b in pairwise(edges)]  # touching each other
    low, high = (torch.stack([f(part, -1) for part in spans], -1) for f in (torch.amin, torch.amax))
    to_row = lambda v: ((1 - v.clamp(-1, 1)) / 2 * (height - 1)).round().unsqueeze(2)  # noqa: E731
    rows = torch.arange(height).view(1, 1, -1, 1)
    inked = (rows >= to_row(high)) & (rows <= to_row(low))  # (N, channels, height, width)
    return torch.where(inked, INK, PAPER).view(n, 1, channels * height, -1)


def shown(x: Tensor, rate: int | None) -> Tensor:
    """Examples as images: waveforms where they are sound, which has a rate, and as they are elsewhere."""
    return x if rate is None else waveforms(x)
