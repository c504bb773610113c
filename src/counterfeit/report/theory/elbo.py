"""The evidence lower bound and its gaps on a model in which all is known."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed, normal_draws
from counterfeit.theory import gaussian
from counterfeit.theory.gaussian import Gaussian
from counterfeit.theory.information import Unit, in_unit
from counterfeit.theory.linear_gaussian import LinearGaussian, best_encoder, mean_field, moment_matched
from counterfeit.theory.montecarlo import importance_weighted

__all__ = ["MODEL", "lesson"]

MODEL = LinearGaussian([[1.0, 0.9], [0.8, 1.0], [0.4, -0.3]], [0.0, 0.5, -0.5], 0.5)
EXAMPLES, DRAWS, SIGMAS = 6, 400_000, 4.0
INDEPENDENT = {"best independent": mean_field, "posterior's variances": moment_matched}
COUNTS = (1, 2, 5, 10, 20, 50, 100)  # importance samples of a bound


class Gaps(NamedTuple):
    """What log p(x) is made of, in nats: the encoder's ELBO, what amortizing costs, and what the family of q costs."""

    elbo: float
    amortization: float
    approximation: float
    log_p: float


def lesson(unit: Unit, seed: int) -> Lesson:
    """Log p(x) = ELBO + KL(q ‖ p(z | x)) for the best q, the best independent one and that of a small encoder."""
    x = _examples(seed, EXAMPLES)
    exact = MODEL.posterior(x[0])
    weights = {name: _log_weights(x[0], q_of(exact), seed) for name, q_of in INDEPENDENT.items()}
    findings = (
        *_identity(x, unit), *_family(x, unit, seed), *_amortized(x, unit, seed), *_weighted(x[0], weights, unit),
    )  # fmt: skip
    figures = (
        drawn("elbo", STACKED, partial(_stacked, [_gaps(one) for one in x], unit), (5.6, 3.2)),
        drawn("elbo-posterior", APART, partial(_apart, x[0], weights, unit), (8.2, 3.5), 2),
    )
    protocol = (
        f"z of 2 and x of 3 dimensions, closed forms in float64, {EXAMPLES} draws of x; the encoder is linear with one "
        f"hidden unit; bounds of the first x with {DRAWS:,} draws of each q, within {SIGMAS:g} standard errors; "
        f"seed {seed}"
    )
    return Lesson(findings, figures, protocol)


STACKED = (
    "Six examples. On top of the ELBO of the encoder (blue), the amortization gap (orange) leads to the ELBO of the "
    "best independent q, and the approximation gap (green), the same for all of them, leads to log p(x) (line). Where "
    "the axis begins means nothing."
)
APART = (
    "Left: of the first example, the posterior (blue), the best independent q (green), the wider one with the "
    "posterior's variances (violet), and that of the encoder (orange); each ellipse holds 86 % of the mass. Right: "
    "importance-weighted bounds rise from the ELBO of either q towards log p(x), those of the wider q faster."
)


def _examples(seed: int, n: int) -> Tensor:
    """Draws of x by way of z, (N, 3)."""
    noise = normal_draws(seed, n, 5)
    return noise[:, :2] @ MODEL.weight.T + MODEL.bias + MODEL.noise * noise[:, 2:]


def _encoded(x: Tensor) -> Gaussian:
    """What the encoder makes of an example: the best variances, and a mean along one direction."""
    matrix, _ = best_encoder(MODEL, 1)
    return Gaussian(matrix @ (x - MODEL.bias), mean_field(MODEL.posterior(x)).covariance)


def _gaps(x: Tensor) -> Gaps:
    independent, encoded = (float(MODEL.elbo(x, q)) for q in (mean_field(MODEL.posterior(x)), _encoded(x)))
    log_p = float(MODEL.marginal().log_prob(x[None]))
    return Gaps(encoded, independent - encoded, log_p - independent, log_p)


def _identity(x: Tensor, unit: Unit) -> list[Evidence]:
    kinds = {
        "the posterior": MODEL.posterior, "the best independent q": lambda one: mean_field(MODEL.posterior(one)),
        "the encoder's q": _encoded, "the prior": lambda one: MODEL.prior,  # noqa: ARG005
    }  # fmt: skip
    found = []
    for name, q_of in kinds.items():
        apart = [
            float(MODEL.marginal().log_prob(one[None]) - MODEL.elbo(one, q) - gaussian.kl(q, MODEL.posterior(one)))
            for one, q in ((one, q_of(one)) for one in x)
        ]
        worst = max(map(abs, apart))
        found.append(informed(unit, f"q is {name}: largest |log p(x) − ELBO − KL|", worst, 0.0, 1e-11))
    tight = max(float(MODEL.marginal().log_prob(one[None]) - MODEL.elbo(one, MODEL.posterior(one))) for one in x)
    return [*found, informed(unit, "q is the posterior: largest log p(x) − ELBO", tight, 0.0, 1e-11)]


def _correlation() -> float:
    """Of the two latent variables in the posterior."""
    precision = MODEL.precision
    return -float(precision[0, 1] / (precision[0, 0] * precision[1, 1]).sqrt())


def _slope(x: Tensor, q: Gaussian) -> float:
    """Largest slope of the ELBO in the mean and the Cholesky factor of q."""
    mean, root = q.mean.clone().requires_grad_(), torch.linalg.cholesky(q.covariance).requires_grad_()
    lower = root.tril()
    slopes = torch.autograd.grad(MODEL.elbo(x, Gaussian(mean, lower @ lower.T)), (mean, root))
    return max(float(slope.abs().max()) for slope in slopes)


def _family(x: Tensor, unit: Unit, seed: int) -> list[Evidence]:
    rho = _correlation()
    best = mean_field(MODEL.posterior(x[0]))
    others = [
        MODEL.elbo(x[0], Gaussian(best.mean + 0.1 * shift[:2], (best.covariance.diagonal() * shift[2:].exp()).diag()))
        for shift in normal_draws(seed + 1, 500, 4)
    ]
    return [
        Evidence("q is the posterior: largest slope of the ELBO in mean and covariance, by autograd",
                 max(_slope(one, MODEL.posterior(one)) for one in x), 0, 1e-10),
        Evidence("q is the best independent one: the same, where covariances may be learnt", _slope(x[0], best), 0.1,
                 relation=">="),
        informed(unit, f"approximation gap, against −½ log(1 − ρ²), ρ = {rho:.3f}".replace("-", "−"),
                 _gaps(x[0]).approximation, -0.5 * math.log1p(-(rho**2)), 1e-11),
        informed(unit, "best ELBO of 500 other independent q, against that of the best",
                 float(torch.stack(others).max()), float(MODEL.elbo(x[0], best)), relation="<="),
    ]  # fmt: skip


def _amortized(x: Tensor, unit: Unit, seed: int) -> list[Evidence]:
    matrix, cost = best_encoder(MODEL, 1)
    error = (x - MODEL.bias) @ (matrix - MODEL.encoder).T  # δ, (N, 2)
    by_error = 0.5 * torch.einsum("ni,ij,nj->n", error, MODEL.precision, error)
    gaps = torch.tensor([_gaps(one).amortization for one in x], dtype=torch.float64)
    many = (_examples(seed + 2, 100_000) - MODEL.bias) @ (matrix - MODEL.encoder).T
    costs = 0.5 * torch.einsum("ni,ij,nj->n", many, MODEL.precision, many)
    whole, none = best_encoder(MODEL, 2)
    return [
        informed(unit, "amortization gap: largest difference from ½ δᵀMδ, δ the error of the encoder's mean",
                 float((gaps - by_error).abs().max()), 0.0, 1e-11),
        informed(unit, "amortization gap: mean of 100,000 draws, against half the lost squared singular value",
                 float(costs.mean()), cost, SIGMAS * float(costs.std()) / len(costs) ** 0.5),
        informed(unit, "amortization gap: the same with two hidden units", none, 0.0, 1e-12),
        Evidence("two hidden units: largest difference from the exact encoder",
                 float((whole - MODEL.encoder).abs().max()), 0, 1e-12),
    ]  # fmt: skip


def _log_weights(x: Tensor, q: Gaussian, seed: int) -> Tensor:
    z = q.mean + normal_draws(seed + 3, DRAWS, 2) * q.covariance.diagonal().sqrt()
    return MODEL.log_weights(x, z, q)


def _weighted(x: Tensor, weights: dict[str, Tensor], unit: Unit) -> list[Evidence]:
    narrow, wide = weights.values()
    one, ten, hundred = (importance_weighted(narrow, k) for k in (1, 10, 100))
    covering = importance_weighted(wide, 100)
    exact, log_p = MODEL.posterior(x), float(MODEL.marginal().log_prob(x[None]))
    lower = float(MODEL.elbo(x, mean_field(exact)) - MODEL.elbo(x, moment_matched(exact)))
    square = _correlation() ** 2
    return [
        informed(unit, "bound with k = 1, against the ELBO", one.value, float(MODEL.elbo(x, mean_field(exact))),
                 SIGMAS * one.error),
        informed(unit, "k = 10, less k = 1", ten.value - one.value, SIGMAS * (one.error + ten.error), relation=">="),
        informed(unit, "k = 100, less k = 10", hundred.value - ten.value, SIGMAS * (ten.error + hundred.error),
                 relation=">="),
        informed(unit, "k = 100, against log p(x)", hundred.value, log_p, SIGMAS * hundred.error, "<="),
        informed(unit, "posterior's variances: how much lower the ELBO is, against ρ²/(1 − ρ²) + log(1 − ρ²)", lower,
                 square / (1 - square) + math.log1p(-square), 1e-11),
        informed(unit, "posterior's variances: how much higher the bound with k = 100 is",
                 covering.value - hundred.value, SIGMAS * (covering.error + hundred.error), relation=">="),
    ]  # fmt: skip


def _stacked(gaps: list[Gaps], unit: Unit, theme: Theme, axes: Any) -> None:
    scale = float(in_unit(torch.tensor(1.0).double(), unit))
    names = ("ELBO of the encoder", "amortization gap", "approximation gap")
    bottom = np.full(len(gaps), np.floor(min(gap.elbo for gap in gaps) - 0.5))
    at, n = bottom.copy(), np.arange(1, len(gaps) + 1)
    for name, color, parts in zip(names, theme.curves, np.array(gaps).T[:3], strict=False):
        height = parts - bottom if name == names[0] else parts
        axes.bar(n, scale * height, 0.7, bottom=scale * at, color=color, alpha=0.6, label=name)
        at += height
    for i, gap in enumerate(gaps, 1):
        axes.plot([i - 0.42, i + 0.42], [scale * gap.log_p] * 2, color=theme.ink, linewidth=1.6,
                  label="log p(x)" if i == 1 else None)  # fmt: skip
    top = max(gap.log_p for gap in gaps)
    axes.set(
        xlabel="example", ylabel=unit, xticks=n, ylim=(scale * bottom[0], scale * (top + 0.45 * (top - bottom[0])))
    )
    axes.legend(frameon=False, ncols=2, loc="upper left", handlelength=1.2)
    axes.grid(visible=False, axis="x")


def _apart(x: Tensor, weights: dict[str, Tensor], unit: Unit, theme: Theme, axes: Any) -> None:
    left, right = axes
    blue, orange, green, violet = theme.curves[:4]
    exact = MODEL.posterior(x)
    colors = dict(zip(INDEPENDENT, (green, violet), strict=True))
    shown = {"posterior": (exact, blue), "encoder": (_encoded(x), orange)}
    shown |= {name: (q_of(exact), colors[name]) for name, q_of in INDEPENDENT.items()}
    for name, (q, color) in shown.items():
        left.plot(*_ellipse(q), color=color, linewidth=1.4, label=name)
        left.fill(*_ellipse(q), color=color, alpha=0.1, linewidth=0)
        left.plot(*q.mean, "o", color=color, markersize=4)
    (x_low, x_high), (y_low, y_high) = left.get_xlim(), left.get_ylim()
    left.set(xlabel="z₁", ylabel="z₂", aspect="equal", xlim=(x_low, x_high + 0.8), ylim=(y_low, y_high + 0.8))
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper left", ncols=2)
    for name, log_w in weights.items():
        bounds = [importance_weighted(log_w, k, unit) for k in COUNTS]
        values, errors = [b.value for b in bounds], [SIGMAS * b.error for b in bounds]
        right.errorbar(COUNTS, values, errors, color=colors[name], fmt="o-", markersize=4, linewidth=1.2, label=name)
    log_p = float(in_unit(MODEL.marginal().log_prob(x[None]), unit))
    right.axhline(log_p, color=theme.ink, linewidth=1, linestyle="--")
    right.annotate("log p(x)", (1, log_p), (0, 3), textcoords="offset points", color=theme.ink)
    right.set(xscale="log", xlabel="samples k", ylabel=unit, ylim=(None, log_p + 0.1))
    right.set_xticks(COUNTS, map(str, COUNTS))
    right.minorticks_off()
    right.legend(frameon=False, labelcolor="linecolor", loc="lower right")


def _ellipse(q: Gaussian) -> Tensor:
    """Points two standard deviations from the mean in every direction, (2, 200)."""
    turn = torch.linspace(0, 2 * torch.pi, 200, dtype=torch.float64)
    return q.mean[:, None] + 2 * torch.linalg.cholesky(q.covariance) @ torch.stack([turn.cos(), turn.sin()])
