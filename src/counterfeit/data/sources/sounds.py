"""A folder or a zip of WAV files, or one of them: clips of equal length."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import DataError
from counterfeit.common.progress import Bar
from counterfeit.core import Spec
from counterfeit.data.folder_layout import FEW, Layout, arrange
from counterfeit.data.image_files import Pictures, find_beside, find_files, is_picture
from counterfeit.data.sounds import Recording, frames, mixed, read_series, read_wav, resampled, series_of_clips
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick

__all__ = ["Sounds", "arranged", "find_sounds", "holds_sounds", "read_clips"]

SUFFIXES = frozenset({".wav", ".wave"})
RATE = 8_000  # samples a second at most, where nobody says more
LENGTH = 2_048  # samples of a clip, where nobody says others
MEMORY = 4 << 30  # bytes that all sound may take
SILENT = 1e-3  # of full scale, below which a clip is silent: -60 dB
Silence = Literal["keep", "drop"]
Beside = Literal["", "npy", "csv"]


class Sounds(Source):
    """A folder or a zip of WAV files, or a single one, of any rates and lengths, mono or stereo.

    Folders mean what they mean for pictures: train, valid and test are splits, those below them classes. Files are
    mixed, brought to one rate and cut into clips, one after the other; all clips of a file are in the same split.

    Arguments:
        path: the folder, zip or file.
        rate: samples a second; the lowest of all files where None, and 8,000 at most.
        length: of a clip in samples; 2,048 where neither this nor `seconds` is said.
        seconds: length of a clip in seconds, in place of `length`.
        channels: 1 mixes all channels of a file into one; 2 keeps those of stereo files.
        silent: keep clips below -60 dB of full scale, or drop them.
        series: "npy" or "csv" reads beside each NAME.wav a second series, NAME.npy or NAME.csv: a row of numbers for
            each frame, at equal steps through the whole file. Clips then have their frames in place of a class.

    Raises:
        DataError: no such path, no WAV files in it, one that is damaged or lacks its series, or none as long as a clip.
    """

    name = "sounds"
    summary = "a folder or zip of WAV files, of any rate and length; class folders become labels"
    expected_transforms = ("standardize",)
    rate: int

    def __init__(
        self, path: str | Path, rate: int | None = None, length: int | None = None, seconds: float | None = None,
        channels: int = 1, silent: Silence = "keep", series: Beside = "",
    ) -> None:  # fmt: skip
        _check(rate=rate, length=length, channels=channels)
        if length is not None and seconds is not None:
            raise ValueError("data.options: length and seconds came together; one of them is expected. Leave one out.")
        for key, value, known in (("silent", silent, get_args(Silence)), ("series", series, get_args(Beside)[1:])):
            if value and value not in known:
                raise ValueError(f"data.options.{key}: {value!r} came; {', '.join(known)} are expected.")
        self.wavs = find_sounds(path)
        recordings = _read(self.wavs, channels)
        self.rate = rate or min(RATE, *(one.rate for one in recordings))
        self.length = LENGTH if length is None else length
        if seconds is not None:
            self.length = round(seconds * self.rate)
            _check(seconds=self.length)
        clips, homes, remarks, kept = self._cut(recordings, channels, silent)
        used, homes = np.unique(homes, return_inverse=True)  # a file without a clip is in no split
        self.layout = arranged([self.wavs.names[file] for file in used])
        self.class_names = () if series else self.layout.classes
        self.spec = Spec((channels, self.length), "real", len(self.class_names))
        y = self._beside(series, recordings)[kept] if series else self._labels(homes)
        remarks += [f"a series of {self.spec.series[0]} values every {self.spec.hop:,} samples"] if series else []
        self.warning = "; ".join(filter(None, [*remarks, self.layout.warning]))
        self._held = {name: self._of(name, clips, homes, y) for name in SPLITS}

    def split(self, name: str) -> InMemory:
        """The clips of the split "train", "valid" or "test"; those of one file are in one split."""
        return pick(self._held, name)

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of names, the rate and the clips."""
        kept = repr((self.wavs.names, self.rate)).encode()
        return hashlib.sha256(kept + super().fingerprint.encode()).hexdigest()[:16]

    def _cut(
        self, recordings: Sequence[Recording], channels: int, silent: Silence
    ) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
        """Clips, (N, channels, length), the file of each, (N,), what was found, and which of all were kept.

        Raises:
            DataError: no file is as long as a clip, or all are silent.
        """
        clips, short, loud = [], [], []
        for place, one in enumerate(recordings):
            if float(np.abs(one.x).max(initial=0)) > 1:
                loud.append(self.wavs.names[place])
            clips.append(_clips(one, self.rate, self.length))
            short += [] if len(clips[-1]) else [self.wavs.names[place]]
        every, homes = np.concatenate(clips), np.repeat(np.arange(len(clips)), [len(some) for some in clips])
        if not len(every):
            longest = max(round(one.seconds * self.rate) for one in recordings)
            if not longest:
                raise DataError(f"{self.wavs.path} holds no sound; files of some length are expected. Give others.")
            raise DataError(
                f"{self.wavs.path} holds {longest:,} samples at {self.rate:,} Hz at most; clips of "
                f"{self.length:,} are expected. Shorten them: --data.options '{{length: {max(1, longest)}}}'."
            )
        quiet = np.abs(every).max((1, 2)) < SILENT
        remarks = [_found(recordings, self.rate, channels), *_remarks(len(every), self.length / self.rate, short, loud)]
        if quiet.any():
            remarks.append(_of_silence(int(quiet.sum()), len(quiet), silent))
        kept = ~quiet if silent == "drop" else np.ones_like(quiet)
        if not kept.any():
            raise DataError(f"{self.wavs.path} holds silence alone; sound is expected. Give other files.")
        return every[kept], homes[kept], remarks, kept

    def _labels(self, homes: np.ndarray) -> np.ndarray | None:
        """The class of the file of each clip, int64 (N,), where there are classes."""
        return None if self.layout.labels is None else np.array(self.layout.labels)[homes]

    def _beside(self, kind: str, recordings: Sequence[Recording]) -> np.ndarray:
        """The frames beside all clips, float32 (N, features, frames), of which the spec learns."""
        series = _read_beside(self.wavs, kind)
        samples = [_count(one, self.rate) for one in recordings]
        hop = float(np.median([count / len(y) for count, y in zip(samples, series, strict=True)]))
        self.spec = replace(self.spec, series=(series[0].shape[1], frames(self.length, hop)))
        parts = zip(series, samples, strict=True)
        return np.concatenate([series_of_clips(y, count, self.length, self.spec) for y, count in parts])

    def _of(self, split: str, clips: np.ndarray, homes: np.ndarray, y: np.ndarray | None) -> InMemory:
        chosen = [np.flatnonzero(homes == file) for file in self.layout.splits[split]]
        index = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
        if not len(index):
            raise DataError(
                f"{self.wavs.path} holds no clip of {self.length:,} samples for {split}; one at least is "
                "expected. Shorten clips, in data.options.length, or add longer files."
            )
        return InMemory(torch.from_numpy(clips[index]), None if y is None else torch.from_numpy(y[index]))


def read_clips(path: str | Path, rate: int, spec: Spec) -> tuple[list[str], Tensor]:
    """Clips like those of a source of sound, in the order of files: what each is called, and (N, channels, T).

    Arguments:
        path: a WAV file, or a folder or zip of some.
        rate: samples a second.
        spec: of the source.

    Raises:
        DataError: a file cannot be read, or none is as long as a clip.
    """
    wavs, (channels, length) = find_sounds(path), spec.shape
    parts = [_clips(one, rate, length) for one in _read(wavs, channels)]
    names = [f"{wavs.where(file)}[{i}]" for file, part in enumerate(parts) for i in range(len(part))]
    if not names:
        raise DataError(f"{path} holds no {length:,} samples at {rate:,} Hz; one clip at least is expected. Give more.")
    return names, torch.from_numpy(np.concatenate(parts))


def _clips(one: Recording, rate: int, length: int) -> np.ndarray:
    """As many clips as there are whole ones, (N, channels, length)."""
    x = resampled(one.x, one.rate, rate)
    count = x.shape[1] // length
    return x[:, : count * length].clip(-1, 1).reshape(len(x), count, length).transpose(1, 0, 2)


def _count(one: Recording, rate: int) -> int:
    """How many samples a file has at another rate."""
    return -(-one.x.shape[1] * rate // one.rate)


def _read_beside(wavs: Pictures, kind: str) -> list[np.ndarray]:
    """The series beside every WAV file, float32 (frames, features), all of the same features."""
    names = [f"{Path(name).with_suffix('').as_posix()}.{kind}" for name in wavs.names]
    wanted = {*names}
    alone = find_beside(wavs.path, names[0]) if len(names) == 1 else None  # without a look at all else that lies there
    found = alone or find_files(wavs.path, wanted.__contains__, f"{kind} files beside those of sound")
    places = {name: place for place, name in enumerate(found.names)}
    for wav, name in zip(wavs.names, names, strict=True):
        if name not in places:
            raise DataError(f"{wavs.path} holds no {name} beside {wav}; one for each sound is expected. Add it.")
    series = [read_series(found.read(places[name]), found.where(places[name])) for name in names]
    for name, y in zip(names, series, strict=True):
        if y.shape[1] != series[0].shape[1]:
            came = f"{y.shape[1]} values a frame, {names[0]} {series[0].shape[1]}"
            raise DataError(f"{wavs.path}: {name} has {came}; the same number is expected. Save it again.")
    return series


def holds_sounds(path: Path) -> bool:
    """Whether a path is a WAV file, or a folder or zip with more of them than of pictures.

    Raises:
        DataError: there is no such path, or it holds neither.
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    names = find_files(path, lambda name: is_sound(name) or is_picture(name), "pictures or WAV files").names
    return 2 * sum(map(is_sound, names)) > len(names)


def find_sounds(path: str | Path) -> Pictures:
    """The WAV files of a folder or zip, or the one that the path is of."""
    path = Path(path).expanduser()
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return Pictures(path.parent, (path.name,), (path.stat().st_size,), False)
    return find_files(path, is_sound, "WAV files")


def is_sound(name: str) -> bool:
    """Whether a file is one by its name."""
    return Path(name).suffix.lower() in SUFFIXES


def arranged(names: Sequence[str]) -> Layout:
    """Splits and classes of files, as of pictures; of three to nine files, one each is kept for validation and test.

    Example:
        >>> {split: len(files) for split, files in arranged(["a.wav", "b.wav", "c.wav"]).splits.items()}
        {'train': 1, 'valid': 1, 'test': 1}
    """
    found = arrange(names)
    train = found.splits["train"]
    alike = [split for split in ("valid", "test") if found.splits[split] == train]
    if len(train) >= FEW or not alike:
        return found
    sizes = Counter(0 if found.labels is None else found.labels[i] for i in train)
    given: dict[str, tuple[int, ...]] = {**found.splits, **dict.fromkeys(alike, ())}
    for split in alike:
        label, most = sizes.most_common(1)[0]
        if most < 2:  # a class, or all that there is, would be gone from training
            return found
        chosen = next(i for i in given["train"] if found.labels is None or found.labels[i] == label)
        given |= {split: (chosen,), "train": tuple(i for i in given["train"] if i != chosen)}
        sizes[label] -= 1
    few = f"few files ({len(names)}): {' and '.join(alike)} hold one each"
    return found._replace(splits=given, warning=few)


def _check(**counts: int | None) -> None:
    for key, value in counts.items():
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise ValueError(f"data.options.{key}: {value!r} came; at least 1 sample is expected. Raise it.")


def _read(files: Pictures, channels: int) -> list[Recording]:
    """Every file, mixed, at its own rate."""
    found, size = [], 0
    with Bar(f"reading {files.path.name}", len(files.names)) as bar:
        for index in range(len(files.names)):
            who = files.where(index)
            one = read_wav(files.read(index), who)
            kept = np.ascontiguousarray(mixed(one.x, channels, who))
            found.append(one._replace(x=kept, format=f"{one.format}/{len(one.x)}"))
            size += kept.nbytes
            if size > MEMORY:
                raise DataError(f"{files.path} holds more than 4 GiB of sound. Take a part of it.")
            bar.update(1)
    return found


def _found(recordings: Sequence[Recording], rate: int, channels: int) -> str:
    """What the files hold and what becomes of it, in words."""
    formats, counts = zip(*(one.format.rsplit("/", 1) for one in recordings), strict=True)
    rates = sorted({one.rate for one in recordings})
    many = f"{len(recordings)} files" if len(recordings) > 1 else "1 file"
    said = [
        f"{many} of {_listed(f'{one:,}' for one in rates)} Hz, {_listed(sorted({*counts}))} "
        f"{'channel' if {*counts} == {'1'} else 'channels'}, {_listed(sorted({*formats}))}, "
        f"{sum(one.seconds for one in recordings):,.1f} s"
    ]
    said += [f"resampled to {rate:,} Hz"] if rates != [rate] else []
    said += ["mixed down to one channel"] if channels == 1 and {*counts} != {"1"} else []
    said += ["one channel doubled"] if channels > 1 and "1" in counts else []
    return ", ".join(said)


def _remarks(clips: int, seconds: float, short: Sequence[str], loud: Sequence[str]) -> Iterable[str]:
    yield f"{clips:,} {'clip' if clips == 1 else 'clips'} of {seconds:.3g} s"
    if short:
        yield f"{len(short)} shorter than a clip left out, such as {short[0]}"
    if loud:
        yield f"{len(loud)} clipped at full scale, which they exceed, such as {loud[0]}"


def _of_silence(quiet: int, count: int, silent: Silence) -> str:
    if silent == "drop":
        return f"{quiet:,} of {count:,} clips are silent and left out"
    return f"{quiet:,} of {count:,} clips are silent: to leave them out, --data.options '{{silent: drop}}'"


def _listed(words: Iterable[str]) -> str:
    words = [*words]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
