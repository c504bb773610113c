"""How many parameters a distribution over n binary variables takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from counterfeit.core import Spec
from counterfeit.models.autoregressive.full_table import FullTable
from counterfeit.models.autoregressive.fvsbn import FVSBN
from counterfeit.models.autoregressive.independent import Independent
from counterfeit.models.autoregressive.markov import Markov
from counterfeit.models.autoregressive.shared.model import Autoregressive
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.theory.counting import FAMILIES, FamilyName, cells, dimension, markov, rank, states, table
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

Tabled = FullTable | Autoregressive
VARIABLES = (2, 4, 6)
NAMES: dict[FamilyName, str] = {"full": "full table, 2ⁿ − 1", "independent": "independent, n", "chain": "chain, 2n − 1"}
BITS = 6  # of the catalogue's models whose dimension is found
MODELS: Mapping[str, tuple[Callable[[Spec], Tabled], int]] = {
    "full-table, 2ⁿ − 1": (FullTable, 2**BITS - 1),
    "markov of order n − 1, 1 + 2 + … + 2ⁿ⁻¹": (lambda spec: Markov(spec, BITS - 1), sum(2**i for i in range(BITS))),
    "markov of order 2, (n − 1) 2² − 1": (lambda spec: Markov(spec, 2), (BITS - 1) * 2**2 - 1),
    "fvsbn, n(n + 1)/2": (FVSBN, BITS * (BITS + 1) // 2),
    "markov of order 1, 2n − 1": (Markov, 2 * BITS - 1),
    "independent, n": (Independent, BITS),
}
RGB = (256, 256, 256)
PIXEL = 24  # bits of it


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Count, and check by the rank of the Jacobian of all probabilities, that no parameter is superfluous."""
    findings = [
        Evidence(f"{NAMES[name]}: dimension for n = {n}", dimension(name, n, seed), FAMILIES[name].count(n))
        for name in NAMES
        for n in VARIABLES
    ]
    findings += [
        Evidence(f"model {name}: dimension for n = {BITS}", _dimension(make, seed), theory)
        for name, (make, theory) in MODELS.items()
    ]
    chain, whole = (_held(lambda spec: Markov(spec, 15), 16), _held(FullTable, 16))
    findings += [
        Evidence("chain rule over 4x4 bits: parameters of markov of order 15", chain, sum(2**i for i in range(16))),
        Evidence("the same, against those of full-table", chain, whole),
        Evidence(
            f"an RGB pixel as {PIXEL} bits: parameters of markov of order {PIXEL - 1}, over 256³ − 1",
            _held(lambda spec: Markov(spec, PIXEL - 1), PIXEL) / cells(RGB), 1.0,
        ),
    ]  # fmt: skip
    worst = max(abs(float(_random(name, n, seed).sum()) - 1) for name in NAMES for n in VARIABLES)
    protocol = (
        f"ranks at random parameters, float64; every table enumerated, and sums to one within {worst:.0e}; models as "
        "they are in the catalogue, whose parameters are counted"
    )
    return Lesson(tuple(findings), (drawn("parameters", CAPTION, _draw, (8.4, 3.1), 2),), protocol)


CAPTION = (
    "Left: parameters of a distribution over n binary variables. A picture of 28 x 28 binary pixels would take "
    "2⁷⁸⁴ − 1, a number of 237 digits, without assumptions; a single pixel of 8-bit RGB takes 256³ − 1 (dotted). "
    "Right: how many of them the i-th conditional of the chain rule takes."
)


def _random(name: FamilyName, n: int, seed: int) -> torch.Tensor:
    theta = torch.randn(FAMILIES[name].count(n), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return table(name, n, theta)


def _dimension(make: Callable[[Spec], Tabled], seed: int) -> int:
    """Dimension of what one of the catalogue's models can be over `BITS` bits."""
    model = make(Spec((BITS,), "binary")).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    return rank(model.log_prob(states(BITS)).exp(), [*model.parameters()])


def _held(make: Callable[[Spec], Tabled], bits: int) -> int:
    """How many parameters a model holds, for which no memory is taken."""
    with torch.device("meta"):
        return sum(p.numel() for p in make(Spec((bits,), "binary")).parameters())


def _draw(theme: Theme, axes: Any) -> None:
    left, right = axes
    n = np.arange(1, 31)
    counts = {
        "full table": FAMILIES["full"].count, "Markov, order 4": markov(4).count,
        "logistic": FAMILIES["logistic"].count, "Markov, order 1": markov(1).count, "independent": markov(0).count,
    }  # fmt: skip
    colors = (theme.curves[0], theme.curves[3], theme.curves[5], theme.curves[2], theme.curves[1])
    for color, (name, count) in zip(colors, counts.items(), strict=True):
        held = [count(int(i)) for i in n]
        left.plot(n, held, color=color, label=name, marker=".", markersize=3, linewidth=1.4)
        right.plot(n, np.diff(held, prepend=0), color=color, marker=".", markersize=3, linewidth=1.4)
    left.axhline(cells(RGB), color=theme.ink, linewidth=0.8, linestyle=":")
    left.text(1, cells(RGB), "one RGB pixel, 256³ − 1", va="bottom", color=theme.ink)
    left.set(yscale="log", xlabel="binary variables n", ylabel="parameters", xlim=(0, 31), ylim=(0.7, 3e9))
    right.set(yscale="log", xlabel="place i in the order", ylabel="parameters of the i-th conditional")
    right.set(xlim=(0, 31), ylim=(0.7, 3e9))
    right.legend(*left.get_legend_handles_labels(), frameon=False, labelcolor="linecolor", handlelength=1.2)
