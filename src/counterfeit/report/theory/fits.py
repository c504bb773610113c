"""One Gaussian fitted to two peaks by KL, reverse KL and JSD."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory import quadrature
from counterfeit.theory.fits import By, Fit, fit_gaussian
from counterfeit.theory.information import Unit, in_unit

__all__ = ["lesson"]

LINE = quadrature.rule(-30.0, 30.0, 300)  # far out: a wide Gaussian is to fit in
NAMES: Mapping[By, str] = {"kl": "KL(p ‖ q)", "jsd": "JSD(p, q)", "reverse-kl": "KL(q ‖ p)"}
DISTANCE, FAR = 2.0, 3.0  # of a peak from zero: as in the data `bimodal-1d`, and where JSD has chosen one
DISTANCES = np.linspace(0.25, 3.75, 15).tolist()


def peaks(distance: float, x: Tensor) -> Tensor:
    """Log-density of half N(-distance, 0.5²), half N(distance, 0.5²), (N,) -> (N,)."""
    return torch.logaddexp(*(Normal(mean, 0.5).log_prob(x) for mean in (-distance, distance))) - math.log(2)


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Maximum likelihood covers both peaks and the gap; reverse KL takes one; JSD does either, by their distance."""
    fits = {by: _fit(by, DISTANCE) for by in NAMES}
    far = _fit("jsd", FAR)
    _, std = map(float, quadrature.moments(lambda x: peaks(DISTANCE, x), LINE))
    kl, reverse = fits["kl"], fits["reverse-kl"]
    findings = (
        Evidence("KL(p ‖ q): mean of the fit, against that of the target", kl.mean, 0.0, 1e-5),
        Evidence("KL(p ‖ q): standard deviation, against that of the target", kl.std, std, 1e-5),
        Evidence("KL(p ‖ q): variance, against 2² + 0.5²", kl.std**2, 4.25, 1e-4),
        Evidence("KL(q ‖ p): distance of the mean from zero, against a peak's", abs(reverse.mean), DISTANCE, 0.01),
        Evidence("KL(q ‖ p): standard deviation, against a peak's", reverse.std, 0.5, 0.01),
        informed(unit, "KL(q ‖ p): divergence, against log 2", reverse.divergence, math.log(2), 1e-3),
        Evidence("JSD: distance of the mean from zero, peaks at ±2", abs(fits["jsd"].mean), 0.0, 1e-4),
        Evidence("JSD: the same, peaks at ±3", abs(far.mean), FAR, 0.05),
        informed(unit, "JSD: divergence then, against ¾ log 4/3", far.divergence, 0.75 * math.log(4 / 3), 1e-3),
    )  # fmt: skip
    shapes = drawn("fits", SHAPES, lambda theme, axes: _shapes(fits, unit, theme, axes), (8.4, 2.6), 3)
    changes = drawn("fits-distance", CHANGES, _changes(), (5.4, 3.0))
    protocol = "quadrature on [-30, 30]; the best of L-BFGS-B in (mean, log std) from six starts, with exact gradients"
    return Lesson(findings, (shapes, changes), protocol)


SHAPES = (
    "Two peaks p (blue) and the one Gaussian q (orange) nearest to them. By KL it matches mean and variance, and puts "
    "most of its mass where there are no data. By reverse KL it takes one peak. By JSD it still covers both, at this "
    "distance."
)
CHANGES = (
    "Standard deviation of the fit as two peaks of deviation 0.5 move apart. KL always covers both; reverse KL "
    "takes one once they are clearly apart; JSD follows later, when covering the gap costs more than ¾ log 4/3."
)


def _fit(by: By, distance: float) -> Fit:
    return fit_gaussian(lambda x: peaks(distance, x), by, LINE)


def _shapes(fits: Mapping[By, Fit], unit: Unit, theme: Theme, axes: Any) -> None:
    x = torch.linspace(-6.5, 6.5, 500, dtype=torch.float64)
    for one, (by, name) in zip(axes, NAMES.items(), strict=True):
        q = Normal(fits[by].mean, fits[by].std).log_prob(x).exp()
        for density, color in ((peaks(DISTANCE, x).exp(), theme.curves[0]), (q, theme.curves[1])):
            one.plot(x, density, color=color, linewidth=1.6)
            one.fill_between(x, density, color=color, alpha=0.14, linewidth=0)
        mean, std = round(fits[by].mean, 2) + 0.0, fits[by].std
        divergence = float(in_unit(torch.tensor(fits[by].divergence), unit))
        one.set(title=f"{name} = {divergence:.3f} {unit}", xlim=(-6.5, 6.5), ylim=(0, 0.95), xlabel="x")
        words = f"N({mean:.2f}, {std:.2f}²)".replace("-", "−")
        one.text(0.97, 0.95, words, color=theme.curves[1], transform=one.transAxes, ha="right", va="top")
        one.tick_params(labelleft=one is axes[0])


def _changes() -> Callable[[Theme, Any], None]:
    stds = {name: [_fit(by, distance).std for distance in DISTANCES] for by, name in NAMES.items()}

    def draw(theme: Theme, axes: Any) -> None:
        for color, (name, values) in zip(theme.curves[3:] + theme.curves[:1], stds.items(), strict=False):
            axes.plot(DISTANCES, values, color=color, marker=".", label=name, linewidth=1.4)
        axes.axhline(0.5, color=theme.ink, linewidth=0.8, linestyle=":")
        axes.text(3.75, 0.43, "one peak", ha="right", va="top", color=theme.ink)
        axes.set(xlabel="distance of each peak from the middle", ylabel="standard deviation of the fit", ylim=(0, 4))
        axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)

    return draw
