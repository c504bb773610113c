"""Whether the order of the chain rule matters: never to a full table, and to others the more the less they see."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from counterfeit.core import Batch, Spec
from counterfeit.models.autoregressive.markov import Markov
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.digit_bits import ALL, ORDERS, PROTOCOL, Order, Scores, below, logistic, nade, tables
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory.chains import excess, factorized
from counterfeit.theory.counting import markov, states
from counterfeit.theory.information import Unit, entropy, in_unit

__all__ = ["lesson"]

N, CHANGE = 5, 0.1  # bits of a chain in which each is the one before but for a chance of 0.1
SHUFFLED = (0, 2, 4, 1, 3)
TABLES, LOGISTIC = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14), (1, 2, 4, 7, 8, 16, 32, ALL)  # memories
SEEDS = 2
SURE = 3  # standard errors that a difference is to exceed
Compared = Mapping[str, Mapping[Order, list[Scores]]]


def lesson(unit: Unit, seed: int) -> Lesson:
    """Exact on five bits; then AR(k), and three models in five orders, on the digits."""
    compared = _compared(seed)
    tabled, fitted = ({k: find(k) for k in memories} for find, memories in ((tables, TABLES), (logistic, LOGISTIC)))
    findings = [*_exact(unit), *_memories(tabled, fitted, unit), *_orders(compared, unit)]
    figures = (
        drawn("order-exact", EXACT, lambda theme, axes: _draw_exact(unit, theme, axes), (5.6, 3.1)),
        drawn("order-memory", MEMORY, lambda theme, axes: _draw_memory(tabled, fitted, unit, theme, axes), (7.0, 3.4)),
        drawn("order-digits", DIGITS, lambda theme, axes: _draw_orders(compared, unit, theme, axes), (7.0, 3.2)),
    )
    protocol = f"enumeration of {N} bits in all {math.factorial(N)} orders, float64; {PROTOCOL}; seeds from {seed}"
    return Lesson(tuple(findings), figures, protocol)


EXACT = (
    f"What is lost if each of {N} bits is to be predicted from the k before it, for all {math.factorial(N)} orders, "
    f"sorted from the best to the worst. The bits are a chain in which each differs from the one before with "
    f"probability {CHANGE:g}. With k = {N - 1} nothing is lost in any order."
)
MEMORY = (
    "Test log-likelihood of digits over the number of parameters, for AR(k) with a table of all contexts (blue) and "
    "with logistic regressions (orange); the numbers are k. Rows have eight pixels: at k = 8 the pixel above comes "
    "into sight, and both jump. Longer tables overfit."
)
DIGITS = (
    "Test log-likelihood of digits in five orders, less that in raster order; dots are runs, bars three paired "
    "standard errors of their mean. What sees only a few values before each loses up to two nats; what sees all of "
    "them, hardly more than another seed would change."
)


@cache
def _chain() -> Tensor:
    """Probability of every state, (2ⁿ,)."""
    changes = (states(N).diff(dim=1) != 0).double()
    return (CHANGE * changes + (1 - CHANGE) * (1 - changes)).prod(1) / 2


@cache
def _lost(memory: int) -> list[float]:
    """What every order loses with a memory, nats."""
    return [float(excess(_chain(), order, memory)) for order in itertools.permutations(range(N))]


def _spent(apart: int) -> float:
    """Entropy of a bit of the chain given one that stands `apart` places away, nats."""
    change = (1 - (1 - 2 * CHANGE) ** apart) / 2
    return float(entropy([change, 1 - change]))


def _exact(unit: Unit) -> list[Evidence]:
    p, orders = _chain(), [*itertools.permutations(range(N))]
    full = max(float((factorized(p, order, N - 1).log() - p.log()).abs().max()) for order in orders)
    shuffled = sum(_spent(abs(b - a)) - _spent(1) for a, b in itertools.pairwise(SHUFFLED))
    free = sum(lost < 1e-12 for lost in _lost(1))
    name = " ".join(str(i + 1) for i in SHUFFLED)
    return [
        Evidence(f"all before known: largest change of log p over {len(orders)} orders, nats", full, 0.0, 1e-12),
        Evidence("the same, markov counted on draws: of log-likelihood, nats", _counted(), 0.0, 1e-4),
        informed(unit, "one before known: lost in the chain's own order", float(excess(p, range(N), 1)), 0.0, 1e-12),
        informed(unit, f"one before known: lost in the order {name}", float(excess(p, SHUFFLED, 1)), shuffled, 1e-12),
        Evidence(f"one before known: orders of {len(orders)} that lose nothing (forth and back)", free, 2),
    ]


def _counted() -> float:
    """How much the likelihood of draws differs between orders, by a table of all before that was counted on them."""
    x = states(N)[torch.multinomial(_chain(), 2_000, True, generator=torch.Generator().manual_seed(0))].float()
    found = []
    for order in ORDERS:
        model = Markov(Spec((N,), "binary"), N - 1, 1e-9, *order)
        model.initialize(Batch(x))
        found.append(model.log_prob(x).detach())
    return float((torch.stack(found) - found[0]).abs().max())


def _memories(tabled: Mapping[int, Scores], fitted: Mapping[int, Scores], unit: Unit) -> list[Evidence]:
    train = torch.tensor([scores.train for scores in tabled.values()])
    best = max(tabled, key=lambda k: float(tabled[k].test.mean()))
    lost, error = below(tabled[best].test, tabled[TABLES[-1]].test)
    gained, other = below(fitted[ALL].test, fitted[1].test)
    above, another = below(fitted[8].test, fitted[7].test)
    return [
        Evidence("AR(8) by tables: parameters, (64 - 8 + 1) 2⁸ - 1", tabled[8].parameters, markov(8).count(64)),
        Evidence("AR(8) by logistic regressions: parameters, 64 + 1 + 2 + … + 8 + 8 + …", fitted[8].parameters,
                64 + sum(min(i, 8) for i in range(64))),
        informed(unit, "AR(k) by tables: smallest gain in training of a longer memory", float(train.diff().min()),
                 0.0, relation=">="),
        informed(unit, f"AR({TABLES[-1]}) by tables: test, below AR({best})", lost, SURE * error, relation=">="),
        informed(unit, "AR(63) by logistic regressions: test, above AR(1)", gained, SURE * other, relation=">="),
        informed(unit, "AR(8) by the same: test, above AR(7), as the pixel above is seen", above, SURE * another,
                 relation=">="),
    ]  # fmt: skip


@cache
def _compared(seed: int) -> Compared:
    return {
        "markov\norder 1": {order: [tables(1, order)] for order in ORDERS},
        "markov\norder 8": {order: [tables(8, order)] for order in ORDERS},
        "fvsbn\nmemory 8": {order: [logistic(8, order)] for order in ORDERS},
        "fvsbn": {order: [logistic(ALL, order)] for order in ORDERS},
        "nade": {order: [nade(order, seed + i) for i in range(SEEDS)] for order in ORDERS},
    }


def _mean(runs: list[Scores]) -> Tensor:
    return torch.stack([run.test for run in runs]).mean(0)


def _orders(compared: Compared, unit: Unit) -> list[Evidence]:
    findings, limit = [], 0.0
    for name, runs in compared.items():
        told = name.replace("\n", ", ")
        random = torch.stack([_mean(runs[order]) for order in ORDERS if order.name == "random"]).mean(0)
        lost, error = below(_mean(runs[ORDERS[0]]), random)
        if "\n" in name:  # a short memory
            findings.append(informed(unit, f"{told}: random orders below raster", lost, SURE * error, relation=">="))
            limit = max(limit, lost / 10)
        else:
            findings.append(informed(unit, f"{told}, all before seen: the same, a tenth at most", lost, 0.0, limit))
    means = torch.tensor([[float(run.test.mean()) for run in runs] for runs in compared["nade"].values()])
    seeds = float(means.var(1).mean().sqrt())
    return [*findings, informed(unit, "nade: standard deviation over seeds of one order", seeds, limit, relation="<=")]


def _draw_exact(unit: Unit, theme: Theme, axes: Any) -> None:
    for memory, color in zip(range(N), theme.curves, strict=False):
        lost = in_unit(torch.tensor(sorted(_lost(memory))), unit)
        axes.plot(range(1, len(lost) + 1), lost, color=color, label=f"k = {memory}", linewidth=1.6)
    axes.set(xlabel="order, from the best to the worst", ylabel=f"lost, {unit}", xlim=(1, len(lost)))
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, ncols=2)


def _draw_memory(
    tabled: Mapping[int, Scores], fitted: Mapping[int, Scores], unit: Unit, theme: Theme, axes: Any
) -> None:  # fmt: skip
    curves = (("a table of all contexts (markov)", tabled, (0, 6)), ("logistic regressions (fvsbn)", fitted, (9, -7)))
    for color, (label, found, shift) in zip(theme.curves, curves, strict=False):
        x, y = [one.parameters for one in found.values()], [_told(one.test, unit) for one in found.values()]
        axes.plot(x, y, color=color, label=label, marker="o", markersize=4, linewidth=1.4)
        for k, *place in zip(found, x, y, strict=True):
            axes.annotate(str(k), place, shift, textcoords="offset points", ha="center", color=color)
    axes.set(xscale="log", xlabel="parameters", ylabel=f"test log-likelihood, {unit}")
    axes.margins(y=0.1)
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)


def _draw_orders(compared: Compared, unit: Unit, theme: Theme, axes: Any) -> None:
    colors = dict(zip(ORDERS, (theme.ink, *theme.curves[1:]), strict=False))
    for place, (_, runs) in enumerate(compared.items()):
        base = _mean(runs[ORDERS[0]])
        for shift, order in enumerate(ORDERS):
            x, (mean, error) = place + 0.13 * (shift - 2), below(_mean(runs[order]), base)
            heights, nat = [_told(run.test - base, unit) for run in runs[order]], _told(torch.ones(1), unit)
            label = str(order) if place == 0 else None
            axes.plot([x] * len(heights), heights, "o", color=colors[order], markersize=4, label=label)
            axes.errorbar(x, mean * nat, SURE * error * nat, color=colors[order], linewidth=1.2)
    axes.axhline(0, color=theme.ink, linewidth=0.8, linestyle=":")
    axes.set(xticks=range(len(compared)), ylabel=f"above raster order, {unit}")
    axes.set_xticklabels(compared)
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=0.8, loc="lower right", ncols=2)


def _told(nats: Tensor, unit: Unit) -> float:
    return float(in_unit(nats.mean(), unit))
