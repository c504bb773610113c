"""Samples and codes as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from counterfeit.common.files import atomic
from counterfeit.data.images import Span, from_unit, save_png, tile, to_uint8
from counterfeit.data.sounds import encode_wav, shown, waveforms
from counterfeit.data.sources.arrays import SUFFIXES
from counterfeit.report.figures.points import plotted
from counterfeit.report.html.texts import labelled

__all__ = ["write_codes", "write_pictures", "write_rows", "write_samples", "writer"]

ACROSS = 16  # images of a row with a name, at most


def write_samples(x: Tensor, out: Path, span: Span | None = None, rate: int | None = None) -> Path:
    """Write samples to a file, or as single pictures or sounds into a new folder.

    Arguments:
        x: samples in the data's natural unit, (N, *shape).
        out: a .png, for a grid of images or waveforms, videos in rows or a histogram of points; a .wav, for sounds one
            after the other; a .npy or .npz (array `x`), for the values; or a path without suffix, for a folder of
            00000.png, 00001.png, …, or 00000.wav, ….
        span: the values that 0 and 1 stand for in arrays, where the data's files have a range of their own.
        rate: samples a second, where they are sound.

    Returns:
        `out`.

    Raises:
        ValueError: where samples of this shape cannot be written so.
    """
    arrays = out.suffix.lower() in SUFFIXES and not out.is_dir()
    writer(out, rate)(from_unit(x, span) if arrays and span else x, out)
    return out


def write_rows(
    x: Tensor, texts: Sequence[str], counts: Sequence[int], out: Path, span: Span | None = None,
    rate: int | None = None,
) -> Path:  # fmt: skip
    """Write samples as `write_samples` does; in a .png of images, each row below what it is of.

    Arguments:
        x: samples in the data's natural unit, (N, *shape), row after row.
        texts: what each row is of.
        counts: how many samples each row has.
        out: as for `write_samples`.
        span: likewise.
        rate: likewise.
    """
    if out.suffix.lower() != ".png" or out.is_dir() or not (_images(x) or rate):
        return write_samples(x, out, span, rate)
    bands = [tile(row, min(len(row), ACROSS)) for row in shown(x, rate).split([*counts])]
    with atomic(out) as part:
        part.write_bytes(labelled(texts, bands, "#000000", "#ffffff"))
    return out


def writer(out: Path, rate: int | None = None) -> Callable[[Tensor, Path], None]:
    """What writes samples to a path, by its suffix: sounds where they have a rate.

    Raises:
        ValueError: where nothing does, or it is a folder that already holds something.
    """
    writers: dict[str, Callable[[Tensor, Path], None]] = {".png": _grid, ".npy": _array, ".npz": _arrays, "": _folder}
    if rate is not None:
        writers |= {".png": _waveforms, ".wav": partial(_sound, rate=rate), "": partial(_sounds, rate=rate)}
    suffix = "" if out.is_dir() else out.suffix.lower()
    if suffix not in writers:
        known = ", ".join([known for known in writers if known])
        raise ValueError(f"{out} ends in {suffix}; {known} or a folder's name is expected. Choose another --out.")
    if not suffix:
        _check_vacant(out)
    return writers[suffix]


def write_pictures(images: Sequence[Tensor], out: Path) -> None:
    """Write images, (C, H, W) each, of any sizes, as 00000.png, 00001.png, … into a new or empty folder.

    Raises:
        ValueError: where the folder already holds something.
    """
    _check_vacant(out)
    for index, image in enumerate(images):
        save_png(out / f"{index:05d}.png", to_uint8(image))


def write_codes(z: Tensor, y: Tensor | None, out: Path) -> None:
    """Write codes `z`, (N, latent), to a .npy, or to a .npz beside labels `y`, (N,), where there are any."""
    arrays = {"z": z.numpy()} | ({} if y is None else {"y": y.cpu().numpy()})
    with atomic(out) as part, part.open("wb") as file:
        if out.suffix.lower() == ".npz":
            np.savez(file, **arrays)  # type: ignore[arg-type]
        else:
            np.save(file, z.numpy(), allow_pickle=False)


def _check_vacant(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ValueError(f"{out} already holds something; a new or empty folder is expected. Choose another --out.")


def _images(x: Tensor) -> bool:
    return x.ndim == 4 and x.shape[1] in (1, 3)


def _grid(x: Tensor, out: Path) -> None:
    if x.ndim == 5 and _images(x[0]):  # videos, a row each
        save_png(out, tile(x.flatten(0, 1), x.shape[1]))
        return
    if not _images(x) and (x.ndim != 2 or x.shape[1] > 2):
        raise ValueError(
            f"samples have shape {tuple(x.shape)}; a picture shows (N, 1 or 3, H, W), a video (N, frames, 1 or 3, H, "
            "W), points (N, 1) or (N, 2). Choose a .npy as --out."
        )
    save_png(out, tile(x) if _images(x) else plotted(x))


def _waveforms(x: Tensor, out: Path) -> None:
    save_png(out, tile(waveforms(x)))


def _sound(x: Tensor, out: Path, rate: int) -> None:
    with atomic(out) as part:
        part.write_bytes(encode_wav(x, rate))


def _sounds(x: Tensor, out: Path, rate: int) -> None:
    for index, one in enumerate(x):
        _sound(one[None], out / f"{index:05d}.wav", rate)


def _array(x: Tensor, out: Path) -> None:
    with atomic(out) as part, part.open("wb") as file:  # a path would be given a suffix
        np.save(file, x.numpy(), allow_pickle=False)


def _arrays(x: Tensor, out: Path) -> None:
    with atomic(out) as part, part.open("wb") as file:
        np.savez(file, x=x.numpy())


def _folder(x: Tensor, out: Path) -> None:
    if not _images(x):
        raise ValueError(
            f"samples have shape {tuple(x.shape)}; single pictures are (N, 1 or 3, H, W). Choose a .npy as --out."
        )
    write_pictures([*x], out)
