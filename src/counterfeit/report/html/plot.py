"""Curves as vector graphics, for light and for dark pages."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

__all__ = ["DARK", "LIGHT", "REST", "Series", "Theme", "curves", "panels", "pixels", "svg", "thinned"]

NOT_CURVES = ("step", "seconds", "steps_per_second")
REST = "terms"  # title of what has neither a prefix nor `loss` in its name
POINTS = 400  # of a curve at most


@dataclass(frozen=True)
class Theme:
    """Colors of text, of lines of a grid, of curves, in order, and of the ground where there is one."""

    ink: str
    faint: str
    curves: tuple[str, ...]
    ground: str


LIGHT = Theme("#3d4450", "#dfe3e8", ("#2563c9", "#d1560f", "#0d8075", "#8a3ffc", "#a3690a", "#b3265e"), "#ffffff")
DARK = Theme("#b8c0cc", "#333a45", ("#7ab0ff", "#ff9d5c", "#4fd0c1", "#c5a3ff", "#e8c35a", "#ff8fb8"), "#131416")


class Series(NamedTuple):
    """Values at steps."""

    steps: list[float]
    values: list[float]


def panels(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Series]]:
    """Sort what was logged into panels: title -> label -> series.

    What ends in `loss` comes first and together; other keys with the same prefix are together; every validation metric
    has its own panel, at the end. Values that were not finite are passed over.

    Example:
        >>> panels([{"step": 1, "a/loss": 3.0, "b/loss": 2.0, "b/x": 1.0, "valid/m": 0.5}])["loss"]["b"].values
        [2.0]
    """
    found: dict[str, dict[str, Series]] = {"loss": {}}
    for event in events:
        for key, value in event.items():
            if key not in NOT_CURVES and not key.startswith("doctor/") and isinstance(value, (int, float)):
                title, label = _place(key)
                series = found.setdefault(title, {}).setdefault(label, Series([], []))
                series.steps.append(event["step"])
                series.values.append(value)
    titles = sorted(found, key=lambda title: title.startswith("valid/"))
    return {title: found[title] for title in titles if found[title]}


def _place(key: str) -> tuple[str, str]:
    prefix, _, last = key.rpartition("/")
    if prefix == "valid":
        return key, last
    return ("loss", prefix or "loss") if last == "loss" else (prefix or REST, last)


def thinned(series: Series, points: int = POINTS) -> Series:
    """At most `points` points, each the mean of consecutive ones.

    Example:
        >>> thinned(Series([1, 2, 3, 4], [0.0, 2.0, 4.0, 6.0]), points=2)
        Series(steps=[1.5, 3.5], values=[1.0, 5.0])
    """
    size = math.ceil(len(series.steps) / points)
    if size <= 1:
        return series
    starts = range(0, len(series.steps), size)
    steps, values = ([_mean(column[i : i + size]) for i in starts] for column in series)
    return Series(steps, values)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def curves(
    panel: Mapping[str, Series], best: Callable[[Sequence[float]], float] | None, theme: Theme, legend: bool = True
) -> bytes:
    """The series of one panel over steps; of a single one, the value that `best` chooses is marked."""

    def draw(axes: Any) -> None:
        for color, (label, series) in zip(cycle(theme.curves), panel.items(), strict=False):
            steps, values = series if best else thinned(series)
            axes.plot(steps, values, color=color, label=label, linewidth=1.6, marker="." if len(steps) < 3 else None)
        if legend and len(panel) > 1:
            axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, borderaxespad=0.2)
        axes.set_xlabel("step")
        axes.set_xlim(left=0)
        if best:
            _mark(axes, next(iter(panel.values())), best, theme)

    return svg(draw, theme)


def _mark(axes: Any, series: Series, best: Callable[[Sequence[float]], float], theme: Theme) -> None:
    value = best(series.values)
    step = series.steps[series.values.index(value)]
    axes.plot([step], [value], "o", color=theme.curves[1], markersize=6)
    axes.set_title(f"best {value:.5g} at step {step:,.0f}".replace("-", "−"), loc="right", color=theme.curves[1])


def svg(
    draw: Callable[[Any], None], theme: Theme, size: tuple[float, float] = (3.8, 2.5), columns: int = 1, rows: int = 1
) -> bytes:
    """What `draw` draws on matplotlib axes of `size` inches, without a ground; the same bytes every time.

    With several `columns`, or several `rows` of them, `draw` is handed an array of axes.
    """
    buffer = io.BytesIO()
    with _drawn(draw, theme, size, columns, rows) as figure:
        figure.savefig(buffer, format="svg", transparent=True, dpi=200, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def pixels(
    draw: Callable[[Any], None], theme: Theme, size: tuple[float, float] = (3.8, 2.5), columns: int = 1, rows: int = 1
) -> np.ndarray:
    """The same as pixels on the ground of the theme, uint8 (H, W, 3)."""
    buffer = io.BytesIO()
    with _drawn(draw, theme, size, columns, rows) as figure:
        figure.savefig(buffer, format="png", facecolor=theme.ground, dpi=144)
    return np.asarray(Image.open(buffer).convert("RGB"))


@contextmanager
def _drawn(
    draw: Callable[[Any], None], theme: Theme, size: tuple[float, float], columns: int, rows: int = 1
) -> Iterator[Any]:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with matplotlib.rc_context(_style(theme)), warnings.catch_warnings():
        # a busy machine takes a second for a legend, and matplotlib says so whatever else takes it
        warnings.filterwarnings("ignore", "Creating legend with loc")
        figure = Figure(size, layout="constrained")
        axes = figure.subplots(rows, columns)
        for one in np.ravel(axes):
            one.xaxis.set_major_locator(MaxNLocator(5))
            one.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.6g}".replace("-", "−")))
        draw(axes)
        yield figure


def _style(theme: Theme) -> Any:
    inked = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor")
    return {
        **dict.fromkeys(inked, theme.ink),
        "axes.edgecolor": theme.faint, "grid.color": theme.faint, "axes.grid": True, "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9,
        "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "counterfeit", "legend.fontsize": 9,
    }  # fmt: skip
