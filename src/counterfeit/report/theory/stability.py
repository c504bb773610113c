"""Stability: how far a flow, a VAE, a diffusion model and adversarial nets end from the data, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

from counterfeit.data.sources.toy import TwoMoons
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.stability_runs import PROTOCOL, SEEDS, STEPS, Outcome, floor, outcomes
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

GAME = "GAN"
LEAST = 5e-4  # distances are drawn from here on: estimates of less are noise, and may be below 0
Outcomes = Mapping[str, list[Outcome]]


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Distances from the data after as many steps, their spread over seeds, and how they move during training."""
    found = outcomes(seed)
    findings = [
        Evidence("draws of the data from others: largest energy distance", max(map(abs, floor(seed))), 0.003,
                 relation="<="),
        *_ends(found), *_spreads(found),
    ]  # fmt: skip
    figures = (
        drawn("stability", CURVES, lambda theme, axes: _draw_curves(found, theme, axes), (9.6, 2.9), len(found)),
        drawn("stability-worst", WORST, lambda theme, axes: _draw_worst(found, theme, axes), (9.6, 2.7), len(found)),
    )
    first = SEEDS * seed
    return Lesson(tuple(findings), figures, f"{PROTOCOL}; seeds {first} to {first + SEEDS - 1}")


CURVES = (
    "Energy distance of samples from two moons while four models are trained, one line for each of four seeds. What "
    "descends a loss of its own goes down and stays; adversarial nets go up and down, and end elsewhere for each seed. "
    "The dotted line is about what as many draws of the data would show."
)
WORST = "Samples of the worst of four seeds of every model (orange), and the data (gray), with the energy distance."


def _last(runs: list[Outcome]) -> list[float]:
    return [run.distances[-1] for run in runs]


def _ends(found: Outcomes) -> list[Evidence]:
    ends = {name: mean(_last(runs)) for name, runs in found.items()}
    told = [Evidence(f"{name}: energy distance after {STEPS} steps, mean over {SEEDS} seeds", end, 0.02, relation="<=")
            for name, end in ends.items() if name != GAME]  # fmt: skip
    most = max(end for name, end in ends.items() if name != GAME)
    return [*told, Evidence(f"{GAME}: the same, and at least that of the others", ends[GAME], most, relation=">=")]


def _spreads(found: Outcomes) -> list[Evidence]:
    spread = {name: stdev(_last(runs)) for name, runs in found.items()}
    rise = {
        name: max(b - a for run in runs for a, b in pairwise(run.distances[len(run.distances) // 2 :]))
        for name, runs in found.items()
    }
    others = [name for name in found if name != GAME]
    return [
        *(Evidence(f"{name}: standard deviation over seeds", spread[name], 0.005, relation="<=") for name in others),
        Evidence(f"{GAME}: standard deviation over seeds, at least twice the largest of the others",
                spread[GAME], 2 * max(spread[name] for name in others), relation=">="),
        *(Evidence(f"{name}: largest rise between two looks in the second half", rise[name], 0.01, relation="<=")
          for name in others),
        Evidence(f"{GAME}: the same, at least the largest of the others", rise[GAME],
                 max(rise[name] for name in others), relation=">="),
    ]  # fmt: skip


def _draw_curves(found: Outcomes, theme: Theme, axes: Any) -> None:
    for one, color, (name, runs) in zip(axes, theme.curves, found.items(), strict=False):
        for run in runs:
            one.plot(run.steps, [max(LEAST, distance) for distance in run.distances], color=color, linewidth=1.3)
        one.axhline(LEAST, color=theme.ink, linewidth=1, linestyle=":")
        ends = _last(runs)
        one.set(
            title=f"{name}\n{mean(ends):.4f} ± {stdev(ends):.4f}", yscale="log", ylim=(LEAST / 1.3, 2), xlabel="step"
        )
        one.set(xlim=(0, STEPS), xticks=(0, STEPS // 2, STEPS))
        one.tick_params(labelleft=one is axes[0])
    axes[0].set_ylabel("energy distance from the data")


def _draw_worst(found: Outcomes, theme: Theme, axes: Any) -> None:
    data = TwoMoons().sample(2_000).T.numpy()
    for one, (name, runs) in zip(axes, found.items(), strict=True):
        worst = max(runs, key=lambda run: run.distances[-1])
        one.scatter(*data, s=3, color=theme.ink, alpha=0.25, linewidths=0, rasterized=True)
        one.scatter(*worst.samples.T.numpy(), s=3, color=theme.curves[1], alpha=0.5, linewidths=0, rasterized=True)
        one.set(title=f"{name}: {worst.distances[-1]:.4f}", xlim=(-1.8, 2.8), ylim=(-1.6, 2.1), aspect="equal")
        one.set(xticks=[-1, 0, 1, 2], yticks=[-1, 0, 1])
        one.tick_params(labelleft=one is axes[0])
