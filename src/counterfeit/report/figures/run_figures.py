"""The figures of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch

from counterfeit.core import (
    Assembles,
    Completes,
    Decodes,
    Encodes,
    Enlarges,
    Predicts,
    Samples,
    Structured,
    Translates,
    labels_of,
)
from counterfeit.data.conditions import arranged
from counterfeit.data.images import encode_png, tile
from counterfeit.evaluation.measure import metric_of
from counterfeit.inference.draws import Subject
from counterfeit.metrics.tasks.caption_attributes import Depicts
from counterfeit.report.figures import (
    captions,
    completion,
    edits,
    grids,
    patch_assembly,
    points,
    super_resolution,
    translation,
    traversals,
    video_prediction,
)
from counterfeit.report.figures.animation import animation, frames, pictures
from counterfeit.report.figures.label_rows import named
from counterfeit.report.figures.texts import labelled
from counterfeit.report.html import plot
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.run.run import Run

__all__ = ["figures", "line", "neighbours", "plane", "samples", "themed", "walks"]

WIDTH = 700  # pixels of a row of images
PAIRS = 4  # of codes, between which the third figure walks
POINTS = 10_000  # drawn from the model and taken from the data, where they are points
DOTS = 3_000  # of these in a scatter


def figures(run: Run) -> list[Figure]:
    """Every figure that applies to the run, in the order of a report; the same every time."""
    return [*_of_model(run), *_of_training(run)]


def _of_model(run: Run) -> Iterator[Figure]:
    model, shape = run.model, run.source.raw.spec.shape
    if isinstance(model, Samples) and shape in ((1,), (2,)):
        yield from line(run) if shape == (1,) else plane(run)
    if isinstance(model, Predicts):
        yield video_prediction.predictions(run)
    if not grids.has_images(run):
        return
    if isinstance(model, Assembles):
        yield patch_assembly.assemblies(run)
    if isinstance(model, Completes):
        yield completion.completions(run)
    if isinstance(model, Enlarges):
        yield super_resolution.enlargements(run, WIDTH)
    if isinstance(model, Translates):
        yield from translation.translations(run)
    if isinstance(model, Samples):
        yield samples(run)
        yield neighbours(run)
    if isinstance(model, Depicts):
        yield from captions.captions(run)
    yield from _of_codes(run)


def _of_codes(run: Run) -> Iterator[Figure]:
    model = run.model
    if isinstance(model, Decodes):
        yield walks(run)
    if isinstance(model, Decodes) and isinstance(model, Encodes):
        yield _reconstructions(run)
        if run.source.spec.classes:
            yield edits.edits(run)
    if isinstance(model, Structured):
        yield from traversals.traversals(run)


def _of_training(run: Run) -> Iterator[Figure]:
    if len(frames(run.path)) > 1:
        yield _training(run)
    for title, panel in plot.panels(run.events).items():
        yield _curves(title, panel)


def samples(run: Subject, width: int = WIDTH, rows: int | None = None) -> Figure:
    """A grid of samples, about `width` pixels wide, half as high where no number of `rows` is given."""
    across = grids.columns(run, width)
    if labels_of(run.model) > 1:
        return _by_label(run, across)
    x = grids.samples(run, across * (rows or max(4, across // 2)))
    drawn = torch.equal(run.sample(2, mean=True), run.sample(2))
    what = "samples" if drawn else "means of p(x | z) for codes z from the prior,"
    caption = f"{len(x)} {what} in the order they were drawn (seed {grids.SEED}), none left out."
    return Figure("samples", "Samples", caption, f"Grid of {len(x)} samples.", _png(run, tile(x, across)))


def _by_label(run: Subject, across: int) -> Figure:
    """A row of samples of each label."""
    y = arranged(across * min(labels_of(run.model), across), labels_of(run.model))
    texts = [named(run, int(row[0])) for row in y]
    bands = [tile(row, len(row)) for row in run.sample(y.numel(), grids.SEED, y.flatten()).split(y.shape[1])]
    light, dark = (
        Picture(labelled(texts, bands, theme.ink), ".png", grids.crisp(run)) for theme in (plot.LIGHT, plot.DARK)
    )
    caption = f"{y.shape[1]} samples of each label in the order they were drawn (seed {grids.SEED}), none left out."
    return Figure("samples", "Samples", caption, f"Samples of {', '.join(texts)}.", light, dark)


def neighbours(run: Subject, width: int = WIDTH) -> Figure:
    """Samples, each row's last beside the training example nearest to it, about `width` pixels wide."""
    across = grids.columns(run, width) - 1
    rows = max(3, across // 2)
    x = grids.samples(run, across * rows).unflatten(0, (rows, across))
    near, distances = grids.neighbours(run, x[:, -1])
    return Figure(
        "figure2",
        "Nearest training examples",
        "As figure 2 of the founding paper: the framed column shows the training example nearest in pixels to the "
        f"sample on its left. They lie {distances.min():.3g} to {distances.max():.3g} apart (Euclidean distance); at 0 "
        "a sample would be a copy.",
        f"{rows} rows of samples; a framed last column shows the training example nearest to the sample before it.",
        _png(run, grids.framed(x, near)),
    )


def walks(run: Subject, width: int = WIDTH, n: int = PAIRS) -> Figure:
    """Walks between `n` pairs of codes, about `width` pixels wide."""
    pairs = zip(*grids.walks(run, n, grids.columns(run, width)), strict=True)
    return Figure(
        "figure3",
        "Interpolation between codes",
        "As figure 3 of the founding paper: what the codes z between two drawn ones decode to. Upper row of each pair: "
        "on the straight line. Lower row: on the great circle, along which Gaussian codes keep a likely length.",
        f"{n} pairs of rows, in each of which one sample turns into another.",
        _png(run, grids.stacked(list(pairs))),
    )


def _reconstructions(run: Run) -> Figure:
    across = grids.columns(run, WIDTH)
    x, again = grids.reconstructions(run, 2 * across)
    return Figure(
        "reconstructions",
        "Reconstructions",
        "Upper row of each pair: examples of the test split, as the model sees them. Lower row: what their codes "
        "decode to.",
        f"{len(x)} test examples, each above its reconstruction.",
        _png(run, grids.stacked(list(zip(x.split(across), again.split(across), strict=True)))),
    )


def line(run: Subject) -> Iterator[Figure]:
    """Samples on the line."""
    source = run.source.raw
    data, x = source.split("test").first(POINTS).x, grids.samples(run, POINTS)
    known = "data" if points.density(source, x[:1]) is None else "true density"
    caption = f"Histogram of {len(x):,} samples and the {known}."
    yield themed("samples", "Samples", caption, partial(points.line, source, data, x))


def plane(run: Subject) -> Iterator[Figure]:
    """Test examples and samples in the plane."""
    source = run.source.raw
    data, x = source.split("test").first(DOTS).x, grids.samples(run, POINTS)[:DOTS]
    within = points.extent(data, x)
    truth = points.surface(source, within)
    lines = "" if truth is None else "; lines: true density at 2, 20 and 60 % of its peak"
    for color, (name, some, what) in enumerate((("data", data, "test examples"), ("samples", x, "samples"))):
        draw = partial(points.plane, truth, some, within, color)
        yield themed(name, "Samples", f"{len(some):,} {what}{lines}.", draw)


def _training(run: Run) -> Figure:
    shown = frames(run.path)
    made = pictures(shown)
    return Figure(
        "training",
        "Training",
        f"The same codes, from step {shown[0].step:,} to {shown[-1].step:,}; the bar below fills as training proceeds.",
        "Samples while the model was trained.",
        Picture(animation(made), ".webp", grids.crisp(run)),
        still=Picture(animation(made[-1:]), ".webp", grids.crisp(run)),
    )


def _curves(title: str, panel: Mapping[str, plot.Series]) -> Figure:
    caption = ", ".join(panel) if title in (*panel, plot.REST) else f"{title}: {', '.join(panel)}"
    if title.startswith("valid/"):
        caption = f"{title[6:]} on the validation split"
    draw = partial(plot.curves, panel, _chooser(title))
    return themed(f"curves-{title.replace('/', '-')}", "Curves", caption, draw)


def _chooser(title: str) -> Callable[[Sequence[float]], float] | None:
    """What finds the best value of a validation metric; None for what is no metric, or has no better direction."""
    metric = metric_of(title[6:]) if title.startswith("valid/") else None
    choosers: dict[str | None, Callable[[Sequence[float]], float]] = {"higher": max, "lower": min}
    return choosers.get(metric.better) if metric else None


def themed(name: str, section: str, caption: str, draw: Callable[[plot.Theme], bytes]) -> Figure:
    """A plot, drawn for light and for dark pages."""
    light, dark = (Picture(draw(theme), ".svg") for theme in (plot.LIGHT, plot.DARK))
    return Figure(name, section, caption, f"Plot: {caption}", light, dark)


def _png(run: Subject, pixels: np.ndarray) -> Picture:
    return Picture(encode_png(pixels), ".png", grids.crisp(run))
