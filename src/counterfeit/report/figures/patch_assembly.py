"""Puzzles as a picture: the patches, where they are put, the image around them, and the true one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import Assembles
from counterfeit.data.images import tile
from counterfeit.data.selection import evenly_spaced
from counterfeit.inference.assembly import assemble
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.metrics.tasks.patch_assembly import puzzles
from counterfeit.nets.patches import covered
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.figures.completion import tinted
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.texts import in_rows
from counterfeit.run.run import Run

__all__ = ["assemblies"]

WIDTH = 700  # pixels of a row of images
DRAWS = 2


def assemblies(run: Drawn) -> Figure:
    """Test images as puzzles, one a column."""
    n = grids.columns(run, WIDTH)
    x = evenly_spaced(run.source, "test", n, grids.SEED, run.model.device).x
    with evaluating(run.model, grids.SEED):
        puzzle = puzzles(run.model, x, n)
    draws = [assemble(run.model, puzzle.patches, n, grids.SEED + i) for i in range(DRAWS)]
    size, shown = puzzle.patches.shape[-1], run.source.natural(x)
    found = draws[0][1]
    rows = [
        tinted(shown, covered(puzzle.corners, size, shown.shape[1:])), _pasted(run, puzzle.patches, found, shown),
        *(run.source.natural(images) for images, _ in draws), shown,
    ]  # fmt: skip
    names = [
        "patches where they are", "patches where the model puts them", *(f"draw {i + 1}" for i in range(DRAWS)),
        "the true image",
    ]  # fmt: skip
    words = (
        "Patches of test images where their edges are strongest; where the model, which is not told, puts them; and "
        "what it draws around them."
    )
    bands = [tile(row.expand(-1, 3, -1, -1).cpu(), n) for row in rows]
    alt = f"{n} columns; rows: {', '.join(names)}."
    return Figure("puzzles", "Puzzles", words, alt, *in_rows(run, names, bands))


def _pasted(run: Drawn, patches: Tensor, corners: Tensor, like: Tensor) -> Tensor:
    """Patches laid at `corners`, with blue where there are none, (N, 3, H, W)."""
    size, x = patches.shape[-1], torch.zeros_like(like)
    pieces = run.source.natural(patches.flatten(0, 1)).view_as(patches)
    for image, some, places in zip(x, pieces, corners.tolist(), strict=True):
        for piece, (row, column) in zip(some, places, strict=True):
            image[:, row : row + size, column : column + size] = piece
    return tinted(x, covered(corners, size, tuple(like.shape[1:])))


def _figures(run: Run) -> Iterator[Figure]:
    yield assemblies(run)


PATCH_ASSEMBLY_FIGURES = RunFigures("assemblies", (Assembles,), _figures, 30)
