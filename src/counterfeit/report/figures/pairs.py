"""Samples of a table against its data, pair of values by pair of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from counterfeit.core import Samples
from counterfeit.inference.draws import Drawn
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.figures.points import extent
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.plot import LIGHT, Theme, pixels, svg
from counterfeit.report.html.themed import themed
from counterfeit.run.run import Run

__all__ = ["named_values", "pairs", "plotted_pairs"]

SHOWN = 5  # values at most, since each is drawn against each
DOTS = 1_500  # examples, and samples, in a scatter
ENOUGH = 500  # test examples, without which training examples are shown
INCH = 1.5  # of a side of a scatter


def pairs(names: Sequence[str], data: Tensor, samples: Tensor, theme: Theme) -> bytes:
    """Scatters of each value against each: data, (N, D), below the diagonal and samples, (M, D), above; histograms."""
    side = INCH * len(names)
    return svg(_scatters(names, data, samples, theme), theme, (side, side), len(names), len(names))


def plotted_pairs(x: Tensor, names: Sequence[str] = ()) -> np.ndarray:
    """Examples, (N, D), each of the first values against each: uint8 (H, W, 3)."""
    shown = named_values(names, x.shape[1])
    side = INCH * len(shown)
    draw = _scatters(shown, x[:DOTS, :SHOWN], x[:DOTS, :SHOWN], LIGHT)
    return pixels(draw, LIGHT, (side, side), len(shown), len(shown))


def named_values(names: Sequence[str], dims: int) -> list[str]:
    """Names of the values that are shown."""
    return [*names][:SHOWN] or [f"x{i + 1}" for i in range(min(dims, SHOWN))]


def _scatters(names: Sequence[str], data: Tensor, samples: Tensor, theme: Theme) -> Callable[[Any], None]:
    count, within = len(names), extent(data, samples)

    def draw(axes: Any) -> None:
        blue, orange = theme.curves[:2]
        for i in range(count):
            for j in range(count):
                one = axes[i, j]
                if i == j:
                    for x, color in ((data, blue), (samples, orange)):
                        one.hist(x[:, i].numpy(), 40, range=within[i], density=True, color=color, histtype="step")
                    one.set(xlim=within[i], yticks=[])
                else:
                    x, color = (data, blue) if i > j else (samples, orange)
                    one.scatter(
                        x[:, j].numpy(), x[:, i].numpy(), s=2, color=color, alpha=0.4, linewidths=0, rasterized=True
                    )
                    one.set(xlim=within[j], ylim=within[i])
                one.tick_params(labelbottom=i == count - 1, labelleft=j == 0 and i != j)
                one.set(xlabel=names[j] if i == count - 1 else "", ylabel=names[i] if j == 0 else "")

    return draw


def _drawn(run: Run) -> Iterator[Figure]:
    source = run.source.raw
    split = "test" if source.sizes["test"] >= ENOUGH else "train"
    data, x = source.split(split).first(DOTS).x, grids.samples(run, DOTS)
    dims = source.spec.dims
    names = named_values(source.value_names, dims)
    some = f", the first {SHOWN} of {dims} values" if dims > SHOWN else ""
    caption = (
        f"Every value against every other{some}: below the diagonal {len(data):,} examples of {split}, above it "
        f"{len(x):,} samples; on it histograms of both."
    )
    yield themed("pairs", "Samples", caption, partial(pairs, names, data[:, :SHOWN], x[:, :SHOWN]))


def _several(run: Drawn) -> bool:
    spec = run.source.raw.spec
    return len(spec.shape) == 1 and spec.dims > 2 and spec.kind != "tokens"


PAIR_FIGURES = RunFigures("pairs", (Samples,), _drawn, 10, applies=_several)
