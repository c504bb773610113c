"""Bayes' rule, conditional independence, categorical distributions and latent variables."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical, Normal

from counterfeit.data.sources.digits import Digits
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory import quadrature
from counterfeit.theory.bayes import fit_rates, frequencies, joint_table, log_likelihood, posterior
from counterfeit.theory.information import (
    Unit,
    conditional_mutual_information,
    entropy,
    mutual_information,
)

__all__ = ["lesson"]

CLASSES, PIXELS, SHOWN = 10, 8, 7  # digits, pixels that are looked at, and the test digit of the figure
FLIP = 0.1  # of each of two noisy copies of a coin
WEIGHTS, CENTRES = torch.tensor([[0.5, 0.3, 0.2], [-2.0, 0.5, 3.0]], dtype=torch.float64)
STD = 0.8  # of every part of the mixture
SPAN = (1.0, 1.5)  # where draws of the mixture are looked at
LINE = quadrature.rule(-10.0, 11.0, 400)
DRAWS, SIGMAS = 200_000, 4.0  # and standard errors by which a share of them may miss


class Seen(NamedTuple):
    """Digits as pixels with ink or without, (N, 64), with their labels, (N,)."""

    x: Tensor
    y: Tensor


def lesson(unit: Unit, seed: int) -> Lesson:
    """A table that can be enumerated obeys Bayes' rule, as a mixture does, of which only sums are seen."""
    train, test = _digits("train"), _digits("test")
    pixels = _telling(train)
    findings = (
        *_rule(train, test, pixels, unit), *_assumption(train, test, pixels, unit, seed), *_independence(unit),
        *_categorical(train, unit, seed), *_mixture(seed),
    )  # fmt: skip
    figures = (
        drawn("bayes", READ, partial(_reading, train, test, pixels), (9.6, 3.2), 3),
        drawn("bayes-mixture", MIXED, _parts, (7.6, 2.9), 2),
    )
    protocol = (
        f"frequencies in the {len(train.y):,} training digits, of the {PIXELS} pixels that tell most of the digit, "
        f"ink from half of the range on; all {CLASSES * 2**PIXELS:,} outcomes enumerated in float64; quadrature on "
        f"[-10, 11]; {DRAWS:,} draws, within {SIGMAS:g} standard errors; seed {seed}"
    )
    return Lesson(findings, figures, protocol)


READ = (
    "Left: a test digit of 8x8 pixels, which is a 7, with the eight pixels that are read: ink or none. Middle: prior "
    "(outlined) and posterior. Right: the posterior after each of them, from the prior at the top."
)
MIXED = (
    "Left: a mixture of three Gaussians (outline) is the sum of its parts p(z) p(x | z). Right: the posterior "
    "p(z | x) is the share of each part in that sum, and changes where parts overlap."
)


def _digits(split: str) -> Seen:
    batch = Digits().split(split).first()
    return Seen((batch.x.flatten(1) >= 0.5).double(), torch.as_tensor(batch.y))


def _telling(seen: Seen) -> list[int]:
    """The pixels with the highest mutual information with the digit, in their order."""
    both = [(seen.y, column.long()) for column in seen.x.T]
    told = [float(mutual_information(frequencies(*pair))) if pair[1].any() else 0.0 for pair in both]
    return sorted(np.argsort(told)[-PIXELS:].tolist())


def _rule(train: Seen, test: Seen, pixels: list[int], unit: Unit) -> list[Evidence]:
    prior, rates = fit_rates(train.x[:, pixels], train.y, CLASSES)
    table = joint_table(prior, rates)
    evidence = table.sum(0)  # p(x), (2^D,)
    code = (test.x[:, pixels] @ (2.0 ** torch.arange(PIXELS - 1, -1, -1).double())).long()
    by_rule = posterior(prior, log_likelihood(test.x[:, pixels], rates))
    by_table = (table / evidence)[:, code].T
    one_by_one = _read(prior, rates, test.x[:, pixels])[-1]
    left = (evidence * entropy((table / evidence).T)).sum()
    return [
        Evidence(f"digits: probability of all {table.numel():,} outcomes together", float(table.sum()), 1, 1e-12),
        Evidence("largest |p(z | x) by Bayes' rule − by the table| of test digits",
                 float((by_rule - by_table).abs().max()), 0, 1e-12),
        Evidence("largest |p(z | x) by one pixel after the other − by all at once|",
                 float((one_by_one - by_rule).abs().max()), 0, 1e-12),
        Evidence("largest |∑ p(x) p(z | x) − p(z)|, the sum over all x",
                 float(((table / evidence) @ evidence - prior).abs().max()), 0, 1e-12),
        informed(unit, "entropy of the digit less its mean entropy given x, against I(z; x)",
                 float(entropy(prior) - left), float(mutual_information(table)), 1e-12),
    ]  # fmt: skip


def _read(prior: Tensor, rates: Tensor, x: Tensor) -> list[Tensor]:
    """The posterior after every pixel, each the prior of the next, from the prior on: (N, K) each."""
    path = [prior.expand(len(x), -1)]
    for i in range(x.shape[1]):
        path.append(posterior(path[-1], log_likelihood(x[:, i : i + 1], rates[:, i : i + 1])))
    return path


def _assumption(train: Seen, test: Seen, pixels: list[int], unit: Unit, seed: int) -> list[Evidence]:
    """What holds of the model and not of digits, whose pixels are not independent given the digit."""
    prior, rates = fit_rates(train.x[:, pixels], train.y, CLASSES)
    best = float(joint_table(prior, rates).max(0).values.sum())
    generator = torch.Generator().manual_seed(seed)
    z = torch.multinomial(prior, DRAWS, replacement=True, generator=generator)
    x = (torch.rand(DRAWS, PIXELS, generator=generator, dtype=torch.float64) < rates[z]).double()
    drawn_right = _right(posterior(prior, log_likelihood(x, rates)), z)
    right = _right(posterior(prior, log_likelihood(test.x[:, pixels], rates)), test.y)
    all_prior, all_rates = fit_rates(train.x, train.y, CLASSES, smoothing=1.0)
    sure = posterior(all_prior, log_likelihood(test.x, all_rates))
    a, b = max(
        ((a, b) for a in pixels for b in pixels if a < b),
        key=lambda pair: float(mutual_information(frequencies(*train.x[:, pair].long().T))),
    )
    pair = frequencies(train.x[:, a].long(), train.x[:, b].long(), train.y)
    error = (best * (1 - best) / DRAWS) ** 0.5
    return [
        Evidence(f"draws of the model recognized by {PIXELS} pixels, against ∑ max p(z, x)", drawn_right, best,
                 SIGMAS * error),
        Evidence("test digits recognized by them", right, best, relation="<="),
        informed(unit, "two pixels of digits: I(x; y | digit), against I(x; y)",
                 float(conditional_mutual_information(pair)), float(mutual_information(pair.sum(-1))), relation="<="),
        Evidence("test digits, all 64 pixels: mean largest posterior, against the share recognized",
                 float(sure.max(1).values.mean()), _right(sure, test.y), relation=">="),
    ]  # fmt: skip


def _right(p: Tensor, z: Tensor) -> float:
    return float((p.argmax(1) == z).double().mean())


def _independence(unit: Unit) -> list[Evidence]:
    noisy = torch.tensor([[1 - FLIP, FLIP], [FLIP, 1 - FLIP]], dtype=torch.float64)  # p(x | z)
    cause = 0.5 * noisy[:, None] * noisy  # of x and y, two noisy copies of a fair coin z: (x, y, z)
    x, y, z = (torch.arange(2.0).view(shape) for shape in ((2, 1, 1), (1, 2, 1), (1, 1, 2)))
    effect = 0.25 * ((x != y) == (z > 0)).double()  # of two fair coins: whether they differ
    differ = 2 * FLIP * (1 - FLIP)
    told = math.log(2) - float(entropy([differ, 1 - differ]))
    rows = (
        ("common cause z: I(x; y), against log 2 − H(2ε(1 − ε))", mutual_information(cause.sum(-1)), told),
        ("common cause z: I(x; y | z)", conditional_mutual_information(cause), 0.0),
        ("common effect z: I(x; y)", mutual_information(effect.sum(-1)), 0.0),
        ("common effect z: I(x; y | z), against log 2", conditional_mutual_information(effect), math.log(2)),
    )
    return [informed(unit, what, float(found), theory, 1e-12) for what, found, theory in rows]


def _categorical(train: Seen, unit: Unit, seed: int) -> list[Evidence]:
    p = frequencies(train.y)
    logits = p.log().requires_grad_()
    mean = Categorical(logits=logits).log_prob(train.y).mean()
    (slope,) = torch.autograd.grad(mean, logits)
    others = torch.randn(1_000, CLASSES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    best_other = Categorical(logits=p.log() + 0.1 * others).log_prob(train.y[:, None]).mean(0).max()
    a = torch.linspace(-9, 9, 181, dtype=torch.float64)
    two = torch.stack([torch.zeros_like(a), a], -1).softmax(-1)[:, 1]
    jacobian = torch.autograd.functional.jacobian(lambda t: t.softmax(0), others[0])
    return [
        informed(unit, "categorical: mean log-likelihood of labels at their frequencies, against −H", mean.item(),
                 -float(entropy(p)), 1e-12),
        Evidence("categorical: largest slope in the logits there, by autograd", float(slope.abs().max()), 0, 1e-12),
        informed(unit, "categorical: the best of 1,000 others", float(best_other), mean.item(), relation="<="),
        Evidence("softmax of 10 logits: dimension", int(torch.linalg.matrix_rank(jacobian)), CLASSES - 1),
        Evidence("largest |softmax(0, a) − sigmoid(a)|", float((two - a.sigmoid()).abs().max()), 0, 1e-15),
        informed(unit, "Bernoulli: largest entropy, at ½, against log 2",
                 float(entropy(torch.stack([a.sigmoid(), (-a).sigmoid()], -1)).max()), math.log(2), 1e-12),
    ]  # fmt: skip


def _log_parts(x: Tensor) -> Tensor:
    """Log p(x | z) of every part of the mixture, (N,) -> (N, K)."""
    return Normal(CENTRES, STD).log_prob(x[:, None])


def _log_mixture(x: Tensor) -> Tensor:
    return (_log_parts(x) + WEIGHTS.log()).logsumexp(-1)


def _mixture(seed: int) -> list[Evidence]:
    p, given = _log_mixture(LINE.x).exp(), posterior(WEIGHTS, _log_parts(LINE.x))
    _, std = quadrature.moments(_log_mixture, LINE)
    spread = STD**2 + (WEIGHTS * (CENTRES - WEIGHTS @ CENTRES).square()).sum()
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    odds = posterior(WEIGHTS, _log_parts(x)).log()
    slope = (odds[:, 1] - odds[:, 0]).diff() / x.diff()
    inside = (LINE.x > SPAN[0]) & (LINE.x < SPAN[1])
    theory = float(LINE.integrate(p * given[:, 1] * inside) / LINE.integrate(p * inside))
    generator = torch.Generator().manual_seed(seed)
    z = torch.multinomial(WEIGHTS, DRAWS, replacement=True, generator=generator)
    at = CENTRES[z] + STD * torch.randn(DRAWS, generator=generator, dtype=torch.float64)
    there = z[(at > SPAN[0]) & (at < SPAN[1])]
    share, error = float((there == 1).double().mean()), (theory * (1 - theory) / len(there)) ** 0.5
    met = torch.stack([LINE.integrate(p * given[:, k]) for k in range(len(WEIGHTS))])
    return [
        Evidence("mixture: largest |∫ p(x) p(z | x) dx − p(z)|", float((met - WEIGHTS).abs().max()), 0, 1e-9),
        Evidence("mixture: variance, against the mean variance plus the variance of means", float(std**2),
                 float(spread), 1e-9),
        Evidence("mixture: log-odds of parts 2 and 1 in x, against the slope (μ₂ − μ₁)/σ²", float(slope.mean()),
                 float(CENTRES[1] - CENTRES[0]) / STD**2, 1e-9),
        Evidence(f"mixture: share of part 2 among draws in {list(SPAN)}, against p(z | x) there", share, theory,
                 SIGMAS * error),
    ]  # fmt: skip


def _reading(train: Seen, test: Seen, pixels: list[int], theme: Theme, axes: Any) -> None:
    left, middle, right = axes
    prior, rates = fit_rates(train.x[:, pixels], train.y, CLASSES)
    path = torch.cat(_read(prior, rates, test.x[SHOWN : SHOWN + 1, pixels])).numpy()  # (D + 1, K)
    gray = Digits().split("test").first(SHOWN + 1).x[SHOWN, 0].numpy()
    left.imshow(_shaded(0.5 * gray, theme.ink), interpolation="nearest")
    for number, pixel in enumerate(pixels, 1):
        row, column = divmod(pixel, 8)
        color = theme.curves[1]
        left.plot([column - 0.5, column + 0.5, column + 0.5, column - 0.5, column - 0.5],
                  [row - 0.5, row - 0.5, row + 0.5, row + 0.5, row - 0.5], color=color, linewidth=1.4)  # fmt: skip
        left.text(column, row, number, ha="center", va="center", color=color, fontweight="bold")
    left.set(xticks=[], yticks=[], title=f"test digit: a {int(test.y[SHOWN])}")
    left.grid(visible=False)
    left.spines[["top", "right"]].set_visible(True)
    middle.bar(range(CLASSES), path[-1], 0.8, color=theme.curves[0], alpha=0.6, label="posterior")
    middle.bar(range(CLASSES), path[0], 0.8, fill=False, edgecolor=theme.ink, linewidth=1, label="prior")
    middle.set(xticks=range(CLASSES), xlabel="digit", ylabel="probability")
    middle.legend(frameon=False, loc="upper left")
    right.imshow(_shaded(path, theme.curves[0]), interpolation="nearest", aspect="auto")
    for row, column in np.argwhere(path >= 0.09):  # what is about a tenth or more
        right.text(column, row, f"{path[row, column]:.0%}", ha="center", va="center", fontsize=7)
    ticks = ["prior", *(f"{i}: {'ink' if x else 'none'}" for i, x in enumerate(test.x[SHOWN, pixels].tolist(), 1))]
    right.set(xticks=range(CLASSES), yticks=range(len(ticks)), yticklabels=ticks, xlabel="digit")
    right.grid(visible=False)


def _shaded(values: np.ndarray, color: str) -> np.ndarray:
    """`color` as opaque as the values, in [0, 1], say, (H, W, 4)."""
    from matplotlib.colors import to_rgb

    return np.dstack([np.broadcast_to(to_rgb(color), (*values.shape, 3)), values])


def _parts(theme: Theme, axes: Any) -> None:
    left, right = axes
    x = torch.linspace(-5, 6, 400, dtype=torch.float64)
    parts = WEIGHTS * _log_parts(x).exp()
    given = posterior(WEIGHTS, _log_parts(x))
    for k, color in zip(range(len(WEIGHTS)), theme.curves, strict=False):
        left.fill_between(x, parts[:, k], color=color, alpha=0.25, linewidth=0)
        left.plot(x, parts[:, k], color=color, linewidth=1.2, label=f"z = {k + 1}, p(z) = {WEIGHTS[k]:g}")
        right.plot(x, given[:, k], color=color, linewidth=1.6)
    left.plot(x, parts.sum(1), color=theme.ink, linewidth=1.4, label="p(x)")
    left.set(xlabel="x", ylabel="density", xlim=(-5, 6), ylim=(0, 0.34))
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper right")
    right.set(xlabel="x", ylabel="p(z | x)", xlim=(-5, 6))
