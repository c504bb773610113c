"""How many parameters a distribution over n binary variables takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.theory.counting import FAMILIES, FamilyName, dimension, table
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

VARIABLES = (2, 4, 6)
NAMES: dict[FamilyName, str] = {"full": "full table, 2ⁿ − 1", "independent": "independent, n", "chain": "chain, 2n − 1"}


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Count, and check by the rank of the Jacobian of all probabilities, that no parameter is superfluous."""
    findings = [
        Evidence(f"{NAMES[name]}: dimension for n = {n}", dimension(name, n, seed), family.count(n))
        for name, family in FAMILIES.items()
        for n in VARIABLES
    ]
    caption = (
        "Parameters of a distribution over n binary variables. A picture of 28 x 28 binary pixels would take "
        "2⁷⁸⁴ − 1, a number of 237 digits, without assumptions."
    )
    worst = max(abs(float(_random(name, n, seed).sum()) - 1) for name in FAMILIES for n in VARIABLES)
    protocol = f"ranks at random parameters, float64; every table enumerated, and sums to one within {worst:.0e}"
    return Lesson(tuple(findings), (drawn("parameters", caption, _draw, (5.4, 3.0)),), protocol)


def _random(name: FamilyName, n: int, seed: int) -> torch.Tensor:
    theta = torch.randn(FAMILIES[name].count(n), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return table(name, n, theta)


def _draw(theme: Theme, axes: Any) -> None:
    n = np.arange(1, 31)
    for color, (name, family) in zip(theme.curves, FAMILIES.items(), strict=False):
        axes.plot(n, [family.count(int(i)) for i in n], color=color, label=NAMES[name], marker=".", markersize=3)
        axes.plot(VARIABLES, [family.count(i) for i in VARIABLES], "o", color=color, markersize=6)
    axes.set(yscale="log", xlabel="binary variables n", ylabel="parameters", xlim=(0, 31))
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
