"""Figures of sound: waveforms and spectrograms of test examples and of samples, which can be played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Samples, labels_of
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.sounds import encode_wav
from counterfeit.inference.draws import Drawn
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.figures.label_rows import named
from counterfeit.report.html import grids, plot
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.report.html.themed import themed
from counterfeit.run.run import Run

__all__ = ["plotted_sounds", "spectrogram"]

SHOWN = 4  # sounds of a figure
PLAYED = 1 << 19  # bytes of a player at most
WINDOW = 256  # samples that a column of a spectrogram is of, at most
RANGE = 80.0  # decibels below the loudest that are shown


def spectrogram(x: np.ndarray, rate: int) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The loudness of each frequency at each moment, in decibels, and its extent in seconds and hertz.

    Arguments:
        x: a sound of one channel, (T,).
        rate: samples a second.

    Returns:
        (frequencies, moments), from the lowest frequency on; and (first, last, lowest, highest).

    Example:
        >>> sine = np.sin(2 * np.pi * 500 * np.arange(4_000) / 4_000)
        >>> loudness, (_, end, _, top) = spectrogram(sine, 4_000)
        >>> round(float(loudness.mean(1).argmax()) / (len(loudness) - 1) * top), end, top
        (500, 1.0, 2000.0)
    """
    window = min(WINDOW, len(x))
    step = max(1, window // 8)
    padded = np.pad(x, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::step] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1)).T ** 2
    return 10 * np.log10(power + 1e-12), (0.0, len(x) / rate, 0.0, rate / 2)


def plotted_sounds(x: Tensor, rate: int, titles: Sequence[str], theme: plot.Theme) -> bytes:
    """Waveforms of the first channel of sounds, (N, channels, T), above their spectrograms."""
    columns = x[:, 0].numpy()

    def draw(axes: Any) -> None:
        for column, (wave, title) in enumerate(zip(columns, titles, strict=True)):
            above, below = axes.reshape(2, -1)[:, column]
            above.plot(np.arange(len(wave)) / rate, wave, color=theme.curves[0], linewidth=0.5)
            above.set(xlim=(0, len(wave) / rate), ylim=(-1, 1), title=title, xticklabels=[])
            loudness, extent = spectrogram(wave, rate)
            top = float(loudness.max())
            below.imshow(
                loudness, origin="lower", aspect="auto", extent=extent, vmin=top - RANGE, vmax=top, cmap="magma"
            )
            below.grid(False)
            below.set(xlabel="seconds")
            for one in (above, below) if column else ():
                one.set_yticklabels([])
        axes.reshape(2, -1)[1, 0].set_ylabel("hertz")

    return plot.svg(draw, theme, (8.4, 3.4), len(columns), 2)


def _sound(run: Drawn) -> bool:
    return run.source.raw.rate is not None


def _drawn(run: Run) -> Iterator[Figure]:
    source, rate = run.source.raw, run.source.raw.rate or 1
    data = evenly_spaced(source, "test", SHOWN)
    names = [source.called(int(y)) for y in data.y] if source.spec.classes and data.y is not None else [""] * SHOWN
    yield _figure("sounds-of-data", "test examples", data.x, rate, names)
    labels = labels_of(run.model)
    if labels:
        y = torch.arange(SHOWN) * labels // min(SHOWN, labels) % labels
        yield _figure("sounds", "samples", run.sample(SHOWN, grids.SEED, y), rate, [named(run, int(one)) for one in y])
    else:
        yield _figure("sounds", "samples", grids.samples(run, SHOWN), rate, [""] * SHOWN)


def _figure(name: str, what: str, x: Tensor, rate: int, titles: Sequence[str]) -> Figure:
    caption = f"{len(x)} {what} at {rate:,} Hz: waveforms, and below them how loud each frequency is, in {RANGE:g} dB."
    figure = themed(name, "Samples", caption, partial(plotted_sounds, x, rate, titles))
    most = max(1, PLAYED // (2 * x[0].numel()))
    heard = {
        f"{what} {place + 1} {title}".strip(): Picture(encode_wav(one[None], rate), ".wav")
        for place, (one, title) in enumerate(zip(x[:most], titles, strict=False))
    }
    return Figure(figure.name, figure.section, figure.caption, figure.alt, figure.picture, figure.dark, sounds=heard)


SOUND_FIGURES = RunFigures("sounds", (Samples,), _drawn, 10, applies=_sound)
