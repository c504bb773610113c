"""The figures of a comparison: the same of each contestant, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from counterfeit.core import Decodes, Samples
from counterfeit.data.images import encode_png, tile
from counterfeit.evaluation.subject import Subject, Trained
from counterfeit.inference.draws import Drawn
from counterfeit.report.figures.codes import walks
from counterfeit.report.figures.samples import line, neighbours, plane, samples
from counterfeit.report.html import grids, plot
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.report.html.markup import join, tag
from counterfeit.report.html.themed import themed

__all__ = ["colors", "curves", "figures", "samples_of"]

WIDTH = 360  # pixels of a row of images
ROWS = 6
PAIRS = 2  # of codes


def figures(contestants: Mapping[str, Subject]) -> Iterator[Figure]:
    """Figures of every contestant that has them, in the order of a page."""
    shown: dict[str, Drawn] = {name: one.run.subject if one.run else one for name, one in contestants.items()}
    data = {one.source.raw.fingerprint: one for one in shown.values() if grids.has_images(one)}
    yield from map(_data, data.values())
    able = {name: one for name, one in shown.items() if isinstance(one.model, Samples)}
    seen = {name: one for name, one in able.items() if grids.has_images(one)}
    for name, one in able.items():
        yield from (_named(name, figure, figure.caption) for figure in samples_of(one))
    for name, one in seen.items():
        near = neighbours(one, WIDTH)
        yield _named(name, near, near.caption.partition(". ")[2])  # the rest is said once for all
    for name, one in seen.items():
        if isinstance(one.model, Decodes):
            yield _named(name, walks(one, WIDTH, PAIRS), "")
    yield from curves({name: one.run for name, one in contestants.items() if one.run})


def colors(names: list[str], theme: plot.Theme) -> dict[str, str]:
    """The color of each name in every plot of a page."""
    return {name: theme.curves[place % len(theme.curves)] for place, name in enumerate(names)}


def curves(runs: Mapping[str, Trained]) -> Iterator[Figure]:
    """A plot for every quantity that was logged, with a curve for each run that logged it; the commonest first."""
    found: dict[str, dict[str, plot.Series]] = {}
    for name, run in runs.items():
        for title, panel in plot.panels(run.events).items():
            for label, series in panel.items():
                found.setdefault(_quantity(title, label), {})[name] = series
    for quantity, panel in sorted(found.items(), key=lambda item: -len(item[1])):
        whose = "" if len(panel) == len(runs) else f" ({', '.join(panel)})"
        draw = partial(_draw, panel, list(runs))
        yield themed(f"curves-{quantity.replace('/', '-')}", "Training curves", f"{quantity}{whose}", draw)


def _quantity(title: str, label: str) -> str:
    if title.startswith("valid/"):
        return f"{label} on the validation split"
    names = {"loss": "loss" if label == "loss" else f"loss of {label}", plot.REST: label}
    return names.get(title, f"{title}: {label}")


def _draw(panel: Mapping[str, plot.Series], names: list[str], theme: plot.Theme) -> bytes:
    chosen = colors(names, theme)
    own = replace(theme, curves=tuple(chosen[name] for name in panel))
    return plot.curves(panel, None, own, legend=False)


def _data(one: Drawn) -> Figure:
    across = grids.columns(one, WIDTH)
    source = one.source.raw
    x = source.split("test").first(across * ROWS).x
    caption = join([tag("b", "Real data:"), f"the first {len(x)} test examples of {source.name}."], " ")
    picture = Picture(encode_png(tile(x, across)), ".png", grids.crisp(one))
    return Figure(f"data-{source.name}", "Samples", caption, f"Grid of {len(x)} test examples.", picture)


def samples_of(one: Drawn, rows: int = ROWS, rows_of_labels: bool = True) -> Iterator[Figure]:
    """A grid of samples where they are pictures, a plot where they are points."""
    shape = one.source.raw.spec.shape
    if grids.has_images(one):
        yield samples(one, WIDTH, rows, rows_of_labels)
    elif shape in ((1,), (2,)):
        yield from line(one) if shape == (1,) else plane(one)


def _named(name: str, figure: Figure, caption: str) -> Figure:
    return replace(figure, name=f"{name}-{figure.name}", caption=join([tag("b", name), caption], " "))
