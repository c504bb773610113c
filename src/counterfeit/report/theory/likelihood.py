"""Likelihood, its logarithm, and the divergence that both of them minimize."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Binomial, Normal

from counterfeit.data.sources.digits import Digits
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed, normal_draws
from counterfeit.theory.information import Unit, cross_entropy, entropy, in_unit, kl
from counterfeit.theory.likelihood import expected_first_zero, first_zero, fit_normal, log_least

__all__ = ["lesson"]

MEAN, STD, DRAWS = 1.0, 1.5, 20
MEANS, STDS = torch.linspace(-1, 3, 801, dtype=torch.float64), torch.linspace(0.5, 3, 501, dtype=torch.float64)
PIXELS, PICTURES, LEVELS = 784, 1_000, 256
TYPES = {"float32": torch.float32, "float64": torch.float64}
SHADES = 16  # of the bundled digits, beside 0
THETAS = torch.linspace(0.05, 0.95, 901, dtype=torch.float64)
SIGMAS = 4.0  # standard errors by which a mean over draws may miss


def lesson(unit: Unit, seed: int) -> Lesson:
    """Product and sum have one maximum; the sum keeps its digits; and at the maximum KL(data ‖ model) is least."""
    x = MEAN + STD * normal_draws(seed, DRAWS)
    findings = (*_maximum(x, unit), *_underflow(seed, unit), *_divergence(unit))
    figures = (
        drawn("likelihood", CURVES, partial(_curves, x, seed), (10.2, 3.1), 3),
        drawn("likelihood-kl", SHADED, partial(_shades, unit), (7.6, 2.9), 2),
    )
    protocol = (
        f"{DRAWS} draws of N({MEAN:g}, {STD:g}²); {PICTURES:,} pictures of {PIXELS} draws of N(0, 1), within "
        f"{SIGMAS:g} standard errors; all pixels of the training digits; float64 but for float32; seed {seed}"
    )
    return Lesson(findings, figures, protocol)


CURVES = (
    f"Left: densities for the same {DRAWS} draws (ticks) and their log-likelihoods; the fitted one is above the one "
    "that the draws came from (dashed). Middle: over the mean, likelihood and log-likelihood have their maximum at the "
    "same place. Right: the logarithm of the running product of 784 densities ends where the product is rounded to 0; "
    "the sum of logarithms goes on."
)
SHADED = (
    "Left: how often each of the 17 shades occurs in the bundled digits, and the binomial distribution of the highest "
    "likelihood. Right: over its parameter, cross-entropy, which is the negative mean log-likelihood, is KL plus an "
    "entropy that the model does not change."
)


def _log_likelihood(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Of every mean and standard deviation, (...) -> (...), in nats."""
    return Normal(mean[..., None], std[..., None]).log_prob(x).sum(-1)


def _maximum(x: Tensor, unit: Unit) -> list[Evidence]:
    mean, std = fit_normal(x)
    grid = torch.meshgrid(MEANS, STDS, indexing="ij")
    logs, product = _log_likelihood(x, *grid), _product(x, *grid)
    best = MEANS[int(logs.argmax()) // len(STDS)], STDS[int(logs.argmax()) % len(STDS)]
    top = torch.stack([mean, std]).requires_grad_()
    (slope,) = torch.autograd.grad(_log_likelihood(x, *top), top)
    here, true = (float(_log_likelihood(x, *map(torch.as_tensor, at))) for at in ((mean, std), (MEAN, STD)))
    steps = [float(axis[1] - axis[0]) for axis in (MEANS, STDS)]
    return [
        Evidence("cells of the grid between the maxima of product and sum",
                 abs(int(product.argmax()) - int(logs.argmax())), 0),
        Evidence("most likely mean of the grid, against the mean of the draws", float(best[0]), float(mean), steps[0]),
        Evidence("most likely deviation of the grid, against that of the draws", float(best[1]), float(std), steps[1]),
        Evidence("largest slope of the log-likelihood at both, by autograd", float(slope.abs().max()), 0, 1e-12),
        informed(unit, "log-likelihood there, against −N/2 (log 2πσ² + 1)", here,
                 -DRAWS / 2 * (math.log(2 * math.pi * float(std) ** 2) + 1), 1e-12),
        informed(unit, "log-likelihood there, against that of the true density", here, true, relation=">="),
    ]  # fmt: skip


def _product(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    total = torch.ones_like(mean)
    for one in x:
        total = total * Normal(mean, std).log_prob(one).exp()
    return total


def _underflow(seed: int, unit: Unit) -> list[Evidence]:
    logs = Normal(0.0, 1.0).log_prob(normal_draws(seed + 1, PICTURES, PIXELS))
    mean = (math.log(2 * math.pi) + 1) / 2  # of X = (log 2π + z²)/2, whose variance is ½
    square = mean**2 + 0.5
    found = []
    for name, dtype in TYPES.items():
        zeros = first_zero(logs.exp().to(dtype)).double()
        error = float(zeros.std()) / PICTURES**0.5
        level = torch.full((PIXELS,), 1 / LEVELS, dtype=dtype)
        exact = math.floor(-log_least(dtype) / math.log(LEVELS)) + 1
        found += [
            Evidence(f"{name}: largest product of {PIXELS} densities", float(logs.exp().to(dtype).prod(-1).max()), 0),
            Evidence(f"{name}: pixels until the product is 0, on average", float(zeros.mean()),
                     expected_first_zero(dtype, mean, square), SIGMAS * error),
            Evidence(f"{name}: the same for {LEVELS} levels of equal probability", int(first_zero(level)), exact),
        ]  # fmt: skip
    total = logs.float().sum(-1).double()
    what = f"float32: sum of {PIXELS} log-densities, on average"
    return [
        *found,
        informed(unit, what, float(total.mean()), -PIXELS * mean, SIGMAS * (0.5 * PIXELS / PICTURES) ** 0.5),
    ]


def _data() -> tuple[Tensor, Tensor]:
    """Shade of every pixel of the training digits, int64 (N,), and how often each of them occurs, (17,)."""
    shades = (Digits().split("train").first().x * SHADES).round().long().flatten()
    return shades, torch.bincount(shades, minlength=SHADES + 1).double() / len(shades)


def _models(theta: Tensor) -> Tensor:
    """Log-probability of every shade under binomial distributions, (M,) -> (M, 17)."""
    return Binomial(SHADES, theta[:, None]).log_prob(torch.arange(SHADES + 1).double())


def _divergence(unit: Unit) -> list[Evidence]:
    shades, p = _data()
    logs = _models(THETAS)
    likelihood = torch.stack([row[shades].mean() for row in logs])
    apart = kl(p.expand_as(logs), logs.exp())
    gap = float((likelihood + entropy(p) + apart).abs().max())
    step = float(THETAS[1] - THETAS[0])
    return [
        informed(unit, "digits: largest |mean log-likelihood + entropy + KL|", gap, 0.0, 1e-11),
        Evidence("digits: parameter of most likelihood, against that of least KL",
                 float(THETAS[likelihood.argmax()]), float(THETAS[apart.argmin()])),
        Evidence("digits: the same, against the mean shade over 16", float(THETAS[likelihood.argmax()]),
                 float(shades.double().mean() / SHADES), step),
    ]  # fmt: skip


def _curves(x: Tensor, seed: int, theme: Theme, axes: Any) -> None:
    left, middle, right = axes
    blue, orange, teal, violet = theme.curves[:4]
    fit = fit_normal(x)
    wide = torch.linspace(-5.5, 7, 400, dtype=torch.float64)
    for (mean, std), color, style in (
        (fit, blue, "-"), ((MEAN, STD), theme.ink, "--"), ((2.5, 1.5), orange, "-"), ((1.0, 0.7), teal, "-"),
        ((1.0, 3.0), violet, "-"),
    ):  # fmt: skip
        at = torch.as_tensor(mean).double(), torch.as_tensor(std).double()
        name = f"N({at[0]:.3g}, {at[1]:.3g}²): {_log_likelihood(x, *at):.1f}".replace("-", "−")
        left.plot(wide, Normal(*at).log_prob(wide).exp(), color=color, linestyle=style, label=name, linewidth=1.4)
    left.plot(x, torch.zeros_like(x) - 0.012, "|", color=theme.ink, markersize=8)
    left.set(xlabel="x", ylabel="density", xlim=(-5.5, 7), ylim=(-0.03, 1.18))
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper left", title="log-likelihood, nats")
    _over_means(x, middle, theme)
    _running(seed, right, theme)


def _over_means(x: Tensor, axes: Any, theme: Theme) -> None:
    means = torch.linspace(-1, 3, 400, dtype=torch.float64)
    mean, std = fit_normal(x)
    logs = _log_likelihood(x, means, std.expand_as(means))
    power = math.floor(float(logs.max()) / math.log(10))
    other = axes.twinx()
    axes.plot(means, logs.exp() * 10.0**-power, color=theme.curves[0], linewidth=1.6)
    other.plot(means, logs, color=theme.curves[1], linewidth=1.6)
    axes.axvline(float(mean), color=theme.ink, linewidth=0.8, linestyle=":")
    axes.set_title(f"mean of the draws: {mean:.3f}")
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    axes.set(xlabel="mean of the density", xlim=(-1, 3), ylim=(0, None), xticks=range(-1, 4))
    axes.set_ylabel(f"likelihood, 10{digits}", color=theme.curves[0])
    other.set_ylabel("log-likelihood, nats", color=theme.curves[1])
    other.grid(visible=False)
    other.spines["right"].set(visible=True)


def _running(seed: int, axes: Any, theme: Theme) -> None:
    logs = Normal(0.0, 1.0).log_prob(normal_draws(seed + 1, PIXELS))
    n = torch.arange(1, PIXELS + 1)
    axes.plot(n, logs.cumsum(0), color=theme.ink, linewidth=1.2, linestyle="--", label="sum of logarithms")
    for color, (name, dtype) in zip(theme.curves, reversed(TYPES.items()), strict=False):
        product = logs.exp().to(dtype).cumprod(0).double()
        kept = int((product > 0).sum())
        axes.plot(n[:kept], product[:kept].log(), color=color, linewidth=2.4, label=f"product, {name}")
        axes.plot(n[kept - 1], product[kept - 1].log(), "x", color=color, markersize=7)
        axes.axhline(log_least(dtype), color=color, linewidth=0.8, linestyle=":")
        place, side = (0.98, "right") if dtype == torch.float32 else (0.02, "left")
        axes.annotate(f"0 from pixel {kept + 1} on", (place * PIXELS, log_least(dtype)), (0, 3), ha=side, color=color,
                      textcoords="offset points")  # fmt: skip
    axes.set(xlabel="pixels", ylabel="nats", xlim=(0, PIXELS), ylim=(-1_180, 40))
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper right", bbox_to_anchor=(1, 0.87))


def _shades(unit: Unit, theme: Theme, axes: Any) -> None:
    left, right = axes
    _, p = _data()
    logs = _models(THETAS)
    cross, apart = cross_entropy(p.expand_as(logs), logs.exp(), unit), kl(p.expand_as(logs), logs.exp(), unit)
    best = int(apart.argmin())
    left.bar(range(SHADES + 1), p.numpy(), 0.8, color=theme.curves[0], alpha=0.45, label="digits")
    left.plot(range(SHADES + 1), logs[best].exp(), "o-", color=theme.curves[1], markersize=4, linewidth=1,
              label=f"binomial, θ = {THETAS[best]:.3f}")  # fmt: skip
    left.set(xlabel="shade", ylabel="probability")
    left.legend(frameon=False, labelcolor=[theme.curves[1], theme.curves[0]], handlelength=1.2)
    right.plot(THETAS, cross, color=theme.curves[3], label="cross-entropy", linewidth=1.6)
    right.plot(THETAS, apart, color=theme.curves[2], label="KL(data ‖ model)", linewidth=1.6)
    right.axhline(float(entropy(p, unit)), color=theme.ink, linewidth=1, linestyle="--", label="entropy of the data")
    for values, color in ((cross, theme.curves[3]), (apart, theme.curves[2])):
        right.plot(THETAS[best], values[best], "o", color=color, markersize=6)
    top = float(in_unit(torch.tensor(20.0), unit))
    right.set(xlabel="θ", ylabel=unit, xlim=(0.05, 0.95), ylim=(0, top))
    right.legend(frameon=False, labelcolor="linecolor", handlelength=1.4)
