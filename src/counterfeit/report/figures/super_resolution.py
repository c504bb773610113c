"""The figure of a model that enlarges: small, bicubic, enlarged, truth."""

from __future__ import annotations

import torch

from counterfeit.data.images import encode_png, tile
from counterfeit.data.selection import spread
from counterfeit.inference.capabilities import enlarged
from counterfeit.report.figures import grids
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.run.run import Run

__all__ = ["enlargements"]


def enlargements(run: Run, width: int) -> Figure:
    """Test pictures in the pixels that the model was given, bicubic, enlarged by it, and true, a row each."""
    across = grids.columns(run, width)
    found = enlarged(run.model, spread(run.source, "test", across).x, seed=grids.SEED)
    pixels = tile(run.source.natural(torch.cat(found)).cpu(), across)
    return Figure(
        "enlargements",
        "Enlarged pictures",
        "Examples of the test split, evenly spaced through it. From above: made small, its pixels repeated; bicubic; "
        "enlarged by the model; the truth.",
        f"{across} test pictures in four rows: small, bicubic, by the model, true.",
        Picture(encode_png(pixels), ".png", grids.crisp(run)),
    )
