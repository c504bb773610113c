"""Nash equilibria: of two small games, of the game of D and G, and of one that gradients circle."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory import game
from counterfeit.theory.convergence import Order, growth, play
from counterfeit.theory.information import Unit
from counterfeit.theory.matrix_games import (
    MatrixGame,
    gains,
    mixed_equilibrium,
    pure_equilibria,
    solve,
    zero_sum,
)

__all__ = ["lesson"]

NAMES = ("silent", "confess")
YEARS = torch.tensor([[1.0, 3.0], [0.0, 2.0]])  # that the row player goes to prison for
DILEMMA = MatrixGame(-YEARS, -YEARS.T)
PENNIES = zero_sum(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
LOPSIDED = zero_sum(torch.tensor([[2.0, -1.0], [-1.0, 1.0]]))  # two heads count twice
DATA = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
LEVELS = torch.arange(1, 16, dtype=torch.float64) / 16  # that a discriminator of the table can say, ½ among them
GRID, OTHERS = torch.linspace(0, 1, 51, dtype=torch.float64), 2_000
LR, START, STEPS, SEEN, LONG = 0.1, (1.0, 0.5), 190, 1_200, 10_000  # steps: drawn as paths, as distances, followed
WAYS: dict[Order, str] = {"simultaneous": "at once", "alternating": "in turns", "extragradient": "extragradient"}


def lesson(unit: Unit, seed: int) -> Lesson:
    """Nobody gains by deviating alone: what that is in tables, in the game of D and G, and on a circle."""
    findings = (*_dilemma(), *_pennies(seed), *_saddle(unit, seed), *_circle())
    figures = (
        drawn("nash", TABLES, _games, (10.2, 3.3), 3),
        drawn("nash-circle", CIRCLE, _paths, (8.6, 3.5), 2),
    )
    protocol = (
        f"enumeration, closed forms and linear programs in float64; {OTHERS:,} random discriminators and generators on "
        f"{len(DATA)} outcomes; the table of D and G has {len(LEVELS)} levels for each outcome; V = θψ from "
        f"{START} at learning rate {LR:g}; seed {seed}"
    )
    return Lesson(findings, figures, protocol)


TABLES = (
    "Left: the prisoner's dilemma, years in prison of row and column player; best responses are underlined, and the "
    "equilibrium, where both are, is shaded. Middle: best responses in matching pennies where two heads count twice; "
    "they cross at (2/5, 2/5) only. Right: lines of equal value over the probability that G gives an outcome with 3/10 "
    "of the data, and what D says of it; best responses cross at a saddle, at 3/10 and 1/2."
)
CIRCLE = (
    "Gradient steps on V = θψ from (1, 0.5), circled. Left: both at once spirals outwards, taking turns stays on an "
    "ellipse, extragradient arrives, and so does the average of taking turns. Right: the distance from the "
    "equilibrium; dotted: the factors √(1 + h²) and √(1 − h² + h⁴) a step, and a bound that falls as 1/t."
)


def _dilemma() -> list[Evidence]:
    found = pure_equilibria(DILEMMA)
    better = (DILEMMA.row > DILEMMA.row[found[0]]) & (DILEMMA.column > DILEMMA.column[found[0]])
    mixed = [float(gains(DILEMMA, [1 - x, x], [1 - y, y]).max()) < 1e-9 for x in GRID.tolist() for y in GRID.tolist()]
    return [
        Evidence("prisoner's dilemma: cells that are equilibria", len(found), 1),
        Evidence(f"among {len(mixed):,} pairs of mixed strategies: equilibria", sum(mixed), 1),
        Evidence("years in prison of either there", float(YEARS[found[0]]), 2),
        Evidence("cells in which both are better off", int(better.sum()), 1),
        Evidence("years that confessing saves, whatever the other does", float((YEARS[0] - YEARS[1]).min()), 1),
    ]


def _pennies(seed: int) -> list[Evidence]:
    x, y = mixed_equilibrium(LOPSIDED)
    solved = solve(LOPSIDED.row)
    generator = torch.Generator().manual_seed(seed)
    tables = torch.randn(20, 5, 7, generator=generator, dtype=torch.float64)
    values = [(solve(table).value, -solve(-table.T).value) for table in tables]  # by either player's program
    return [
        Evidence("matching pennies: cells that are equilibria", len(pure_equilibria(PENNIES)), 0),
        Evidence("matching pennies: probability of heads by linear programming", float(solve(PENNIES.row).row[0]), 0.5,
                 1e-9),
        Evidence("two heads count twice: the same, against the closed form", float(solved.row[0]), float(x[0]), 1e-9),
        Evidence("two heads count twice: value of the game, against 1/5", solved.value, 0.2, 1e-9),
        Evidence("two heads count twice: most that either gains by deviating",
                 float(gains(LOPSIDED, x, y).max()), 0, 1e-12),
        Evidence("20 random games of 5 x 7: largest |max min − min max| by linear programming",
                 max(abs(low - high) for low, high in values), 0, 1e-9),
    ]  # fmt: skip


def _saddle(unit: Unit, seed: int) -> list[Evidence]:
    generator = torch.Generator().manual_seed(seed)
    others = torch.randn(2, OTHERS, len(DATA), generator=generator, dtype=torch.float64)
    log_p, even = DATA.log(), torch.zeros_like(DATA)
    by_d = torch.stack([game.value(logits, log_p, log_p) for logits in others[0]])
    by_g = torch.stack([game.value(even, log_p, log_q) for log_q in others[1].log_softmax(-1)])
    solved = solve(game.table(DATA, LEVELS))
    step = 2 * float(LEVELS[1] - LEVELS[0])  # where the table's D may still say ½: log(1 + step) + r log(1 - step) <= 0
    slack = 1 + math.log1p(step) / math.log1p(-step), -math.log1p(-step) / math.log1p(step) - 1
    alone = min(float(game.cost(log_p, q.log())) for q in torch.eye(len(DATA), dtype=torch.float64))
    return [
        informed(unit, "D and G: V at p_g = p_data and D = ½", float(game.value(even, log_p, log_p)), -math.log(4),
                 1e-12),
        informed(unit, f"best of {OTHERS:,} other D against p_g = p_data", float(by_d.max()), -math.log(4), 1e-12,
                 "<="),
        informed(unit, f"largest |V + log 4| of {OTHERS:,} other G against D = ½",
                 float((by_g + math.log(4)).abs().max()), 0.0, 1e-12),
        informed(unit, f"as a table of {len(LEVELS) ** len(DATA):,} D: value by linear programming", solved.value,
                 -math.log(4), 1e-9),
        Evidence("the same: largest |p_g / p_data − 1|, against the width of a level",
                 float((solved.column / DATA - 1).abs().max()), max(slack), 1e-9, "<="),
        informed(unit, "least C(G) of a G that gives one outcome only", alone, -math.log(4), relation=">="),
    ]  # fmt: skip


def _circle() -> list[Evidence]:
    h = LR
    paths = {order: play("bilinear", START, h, LONG if order == "alternating" else STEPS, order) for order in WAYS}
    radius = {order: path.norm(dim=1) for order, path in paths.items()}
    theta, psi = START
    kept = theta**2 + psi**2 - h * theta * psi  # so the squared radius stays in kept / (1 ± h/2)
    turns = paths["alternating"]
    moved = torch.stack([turns[-1, 1] - turns[0, 1], turns[0, 0] - turns[-1, 0]]) / (h * LONG)
    means = torch.stack([turns[1:, 0].mean(), turns[:-1, 1].mean()])
    arrived = math.ceil(math.log(1e-6) / math.log(growth("bilinear", h, "extragradient")))
    end = play("bilinear", START, h, arrived, "extragradient").norm(dim=1)
    return [
        Evidence("V = θψ, at once: factor of the radius, in the step that is farthest from √(1 + h²)",
                 _farthest(radius["simultaneous"], math.sqrt(1 + h**2)), math.sqrt(1 + h**2), 1e-12),
        Evidence(f"in turns: largest radius in {LONG:,} steps", float(radius["alternating"].max()),
                 math.sqrt(kept / (1 - h / 2)), 1e-9, "<="),
        Evidence(f"in turns: smallest radius in {LONG:,} steps", float(radius["alternating"].min()),
                 math.sqrt(kept / (1 + h / 2)), 1e-9, ">="),
        Evidence("extragradient: factor of the radius, farthest from √(1 − h² + h⁴)",
                 _farthest(radius["extragradient"], math.sqrt(1 - h**2 + h**4)), math.sqrt(1 - h**2 + h**4), 1e-12),
        Evidence(f"extragradient: radius after {arrived:,} steps, over the first", float(end[-1] / end[0]), 1e-6,
                 relation="<="),
        Evidence("average of turns: largest difference from (ψ_T − ψ_0, θ_0 − θ_T)/hT",
                 float((means - moved).abs().max()), 0, 1e-12),
        Evidence(f"average of {LONG:,} turns: distance, against 2√2 largest radius/hT", float(means.norm()),
                 2 * math.sqrt(2) * float(radius["alternating"].max()) / (h * LONG), relation="<="),
    ]  # fmt: skip


def _farthest(radius: Tensor, factor: float) -> float:
    """The factor from one step to the next that differs most from `factor`."""
    factors = radius[1:] / radius[:-1]
    return float(factors[(factors - factor).abs().argmax()])


def _games(theme: Theme, axes: Any) -> None:
    _cells(axes[0], theme)
    _responses(axes[1], theme)
    _valley(axes[2], theme)


def _cells(axes: Any, theme: Theme) -> None:
    blue, orange = theme.curves[:2]
    (equilibrium,) = pure_equilibria(DILEMMA)
    axes.fill_between([equilibrium[1], equilibrium[1] + 1], equilibrium[0], equilibrium[0] + 1, color=theme.curves[2],
                      alpha=0.2, linewidth=0)  # fmt: skip
    for years, least, color, place in (
        (YEARS, YEARS.min(0).values.expand(2, 2), blue, 0.3),
        (YEARS.T, YEARS.T.min(1, keepdim=True).values.expand(2, 2), orange, 0.7),
    ):
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            axes.text(j + place, i + 0.5, f"{years[i, j]:.0f}", color=color, fontsize=13, ha="center", va="center")
            if years[i, j] == least[i, j]:
                axes.plot([j + place - 0.09, j + place + 0.09], [i + 0.64] * 2, color=color, linewidth=1.6)
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=[0.5, 1.5], xticklabels=NAMES, yticks=[0.5, 1.5], yticklabels=NAMES)
    axes.plot([0, 2, 2, 0, 0, 2], [0, 0, 2, 2, 1, 1], color=theme.ink, linewidth=0.8, clip_on=False)
    axes.plot([0, 0, 1, 1], [2, 0, 0, 2], color=theme.ink, linewidth=0.8, clip_on=False)
    axes.set_xlabel("column player", color=orange)
    axes.set_ylabel("row player", color=blue)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_title("prisoner's dilemma, years")


def _responses(axes: Any, theme: Theme) -> None:
    blue, orange = theme.curves[:2]
    x, y = (float(strategy[0]) for strategy in mixed_equilibrium(LOPSIDED))
    axes.plot([0, y, y, 1], [0, 0, 1, 1], color=blue, linewidth=2, label="row's")
    axes.plot([1, 1, 0, 0], [0, x, x, 1], color=orange, linewidth=2, label="column's")
    axes.plot(y, x, "o", color=theme.curves[2], markersize=8, zorder=3)
    axes.set(xlabel="column player's probability of heads", ylabel="row player's probability of heads")
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.3), aspect="equal", yticks=[0, 0.25, 0.5, 0.75, 1])
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper center", ncols=2)
    axes.set_title("best responses in pennies")


def _valley(axes: Any, theme: Theme) -> None:
    p = 0.3
    q, d = torch.linspace(0.005, 0.995, 45), torch.linspace(0.15, 0.85, 43)
    said = torch.stack([d, torch.full_like(d, 0.5)], -1).logit()
    log_p, log_q = torch.tensor([p, 1 - p]).log(), torch.stack([q, 1 - q], -1).log()
    values = torch.stack([torch.stack([game.value(logits, log_p, one) for one in log_q]) for logits in said])
    lines = axes.contour(q.numpy(), d.numpy(), values.numpy(), levels=torch.arange(-2.4, -1, 0.1).tolist(),
                         colors=theme.curves[3], linewidths=0.8, linestyles="solid", alpha=0.6)  # fmt: skip
    axes.clabel(lines, lines.levels[2:-2:2], fontsize=7, fmt=lambda level: f"{level:.1f}".replace("-", "−"))
    axes.plot(q, p / (p + q), color=theme.curves[0], linewidth=2, label="D's")
    axes.plot([1, 1, 0, 0], [0.15, 0.5, 0.5, 0.85], color=theme.curves[1], linewidth=2, label="G's")
    axes.plot(p, 0.5, "o", color=theme.curves[2], markersize=8, zorder=3)
    axes.set(xlabel="G's probability of the outcome", ylabel="what D says of it", xlim=(-0.02, 1.02), ylim=(0.15, 0.97))
    axes.set_yticks([0.2, 0.4, 0.6, 0.8])
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper center", ncols=2)
    axes.set_title("best responses of D and G, V in nats")


def _paths(theme: Theme, axes: Any) -> None:
    left, right = axes
    colors = dict(zip(WAYS, (theme.curves[1], theme.curves[0], theme.curves[2]), strict=True))
    t = torch.arange(1, SEEN + 1)
    for order, name in WAYS.items():
        path = play("bilinear", START, LR, SEEN, order)[1:]
        left.plot(*path[:STEPS].T, color=colors[order], linewidth=1.2, label=name)
        right.plot(t, path.norm(dim=1), color=colors[order], linewidth=1.4)
        right.plot(t, math.hypot(*START) * growth("bilinear", LR, order) ** t, color=theme.ink, linewidth=1,
                   linestyle=":" if order != "alternating" else "", zorder=3)  # fmt: skip
    turns = play("bilinear", START, LR, SEEN, "alternating")[1:]
    means = turns.cumsum(0) / t[:, None]
    left.plot(*means[:STEPS].T, color=theme.curves[3], linewidth=1.2, label="average of turns")
    right.plot(t, means.norm(dim=1), color=theme.curves[3], linewidth=1.2)
    right.plot(t, 2 * math.sqrt(2) * turns.norm(dim=1).max() / (LR * t), color=theme.ink, linewidth=1, linestyle=":")
    left.plot(*START, "o", markersize=5, markerfacecolor="none", markeredgecolor=theme.ink, zorder=4)
    left.plot(0, 0, "+", color=theme.ink, markersize=9)
    left.set(xlabel="θ", aspect="equal", xlim=(-3, 3), ylim=(-3, 3.9))
    left.set_ylabel("ψ", rotation=0)
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper left", ncols=2)
    right.set(yscale="log", xlabel="step t", ylabel="distance", xlim=(0, SEEN), ylim=(2e-3, 5e2))
