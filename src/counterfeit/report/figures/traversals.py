"""Figures of codes of which parts mean something: every category, every continuous value.

References:
    InfoGAN: Interpretable Representation Learning by Information Maximizing GANs, Chen et al., 2016
        (arXiv 1606.03657), figure 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from counterfeit.core import Structured, require
from counterfeit.data.images import encode_png, tile
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.inference.latent import traverse_categories, traverse_continuous
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure, Picture

__all__ = ["traversals"]

ROWS = 6  # of codes, or of categories
SHOWN = 4  # continuous values at most
WIDTH = 700  # pixels of a row of images


def traversals(run: Drawn) -> Iterator[Figure]:
    """Drawn codes in every category; and each continuous value in several categories."""
    model, across = require(run.model, Structured), grids.columns(run, WIDTH)
    _, categories, continuous = model.structure()
    if categories:
        with evaluating(run.model, grids.SEED):
            x = traverse_categories(model, ROWS)[:, :across]
        yield _figure(
            run, "categories", x,
            f"Every column is a category, {x.shape[1]} of {categories}; every row is one draw of all else in a code.",
            f"{ROWS} rows; in each, one code in {x.shape[1]} categories.",
        )  # fmt: skip
    for which in range(min(continuous, SHOWN)):
        with evaluating(run.model, grids.SEED):
            x = traverse_continuous(model, which, across, max(ROWS, min(categories, across)))
        rows = "every row is a category" if categories else "every row is a draw of all else"
        yield _figure(
            run, f"continuous-{which + 1}", x,
            f"Continuous code {which + 1} from -2 to 2, twice as far as it lies in training; {rows}.",
            f"{len(x)} rows; in each, the continuous code {which + 1} grows from left to right.",
        )  # fmt: skip


def _figure(run: Drawn, name: str, x: Tensor, caption: str, alt: str) -> Figure:
    grid = tile(run.source.natural(x.flatten(0, 1)).cpu(), x.shape[1])
    picture = Picture(encode_png(grid), ".png", grids.crisp(run))
    return Figure(f"traversal-{name}", "Parts of a code", f"{caption} Seed {grids.SEED}, none left out.", alt, picture)


TRAVERSALS_FIGURES = RunFigures("traversals", (Structured,), traversals, 120)
