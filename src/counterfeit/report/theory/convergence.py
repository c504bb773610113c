"""Algorithm 1 converges over distributions, and may turn in circles over parameters."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory import game
from counterfeit.theory.convergence import GameName, Order, descend, growth, play
from counterfeit.theory.information import Unit, jsd, kl

__all__ = ["lesson"]

DATA = (0.05, 0.10, 0.30, 0.15, 0.05, 0.20, 0.10, 0.05)
START = (0.65, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05)
FUNCTION_STEPS, FUNCTION_LR = 60, 0.25
LR, STEPS = 0.1, 190
RUNS: tuple[tuple[str, GameName, Order, float], ...] = (
    ("V = θψ, both at once", "bilinear", "simultaneous", 0.0),
    ("V = θψ, in turns", "bilinear", "alternating", 0.0),
    ("Dirac-GAN, both at once", "dirac", "simultaneous", 0.0),
    ("Dirac-GAN, in turns", "dirac", "alternating", 0.0),
    ("Dirac-GAN with R1, both at once", "dirac", "simultaneous", 0.3),
    ("Dirac-GAN with R1, in turns", "dirac", "alternating", 0.3),
)
NEAR, LONG = 1e-60, 5_000  # so near that 5,000 steps stay linear, and so many that one turn is nothing among them


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Divergence falls at every step over distributions; over parameters the radius follows the eigenvalues."""
    path = descend(DATA, START, FUNCTION_STEPS, FUNCTION_LR)
    p = torch.tensor(DATA, dtype=torch.float64)
    divergence = torch.stack([jsd(p, q) for q in path])
    cost = float(game.cost(p.log(), path[-1].log()))
    halves = descend(DATA, START, 20, 1.0)
    away = (halves - p).abs().sum(1)
    findings = [
        informed(unit, f"over distributions: JSD after {FUNCTION_STEPS} steps", float(divergence[-1]), 0.0, 1e-4),
        Evidence("over distributions: largest rise of JSD in a step", float(divergence.diff().max()), 0.0, 0.0, "<="),
        Evidence("over distributions: |q - p| after 20 steps at lr 1, over 2⁻²⁰ of the start",
                float(away[-1] / away[0] * 2**20), 1.0, 1e-6),
        informed(unit, "over distributions: C(G) at the end, against -log 4", cost, game.EQUILIBRIUM, 1e-4),
        *(_growth(*run) for run in RUNS),
    ]  # fmt: skip
    over = drawn("convergence-distributions", OVER, partial(_distributions, path, unit), (7.6, 2.8), 2)
    circles = drawn("convergence-parameters", CIRCLES, _parameters, (9.6, 3.75), 3)
    protocol = (
        f"exponentiated gradient on 8 outcomes, lr {FUNCTION_LR}, D* at every step; two parameters, lr {LR}, R1 weight "
        f"0.3; growth over {LONG:,} steps from a distance of {NEAR:g}"
    )
    return Lesson(tuple(findings), (over, circles), protocol)


OVER = (
    "Algorithm 1 over all distributions on eight outcomes. Left: the generator's distribution (orange, darker later) "
    "moves to that of the data (blue). Right: both divergences fall at every step, for the cost is convex."
)
CIRCLES = (
    "The same algorithm over one parameter a player, from (1, 0.5). Moving both at once spirals outwards; taking turns "
    "circles for ever; the R1 penalty leads to the equilibrium."
)


def _growth(name: str, which: GameName, order: Order, r1: float) -> Evidence:
    path = play(which, (NEAR, NEAR / 2), LR, LONG, order, r1)
    factor = float((path[-1].norm() / path[0].norm()) ** (1 / LONG))
    return Evidence(f"{name}: growth of the radius in a step", factor, growth(which, LR, order, r1), 5e-5)


def _distributions(path: torch.Tensor, unit: Unit, theme: Theme, axes: Any) -> None:
    left, right = axes
    blue, orange = theme.curves[:2]
    outcomes = np.arange(len(DATA))
    left.bar(outcomes, DATA, 0.8, color=blue, alpha=0.45, label="data")
    shown = (0, 2, 6, 15, FUNCTION_STEPS)
    for step, opacity in zip(shown, np.linspace(0.3, 1, len(shown)), strict=True):
        where = np.append(outcomes, len(DATA)) - 0.5
        left.step(where, np.append(path[step], path[step][-1]), where="post", color=orange, alpha=opacity,
                  label=f"step {step}", linewidth=1.4)  # fmt: skip
    left.set(xlabel="outcome", ylabel="probability", xticks=outcomes)
    left.legend(frameon=False, labelcolor=[*[orange] * len(shown), blue], handlelength=1.2)
    p, steps = torch.tensor(DATA, dtype=torch.float64), range(len(path))
    right.plot(steps, [jsd(p, q, unit) for q in path], color=theme.curves[4], label="JSD(p, q)")
    right.plot(steps, [kl(p, q, unit) for q in path], color=theme.curves[3], label="KL(p ‖ q)")
    right.set(yscale="log", xlabel="step", ylabel=unit, xlim=(0, len(path) - 1))
    right.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)


def _parameters(theme: Theme, axes: Any) -> None:
    for number, (name, which, order, r1) in enumerate(RUNS):
        one, color = axes[number // 2], theme.curves[1 - number % 2]
        path = play(which, (1.0, 0.5), LR, STEPS, order, r1)
        one.plot(*path.T, color=color, linewidth=1.1, label=f"{name.split(', ')[1]}")
        one.plot(*path[-1], "o", color=color, markersize=5)
        one.set(title=name.split(", ")[0], aspect="equal", xlabel="θ", xlim=(-3, 3), ylim=(-3, 3.4))
    for one in axes:
        one.plot(1.0, 0.5, "o", markersize=5, markerfacecolor=theme.ground, markeredgecolor=theme.ink, zorder=4)
        one.plot(0, 0, "+", color=theme.ink, markersize=9)
        one.set_ylabel("ψ", rotation=0)
        one.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper left", ncols=2)
