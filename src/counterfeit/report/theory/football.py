"""Information content and entropy of two football matches."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.theory.information import Unit, entropy, in_unit, information

__all__ = ["MATCHES", "lesson"]

OUTCOMES = ("win", "draw", "loss")  # of the favourite
MATCHES = {"one-sided": (0.81, 0.14, 0.05), "even": (0.36, 0.30, 0.34)}  # the first: Germany and Korea, who won, 2018
CONTENTS, ENTROPIES = (0.304, 2.837, 4.322), {"one-sided": 0.8595, "even": 1.5809}  # bits


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """How surprising each outcome is, and how surprising a match is on average."""

    def scaled(bits: float) -> float:
        return bits if unit == "bits" else bits * float(np.log(2))

    contents = [
        Evidence(f"information of a {name} of {p:.0%}, {unit}", float(information([p], unit)), scaled(bits), 5e-4)
        for name, p, bits in zip(OUTCOMES, MATCHES["one-sided"], CONTENTS, strict=True)
    ]
    entropies = [
        Evidence(f"entropy of the {name} match, {unit}", float(entropy(p, unit)), scaled(ENTROPIES[name]), 5e-5)
        for name, p in MATCHES.items()
    ]
    most = Evidence(f"entropy of a match with three equal outcomes, {unit}", *_most(unit), 1e-12)
    caption = (
        "Left: the rarer an outcome, the more it tells. Right: each outcome's share p · (−log p) of the entropy, which "
        "is the mean information: a one-sided match is seldom a surprise."
    )
    figure = drawn("football", caption, partial(_draw, unit), (7.6, 2.9), 2)
    return Lesson((*contents, *entropies, most), (figure,), "exact sums in float64")


def _most(unit: Unit) -> tuple[float, float]:
    return float(entropy([1 / 3] * 3, unit)), float(in_unit(torch.tensor(3.0, dtype=torch.float64).log(), unit))


def _draw(unit: Unit, theme: Theme, axes: Any) -> None:
    left, right = axes
    p = np.linspace(0.02, 1, 300)
    left.plot(p, information(torch.from_numpy(p), unit), color=theme.ink, linewidth=1.2)
    for color, (name, match) in zip(theme.curves, MATCHES.items(), strict=False):
        content = information(match, unit)
        left.plot(match, content, "o", color=color, label=f"{name} match", markersize=6, zorder=3)
        for outcome, chance, value in zip(OUTCOMES, match, content.tolist(), strict=True):
            if name == "one-sided":
                said = f"{outcome}, {chance:.0%}: {value:.3f}"
                place = {"xytext": (7, 5)} if chance < 0.5 else {"xytext": (5, 9), "ha": "center"}  # within the frame
                left.annotate(said, (chance, value), textcoords="offset points", color=color, **place)
    left.set(xlabel="probability of the outcome", ylabel=f"information content, {unit}", xlim=(0, 1.09))
    left.set_ylim(0, 1.25 * float(information([p[0]], unit)))  # room for the legend
    left.legend(frameon=False, labelcolor="linecolor", handlelength=0.8, loc="upper right")
    for y, (color, match) in enumerate(zip(theme.curves, MATCHES.values(), strict=False)):
        shares = in_unit(torch.special.entr(torch.tensor(match, dtype=torch.float64)), unit)
        _bar(right, y, shares.tolist(), match, color, theme)
    right.set(yticks=[0, 1], yticklabels=list(MATCHES), ylim=(-0.6, 1.6), xlabel=f"entropy, {unit}")
    right.set_xlim(0, 1.22 * float(entropy(MATCHES["even"], unit)))
    right.grid(visible=False, axis="y")


def _bar(axes: Any, y: int, shares: list[float], match: tuple[float, ...], color: str, theme: Theme) -> None:
    start = 0.0
    for opacity, share, chance in zip((0.6, 0.42, 0.25), shares, match, strict=True):
        axes.barh(y, share, 0.5, left=start, color=color, alpha=opacity)
        axes.text(start + share / 2, y, f"{chance:.0%}", ha="center", va="center", color=theme.ink)
        start += share
    axes.text(start, y, f"  {start:.4f}", ha="left", va="center", color=color)
