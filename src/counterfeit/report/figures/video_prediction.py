"""The figure of a model that predicts videos: the true video above what was predicted."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from counterfeit.core import Predicts
from counterfeit.data.images import encode_png
from counterfeit.data.selection import evenly_spaced
from counterfeit.inference.prediction import predicted
from counterfeit.report.figures.base import RunFigures, always
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.run.run import Run

__all__ = ["predictions"]

VIDEOS = 5


def predictions(run: Run) -> Figure:
    """Videos of the test split above what the model makes of their beginning."""
    videos = evenly_spaced(run.source, "test", VIDEOS)
    found = predicted(run.model, videos, seed=grids.SEED)
    given, steps = found.given.shape[1], found.truth.shape[1]
    blank = torch.full_like(found.given, 0.5)  # gray: nothing is predicted there
    rows = [*zip(videos.x.to(found.model.device), torch.cat([blank, found.model], 1), strict=True)]
    pixels = grids.stacked([(above.cpu(), below.cpu()) for above, below in rows])
    return Figure(
        "predictions",
        "Predicted videos",
        f"Upper row of each pair: a video of the test split, evenly spaced through it. Lower row: the {steps} frames "
        f"that the model predicts from the first {given}, each from those before."
        + (" Both go on by the same actions." if run.source.spec.actions else ""),
        f"{len(videos.x)} videos, each above what was predicted of it.",
        Picture(encode_png(pixels), ".png", crisp=True),
    )


def _figures(run: Run) -> Iterator[Figure]:
    yield predictions(run)


VIDEO_PREDICTION_FIGURES = RunFigures("predictions", (Predicts,), _figures, 20, applies=always)
