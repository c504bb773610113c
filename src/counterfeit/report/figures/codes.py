"""Figures of codes: walks between them, and reconstructions."""

from __future__ import annotations

from collections.abc import Iterator

from counterfeit.core import (
    Decodes,
    Encodes,
)
from counterfeit.inference.draws import Drawn
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.run.run import Run

__all__ = ["walks"]

WIDTH = 700  # pixels of a row of images
PAIRS = 4  # of codes, between which the third figure walks
POINTS = 10_000  # drawn from the model and taken from the data, where they are points
DOTS = 3_000  # of these in a scatter


def walks(run: Drawn, width: int = WIDTH, n: int = PAIRS) -> Figure:
    """Walks between `n` pairs of codes, about `width` pixels wide."""
    pairs = zip(*grids.walks(run, n, grids.columns(run, width)), strict=True)
    return Figure(
        "figure3",
        "Interpolation between codes",
        "As figure 3 of the founding paper: what the codes z between two drawn ones decode to. Upper row of each pair: "
        "on the straight line. Lower row: on the great circle, along which Gaussian codes keep a likely length.",
        f"{n} pairs of rows, in each of which one sample turns into another.",
        grids.png(run, grids.stacked(list(pairs))),
    )


def _reconstructions(run: Run) -> Figure:
    across = grids.columns(run, WIDTH)
    x, again = grids.reconstructions(run, 2 * across)
    return Figure(
        "reconstructions",
        "Reconstructions",
        "Upper row of each pair: examples of the test split, as the model sees them. Lower row: what their codes "
        "decode to.",
        f"{len(x)} test examples, each above its reconstruction.",
        grids.png(run, grids.stacked(list(zip(x.split(across), again.split(across), strict=True)))),
    )


def _walks(run: Run) -> Iterator[Figure]:
    yield walks(run)


def _again(run: Run) -> Iterator[Figure]:
    yield _reconstructions(run)


WALK_FIGURES = RunFigures("walks", (Decodes,), _walks, 90)
RECONSTRUCTION_FIGURES = RunFigures("reconstructions", (Decodes, Encodes), _again, 100)
