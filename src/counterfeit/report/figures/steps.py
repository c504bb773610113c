"""From noise to data: where points of the plane are after the steps of a draw, each in the color of where it began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from counterfeit.core import Stepwise
from counterfeit.inference.draws import Drawn, trajectory
from counterfeit.report.figures import points
from counterfeit.report.figures.animation import linspaced
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.plot import Theme, svg
from counterfeit.report.html.themed import themed
from counterfeit.run.run import Run

__all__ = ["steps"]

PANELS = 6  # at most
DOTS = 2_000
INCH = 1.9  # of a panel's side


def steps(x: Tensor, shown: Sequence[int], theme: Theme) -> bytes:
    """Points (N, steps, 2) after the steps `shown`, counted from 0, in colors by the angle at which they began."""
    return svg(_panels(x, shown, theme), theme, (INCH * len(shown), INCH + 0.25), len(shown))


def _panels(x: Tensor, shown: Sequence[int], theme: Theme) -> Callable[[Any], None]:
    from matplotlib.colors import hsv_to_rgb

    started = x[:, 0] - x[:, 0].mean(0)
    hues = torch.atan2(*started.T) / (2 * torch.pi) + 0.5
    colors = hsv_to_rgb(torch.stack([hues, torch.full_like(hues, 0.7), torch.full_like(hues, 0.8)], 1).numpy())

    def draw(axes: Any) -> None:
        for one, step in zip(axes, shown, strict=True):
            across, up = points.extent(x[:, step])
            one.scatter(*x[:, step].T.numpy(), s=2, color=colors, linewidths=0, rasterized=True)
            one.set(xlim=across, ylim=up, title=f"{step + 1} of {x.shape[1]}", xticks=[], yticks=[])
            one.spines[:].set(visible=True, color=theme.faint)
            one.set_box_aspect(1)

    return draw


def _drawn(run: Run) -> Iterator[Figure]:
    x = trajectory(run, DOTS, grids.SEED)
    shown = linspaced(x.shape[1], PANELS)
    caption = (
        f"{DOTS:,} samples on their way from noise to data, after {len(shown)} of {x.shape[1]} steps. Each has the "
        "color of the angle at which it began, and each panel a scale of its own."
    )
    yield themed("steps", "Samples", caption, partial(steps, x, shown))


def _plane(run: Drawn) -> bool:
    return run.source.raw.spec.shape == (2,) and isinstance(run.model, Stepwise) and run.model.sampling_steps > 1


STEP_FIGURES = RunFigures("steps", (Stepwise,), _drawn, 14, applies=_plane)
