"""Sigmoid, tanh, rectifier and maxout in one game: what they pass of a gradient, and what becomes of the samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from counterfeit.common.seeding import seeded
from counterfeit.models.adversarial.gan import GAN
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.report.theory.unit_games import (
    DEPTH,
    PLACES,
    PROTOCOL,
    SEEN,
    WAYS,
    WIDTH,
    Look,
    made,
    mean_only,
    signals,
)
from counterfeit.report.theory.unit_games import watched_game as watched
from counterfeit.theory.information import Unit
from counterfeit.theory.signals import DEFAULT, STEEPEST, UNITS, UnitName, propagated

__all__ = ["lesson"]

STEPPED, ADAPTED, ENLARGED = WAYS
OUTPUT = STEEPEST["sigmoid"]  # of the generator's output, which is near the middle of [0, 1] at the start
Games = Mapping[str, Mapping[UnitName, list[Look]]]


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Gradients at the start by theory and by autograd, and games by two optimizers."""
    starts = {kind: _start(kind, seed) for kind in UNITS}
    games = {way: {kind: watched(kind, way, seed) for kind in UNITS} for way in WAYS}
    findings = [*_layers(starts), *_bound(seed), *_results(games)]
    figures = (
        drawn("units-gradients", PASSED, lambda theme, axes: _draw_passed(starts, games, theme, axes), (8.4, 3.2), 2),
        drawn("units-results", RESULT, lambda theme, axes: _draw_results(games, theme, axes), (9.6, 3.2), 3),
    )
    return Lesson(tuple(findings), figures, f"{PROTOCOL}; seed {seed}")


PASSED = (
    "The gradient of the discriminator's logit on its way back, from the discriminator's last hidden layer (right) to "
    "the code (left). Left: at the start; dots are measured by autograd, lines are theory. Right: after training by "
    "Adam from large weights."
)
RESULT = (
    "The same game with four kinds of units, trained in three ways; dotted: the FID of the mean picture alone. Sigmoid "
    "units learn nothing by SGD, and by Adam the mean picture, whatever the code is. With weights of the size that "
    "lets signals pass, tanh, rectifier and maxout learn digits."
)


def _start(kind: UnitName, seed: int) -> tuple[Tensor, Tensor]:
    """Norms at the start, measured and by theory, (places,) each."""
    with seeded(seed):
        game = made(kind).eval()
        z = game.prior(SEEN)
        with torch.no_grad():
            x = game.generator(z)
    return signals(game, z), torch.tensor(_theory(kind, float(x.square().mean())), dtype=torch.float64)


def _theory(kind: UnitName, square: float) -> list[float]:
    """Expected norms at `PLACES` with PyTorch's initial weights, for samples of that mean square."""
    bias = DEFAULT / WIDTH
    _, making = propagated(kind, DEPTH, 1.0, bias=bias)
    _, judging = propagated(kind, DEPTH, square, bias=bias)
    factors = [*making, OUTPUT * DEFAULT**0.5, *judging, DEFAULT**0.5]
    return [math.prod(factors[place:]) for place in range(len(factors))]


def _factor(norms: Tensor) -> float:
    """By how much a hidden layer multiplies a gradient, the geometric mean over both players."""
    generator, sample = PLACES.index(f"G{DEPTH}"), PLACES.index("x")
    through = norms[0] / norms[generator] * norms[sample] / norms[-1]
    return float(through ** (1 / (2 * DEPTH)))


def _layers(starts: Mapping[UnitName, tuple[Tensor, Tensor]]) -> list[Evidence]:
    factors = {kind: _factor(found) for kind, (found, _) in starts.items()}
    arrived = {kind: float(found[0]) for kind, (found, _) in starts.items()}
    return [
        *(Evidence(f"{kind}: factor of a hidden layer on a gradient, at the start", factors[kind], _factor(theory),
                   0.12 * _factor(theory)) for kind, (_, theory) in starts.items()),
        Evidence("maxout of two over rectifier: the same", factors["maxout"] / factors["relu"], 2**0.5, 0.2),
        Evidence("sigmoid: the gradient that arrives at the code, over that of maxout",
                 arrived["sigmoid"] / arrived["maxout"], 1e-3, relation="<="),
    ]  # fmt: skip


def _bound(seed: int) -> list[Evidence]:
    with seeded(seed):
        game = made("sigmoid").eval()
        arrived = max(float(signals(game, game.prior(1))[0]) for _ in range(20))
    return [
        Evidence("sigmoid: largest gradient of 20 codes, over the bound ∏ ‖W‖ / 4 of all layers",
                 arrived / bound(game, "sigmoid"), 1.0, relation="<=")
    ]  # fmt: skip


def bound(game: GAN, kind: UnitName) -> float:
    """What the gradient of a logit in a code cannot exceed: norms of all weights and the steepest slopes of units."""
    linear = [m for net in (game.generator, game.discriminator) for m in net.modules() if isinstance(m, nn.Linear)]
    norms = math.prod(float(torch.linalg.matrix_norm(m.weight.detach().double(), 2)) for m in linear)
    return norms * STEEPEST[kind] ** (2 * DEPTH) * OUTPUT


def _results(games: Games) -> list[Evidence]:
    slow, fast, large = ({kind: looks[-1] for kind, looks in games[way].items()} for way in WAYS)
    return [
        Evidence(f"{STEPPED}, sigmoid: FID at the end, over that at the start",
                 slow["sigmoid"].fid / games[STEPPED]["sigmoid"][0].fid, 0.9, relation=">="),
        Evidence(f"{ADAPTED}, sigmoid: the same", fast["sigmoid"].fid / games[ADAPTED]["sigmoid"][0].fid, 0.75,
                 relation="<="),
        *(Evidence(f"{way}, sigmoid: variance of samples over that of data", looks["sigmoid"][-1].variety, 0.05,
                   relation="<=") for way, looks in games.items()),
        *(Evidence(f"{ENLARGED}, {kind}: the same", large[kind].variety, 0.3, relation=">=") for kind in UNITS[1:]),
        *(Evidence(f"{ENLARGED}, {kind}: FID over that of the mean picture", large[kind].fid / mean_only(), 1.0,
                   relation="<=") for kind in UNITS[1:]),
        *(Evidence(f"{ENLARGED}, {kind}: FID over that with default weights", large[kind].fid / fast[kind].fid, 0.75,
                   relation="<=") for kind in UNITS[1:]),
        Evidence(f"{ENLARGED}, maxout: FID over the best of the others", large["maxout"].fid /
                 min(large[kind].fid for kind in UNITS[:-1]), 1.0, relation="<="),
        Evidence(f"{ENLARGED}, against the folklore: FID of tanh over that of rectifiers",
                 large["tanh"].fid / large["relu"].fid, 1.0, relation="<="),
    ]  # fmt: skip


def _draw_passed(
    starts: Mapping[UnitName, tuple[Tensor, Tensor]], games: Games, theme: Theme, axes: Any
) -> None:  # fmt: skip
    start, end = axes
    places = range(len(PLACES))
    for color, kind in zip(theme.curves, UNITS, strict=False):
        found, theory = starts[kind]
        start.plot(places, found, "o", color=color, markersize=4.5)
        start.plot(places, theory, color=color, linewidth=1.4, label=kind)
        end.plot(places, games[ENLARGED][kind][-1].norms, "o-", color=color, markersize=4.5, linewidth=1.4)
    start.set(yscale="log", ylabel="norm of the gradient", title="at the start")
    end.set(yscale="log", title="after training (Adam, large weights)")
    for one in axes:
        one.set_xticks(places, PLACES)
    start.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="lower right")


def _draw_results(games: Games, theme: Theme, axes: Any) -> None:
    for one, (way, kinds) in zip(axes, games.items(), strict=True):
        for color, (kind, looks) in zip(theme.curves, kinds.items(), strict=False):
            one.plot([look.step for look in looks], [look.fid for look in looks], color=color, label=kind,
                     linewidth=1.6)  # fmt: skip
        one.axhline(mean_only(), color=theme.ink, linewidth=0.8, linestyle=":")
        one.set(xlabel="step", title=way, xlim=(0, None), yscale="log", ylim=(0.8, 20))
        one.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
        one.minorticks_off()
    axes[0].set_ylabel("FID in pixels")
    axes[-1].text(590, mean_only() * 0.96, "mean picture", ha="right", va="top")
    axes[0].legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="lower left")
