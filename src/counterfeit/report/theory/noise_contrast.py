"""Noise-contrastive estimation: what noise costs, why far noise teaches nothing, and the game that it is."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Spec
from counterfeit.losses import OBJECTIVES
from counterfeit.models.energy.nce import NCE
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.contrast_runs import AWAY, PROTOCOL, Look, runs
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory import game, quadrature
from counterfeit.theory.contrast import covariance, criterion, estimate, information, likelihood_covariance
from counterfeit.theory.information import Unit, in_unit

__all__ = ["lesson"]

LINE = quadrature.rule(-20.0, 30.0, 500)
NAMES = ("μ/σ²", "1/σ²", "ln Z")
DATA = Normal(torch.zeros((), dtype=torch.float64), 1.0)
TRUTH = torch.tensor([0.0, 1.0, math.log(2 * math.pi) / 2], dtype=torch.float64)
DISTANCES, FAR = torch.linspace(0, 6, 61, dtype=torch.float64).tolist(), 8.0
RATIOS = (1, 10, 100)
MEASURED, REPEATS, EXAMPLES = (0.0, 1.0, 2.0, 3.0), 1_000, 500  # distances; estimates of each, and data of each
WITHIN = 0.2  # three standard errors of a variance over 1,000 estimates are 13 %, and 500 data leave some bias
APART = AWAY * math.sqrt(2 / 1.8)  # of the trained noise, in standard deviations of the data along its way
OFF = 0.5  # by how much the mean of a wrong model is


def lesson(unit: Unit, seed: int) -> Lesson:
    """The variance of estimates by quadrature and by repetition; the game; and three kinds of noise, trained."""
    measured = {distance: _measured(distance, seed) for distance in MEASURED}
    found = runs(seed)
    findings = [*_efficiency(measured), *_game(seed), *_trivial(unit), *_trained(found, unit)]
    figures = (
        drawn("noise-contrast", COST, lambda theme, axes: _draw_cost(measured, theme, axes), (8.4, 3.2), 2),
        drawn(
            "noise-contrast-training", LEARNED, lambda theme, axes: _draw_runs(found, unit, theme, axes), (8.4, 3.0), 2
        ),
    )
    protocol = (
        f"data N(0, 1), noise N(δ, 1), by quadrature; measured: Newton's method, {REPEATS:,} times on {EXAMPLES} data "
        f"and as much noise; trained: {PROTOCOL}; seed {seed}"
    )
    return Lesson(tuple(findings), figures, protocol)


COST = (
    "Data N(0, 1), noise N(δ, 1). Left: the variance of the estimated μ/σ², as a multiple of that of maximum "
    "likelihood (lines: theory; dots: 1,000 estimates each). Right: as the noise moves away, the loss of the best "
    "classifier goes to 0, and with it the gradient for a model whose mean is wrong by ½; both as shares of what they "
    "are at δ = 0."
)
LEARNED = (
    "An unnormalized Gaussian learned from three kinds of noise. Left: its divergence from the data. Right: the "
    "classifier's loss. From noise far away nearly nothing is learned, since it is told with hardly an error. Noise "
    "that learns to be taken for data brings the loss to log 4, the value of the adversarial game at its equilibrium."
)


def _score() -> Tensor:
    """Of ln m = (μ/σ²) x - (1/σ²) x²/2 - ln Z in its three parameters, (N, 3)."""
    return _features(LINE.x)


def _features(x: Tensor) -> Tensor:
    return torch.stack([x, -x.square() / 2, -torch.ones_like(x)], -1)


def _costs(noise: Normal, ratio: float = 1.0) -> Tensor:
    """Variances of the estimates over those of maximum likelihood, (3,)."""
    log_p = DATA.log_prob(LINE.x)
    found = covariance(_score(), log_p, noise.log_prob(LINE.x), LINE.weights, ratio).diagonal()
    return found / likelihood_covariance(_score(), log_p, LINE.weights).diagonal()


def _noise(distance: float, std: float = 1.0) -> Normal:
    return Normal(torch.tensor(distance, dtype=torch.float64), std)


def _measured(distance: float, seed: int) -> float:
    """The variance of μ/σ² over repeated estimates, times the number of data; maximum likelihood has 1."""
    noise = _noise(distance)
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, REPEATS, EXAMPLES, generator=generator, dtype=torch.float64)
    y = y + distance
    offsets = (noise.log_prob(x), noise.log_prob(y))
    return float(estimate(_features(x), _features(y), offsets, TRUTH)[:, 0].var() * EXAMPLES)


def _efficiency(measured: dict[float, float]) -> list[Evidence]:
    like, far = _costs(_noise(0.0)), _costs(_noise(4.0))
    wide = _costs(_noise(0.0, 2.0))
    return [
        *(Evidence(f"noise like the data: variance of {name} over maximum likelihood's", float(cost), 2.0, 1e-9)
          for name, cost in zip(NAMES, like, strict=True)),
        Evidence("the same with ten times as much noise, 1 + 1/ν", float(_costs(_noise(0.0), 10)[0]), 1.1, 1e-9),
        Evidence("noise at δ = 1, a thousand times as much: μ/σ²", float(_costs(_noise(1.0), 1_000)[0]), 1.0, 0.01),
        *(Evidence(f"noise at δ = {distance:g}: variance of μ/σ², measured, against theory", found,
                   float(_costs(_noise(distance))[0]), WITHIN * float(_costs(_noise(distance))[0]))
          for distance, found in measured.items()),
        Evidence("noise at δ = 4: variance of μ/σ² over maximum likelihood's", float(far[0]), 100, relation=">="),
        Evidence("noise twice as wide as the data: the same, below that of noise like them", float(wide[0]), 2.0,
                 relation="<="),
    ]  # fmt: skip


def _game(seed: int) -> list[Evidence]:
    log_p, log_q = DATA.log_prob(LINE.x), _noise(1.5).log_prob(LINE.x)
    value = float(criterion(log_p, log_p, log_q, LINE.weights))
    twice = float(2 * quadrature.jsd(DATA.log_prob, _noise(1.5).log_prob, LINE))
    with seeded(seed), torch.no_grad():
        model, x = NCE(Spec((1,), "real"), energy="gaussian"), torch.randn(1_000, 1)
        model.initialize(Batch(x))
        y = model.begin(1_000)
        loss, _ = model.contrast(x, y)
        judged = 2 * OBJECTIVES["minimax"].discriminator(model.logit(x), model.logit(y))
    copied, ascended = _copied()
    return [
        Evidence("δ = 1.5: criterion, against V(G, D*) of noise as the generator", value,
                 float(game.cost(log_p, log_q, LINE.weights)), 1e-13),
        Evidence("the same, against -log 4 + 2 JSD", value, game.EQUILIBRIUM + twice, 1e-9),
        Evidence("loss of nce on 1,000 draws, against the discriminator's of adversarial nets", float(loss),
                 float(judged), 0.0),
        Evidence("noise that copies the model: gradient in μ, over maximum likelihood's", copied / ascended, 0.5, 1e-9),
    ]  # fmt: skip


def _copied() -> tuple[float, float]:
    """Gradients in the mean of a model that is off, where the noise is that model: of the criterion and of E_p ln m."""
    mean = torch.tensor(OFF, dtype=torch.float64, requires_grad=True)
    log_m, log_p = Normal(mean, 1.0).log_prob(LINE.x), DATA.log_prob(LINE.x)
    aims = (
        criterion(log_m, log_p, log_m.detach(), LINE.weights),
        LINE.integrate(log_p.exp() * log_m),
    )
    contrast, likelihood = (float(torch.autograd.grad(aim, mean, retain_graph=True)[0]) for aim in aims)
    return contrast, likelihood


@cache
def _left(distance: float) -> tuple[float, float, float]:
    """Loss of the best classifier in nats, curvature in μ, and the gradient in μ where the model's mean is wrong."""
    log_p, log_q = DATA.log_prob(LINE.x), _noise(distance).log_prob(LINE.x)
    curvature = information(_score(), log_p, log_q, LINE.weights)[0, 0]
    mean = torch.tensor(-OFF, dtype=torch.float64, requires_grad=True)
    aim = criterion(Normal(mean, 1.0).log_prob(LINE.x), log_p, log_q, LINE.weights)
    (gradient,) = torch.autograd.grad(aim, mean)
    return -float(criterion(log_p, log_p, log_q, LINE.weights)), float(curvature), abs(float(gradient))


def _trivial(unit: Unit) -> list[Evidence]:
    loss, curvature, gradient = _left(FAR)
    overlap = math.exp(-(FAR**2) / 8)  # ∫ √(pq)
    return [
        informed(unit, f"δ = {FAR:g}: loss of the best classifier, at most 2 ∫ √(pq)", loss, 2 * overlap,
                 relation="<="),
        Evidence(f"δ = {FAR:g}: curvature in μ, at most ½ ∫ x² √(pq)", curvature, overlap * (1 + FAR**2 / 4) / 2,
                 relation="<="),
        Evidence(f"δ = {FAR:g}: gradient in μ where it is wrong by ½, over that at δ = 0", gradient / _left(0.0)[2],
                 0.01, relation="<="),
    ]  # fmt: skip


def _trained(found: dict[str, list[Look]], unit: Unit) -> list[Evidence]:
    like, far, adaptive = (looks[-1] for looks in found.values())
    return [
        informed(unit, "trained, noise like the data: KL(p ‖ model)", like.divergence, 0.01, relation="<="),
        Evidence("trained, fixed noise far away: the same, over that of adaptive noise",
                 far.divergence / adaptive.divergence, 10.0, relation=">="),
        informed(unit, "trained, adaptive noise that began as far away: KL(p ‖ model)", adaptive.divergence, 0.02,
                 relation="<="),
        informed(unit, "fixed noise far away: loss of the classifier, against log 4 - 2 JSD", far.loss, _left(APART)[0],
                 0.02),
        informed(unit, "adaptive noise: loss of the classifier, against log 4", adaptive.loss, math.log(4), 0.02),
    ]  # fmt: skip


def _draw_cost(measured: dict[float, float], theme: Theme, axes: Any) -> None:
    left, right = axes
    for color, ratio in zip(theme.curves, RATIOS, strict=False):
        costs = [float(_costs(_noise(distance), ratio)[0]) for distance in DISTANCES]
        left.plot(DISTANCES, costs, color=color, label=f"ν = {ratio}", linewidth=1.6)
    left.plot(list(measured), list(measured.values()), "o", color=theme.curves[0], markersize=5, clip_on=False)
    left.axhline(1, color=theme.ink, linewidth=0.8, linestyle=":")
    left.text(6, 1.1, "maximum likelihood", ha="right", va="bottom", color=theme.ink)
    left.set(
        yscale="log",
        xlabel="distance δ of the noise",
        ylabel="variance over maximum likelihood's",
        xlim=(0, 6),
        xticks=range(7),
    )
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
    lost = torch.tensor([_left(distance) for distance in DISTANCES])
    for color, column, label in ((theme.curves[4], 0, "loss of the classifier"), (theme.curves[3], 2, "gradient in μ")):
        right.plot(DISTANCES, lost[:, column] / lost[0, column], color=color, label=label, linewidth=1.6)
    right.set(
        yscale="log", xlabel="distance δ of the noise", ylabel="share of that at δ = 0", xlim=(0, 6), xticks=range(7)
    )
    right.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)


def _draw_runs(found: dict[str, list[Look]], unit: Unit, theme: Theme, axes: Any) -> None:
    left, right = axes
    for color, (name, looks) in zip((theme.curves[0], theme.curves[1], theme.curves[2]), found.items(), strict=True):
        steps = [look.step for look in looks]
        for one, values in ((left, [look.divergence for look in looks]), (right, [look.loss for look in looks])):
            one.plot(steps, in_unit(torch.tensor(values), unit), color=color, label=name, linewidth=1.6)
    level = float(in_unit(torch.tensor(4.0).log(), unit))
    right.axhline(level, color=theme.ink, linewidth=0.8, linestyle=":")
    right.text(found["fixed, far away"][-1].step, level - 0.02, "log 4", ha="right", va="top", color=theme.ink)
    left.set(yscale="log", xlabel="step", ylabel=f"KL(p ‖ model), {unit}", xlim=(0, None))
    right.set(xlabel="step", ylabel=f"loss of the classifier, {unit}", xlim=(0, None), ylim=(0, None))
    right.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
