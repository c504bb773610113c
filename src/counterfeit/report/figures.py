"""The figures of a run: what each shows, in words and as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterfeit import catalogue
from counterfeit.core import Decodes, Encodes, Samples
from counterfeit.data.cache import atomic
from counterfeit.data.images import encode_png
from counterfeit.report import grids, plot, points
from counterfeit.report.animation import animation, frames
from counterfeit.run import Run

__all__ = ["DARK_PAGE", "STILL_PAGE", "Figure", "Picture", "figures", "save"]

DARK_PAGE = "screen and (prefers-color-scheme: dark)"
STILL_PAGE = "print, (prefers-reduced-motion: reduce)"
POINTS = 10_000  # drawn from the model and taken from the data, where they are points
DOTS = 3_000  # of these in a scatter


@dataclass(frozen=True)
class Picture:
    """The bytes of a file and its suffix, ".png", ".webp" or ".svg"; `crisp` where its pixels are to be seen as squares."""

    data: bytes
    suffix: str
    crisp: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture with its words.

    Arguments:
        name: of its file, without the suffix.
        section: heading that it stands under, with others of the same.
        caption: what it shows.
        alt: the same for who cannot see it.
        picture: what is shown.
        instead: what is shown in its place, by media query.
    """

    name: str
    section: str
    caption: str
    alt: str
    picture: Picture
    instead: Mapping[str, Picture] = field(default_factory=dict)


def figures(run: Run) -> list[Figure]:
    """Every figure that applies to the run, in the order of a report; the same every time."""
    return [*_of_samples(run), *_of_training(run)]


def save(made: Sequence[Figure], folder: Path) -> Path:
    """Write each figure into `folder` as a file of its own; those for dark pages end in `-dark`."""
    for figure in made:
        pictures = {"": figure.picture, "-dark": figure.instead.get(DARK_PAGE)}
        for ending, picture in pictures.items():
            if picture:
                with atomic(folder / f"{figure.name}{ending}{picture.suffix}") as part:
                    part.write_bytes(picture.data)
    return folder


def _of_samples(run: Run) -> Iterator[Figure]:
    if isinstance(run.model, Samples):
        if grids.has_images(run):
            yield _samples(run)
            yield _neighbours(run)
        elif len(shape := grids.raw(run).spec.shape) == 1 and shape[0] <= 2:
            yield from _points(run)
    if grids.has_images(run) and isinstance(run.model, Decodes):
        yield _walks(run)
        if isinstance(run.model, Encodes):
            yield _reconstructions(run)


def _of_training(run: Run) -> Iterator[Figure]:
    shown = frames(run.path)
    if len(shown) > 1:
        yield _training(run)
    for title, panel in plot.panels(run.events).items():
        yield _curves(title, panel)


def _samples(run: Run) -> Figure:
    across = grids.columns(run)
    x = grids.samples(run, across * max(4, across // 2))
    drawn = bool(torch.equal(run.sample(2, mean=True), run.sample(2)))
    what = "samples" if drawn else "means of p(x | z) for codes z from the prior,"
    caption = f"{len(x)} {what} in the order they were drawn (seed {grids.SEED}), none left out."
    return Figure("samples", "Samples", caption, f"Grid of {len(x)} samples.", _png(run, grids.tile(x, across)))


def _neighbours(run: Run) -> Figure:
    across = grids.columns(run) - 1
    rows = max(3, across // 2)
    x = grids.samples(run, across * rows).unflatten(0, (rows, across))
    near, found = grids.neighbours(run, x[:, -1])
    return Figure(
        "figure2",
        "Nearest training examples",
        "As figure 2 of the founding paper: the framed column shows the training example nearest in pixels to the sample "
        f"on its left. They lie {found.distances.min():.3g} to {found.distances.max():.3g} apart (Euclidean); "
        "a distance of 0 would be a copy.",
        f"{rows} rows of samples; a framed last column shows the training example nearest to the sample before it.",
        _png(run, grids.framed(x, near)),
    )


def _walks(run: Run) -> Figure:
    straight, curved = grids.walks(run, 4, grids.columns(run))
    return Figure(
        "figure3",
        "Interpolation between codes",
        "As figure 3 of the founding paper: what codes z between two drawn ones decode to. Upper row of each pair: on the "
        "straight line. Lower row: on the great circle, along which Gaussian codes keep a likely length.",
        f"{len(straight)} pairs of rows in which one sample turns into another.",
        _png(run, grids.stacked(list(zip(straight, curved, strict=True)))),
    )


def _reconstructions(run: Run) -> Figure:
    across = grids.columns(run)
    x, again = grids.reconstructions(run, 2 * across)
    pairs = list(zip(x.split(across), again.split(across), strict=True))
    return Figure(
        "reconstructions",
        "Reconstructions",
        "Upper row of each pair: examples of the test split, as the model sees them. Lower row: what their codes decode to.",
        f"{len(x)} test examples, each above its reconstruction.",
        _png(run, grids.stacked(pairs)),
    )


def _points(run: Run) -> Iterator[Figure]:
    source = grids.raw(run)
    data, x = source.split("test").first(POINTS).x, grids.samples(run, POINTS)
    known = "true density" if points.density(source, x[:1]) is not None else "data"
    if x.shape[1] == 1:
        caption = f"Histogram of {len(x):,} samples and the {known}."
        yield _themed("samples", "Samples", caption, caption, lambda theme: points.line(source, data, x, theme))
        return
    within = points.extent(data, x)
    for number, (name, these) in enumerate({"data": data[:DOTS], "samples": x[:DOTS]}.items()):
        lines = "; lines: true density at 2, 20 and 60 % of its peak" if known == "true density" else ""
        caption = f"{len(these):,} {'test examples' if name == 'data' else 'samples'}{lines}."
        yield _themed(
            name, "Samples", caption, f"Scatter of {caption}",
            lambda theme, these=these, number=number: points.plane(source, these, within, number, theme),
        )  # fmt: skip


def _training(run: Run) -> Figure:
    shown = frames(run.path)
    return Figure(
        "training",
        "Training",
        f"The same codes from step {shown[0].step:,} to step {shown[-1].step:,}; the bar below fills as training proceeds.",
        "Animation of samples while the model was trained.",
        Picture(animation(shown), ".webp", crisp=grids.crisp(run)),
        {STILL_PAGE: Picture(shown[-1].path.read_bytes(), ".png")},
    )


def _curves(title: str, panel: Mapping[str, plot.Series]) -> Figure:
    best = _chooser(title)
    name = f"curves-{title.replace('/', '-')}"
    caption = ", ".join(panel) if title in (*panel, "terms") else f"{title}: {', '.join(panel)}"
    if title.startswith("valid/"):
        caption = f"{title[6:]} on the validation split"
    return _themed(
        name, "Curves", caption, f"Curves of {caption}, over steps.", lambda theme: plot.curves(panel, theme, best)
    )


def _chooser(title: str) -> Any:
    metric = catalogue.metrics().get(title.removeprefix("valid/")) if title.startswith("valid/") else None
    return {"higher": max, "lower": min, None: None}[metric.better if metric else None]


def _themed(name: str, section: str, caption: str, alt: str, draw: Callable[[plot.Theme], bytes]) -> Figure:
    light, dark = (Picture(draw(theme), ".svg") for theme in (plot.LIGHT, plot.DARK))
    return Figure(name, section, caption, alt, light, {DARK_PAGE: dark})


def _png(run: Run, pixels: np.ndarray) -> Picture:
    return Picture(encode_png(pixels), ".png", grids.crisp(run))
