"""One input, two right answers: the least squared error answers with neither, adversarial nets with both."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.stepped import stepped
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.report.theory.two_answers import (
    LINE,
    SIGMA,
    UPPER,
    Game,
    Loss,
    Regression,
    branch,
    draw,
    log_prob,
    mean,
    median,
)
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

REGRESSED = Train(
    lr=1e-2, betas=(0.9, 0.99), schedule="linear", steps=1_500, batch_size=1_024, ema=0.99, device="cpu"
)  # fmt: skip
PLAYED = Train(
    lr=2e-3, betas=(0.5, 0.99), schedule="linear", lr_hold_fraction=0.5, steps=3_000, batch_size=512, ema=0.99,
    device="cpu",
)  # fmt: skip
INPUTS, EACH = torch.linspace(-1, 1, 41), 500  # inputs that are asked, and draws for each
STEP = 5e-4  # of the constants that are searched
CONSTANTS = torch.linspace(-1.5, 1.5, round(3 / STEP) + 1, dtype=torch.float64)


class Answers(NamedTuple):
    """What each net answers to every input: one answer, (41,), or draws, (41, 500)."""

    squared: Tensor
    absolute: Tensor
    game: Tensor


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """The conditional mean lies where no answer is, the median on one branch, and draws on both."""
    answers = _answers(seed)
    findings = [*_constants(), *_errors(answers), *_draws(answers)]
    figure = drawn("one-to-many", CAPTION, lambda theme, axes: _draw(answers, seed, theme, axes), (9.6, 3.3), 3)
    protocol = (
        f"y = ±(0.8 + 0.3 sin πx) + N(0, {SIGMA}²), + with probability {UPPER}, x uniform in [-1, 1], fresh draws in "
        f"every step; nets of two hidden layers of 64; errors: {REGRESSED.steps:,} steps of {REGRESSED.batch_size:,}; "
        f"game: non-saturating, {PLAYED.steps:,} steps of {PLAYED.batch_size}, noise of 2 dimensions; {EACH} draws for "
        f"each of {len(INPUTS)} inputs; seed {seed}"
    )
    return Lesson(tuple(findings), (figure,), protocol)


CAPTION = (
    "One input x with two right answers y (blue dots). Left: the net with the least squared error answers with the "
    "conditional mean (dashed), where no answer ever is. Middle: that with the least absolute error answers with the "
    "median (dashed), on the more frequent branch only. Right: draws of conditional adversarial nets (orange), on both."
)


def _answers(seed: int) -> Answers:
    data = partial(draw, seed)

    def fitted(loss: Loss) -> Tensor:
        net = stepped(lambda: Regression(loss), data, replace(REGRESSED, seed=seed), f"the least {loss} error")
        return net.answers(INPUTS)

    game = stepped(Game, data, replace(PLAYED, seed=seed), "a conditional game")
    with torch.no_grad(), seeded(seed):
        draws = game.answers(INPUTS.repeat_interleave(EACH)).view(len(INPUTS), EACH)
    return Answers(fitted("squared").detach(), fitted("absolute").detach(), draws)


def _constants() -> list[Evidence]:
    """The best constant at x = 0, by search."""
    at = torch.zeros(1)
    weights = LINE.weights * log_prob(LINE.x, at).exp()
    apart = LINE.x - CONSTANTS[:, None]  # (6001, nodes)
    squared, absolute = (float(CONSTANTS[(error @ weights).argmin()]) for error in (apart.square(), apart.abs()))
    return [
        Evidence("x = 0: constant of least mean squared error, against the mean", squared, float(mean(at)), STEP),
        Evidence("x = 0: constant of least mean absolute error, against the median", absolute, float(median(at)), STEP),
    ]


def _errors(answers: Answers) -> list[Evidence]:
    def apart(found: Tensor, theory: Tensor) -> float:
        return float((found - theory).square().mean().sqrt())

    return [
        Evidence("least squared error: root mean square distance from the conditional mean",
                apart(answers.squared, mean(INPUTS)), 0.03, relation="<="),
        Evidence("least absolute error: the same from the conditional median",
                apart(answers.absolute, median(INPUTS)), 0.03, relation="<="),
    ]  # fmt: skip


def _draws(answers: Answers) -> list[Evidence]:
    inputs = INPUTS[:, None].expand_as(answers.game)
    upper = (answers.game > 0).double().mean(1)
    data = (UPPER**2 + (1 - UPPER) ** 2) / (2 * SIGMA * math.pi**0.5)  # mean density at answers, branches far apart
    return [
        Evidence("density p(y | x) at answers of least squared error: a thousandth of that at data, at most",
                _density(answers.squared, INPUTS), data / 1000, relation="<="),
        Evidence("density p(y | x) at draws of the game: half of that at data, at least",
                _density(answers.game, inputs), data / 2, relation=">="),
        Evidence("least squared error: share of answers within 3σ of a branch", _near(answers.squared, INPUTS), 0.0),
        Evidence("game: share of draws within 3σ of a branch", _near(answers.game, inputs), 0.95, relation=">="),
        Evidence("game: share of draws on the upper branch", float(upper.mean()), UPPER, 0.05),
        Evidence("game: share on the lower branch, at the input where it is least", float(1 - upper.max()),
                (1 - UPPER) / 2, relation=">="),
        Evidence("mean squared error of the game's draws, over that of the conditional mean",
                _squared(answers.game, inputs) / _squared(mean(INPUTS), INPUTS), 2.0, 0.2),
    ]  # fmt: skip


def _density(answers: Tensor, inputs: Tensor) -> float:
    return float(log_prob(answers.flatten(), inputs.flatten()).exp().mean())


def _near(answers: Tensor, inputs: Tensor) -> float:
    return float((answers.abs() - branch(inputs)).abs().less(3 * SIGMA).double().mean())


def _squared(answers: Tensor, inputs: Tensor) -> float:
    """Expected squared error of answers: (answer - mean)² and the variance of the data."""
    variance = SIGMA**2 + 4 * UPPER * (1 - UPPER) * branch(inputs).square()
    return float(((answers - mean(inputs)).square() + variance).mean())


def _draw(answers: Answers, seed: int, theme: Theme, axes: Any) -> None:
    data = draw(seed, 1_500, -1)
    blue, orange = theme.curves[:2]
    titles = ("least squared error", "least absolute error", "adversarial nets")
    for one, title in zip(axes, titles, strict=True):
        one.plot(data.y, data.x, ".", color=blue, markersize=2.5, alpha=0.5, markeredgewidth=0, rasterized=True)
        one.set(title=title, xlim=(-1, 1), ylim=(-1.5, 1.5), xlabel="input x")
        one.tick_params(labelleft=one is axes[0])
    for one, found, theory in zip(axes, answers[:2], (mean, median), strict=False):
        one.plot(INPUTS, found, color=orange, linewidth=2)
        one.plot(INPUTS, theory(INPUTS), color=theme.ink, linewidth=1, linestyle="--")
    shown = answers.game[:, :30]
    spread = INPUTS[:, None] + torch.linspace(-0.025, 0.025, 30)  # each within its own cell of the inputs
    axes[2].plot(spread.flatten(), shown.flatten(), ".", color=orange, markersize=3, markeredgewidth=0, rasterized=True)
    axes[0].set_ylabel("answer y")
