"""The figure of a model that foresees films: the true film above what was foreseen."""

from __future__ import annotations

import torch

from counterfeit.data.images import encode_png
from counterfeit.data.selection import spread
from counterfeit.inference.capabilities import foreseen
from counterfeit.report.figures import grids
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.run.run import Run

__all__ = ["predictions"]

FILMS = 5


def predictions(run: Run) -> Figure:
    """Films of the test split above what the model makes of their beginning."""
    films = spread(run.source, "test", FILMS).x
    found = foreseen(run.model, films, seed=grids.SEED)
    given, steps = found.given.shape[1], found.truth.shape[1]
    blank = torch.full_like(found.given, 0.5)  # gray: nothing is foreseen there
    rows = [*zip(films.to(found.model.device), torch.cat([blank, found.model], 1), strict=True)]
    pixels = grids.stacked([(above.cpu(), below.cpu()) for above, below in rows])
    return Figure(
        "predictions",
        "Films foreseen",
        f"Upper row of each pair: a film of the test split, evenly spaced through it. Lower row: the {steps} frames "
        f"that the model foresees from the first {given}, each from those before.",
        f"{len(films)} films, each above what was foreseen of it.",
        Picture(encode_png(pixels), ".png", crisp=True),
    )
