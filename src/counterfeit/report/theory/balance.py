"""Balance: how many moves of each player, whether both move at once, and what happens where one runs ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.balance_runs import (
    AT_ONCE,
    CENTERS,
    LR,
    PROTOCOL,
    Game,
    Look,
    Opinion,
    alone,
    balanced,
    few,
    pointed,
)
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.theory.convergence import growth, play
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

MODES = len(CENTERS)
LATE = 5  # last looks at a game on digits, of which the mean is taken


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Moves of each player, both at once, the generator alone, and a discriminator that knows its data by heart."""
    games = balanced(seed)
    paths = {"at once": pointed(True), "in turn": pointed(False)}
    looks, opinions = alone(games["3 : 1"].model, seed), few(seed)
    findings = [*_ratios(games), *_alone(looks), *_paths(paths), *_opinions(opinions)]
    figures = (
        drawn("balance", GAMES_TOLD, lambda theme, axes: _draw_games(games, theme, axes), (9.6, 2.35), 5),
        drawn("balance-moves", MOVES_TOLD, lambda theme, axes: _draw_moves(games, looks, paths, theme, axes),
              (9.6, 2.9), 3),
        drawn("balance-few", FEW_TOLD, lambda theme, axes: _draw_few(opinions, theme, axes), (8.4, 3.1), 2),
    )  # fmt: skip
    return Lesson(tuple(findings), figures, f"{PROTOCOL}; seed {seed}")


GAMES_TOLD = (
    "Samples (orange) on the ring of eight modes (blue) after the same number of moves of both players together. The "
    "ratio is that of the discriminator's moves to the generator's. A generator that moves more often than its "
    "discriminator runs to where it is taken for data and never spreads out; one that moves rarely is only late."
)
MOVES_TOLD = (
    "Left: distance of samples from the data by the ratio of moves (blue: in turn; orange: both at once). Middle: that "
    "of a generator trained on while its discriminator stands still, early in the game of 1 : 1 and at the end of "
    "3 : 1. Early it leaves the data for where the discriminator is fooled most; at the end the discriminator is "
    "nearly flat and hardly pulls. Right: the Dirac-GAN by the same program: at once the players spiral away from the "
    "equilibrium (cross), in turn they circle it."
)
FEW_TOLD = (
    "Games on digits. Left: by how much more often the discriminator takes the examples for data that it is "
    "trained on than held-out ones. With 100 examples it learns them by heart; noise on its inputs keeps it from that. "
    "Right: the distance of "
    "samples from held-out digits."
)


def _ratios(games: Mapping[str, Game]) -> list[Evidence]:
    looks = {name: game.look for name, game in games.items()}
    best = looks["3 : 1"].distance
    return [
        Evidence("ring, 3 : 1: modes covered", looks["3 : 1"].modes, MODES),
        Evidence("8 : 1, G moves rarely: energy distance over that of 3 : 1", looks["8 : 1"].distance / best, 2.0,
                 relation=">="),
        Evidence("1 : 1: energy distance, at most half of that of 1 : 8", looks["1 : 1"].distance,
                 looks["1 : 8"].distance / 2, relation="<="),
        Evidence("1 : 3: modes covered", looks["1 : 3"].modes, MODES / 2, relation="<="),
        Evidence("1 : 8, G trained too much for D: modes covered", looks["1 : 8"].modes, MODES / 4, relation="<="),
        Evidence("1 : 8: energy distance over that of 3 : 1", looks["1 : 8"].distance / best, 10.0, relation=">="),
        Evidence("1 : 1 at once: energy distance over that in turn", looks[AT_ONCE].distance / looks["1 : 1"].distance,
                 1.0, relation=">="),
    ]  # fmt: skip


def _alone(looks: Mapping[str, list[Look]]) -> list[Evidence]:
    (first, *_, last), (*_, late) = looks.values()
    return [
        Evidence(f"early, G alone for {last.moves} moves: modes covered", last.modes, MODES / 4, relation="<="),
        Evidence("the same: mean logit of D(G(z)), above that at first", last.logit - first.logit, 0.1, relation=">="),
        Evidence("the same: energy distance over that at first", last.distance / first.distance, 10.0, relation=">="),
        Evidence(f"at the end of 3 : 1, where D is nearly flat, G alone for {late.moves} moves: modes covered",
                late.modes, MODES * 0.75, relation=">="),
    ]  # fmt: skip


def _paths(paths: Mapping[str, Tensor]) -> list[Evidence]:
    at_once, in_turn = paths.values()
    steps = len(at_once) - 1
    # play has the generator first: it begins where the discriminator has moved once
    turns = play("dirac", (float(in_turn[0, 0]), float(in_turn[1, 1])), LR, steps - 1, "alternating")
    expected = {"at once": play("dirac", tuple(at_once[0].tolist()), LR, steps), "in turn": turns}
    found = {"at once": at_once, "in turn": torch.stack([in_turn[:-1, 0], in_turn[1:, 1]], 1)}
    apart = {name: float((found[name] - expected[name]).abs().max()) for name in found}
    radius = at_once.norm(dim=1)
    return [
        *(Evidence(f"Dirac-GAN {name}: largest distance of the engine's path from the map", value, 0.0, 1e-3)
          for name, value in apart.items()),
        Evidence("Dirac-GAN at once: growth of the radius in a step, at first", float(radius[100] / radius[0]) ** 0.01,
                 growth("dirac", LR), 2e-4),
        Evidence("Dirac-GAN in turn: radius at the end over that at first, at most", float(in_turn[-1].norm() / 0.5),
                 1.1, relation="<="),
    ]  # fmt: skip


def _late(opinions: list[Opinion]) -> Opinion:
    return Opinion(*torch.tensor(opinions[-LATE:], dtype=torch.float64).mean(0).tolist())


def _opinions(found: Mapping[str, list[Opinion]]) -> list[Evidence]:
    whole, small, noisy = (_late(opinions) for opinions in found.values())
    gaps = [one.train - one.held for one in (whole, small, noisy)]
    return [
        Evidence("1,297 digits: accuracy of D on training data, above that on held-out ones", gaps[0], 0.0, 0.05),
        Evidence("100 digits: the same", gaps[1], 0.1, relation=">="),
        Evidence("100 digits, instance noise 0.3: the same, at most as without", gaps[2], gaps[1], relation="<="),
        Evidence("100 digits: energy distance from held-out digits, over that with 1,297",
                 small.distance / whole.distance, 1.1, relation=">="),
    ]  # fmt: skip


def _draw_games(games: Mapping[str, Game], theme: Theme, axes: Any) -> None:
    for one, name in zip(axes, ("8 : 1", "3 : 1", "1 : 1", "1 : 3", "1 : 8"), strict=True):
        look = games[name].look
        one.scatter(*CENTERS.T.numpy(), s=90, facecolors="none", edgecolors=theme.curves[0], linewidths=1.2)
        one.scatter(
            *look.samples[:1_500].T.numpy(), s=3, color=theme.curves[1], alpha=0.5, linewidths=0, rasterized=True
        )
        one.set(title=f"{name}\n{look.modes} modes", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
        one.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])
        one.tick_params(labelleft=one is axes[0])


def _draw_moves(
    games: Mapping[str, Game], looks: Mapping[str, list[Look]], paths: Mapping[str, Tensor], theme: Theme, axes: Any
) -> None:  # fmt: skip
    left, middle, right = axes
    names = [name for name in games if name != AT_ONCE]
    left.plot(range(len(names)), [games[name].look.distance for name in names], color=theme.curves[0], marker="o",
              linewidth=1.6, markersize=5)  # fmt: skip
    left.plot(names.index("1 : 1"), games[AT_ONCE].look.distance, "o", color=theme.curves[1], markersize=6)
    left.set(yscale="log", xlabel="moves of D : moves of G", ylabel="energy distance from the data")
    left.set_xticks(range(len(names)), names)
    for color, (name, seen) in zip((theme.curves[1], theme.curves[0]), looks.items(), strict=True):
        moves, modes = [look.moves for look in seen], f"{seen[0].modes} → {seen[-1].modes} modes"
        middle.plot(moves, [look.distance for look in seen], color=color, label=f"{name}: {modes}", linewidth=1.6)
    middle.set(xlabel="moves of G alone", yscale="log", xlim=(0, None))
    middle.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
    for color, name in ((theme.curves[1], "at once"), (theme.curves[0], "in turn")):
        right.plot(*paths[name].T, color=color, label=name, linewidth=1.2)
    right.plot(0, 0, "+", color=theme.ink, markersize=10)
    right.set(xlabel="θ of the generator", ylabel="ψ of the discriminator", aspect="equal", ylim=(-1.75, 2.35))
    right.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper center", ncols=2)


def _draw_few(found: Mapping[str, list[Opinion]], theme: Theme, axes: Any) -> None:
    left, right = axes
    for color, (name, opinions) in zip(theme.curves, found.items(), strict=False):
        steps = [one.step for one in opinions]
        left.plot(steps, [one.train - one.held for one in opinions], color=color, linewidth=1.6)
        right.plot(steps[1:], [one.distance for one in opinions[1:]], color=color, label=name, linewidth=1.6)
    left.axhline(0, color=theme.ink, linewidth=0.8, linestyle=":")
    left.set(xlabel="step", ylabel="accuracy, training less held-out", xlim=(0, None))
    right.set(xlabel="step", ylabel="energy distance from held-out digits", yscale="log", xlim=(0, None))
    right.set_yticks([0.05, 0.1, 0.2, 0.5], ["0.05", "0.1", "0.2", "0.5"])
    right.minorticks_off()
    right.legend(title="training digits", frameon=False, labelcolor="linecolor", handlelength=1.2)
