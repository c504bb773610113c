"""Translations as pictures: what was given, what it became, what that becomes on the way back, and the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Translates
from counterfeit.data.images import tile
from counterfeit.data.sources.unpaired_digits import Paired
from counterfeit.inference.draws import Drawn
from counterfeit.inference.translation import everywhere, few
from counterfeit.metrics.tasks.translation import there_and_back
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.texts import in_rows

__all__ = ["beside", "translations"]

WIDTH = 700  # pixels of a row of images
ROWS = 8  # of domains at most in the figure of all of them


def beside(before: Tensor, after: Tensor, columns: int = 12) -> np.ndarray:
    """Rows of images, (N, C, H, W), each above the row of what they became, (N, C, H', W').

    Returns:
        uint8 (height, width) if gray, (height, width, 3) if color.

    Example:
        >>> beside(torch.zeros(5, 1, 28, 28), torch.zeros(5, 1, 28, 28), columns=3).shape
        (234, 176)
    """
    factor = after.shape[-1] // before.shape[-1]
    before = before.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    columns = min(columns, len(before))
    full = len(before) + (-len(before)) % columns
    rows = [grids.padded(x, full).unflatten(0, (-1, columns)) for x in (before, after)]
    return tile(torch.stack(rows, 1).flatten(0, 2), columns)


def translations(run: Drawn) -> Iterator[Figure]:
    """Each domain taken to another and back; and examples taken to every domain, where there are more than two."""
    yield _cycles(run)
    if run.source.spec.classes > 2:
        yield _everywhere(run)


def _cycles(run: Drawn) -> Figure:
    source, across = run.source, grids.columns(run, WIDTH)
    rounds = [there_and_back(run.model, some, Evaluation()) for some in _examples(run, across)]
    bands, words = [], []
    for found in rounds:
        rows = [source.natural(t).cpu() for t in (found.x, found.there, found.back)]
        if isinstance(source.raw, Paired):
            rows.append(source.raw.truth(rows[0], found.y.cpu(), found.to.cpu()))
        bands.append(tile(torch.cat(rows), len(found.x)))
        others = ", ".join(source.called(to) for to in sorted({*found.to.tolist()}))
        words.append(f"{source.called(int(found.y[0]))} to {others}")
    truth = ", and the hidden truth" if isinstance(source.raw, Paired) else ""
    return Figure(
        "translations",
        "Translations",
        f"In each band, from above: test examples, their translations, these taken back{truth}.",
        f"{len(bands)} bands, {'; '.join(words)}: examples, their translations, the way back{truth}.",
        *in_rows(run, words, bands),
    )


def _everywhere(run: Drawn) -> Figure:
    source, across = run.source, grids.columns(run, WIDTH)
    x = few(source, "test", across).x
    rows = everywhere(run.model, x, min(ROWS, source.spec.classes))
    names = ["test examples", *(f"to {source.called(domain)}" for domain in range(len(rows) - 1))]
    return Figure(
        "domains",
        "Translations",
        "Test examples, and below them the same in every domain.",
        f"{len(x)} columns; rows: {', '.join(names)}.",
        *in_rows(run, names, [tile(source.natural(row).cpu(), len(x)) for row in rows]),
    )


def _examples(run: Drawn, each: int) -> list[Batch]:
    """Test examples of each domain that has some, `each` where there are so many, evenly spaced."""
    batch = few(run.source, "test", each * run.source.spec.classes)
    x, y = batch.x.to(run.model.device), batch.labels.to(run.model.device)
    return [Batch(x[y == domain][:each], y[y == domain][:each]) for domain in y.unique().tolist()]


TRANSLATION_FIGURES = RunFigures("translations", (Translates,), translations, 60)
