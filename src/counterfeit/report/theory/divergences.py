"""Entropy, cross-entropy and divergences in four ways, which agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.distributions import Normal

from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory import gaussian, montecarlo, quadrature
from counterfeit.theory.gaussian import Gaussian
from counterfeit.theory.information import Unit, in_unit
from counterfeit.theory.montecarlo import SampleMean

__all__ = ["lesson"]

P, Q = (0.0, 1.0), (1.0, 2.0)  # mean and standard deviation
DRAWS = 200_000
NAMES = ("H(p)", "H(p, q)", "KL(p ‖ q)", "KL(q ‖ p)", "JSD(p, q)")
SIGMAS = 4.0  # standard errors by which an estimate may miss


def lesson(unit: Unit, seed: int) -> Lesson:
    """N(0, 1) and N(1, 2²): closed forms, quadrature, and estimates from samples."""
    findings = [finding for row in _rows(seed) for finding in _findings(unit, *row)]
    apart = float(quadrature.jsd(_normal(0.0, 1.0), _normal(20.0, 1.0), quadrature.rule(-10.0, 30.0)))
    findings.append(informed(unit, "JSD of N(0, 1) and N(20, 1), against log 2", apart, math.log(2), 1e-9))
    figure = drawn("divergences", CAPTION, partial(_draw, unit), (7.6, 2.9), 2)
    protocol = f"closed forms; Gauss-Legendre quadrature on [-25, 25]; {DRAWS:,} draws, within 4 standard errors"
    return Lesson(tuple(findings), (figure,), protocol)


def _rows(seed: int) -> Iterator[tuple[str, float, float, SampleMean]]:
    """Each quantity in closed form (JSD, which has none, by quadrature), by quadrature and by samples, in nats."""
    p, q = (Gaussian(mean, std**2) for mean, std in (P, Q))
    log_p, log_q, line = _normal(*P), _normal(*Q), quadrature.rule(-25.0, 25.0)
    noise = torch.randn(2, DRAWS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x, y = P[0] + P[1] * noise[0], Q[0] + Q[1] * noise[1]
    by_line = [
        quadrature.entropy(log_p, line), quadrature.cross_entropy(log_p, log_q, line),
        quadrature.kl(log_p, log_q, line), quadrature.kl(log_q, log_p, line), quadrature.jsd(log_p, log_q, line),
    ]  # fmt: skip
    closed = [gaussian.entropy(p), gaussian.cross_entropy(p, q), gaussian.kl(p, q), gaussian.kl(q, p), by_line[-1]]
    sampled = [
        montecarlo.entropy(log_p, x), montecarlo.cross_entropy(log_q, x), montecarlo.kl(log_p, log_q, x),
        montecarlo.kl(log_q, log_p, y), montecarlo.jsd(log_p, log_q, x, y),
    ]  # fmt: skip
    for name, exact, integral, estimate in zip(NAMES, closed, by_line, sampled, strict=True):
        yield name, float(exact), float(integral), estimate


def _findings(unit: Unit, name: str, exact: float, integral: float, estimate: SampleMean) -> Iterator[Evidence]:
    if name != NAMES[-1]:
        yield informed(unit, f"{name} by quadrature", integral, exact, 1e-9)
    yield informed(unit, f"{name} by samples", estimate.value, exact, SIGMAS * estimate.error)


def _normal(mean: float, std: float) -> quadrature.LogDensity:
    loc, scale = torch.tensor([mean, std], dtype=torch.float64)
    return Normal(loc, scale).log_prob


CAPTION = (
    "Left: KL(p ‖ q) is the area under p log p/q, negative in places and never in sum; p is N(0, 1) and q is N(1, 2²). "
    "Right: as N(0, 1) and N(δ, 1) move apart, KL grows as δ²/2 without bound, and JSD saturates at log 2."
)


def _draw(unit: Unit, theme: Theme, axes: Any) -> None:
    left, right = axes
    x = torch.linspace(-6, 8, 400, dtype=torch.float64)
    log_p, log_q = (_normal(*which)(x) for which in (P, Q))
    integrand = in_unit(log_p.exp() * (log_p - log_q), unit)
    left.plot(x, log_p.exp(), color=theme.curves[0], label="p")
    left.plot(x, log_q.exp(), color=theme.curves[1], label="q")
    left.plot(x, integrand, color=theme.curves[2], linestyle="--", label="p log p/q")
    left.fill_between(x, integrand, color=theme.curves[2], alpha=0.2, linewidth=0)
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
    left.set(xlabel="x", xlim=(-6, 8))
    delta, line = np.linspace(0, 6, 61), quadrature.rule(-12.0, 18.0)
    jsd = [quadrature.jsd(_normal(0.0, 1.0), _normal(d, 1.0), line, unit).item() for d in delta]
    scale = float(in_unit(torch.tensor(1.0).double(), unit))
    right.plot(delta, scale * delta**2 / 2, color=theme.curves[3], label="KL(p ‖ q) = KL(q ‖ p) = δ²/2")
    right.plot(delta, jsd, color=theme.curves[4], label="JSD(p, q)")
    right.axhline(scale * math.log(2), color=theme.ink, linewidth=0.8, linestyle=":")
    right.text(5.9, scale * math.log(2) * 1.05, "log 2", ha="right", va="bottom", color=theme.ink)
    right.set(xlabel="distance δ of the means", ylabel=unit, xlim=(0, 6), ylim=(0, 2.2 * scale))
    right.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="center right")
