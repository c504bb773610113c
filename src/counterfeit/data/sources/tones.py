"""Short melodies of four instruments, made from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch

from counterfeit.core import Spec
from counterfeit.data.sounds import frames
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick

__all__ = ["Tones"]

COUNTS = {"train": 2_000, "valid": 200, "test": 200}
SCALE = (1, 9 / 8, 5 / 4, 3 / 2, 5 / 3)  # the major pentatonic scale
ROOT = 220.0  # hertz
TUNING = 0.02  # by which an instrument may be higher or lower than others
NOTE = (0.12, 0.25)  # seconds from one note to the next
FRAMES = 100  # a second, of the series of notes
Series = Literal["", "notes"]
ATTACK = 0.005  # seconds until a note is at its loudest
FLOOR = 0.001  # standard deviation of the noise that is always there
TURN = 2**16  # steps of a period
GRID = 2.0**-20  # to which tables are rounded, lest machines differ in their last digits
CHUNK = 200  # clips made at once


class Timbre(NamedTuple):
    """How an instrument sounds.

    Arguments:
        harmonics: their strengths, from the fundamental on.
        decay: seconds until a note fades to 37 %.
        breath: standard deviation of noise as a share of the loudness.
    """

    harmonics: tuple[float, ...]
    decay: float
    breath: float


TIMBRES = {
    "flute": Timbre((0.85, 0.1, 0.05), 0.4, 0.05),
    "organ": Timbre((0.5, 0.0, 0.3, 0.0, 0.2), 0.8, 0.01),
    "string": Timbre((0.45, 0.25, 0.15, 0.1, 0.05), 0.15, 0.01),
    "bell": Timbre((0.4, 0.0, 0.0, 0.6), 0.08, 0.002),
}


class Tones(Source):
    """Melodies of one instrument each, the class, on a scale of five notes; every clip is tuned a little differently.

    A note is a sum of harmonics that fade, with noise as loud as a share of it. A note begins every 0.12 to 0.25
    seconds, on any pitch of the scale, while those before it ring on.

    Arguments:
        rate: samples a second.
        length: of a clip in samples.
        series: "notes" has beside each clip, in place of its class, how loud each note of the scale is in every
            hundredth of a second: float32 (5, frames); "" has nothing.

    Raises:
        ValueError: where the rate is too low for the highest harmonics, clips are empty, or there is no such series.

    Example:
        >>> Tones(length=100).split("valid").first(2).x.shape
        torch.Size([2, 1, 100])
        >>> Tones(length=100, series="notes").split("valid").first(2).y.shape
        torch.Size([2, 5, 2])
    """

    name = "tones"
    summary = "melodies of four instruments on five notes, half a second of sound each"
    class_names = tuple(TIMBRES)
    rate: int
    expected_transforms = ("standardize",)

    def __init__(self, rate: int = 4_000, length: int = 2_000, series: Series = "") -> None:
        for key, value, low in (("rate", rate, 4_000), ("length", length, 1)):
            if not (isinstance(value, int) and value >= low):
                raise ValueError(f"{key}={value!r} came; {self.name} expects an integer of at least {low}. Raise it.")
        if series not in get_args(Series):
            raise ValueError(f"series={series!r} came; {self.name} has 'notes', or '' for none. Choose one of these.")
        self.rate, self.spec = rate, Spec((1, length), "real", len(TIMBRES))
        if series:
            self.class_names = ()
            self.spec = Spec((1, length), "real", series=(len(SCALE), frames(length, rate // FRAMES)))

    def split(self, name: str) -> InMemory:
        """The clips of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    @cached_property
    def _splits(self) -> Mapping[str, InMemory]:
        return {name: self._clips(COUNTS[name], seed) for seed, name in enumerate(SPLITS)}

    def _clips(self, count: int, seed: int) -> InMemory:
        random = np.random.RandomState(seed)  # legacy: its stream is frozen
        labels = random.permutation(np.arange(count) % len(TIMBRES))
        parts = [self._melodies(labels[i : i + CHUNK], random) for i in range(0, count, CHUNK)]
        x, notes = (torch.from_numpy(np.concatenate(some)) for some in zip(*parts, strict=True))
        return InMemory(x[:, None], notes if self.spec.series else torch.from_numpy(labels))

    def _melodies(self, labels: np.ndarray, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Clips of the instruments `labels`, (B,): float32 (B, T), and their notes, float32 (B, 5, frames)."""
        length, tables = self.spec.dims, [self._tables(timbre) for timbre in TIMBRES.values()]
        notes = 2 + int(length / self.rate / NOTE[0])
        tuning = 1 + random.uniform(-TUNING, TUNING, (len(labels), 1))
        which = random.randint(len(SCALE), size=(len(labels), notes))
        pitches = ROOT * np.array(SCALE)[which] * tuning
        gaps = random.uniform(*NOTE, (len(labels), notes))
        onsets = np.rint((np.cumsum(gaps, 1) - gaps[:, :1] * (1 + random.uniform(size=(len(labels), 1)))) * self.rate)
        onsets = onsets.astype(np.int64)
        volumes = random.uniform(0.15, 0.4, (len(labels), notes))
        noise = random.standard_normal((len(labels), length))
        steps = np.rint(pitches / self.rate * TURN).astype(np.int64)
        x = np.stack([
            _melody(tables[label], TIMBRES_IN_ORDER[label], steps[i], onsets[i], volumes[i], noise[i])
            for i, label in enumerate(labels)
        ])  # fmt: skip
        rolls = [self._notes(tables[label], which[i], onsets[i], volumes[i]) for i, label in enumerate(labels)]
        return x, np.stack(rolls)

    def _notes(self, loudness: np.ndarray, which: np.ndarray, onsets: np.ndarray, volumes: np.ndarray) -> np.ndarray:
        """How loud each note of the scale is in every frame, float32 (5, frames); nothing where nobody asks."""
        if not self.spec.series:
            return np.zeros(0, np.float32)
        roll = np.zeros((len(SCALE), self.spec.series[1] * self.spec.hop))
        for note, onset, volume in zip(which, onsets, volumes, strict=True):
            if onset < self.spec.dims:
                first = max(0, onset)
                roll[note, first : self.spec.dims] += volume * loudness[first - onset : self.spec.dims - onset]
        return roll.reshape(len(SCALE), -1, self.spec.hop).mean(2).astype(np.float32)

    def _tables(self, timbre: Timbre) -> np.ndarray:
        """How loud a note is, from its onset on."""
        seconds = np.arange(self.spec.dims + self.rate) / self.rate
        return _rounded(np.exp(-seconds / timbre.decay) * np.minimum(1, seconds / ATTACK))


def _rounded(x: np.ndarray) -> np.ndarray:
    return np.rint(x / GRID) * GRID


SINE = _rounded(np.sin(2 * np.pi * np.arange(TURN) / TURN))
TIMBRES_IN_ORDER = tuple(TIMBRES.values())


def _melody(
    loudness: np.ndarray, timbre: Timbre, steps: np.ndarray, onsets: np.ndarray, volumes: np.ndarray, noise: np.ndarray
) -> np.ndarray:  # fmt: skip
    """One clip, float32 (T,).

    Arguments:
        loudness: of a note from its onset on.
        timbre: of the instrument.
        steps: by which the phase of each note turns, (notes,).
        onsets: where each note begins, which may be before the clip, (notes,).
        volumes: of each note, (notes,).
        noise: standard normal, (T,).
    """
    total, envelope = np.zeros(len(noise)), np.zeros(len(noise))
    for step, onset, volume in zip(steps, onsets, volumes, strict=True):
        if onset >= len(noise):
            continue
        since = np.arange(max(0, -onset), len(noise) - onset)  # samples since the onset
        wave = sum(
            strength * SINE[(harmonic * step * since) % TURN]
            for harmonic, strength in enumerate(timbre.harmonics, 1) if strength
        )  # fmt: skip
        loud = volume * loudness[since]
        total[max(0, onset) :] += loud * wave
        envelope[max(0, onset) :] += loud
    return (total + (timbre.breath * envelope + FLOOR) * noise).clip(-1, 1).astype(np.float32)
