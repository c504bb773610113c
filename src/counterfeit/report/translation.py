"""Translations as pictures: what was given, what it became, what that becomes on the way back, and the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Batch
from counterfeit.data.hidden import Paired
from counterfeit.data.images import encode_png, tile
from counterfeit.evaluation import Subject
from counterfeit.metrics.metric import Evaluation
from counterfeit.metrics.sampling import load
from counterfeit.metrics.translation import everywhere, few, translate
from counterfeit.report import grids
from counterfeit.report.figure import Figure, Picture

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
    blank = (-len(before)) % columns
    rows = [torch.cat([x, x.new_full((blank, *x.shape[1:]), 0.5)]).unflatten(0, (-1, columns)) for x in (before, after)]
    return tile(torch.stack(rows, 1).flatten(0, 2), columns)


def translations(run: Subject) -> Iterator[Figure]:
    """Each domain taken to another and back; and examples taken to every domain, where there are more than two."""
    yield _cycles(run)
    if run.source.spec.classes > 2:
        yield _everywhere(run)


def _cycles(run: Subject) -> Figure:
    source, across = run.source, grids.columns(run, WIDTH)
    rounds = [translate(run.model, some, Evaluation()) for some in _examples(run, across)]
    bands, words = [], []
    for domain, found in enumerate(rounds):
        rows = [source.natural(t).cpu() for t in (found.x, found.there, found.back)]
        if isinstance(source.raw, Paired):
            rows.append(source.raw.truth(rows[0], found.y.cpu(), found.to.cpu()))
        bands.append(tuple(rows))
        words.append(f"{_name(run, domain)} to {', '.join(_name(run, to) for to in sorted({*found.to.tolist()}))}")
    truth = ", and the hidden truth" if isinstance(source.raw, Paired) else ""
    return Figure(
        "translations",
        "Translations",
        f"From above: {'; '.join(words)}. In each band: test examples, their translations, these taken back{truth}.",
        f"{len(bands)} bands of {len(bands[0])} rows: examples, their translations, the way back{truth}.",
        Picture(encode_png(grids.stacked(bands)), ".png", grids.crisp(run)),
    )


def _everywhere(run: Subject) -> Figure:
    source, across = run.source, grids.columns(run, WIDTH)
    x = few(source, "test", across).x
    rows = everywhere(run.model, x, min(ROWS, source.spec.classes))
    shown = source.natural(rows.flatten(0, 1)).cpu()
    names = ", ".join(_name(run, domain) for domain in range(len(rows) - 1))
    return Figure(
        "domains",
        "Translations",
        f"The first row: test examples. Below them: the same in the domains {names}.",
        f"{across} test examples above their translations to {len(rows) - 1} domains.",
        Picture(encode_png(tile(shown, across)), ".png", grids.crisp(run)),
    )


def _examples(run: Subject, each: int) -> list[Batch]:
    """The first test examples of each domain, `each` where there are so many."""
    x, y = load(run.source, "test", 64 * each * run.source.spec.classes, device=run.model.device)
    if y is None:
        raise ValueError(f"{run.source.name} has no labels; domains are expected. Choose data with labels.")
    chosen = [torch.where(y == domain)[0][:each] for domain in range(run.source.spec.classes)]
    return [Batch(x[places], y[places]) for places in chosen]


def _name(run: Subject, domain: int) -> str:
    names = run.source.class_names
    return str(names[domain]) if names else str(domain)
