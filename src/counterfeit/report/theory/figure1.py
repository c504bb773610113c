"""Figure 1 of the founding paper as an animation of a training run.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), figure 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from counterfeit.report.figures.animation import animation, linspaced
from counterfeit.report.html import plot
from counterfeit.report.html.figure import Figure, Picture
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.report.theory.traced import CENTERS, CODES, PROTOCOL, Moment, data, traced
from counterfeit.theory.information import Unit, jsd

__all__ = ["lesson"]

FRAMES, LIMIT = 32, 500_000  # bytes
SIZE = (4.5, 3.6)  # inches
STILLS = (0, 100, 300, 2_000)  # steps
ARROWS = 25
RANGE, STRETCH = 4.0, 2.1  # of x; of z, to the width of the picture
TOP = 1.12  # at which a density leaves the picture
X_LINE, Z_LINE = -0.16, -0.62  # heights of the axes of x and z below the densities
SHOWN = torch.nonzero(CENTERS.abs() < RANGE)[::4, 0]  # of the cells


def lesson(unit: Unit, seed: int) -> Lesson:
    """Data, samples, discriminator, and where the generator carries the noise, while both learn."""
    trace = traced(seed)
    first, last = trace[0], trace[-1]
    findings = (
        informed(unit, "JSD before training, against its largest, log 2", _jsd(first), math.log(2), 0.1),
        informed(unit, "JSD after training", _jsd(last), 0.02, relation="<="),
        Evidence("D(x) after training, in the mean over the data", _mean_d(last), 0.5, 0.05),
        Evidence("mean |D(x) - 1/2| after training, over the data", _mean_d(last, away=True), 0.0, 0.1),
    )
    moving = _animation(trace)
    return Lesson(findings, (moving, _stills(trace)), f"{PROTOCOL}; seed {seed}")


CAPTION = (
    "p_data (blue), the generator's density p_g (orange) and the discriminator D (green, dashed). Each arrow carries "
    "an equal share of the noise z to x = G(z): p_g is high where arrows crowd."
)


def _jsd(moment: Moment) -> float:
    return float(jsd(data(), moment.mass))


def _mean_d(moment: Moment, away: bool = False) -> float:
    d = moment.logits.sigmoid()
    return float((data() * ((d - 0.5).abs() if away else d)).sum())


def _animation(trace: Sequence[Moment]) -> Figure:
    # early steps change most: half of the frames show the first fifth of training
    early = trace[: len(trace) // 5]
    late = trace[len(trace) // 5 :]
    shown = [early[i] for i in linspaced(len(early), FRAMES // 2)] + [
        late[i] for i in linspaced(len(late), FRAMES // 2)
    ]

    def moving(theme: Theme) -> Picture:
        return Picture(animation([plot.pixels(partial(_frame, m, theme), theme, SIZE) for m in shown], LIMIT), ".webp")

    light, dark = moving(plot.LIGHT), moving(plot.DARK)
    alt = "Animation of p_data, p_g, D and the map from z to x while adversarial nets are trained."
    return Figure("figure1", "Theory", CAPTION, alt, light, dark)


def _stills(trace: Sequence[Moment]) -> Figure:
    chosen = [moment for moment in trace if moment.step in STILLS]

    def draw(theme: Theme, axes: Any) -> None:
        for one, moment in zip(axes, chosen, strict=True):
            _scene(moment, theme, one, ARROWS // 2 + 1)
        _names(axes[0])

    return drawn("figure1-still", "The same at four moments of the run.", draw, (10.4, 3.0), len(chosen))


def _frame(moment: Moment, theme: Theme, axes: Any) -> None:
    _scene(moment, theme, axes)
    _names(axes)


def _names(axes: Any) -> None:
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.3, loc="upper center", ncols=3, columnspacing=1.2)


def _scene(moment: Moment, theme: Theme, axes: Any, arrows: int = ARROWS) -> None:
    blue, orange, teal = theme.curves[:3]
    x, d = CENTERS[SHOWN], moment.logits[SHOWN].sigmoid()
    width = float(CENTERS[1] - CENTERS[0])
    for mass, color, name in ((data(), blue, "p_data"), (moment.mass, orange, "p_g")):
        density = mass[SHOWN] / width
        axes.plot(x, density.masked_fill(density > TOP, torch.nan), color=color, label=name, linewidth=1.7)
        axes.fill_between(x, density.clamp(max=TOP), color=color, alpha=0.13, linewidth=0)
    axes.plot(x, d, color=teal, linestyle="--", label="D", linewidth=1.5)
    axes.axhline(X_LINE, color=theme.ink, linewidth=0.9)
    axes.axhline(Z_LINE, color=theme.ink, linewidth=0.9)
    _arrows(moment, theme, axes, arrows)
    axes.set(xlim=(-RANGE, RANGE), ylim=(Z_LINE - 0.12, 1.32), yticks=[0, 0.5, 1], xticks=[])
    axes.set_title(f"step {moment.step:,}")
    axes.text(-RANGE, X_LINE, "x ", ha="right", va="center", color=theme.ink)
    axes.text(-RANGE, Z_LINE, "z ", ha="right", va="center", color=theme.ink)
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_bounds(0, 1)
    axes.grid(visible=False)


def _arrows(moment: Moment, theme: Theme, axes: Any, number: int) -> None:
    places = ((torch.arange(number) + 0.5) / number * (len(CODES) - 1)).long()  # of equal shares of the noise
    ends, starts = moment.samples[places].clamp(-RANGE, RANGE), CODES[places] * STRETCH
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        axes.annotate(
            "", (end, X_LINE), (start, Z_LINE),
            arrowprops={"arrowstyle": "-|>,head_width=0.13,head_length=0.28", "color": theme.ink, "linewidth": 0.7,
                        "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
