"""The figure of a model that upscales: small, bicubic, upscaled, truth."""

from __future__ import annotations

from collections.abc import Iterator

from counterfeit.core import Upscales
from counterfeit.data.selection import evenly_spaced
from counterfeit.inference.upscaling import upscaled
from counterfeit.report.figures.base import RunFigures, example_rows
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.run.run import Run

__all__ = ["upscalings"]

WIDTH = 700  # pixels of a row of images


def upscalings(run: Run, width: int) -> Figure:
    """Test pictures in the pixels that the model was given, bicubic, upscaled by it, and true, a row each."""
    across = grids.columns(run, width)
    found = upscaled(run.model, evenly_spaced(run.source, "test", across).x, seed=grids.SEED)
    names = ("made small, its pixels repeated", "bicubic", "upscaled by the model", "the truth")
    rows = {name: run.source.natural(row) for name, row in zip(names, found, strict=True)}
    alt = f"{across} test pictures in four rows: small, bicubic, by the model, true."
    return example_rows(run, "upscalings", "Upscaled pictures", alt, rows)


def _figures(run: Run) -> Iterator[Figure]:
    yield upscalings(run, WIDTH)


SUPER_RESOLUTION_FIGURES = RunFigures("upscalings", (Upscales,), _figures, 50)
