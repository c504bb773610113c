"""How far few labels go, as a curve: accuracy by the number of labels, where it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from counterfeit.core import Generator
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.plot import Theme, svg
from counterfeit.report.html.themed import themed
from counterfeit.run.run import Run

__all__ = ["curve"]


def curve(run: Run) -> Figure:
    """Accuracy by the number of labels, of a linear classifier on what the model sees, on pixels, and of a net."""
    found = run.evaluation["label-curve"]["details"]["by labels"]
    caption = (
        "Share of test examples that are recognized, by the number of training labels: logistic regression on what "
        "the model learnt without labels and on pixels, and a net that is trained on these labels alone."
    )
    return themed("label-curve", "Few labels", caption, partial(_drawn, found))


def _drawn(found: Mapping[str, Mapping[str, float]], theme: Theme) -> bytes:
    def draw(axes: Any) -> None:
        for (name, by_labels), color in zip(found.items(), theme.curves, strict=False):
            axes.semilogx(
                [int(n) for n in by_labels], [*by_labels.values()], "o-", color=color, label=name, markersize=4
            )
        axes.set(xlabel="labels", ylabel="share recognized", ylim=(0, 1.02))
        axes.legend(frameon=False, labelcolor="linecolor", loc="lower right")

    return svg(draw, theme, (4.8, 3.4))


def _figures(run: Run) -> Iterator[Figure]:
    if "label-curve" in run.evaluation:
        yield curve(run)


LABEL_CURVE_FIGURES = RunFigures("label-curve", (Generator,), _figures, 90)
