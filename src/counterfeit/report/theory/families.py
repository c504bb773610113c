"""The family tree of generative models: what each knows of p(x), and how it samples."""

from __future__ import annotations

import textwrap
from functools import partial
from typing import Any

import torch
from torch import Tensor

from counterfeit.catalogue import BRANCHES, able, branch, model_class, models
from counterfeit.core import Bounds, Density, Spec
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.theory.counting import states
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

BITS = Spec((4,), "binary")
BOUNDED, K = "vae", 2_000
WRAP, LINE, GAP = 64, 0.85, 0.75  # characters of a line of names, and the heights of a line and of what parts branches


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Place every model of the catalogue, and try what the branches promise on four bits, before any training."""
    tree: dict[str, list[str]] = {name: [] for name in BRANCHES}
    for name, cls in models().items():
        if place := branch(cls):
            tree[place].append(name)
    torch.manual_seed(seed)
    exact = [built for name in tree["explicit, exact"] if (built := _built(name)) is not None]
    with torch.no_grad():
        sums = [float(model.log_prob(_all()).double().exp().sum()) for model in exact]
    silent = [name for name in tree["implicit, direct"] if not able(model_class(name), Density)]
    findings = (
        Evidence(
            f"sum of p(x) over 16 states, farthest from 1 of {len(exact)} exact models", max(sums, key=_off), 1, 1e-4
        ),
        Evidence(f"mean ELBO less ln p(x) of `{BOUNDED}`, nats", _slack(), 0, relation="<="),
        Evidence("implicit models that give a density", len(tree["implicit, direct"]) - len(silent), 0),
    )
    caption = (
        "Every model of the catalogue by what it knows of p(x), and by how it samples where that is nothing. The "
        "branches are those of Goodfellow's tutorial (2016), with one more for differential equations."
    )
    height = 0.165 * (_rows(tree) + 0.5)
    figure = drawn("families", caption, partial(_draw, tree), (7.6, height))
    protocol = f"models as their classes draw them, before training; ln p(x) by {K:,} importance samples"
    return Lesson(findings, (figure,), protocol)


def _built(name: str) -> Density | None:
    """The model for four bits with its own settings; none where it is for other data."""
    cls = model_class(name)
    try:
        model = cls(BITS) if BITS.kind in cls.kinds else None
    except ValueError:
        return None
    return model.eval() if model is not None and isinstance(model, Density) else None


def _all() -> Tensor:
    return states(4).float()


def _off(total: float) -> float:
    return abs(total - 1)


@torch.no_grad()
def _slack() -> float:
    model = model_class(BOUNDED)(BITS).eval()
    if not isinstance(model, Bounds):
        raise TypeError(BOUNDED)
    return float((model.elbo(_all()) - model.iwae(_all(), K)).mean())


def _lines(names: list[str]) -> list[str]:
    return textwrap.wrap(", ".join(names), WRAP, break_on_hyphens=False)


def _rows(tree: dict[str, list[str]]) -> float:
    return sum(LINE * len(_lines(names)) + GAP for names in tree.values())


def _draw(tree: dict[str, list[str]], theme: Theme, axes: Any) -> None:
    """From left to right: the root, explicit and implicit, their branches, and the models of each."""
    axes.set_axis_off()
    axes.set(xlim=(0, 100), ylim=(_rows(tree), 0))
    top, middles = GAP / 2, dict[str, list[float]]()
    for name, names in tree.items():
        kind, _, how = name.partition(", ")
        color, lines = theme.curves[kind == "implicit"], _lines(names)
        middle = top + LINE * len(lines) / 2
        axes.text(16.5, middle, how, color=color, va="center", fontsize=8.5)
        for i, line in enumerate(lines):
            axes.text(40, top + LINE * (i + 0.5), line, color=theme.ink, va="center", fontsize=7.5)
        axes.plot([39, 39], [top, top + LINE * len(lines)], color=color, linewidth=1)
        middles.setdefault(kind, []).append(middle)
        top += LINE * len(lines) + GAP
    for kind, places in middles.items():
        color, middle = theme.curves[kind == "implicit"], sum(places) / len(places)
        for place in places:
            axes.plot([12, 15.5], [middle, place], color=color, linewidth=1)
        axes.text(11, middle, f"{kind}\ndensity", color=color, ha="right", va="center", weight="bold")
