"""Figures of samples: a grid, their nearest training examples, and points against the data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from counterfeit.core import Density, Samples, labels_of
from counterfeit.data.conditions import RequestedRows, arranged, captions_in_rows
from counterfeit.data.images import tile
from counterfeit.inference.draws import Drawn
from counterfeit.report.figures import points
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.figures.label_rows import named
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.texts import in_rows
from counterfeit.report.html.themed import themed
from counterfeit.run.run import Run

__all__ = ["line", "neighbours", "plane", "samples"]

WIDTH = 700  # pixels of a row of images
PAIRS = 4  # of codes, between which the third figure walks
POINTS = 10_000  # drawn from the model and taken from the data, where they are points
DOTS = 3_000  # of these in a scatter


def samples(run: Drawn, width: int = WIDTH, rows: int | None = None, rows_of_labels: bool = True) -> Figure:
    """A grid of samples, about `width` pixels wide, half as high where no number of `rows` is given.

    A model that takes labels or captions shows a row of each, unless not `rows_of_labels`.
    """
    across = grids.columns(run, width)
    if rows_of_labels and labels_of(run.model) > 1:
        y = arranged(across * min(labels_of(run.model), across), labels_of(run.model))
        texts = [named(run, int(row[0])) for row in y]
        return _in_rows(
            run, RequestedRows(y.flatten(), texts, [y.shape[1]] * len(y)), f"{y.shape[1]} samples of each label"
        )
    if rows_of_labels and run.source.spec.captioned:
        asked = captions_in_rows(run.source, "test", across * (rows or max(4, across // 2)), across)
        return _in_rows(run, asked, f"{across} samples for each of {len(asked.texts)} test captions")
    x = grids.samples(run, across * (rows or max(4, across // 2)))
    drawn = torch.equal(run.sample(2, mean=True), run.sample(2))
    what = "samples" if drawn else "means of p(x | z) for codes z from the prior,"
    caption = f"{len(x)} {what} in the order they were drawn (seed {grids.SEED}), none left out."
    return Figure("samples", "Samples", caption, f"Grid of {len(x)} samples.", grids.png(run, tile(x, across)))


def _in_rows(run: Drawn, rows: RequestedRows, what: str) -> Figure:
    """Rows of samples below what they are of."""
    bands = [tile(row, len(row)) for row in run.sample(len(rows.asked), grids.SEED, rows.asked).split(rows.counts)]
    caption = f"{what} in the order they were drawn (seed {grids.SEED}), none left out."
    alt = f"Samples of {', '.join(rows.texts)}."
    return Figure("samples", "Samples", caption, alt, *in_rows(run, rows.texts, bands))


def neighbours(run: Drawn, width: int = WIDTH) -> Figure:
    """Samples, each row's last beside the training example nearest to it, about `width` pixels wide."""
    across = grids.columns(run, width) - 1
    rows = max(3, across // 2)
    x = grids.samples(run, across * rows).unflatten(0, (rows, across))
    near, distances = grids.neighbours(run, x[:, -1])
    return Figure(
        "figure2",
        "Nearest training examples",
        "As figure 2 of the founding paper: the framed column shows the training example nearest in pixels to the "
        f"sample on its left. They lie {distances.min():.3g} to {distances.max():.3g} apart (Euclidean distance); at 0 "
        "a sample would be a copy.",
        f"{rows} rows of samples; a framed last column shows the training example nearest to the sample before it.",
        grids.png(run, grids.framed(x, near)),
    )


def line(run: Drawn) -> Iterator[Figure]:
    """Samples on the line."""
    source = run.source.raw
    data, x = source.split("test").first(POINTS).x, grids.samples(run, POINTS)
    known = "data" if points.density(source, x[:1]) is None else "true density"
    caption = f"Histogram of {len(x):,} samples and the {known}."
    yield themed("samples", "Samples", caption, partial(points.line, source, data, x))


def plane(run: Drawn) -> Iterator[Figure]:
    """Test examples and samples in the plane, and the density of a model that knows it."""
    source = run.source.raw
    data, x = source.split("test").first(DOTS).x, grids.samples(run, POINTS)[:DOTS]
    within = points.extent(data, x)
    truth = points.surface(source, within)
    lines = "" if truth is None else "; lines: true density at 2, 20 and 60 % of its peak"
    for color, (name, some, what) in enumerate((("data", data, "test examples"), ("samples", x, "samples"))):
        draw = partial(points.plane, truth, some, within, color)
        yield themed(name, "Samples", f"{len(some):,} {what}{lines}.", draw)
    if isinstance(run.model, Density):
        found = points.learned(run, within)
        caption = f"Density of the model{lines}."
        yield themed("density", "Samples", caption, partial(points.heat, truth, found, within))


def _points(run: Drawn) -> bool:
    return run.source.raw.spec.shape in ((1,), (2,))


def _drawn(run: Run) -> Iterator[Figure]:
    yield from line(run) if run.source.raw.spec.shape == (1,) else plane(run)


def _grids(run: Run) -> Iterator[Figure]:
    yield samples(run)
    yield neighbours(run)


POINT_FIGURES = RunFigures("points", (Samples,), _drawn, 10, applies=_points)
SAMPLE_FIGURES = RunFigures("samples", (Samples,), _grids, 70)
