"""Pictures changed by way of their codes: encoded, moved along a direction, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import UNREADABLE
from counterfeit.core import Decodes, Encodes, require
from counterfeit.data.images import tile
from counterfeit.data.selection import evenly_spaced
from counterfeit.inference.draws import evaluating
from counterfeit.inference.latent import class_means, move
from counterfeit.metrics.representation.linear_probe import FITTED
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.texts import in_rows
from counterfeit.run.run import Run

__all__ = ["board", "directions", "edit", "edits", "means", "read_direction"]

ROWS = 10  # examples, each of another class
LOOKED = 400  # test examples among which they are found
FARTHEST = 2  # times the way between two mean codes
WIDTH = 700  # pixels of a row of images


def means(run: Run) -> Tensor:
    """The mean code of each class, (classes, latent), over up to 5,000 training examples.

    Raises:
        ValueError: where the data have no labels.
    """
    batch, classes = evenly_spaced(run.source, "train", FITTED, grids.SEED), run.source.spec.classes
    if batch.y is None or not classes:
        raise ValueError(f"{run.source.name} has no labels; classes are expected. Give codes: --direction FILE.")
    return class_means(run.encode(batch.x), batch.y, classes)


def directions(run: Run, to: str, away: str | None = None) -> tuple[Tensor, int | None]:
    """The way from the mean code of the class `away`, or of all, to that of `to`, (latent,); and the number of `away`.

    Arguments:
        run: of a model that encodes, on data with labels.
        to: a class, by name or number.
        away: another.
    """
    end, start = run.source.label(to), None if away is None else run.source.label(away)
    found = means(run)
    return found[end] - (found.nanmean(0) if start is None else found[start]), start


def read_direction(path: str | Path, size: int) -> Tensor:
    """A direction in a .npy file: (size,), or the way from the first to the second code of (2, size)."""
    try:
        array = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is no array file ({reason}). Save a direction with `numpy.save`.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.shape not in {(size,), (2, size)}:
        came = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{path} holds {came}; numbers of shape ({size},) or (2, {size}) are expected. Convert it.")
    z = torch.from_numpy(np.asarray(array, np.float32))
    return z if z.ndim == 1 else z[1] - z[0]


def edit(run: Run, x: Tensor, direction: Tensor, amounts: Tensor) -> Tensor:
    """Each of the images `x`, (N, *shape), encoded, moved by the `amounts` of a direction, (T,), and decoded.

    Returns:
        Images in the data's natural unit, on the CPU, (N, T, *shape).
    """
    model = run.model
    with evaluating(model, grids.SEED):
        z = run.encode(x).to(model.device)
        y = move(require(model, Decodes), z, direction.to(z), amounts.to(z))
    return run.source.natural(y.flatten(0, 1)).cpu().unflatten(0, (len(x), len(amounts)))


def board(x: Tensor, changed: Tensor) -> np.ndarray:
    """A row for each of the images `x`, (N, C, H, W): itself, then what became of it, (N, T, C, H, W).

    Returns:
        uint8 pixels, as `tile` gives them.
    """
    return tile(torch.cat([x[:, None], changed], 1).flatten(0, 1), changed.shape[1] + 1)


def edits(run: Run) -> Figure:
    """A test example of each of several classes, moved to the class whose mean code is nearest to that of its own."""
    found, name = means(run), run.source.called
    near = torch.cdist(found, found).nan_to_num(torch.inf).fill_diagonal_(torch.inf).argmin(1)
    batch = evenly_spaced(run.source, "test", LOOKED, grids.SEED)
    y = batch.labels
    known = found.isfinite().all(1)  # a class may have no training example among those looked at
    chosen = [int((y == label).nonzero()[0]) for label in y.unique().tolist() if known[label]][:ROWS]
    x, away = batch.x[chosen], y[chosen]
    changed = edit(run, x, found[near[away]] - found[away], torch.linspace(0, FARTHEST, grids.columns(run, WIDTH) - 1))
    shown = run.source.natural(x)
    words = [f"{name(i)} to {name(j)}" for i, j in zip(away.tolist(), near[away].tolist(), strict=True)]
    return Figure(
        "edits",
        "Edits",
        "First column: test examples. Beside each its reconstruction, then what its code decodes to on the way from "
        f"the mean code of its class to the nearest of another, {FARTHEST:g} times as far.",
        f"{len(x)} rows; in each, an example of one class turns into another: {', '.join(words)}.",
        *in_rows(run, words, [board(*row) for row in zip(shown.split(1), changed.split(1), strict=True)]),
    )


def _figures(run: Run) -> Iterator[Figure]:
    if run.source.spec.classes:
        yield edits(run)


EDITS_FIGURES = RunFigures("edits", (Decodes, Encodes), _figures, 110)
