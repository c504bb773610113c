"""Figures of texts: lines that a model writes beside lines of the data, and paths between the codes of two lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from counterfeit.core import Decodes, Encodes, Samples, require
from counterfeit.data.images import encode_png
from counterfeit.data.labelled_images import written
from counterfeit.data.sources.text_lines import Text
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.inference.latent import interpolate, lerp
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids, plot
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.run.run import Run

__all__ = ["of_texts", "paths", "samples"]

LINES = 16  # of samples, and of data
PAIRS, STEPS = 3, 7  # of lines between which codes walk, and lines on each way


def of_texts(run: Drawn) -> bool:
    """Whether a run is one of texts."""
    return isinstance(run.source.raw, Text)


def _source(run: Drawn) -> Text:
    if not isinstance(run.source.raw, Text):
        raise ValueError(f"{run.source.name} came; texts are expected. Take a run of texts.")
    return run.source.raw


def samples(run: Drawn) -> Iterator[Figure]:
    """Lines that the model writes, and lines of the test split."""
    source = _source(run)
    drawn = source.decode(grids.samples(run, LINES))
    real = source.decode(source.split("test").first(LINES).x)
    yield _lines("samples", "Samples", f"{LINES} samples in the order they were drawn, none left out.", drawn)
    yield _lines("data", "Samples", f"The first {len(real)} lines of the test split.", real)


def paths(run: Run) -> Iterator[Figure]:
    """Lines on straight ways between the codes of two test lines."""
    source, model = _source(run), run.model
    x = source.split("test").first(2 * PAIRS).x
    with evaluating(model, 0):
        a, b = require(model, Encodes).encode(x.to(model.device)).chunk(2)
        ways = interpolate(require(model, Decodes), a, b, STEPS, lerp).cpu()
    starts, ends = (source.decode(some) for some in x.chunk(2))
    lines: list[str] = []
    for start, way, end in zip(starts, ways, ends, strict=True):
        lines += [f"from: {start}", *(f"    {line}" for line in source.decode(way)), f"to: {end}", ""]
    caption = (
        f"Straight ways between the codes of two test lines: {STEPS} codes at equal distances, both ends among them, "
        "each decoded to its likeliest line, token by token."
    )
    yield _lines("paths", "Codes", caption, lines[:-1])


def _lines(name: str, section: str, caption: str, lines: Sequence[str]) -> Figure:
    """Lines as a picture, for light and for dark pages."""
    light, dark = (Picture(encode_png(written(lines, theme.ink)), ".png") for theme in (plot.LIGHT, plot.DARK))
    return Figure(name, section, caption, "Lines: " + " / ".join(line.strip() for line in lines if line), light, dark)


TEXT_FIGURES = RunFigures("texts", (Samples,), samples, 10, applies=of_texts)
PATH_FIGURES = RunFigures("text paths", (Encodes, Decodes), paths, 20, applies=of_texts)
