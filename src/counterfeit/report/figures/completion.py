"""Completions as a picture: what was there, what was given, and what was drawn for the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Completes
from counterfeit.data.images import encode_png, tile
from counterfeit.data.selection import evenly_spaced
from counterfeit.inference.completion import complete
from counterfeit.inference.draws import Drawn
from counterfeit.nets.masks import KINDS, mask_of
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.run.run import Run

__all__ = ["board", "completions", "tinted"]

TINT = (0.22, 0.42, 0.72)  # of what is missing
EACH = 2  # images for each kind of mask
WIDTH = 700  # pixels of a row of images


def tinted(x: Tensor, mask: Tensor) -> Tensor:
    """Images `x`, (N, 1 or 3, H, W), in color and blue where `mask` is 0, (N, 3, H, W).

    Example:
        >>> tinted(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)).flatten()
        tensor([0.2200, 0.4200, 0.7200])
    """
    return torch.where(mask == 1, x, x.new_tensor(TINT).view(3, 1, 1))


def board(x: Tensor, mask: Tensor, draws: Tensor, truth: bool = True) -> np.ndarray:
    """A row for each image: itself where `truth` is known, with what is missing in blue, and its completions.

    Arguments:
        x: images in [0, 1], (N, 1 or 3, H, W).
        mask: 1 where they are known.
        draws: their completions, (N, n, C, H, W).
        truth: whether `x` holds what is missing.

    Returns:
        uint8 (height, width, 3).
    """
    columns = [*[x] * truth, tinted(x, mask), *draws.unbind(1)]
    rows = torch.stack([column.expand(-1, 3, -1, -1) for column in columns], 1)
    return tile(rows.flatten(0, 1), rows.shape[1])


def completions(run: Drawn) -> Figure:
    """Test images under every kind of mask, each beside several completions."""
    model, source, across = run.model, run.source, grids.columns(run, WIDTH)
    x = evenly_spaced(source, "test", EACH * len(KINDS), grids.SEED).x
    kinds = [KINDS[i // EACH % len(KINDS)] for i in range(len(x))]
    mask = torch.stack([mask_of(kind, source.spec.shape) for kind in kinds])
    draws = complete(model, x, mask, across - 2, len(x), grids.SEED).cpu()
    shown = source.natural(draws.transpose(0, 1).flatten(0, 1)).unflatten(0, (len(x), -1))
    return Figure(
        "completions",
        "Completions",
        "Test images; the same with what is missing in blue; and draws of what is missing given the rest (seed "
        f"{grids.SEED}), none left out.",
        f"{len(x)} rows: a test image, the same with a part missing, {across - 2} completions.",
        Picture(encode_png(board(source.natural(x), mask, shown)), ".png", grids.crisp(run)),
    )


def _figures(run: Run) -> Iterator[Figure]:
    yield completions(run)


COMPLETION_FIGURES = RunFigures("completions", (Completes,), _figures, 40)
