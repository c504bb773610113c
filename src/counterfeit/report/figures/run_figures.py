"""The figures of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from counterfeit.evaluation.measure import metric_of
from counterfeit.report.figures.animation import animation, frames, pictures
from counterfeit.report.figures.base import figures_of_models
from counterfeit.report.html import grids, plot
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.report.html.themed import themed
from counterfeit.run.run import Run

__all__ = ["figures"]


def figures(run: Run) -> list[Figure]:
    """Every figure that applies to the run, in the order of a report; the same every time."""
    return [*(figure for one in figures_of_models() for figure in one.of(run)), *_of_training(run)]


def _of_training(run: Run) -> Iterator[Figure]:
    if len(frames(run.path)) > 1:
        yield _training(run)
    for title, panel in plot.panels(run.events).items():
        yield _curves(title, panel)


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
