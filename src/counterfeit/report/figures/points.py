"""Samples of points against the data: a density on the line, a scatter in the plane; densities that models know."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Density, require
from counterfeit.data.source import Source
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.report.html import grids
from counterfeit.report.html.plot import LIGHT, Theme, pixels, svg

__all__ = ["density", "extent", "heat", "learned", "line", "plane", "plotted", "surface"]

MARGIN = 0.08
CELLS = 300  # a side, in which a density is computed
LEVELS = (0.02, 0.2, 0.6)  # of its peak, at which lines are drawn
AT_ONCE = 10_000  # points of the grid


def extent(*points: Tensor) -> list[tuple[float, float]]:
    """The range of each coordinate that nearly all of `points`, (N, D) each, lie in, with a margin."""
    ends = [torch.stack([p.quantile(0.001, 0), p.quantile(0.999, 0)]) for p in points]
    low, high = torch.stack([e[0] for e in ends]).amin(0), torch.stack([e[1] for e in ends]).amax(0)
    room = torch.maximum(MARGIN * (high - low), 1e-3 * high.abs().clamp(min=1e-3))
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))


def density(source: Source, x: Tensor) -> Tensor | None:
    """The true density at `x`, (N, D), where the source knows it, (N,)."""
    return source.log_prob(x).exp() if isinstance(source, Density) else None


def line(source: Source, data: Tensor, samples: Tensor, theme: Theme) -> bytes:
    """Histogram of `samples`, (N, 1), below the true density, or that of `data` where it is not known."""
    low, high = extent(data, samples)[0]
    bins = torch.linspace(low, high, 81).tolist()
    x = torch.linspace(low, high, 400)
    truth = density(source, x[:, None])

    def draw(axes: Any) -> None:
        blue, orange = theme.curves[:2]
        axes.hist(samples[:, 0].numpy(), bins, density=True, color=orange, alpha=0.55, label="samples")
        if truth is None:
            axes.hist(data[:, 0].numpy(), bins, density=True, color=blue, histtype="step", label="data")
        else:
            axes.plot(x.numpy(), truth.numpy(), color=blue, linewidth=2, label="true density")
        axes.set(xlim=(low, high), xlabel="x", ylabel="density")
        axes.legend(frameon=False, handlelength=1.2)

    return svg(draw, theme, (5.4, 3.0))


def plane(truth: Tensor | None, points: Tensor, within: list[tuple[float, float]], color: int, theme: Theme) -> bytes:
    """`points`, (N, 2), in the `color` of that number, with lines of the density `truth` where it is known."""
    across, up = within

    def draw(axes: Any) -> None:
        _outline(axes, truth, within, theme)
        xs, ys = points.T.numpy()
        axes.scatter(xs, ys, s=3, color=theme.curves[color], alpha=0.5, linewidths=0, rasterized=True)
        axes.set(xlim=across, ylim=up, aspect="equal")

    return svg(draw, theme, (3.8, 3.8))


def _outline(axes: Any, truth: Tensor | None, within: list[tuple[float, float]], theme: Theme) -> None:
    """Lines of a density on the grid of `surface`, where it is known, at 2, 20 and 60 % of its peak."""
    if truth is not None and (peak := truth.max().item()) > 0:  # 0 where all of it lies between the cells
        levels, sides = [part * peak for part in LEVELS], [torch.linspace(*ends, CELLS).numpy() for ends in within]
        axes.contour(*sides, truth.T.numpy(), levels, colors=theme.ink, linewidths=0.6)


def heat(truth: Tensor | None, found: Tensor, within: list[tuple[float, float]], theme: Theme) -> bytes:
    """A density `found` on the grid of `surface`, stronger in color where higher, with lines of the density `truth`."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("density", [theme.ground, theme.curves[1]])

    def draw(axes: Any) -> None:
        ends, most = [end for pair in within for end in pair], max(float(found.max()), 1e-30)
        axes.imshow(found.T.numpy(), origin="lower", extent=ends, cmap=shades, vmin=0, vmax=most, aspect="equal")
        _outline(axes, truth, within, theme)
        axes.grid(visible=False)
        axes.set(xlim=within[0], ylim=within[1])

    return svg(draw, theme, (3.8, 3.8))


def plotted(x: Tensor) -> np.ndarray:
    """Points (N, 1) as a histogram, or (N, 2) as a scatter, with axes: uint8 (H, W, 3)."""
    within = extent(x)

    def draw(axes: Any) -> None:
        if x.shape[1] == 1:
            axes.hist(x[:, 0].numpy(), 61, range=within[0], density=True, color=LIGHT.curves[0])
            axes.set(xlim=within[0], xlabel="x", ylabel="density")
            return
        size = 24 if len(x) <= 200 else 6
        axes.scatter(*x.T.numpy(), s=size, color=LIGHT.curves[0], alpha=0.6, linewidths=0)
        axes.set(xlim=within[0], ylim=within[1], aspect="equal", xlabel="x", ylabel="y")

    return pixels(draw, LIGHT, (4.6, 4.6) if x.shape[1] == 2 else (5.4, 3.0))


def surface(source: Source, within: list[tuple[float, float]]) -> Tensor | None:
    """The true density on a grid over a part of the plane, where the source knows it, (300, 300), x first."""
    truth = density(source, _raster(within))
    return None if truth is None else truth.view(CELLS, CELLS)


def learned(subject: Drawn, within: list[tuple[float, float]]) -> Tensor:
    """A model's density, in the unit of the data, on the grid of `surface`, (300, 300); 0 where it is no number."""
    model, source = require(subject.model, Density), subject.source
    found = []
    with evaluating(subject.model, grids.SEED):
        for part in _raster(within).split(AT_ONCE):
            x = source.transform(part.to(subject.model.device))
            found.append(model.log_prob(x) + source.log_det(x))
    return torch.cat(found).exp().nan_to_num(0.0, 0.0, 0.0).view(CELLS, CELLS).cpu()


def _raster(within: list[tuple[float, float]]) -> Tensor:
    """The points of the grid, (300 * 300, 2)."""
    return torch.cartesian_prod(*(torch.linspace(*ends, CELLS) for ends in within))
