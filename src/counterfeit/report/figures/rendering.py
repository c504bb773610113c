"""The figure of a model that renders: given, rendered, truth."""

from __future__ import annotations

from collections.abc import Iterator

from counterfeit.core import Renders
from counterfeit.inference.rendering import rendered
from counterfeit.report.figures.base import RunFigures, example_rows
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.run.run import Run

__all__ = ["renderings"]

WIDTH = 700  # pixels of a row of images


def renderings(run: Run, width: int) -> Figure:
    """Pictures that were given, what the model made of them, and what belongs to them, a row each."""
    across = grids.columns(run, width)
    found = rendered(run.model, run.source, "test", across, seed=grids.SEED)
    rows = dict(zip(("given", "made by the model", "the truth"), found, strict=True))
    alt = f"{across} test pictures in three rows: given, made of them by the model, true."
    return example_rows(run, "renderings", "Rendered pictures", alt, rows)


def _figures(run: Run) -> Iterator[Figure]:
    yield renderings(run, WIDTH)


RENDERING_FIGURES = RunFigures("renderings", (Renders,), _figures, 55)
