"""The figure of filters: what each unit of a model looks for in a picture.

References:
    Training Products of Experts by Minimizing Contrastive Divergence, Hinton, 2002, figure 5.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from counterfeit.core import Filters, require
from counterfeit.data.images import tile
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.run.run import Run

__all__ = ["FILTERS", "shades"]

WIDTH = 700  # pixels of a row
ROWS = 8


def shades(filters: Tensor) -> Tensor:
    """Weights, (units, *shape), as pictures in [0, 1]: 0 is middle gray, the largest of each is black or white."""
    flat = filters.flatten(1)
    return (0.5 + 0.5 * flat / flat.abs().amax(1, keepdim=True).clamp(min=1e-12)).view_as(filters)


def draw(run: Run) -> Iterator[Figure]:
    """The filters of the units with the largest weights."""
    filters = require(run.model, Filters).filters().cpu()
    across = grids.columns(run, WIDTH)
    strongest = filters.flatten(1).norm(dim=1).argsort(descending=True)[: ROWS * across]
    caption = (
        f"Weights of {len(strongest)} of {len(filters)} hidden units, those with the largest first: a unit is likelier "
        "on where the picture is bright in its white parts and dark in its black ones; gray parts do not matter to it."
    )
    picture = grids.png(run, tile(shades(filters[strongest]), across))
    yield Figure("filters", "Filters", caption, f"Weights of {len(strongest)} hidden units.", picture)


FILTERS = RunFigures("filters", (Filters,), draw, 45)
