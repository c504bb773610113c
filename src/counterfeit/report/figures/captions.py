"""Pictures of what a model makes of captions, and of what lies between two.

References:
    Generative Adversarial Text to Image Synthesis, Reed et al., 2016 (arXiv 1605.05396), figures 3 and 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from counterfeit.data.images import tile
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.data.sources.captioned_shapes import Composed
from counterfeit.data.tokenizer import caption
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.inference.latent import interpolate, lerp
from counterfeit.metrics.tasks.caption_attributes import Depicts
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.texts import in_rows

__all__ = ["captions"]

ROWS, SEARCHED, COLUMNS = 8, 1_000, 8  # captions shown, of so many; pictures of each
NEVER = "  (a pair that training never showed)"


def captions(run: Drawn) -> Iterator[Figure]:
    """Samples for held-out captions, and walks from one caption to another with all else kept."""
    y, notes = _chosen(run.source)
    texts = [caption(row, run.source.spec.vocabulary) for row in y]
    drawn = run.sample(COLUMNS * len(y), grids.SEED, y.repeat_interleave(COLUMNS, 0)).split(COLUMNS)
    said = [text + note for text, note in zip(texts, notes, strict=True)]
    yield _figure(
        run, "captions", "Samples for captions",
        f"{COLUMNS} samples for each of {len(y)} captions of the test split, in the order they were drawn.",
        said, drawn,
    )  # fmt: skip
    if len(y) < 2:
        return
    walks = [f"from {a} to {b}" for a, b in pairwise(texts)][::2]
    between = _between(run, y[:-1:2], y[1::2])
    yield _figure(
        run, "between-captions", "Between captions",
        "Samples for what lies on the straight line between the codes of two captions, with the same noise.", walks,
        between,
    )  # fmt: skip


def _chosen(source: Source) -> tuple[Tensor, list[str]]:
    """Captions of the test split, (ROWS, length), and a note on each; half of pairs never seen where there are such."""
    y = evenly_spaced(source.raw, "test", SEARCHED).labels
    if not isinstance(source.raw, Composed):
        return y[:ROWS], [""] * len(y[:ROWS])
    asked = source.raw.asked(y)
    whole, unseen = (asked >= 0).all(1), source.raw.unseen(asked)
    halves = [y[whole & ~unseen][: ROWS // 2], y[whole & unseen][: ROWS // 2]]
    return torch.cat(halves), [""] * len(halves[0]) + [NEVER] * len(halves[1])


def _between(run: Drawn, first: Tensor, second: Tensor) -> Sequence[Tensor]:
    model: Any = run.model  # whose codes follow captions
    codes = []
    for y in (first, second):
        with evaluating(model, grids.SEED):  # the same noise for both
            codes.append(model.prior(len(y), y.to(model.device)))
    with evaluating(model, grids.SEED):
        shown = interpolate(model, codes[0], codes[1], COLUMNS, lerp)
    return [run.source.natural(row).cpu() for row in shown]


def _figure(
    run: Drawn, name: str, section: str, words: str, texts: Sequence[str], rows: Sequence[Tensor]
) -> Figure:  # fmt: skip
    bands = [tile(row, len(row)) for row in rows]
    return Figure(name, section, words, f"{words} {'; '.join(texts)}.", *in_rows(run, texts, bands))


CAPTIONS_FIGURES = RunFigures("captions", (Depicts,), captions, 80)
