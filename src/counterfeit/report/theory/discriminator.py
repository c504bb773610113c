"""A trained discriminator against the optimal one, on densities that are known."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from counterfeit.common.seeding import mix
from counterfeit.core import Batch
from counterfeit.data.sources.toy import Mixture
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.lone_discriminator import LoneDiscriminator, trained
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.theory import game, quadrature
from counterfeit.theory.information import Unit

__all__ = ["PAIRS", "Pair", "lesson", "on_the_line"]

STEPS = 2_000
LINE = quadrature.rule(-12.0, 12.0)


class Pair(NamedTuple):
    """Data p and fakes q."""

    p: Mixture
    q: Mixture

    def draw(self, seed: int, n: int, step: int) -> Batch:
        """`n` examples and fakes, (n, 1) each, other ones at every step."""
        return Batch(self.p.sample(n, mix(seed, step, 0) % 2**32), self.q.sample(n, mix(seed, step, 1) % 2**32))

    def logs(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-densities at points of the line, (N,) each."""
        return self.p.log_prob(x[:, None]), self.q.log_prob(x[:, None])


def on_the_line(*parts: tuple[float, float, float]) -> Mixture:
    """A mixture of Gaussians with (weight, mean, standard deviation) each; the deviations must agree."""
    weights, means, stds = map(np.array, zip(*parts, strict=True))
    return Mixture(means[:, None], weights, stds[:1, None])


TWO_PEAKS = on_the_line((0.5, -2.0, 0.5), (0.5, 2.0, 0.5))
PAIRS: Mapping[str, Pair] = {
    "N(0, 1) and N(1, 1)": Pair(on_the_line((1.0, 0.0, 1.0)), on_the_line((1.0, 1.0, 1.0))),
    "N(0, 1) and N(0, 2²)": Pair(on_the_line((1.0, 0.0, 1.0)), on_the_line((1.0, 0.0, 2.0))),
    "two peaks and N(0, 2²)": Pair(TWO_PEAKS, on_the_line((1.0, 0.0, 2.0))),
    "two peaks and mostly one": Pair(TWO_PEAKS, on_the_line((0.9, 2.0, 0.5), (0.1, -2.0, 0.5))),
}


def lesson(unit: Unit, seed: int) -> Lesson:
    """Mean absolute error of D, and its value of the game against -log 4 + 2 JSD."""
    discriminators = {name: trained(partial(pair.draw, seed), STEPS, seed) for name, pair in PAIRS.items()}
    findings = [
        finding for name, discriminator in discriminators.items() for finding in _findings(name, discriminator, unit)
    ]
    caption = (
        "Data p (blue), fakes q (orange), the optimal discriminator p/(p + q) (line) and the trained one (dots): they "
        "agree wherever there is something to see."
    )
    figure = drawn(
        "discriminator", caption, lambda theme, axes: _draw(discriminators, theme, axes), (9.6, 2.5), len(PAIRS)
    )
    protocol = (
        f"two hidden layers of 64 tanh units, {STEPS:,} steps of Adam on 1,024 fresh draws of each, averaged weights, "
        f"seed {seed}; error in the mean over (p + q)/2 and V(D) by quadrature on [-12, 12]"
    )
    return Lesson(tuple(findings), (figure,), protocol)


@torch.no_grad()
def _findings(name: str, discriminator: LoneDiscriminator, unit: Unit) -> list[Evidence]:
    log_p, log_q = PAIRS[name].logs(LINE.x)
    logits, weights = discriminator.logits(LINE.x), LINE.weights
    error = float(game.distance(logits, log_p, log_q, weights))
    twice = float(2 * quadrature.jsd(lambda x: PAIRS[name].logs(x)[0], lambda x: PAIRS[name].logs(x)[1], LINE))
    measured = float(game.value(logits, log_p, log_q, weights) - game.EQUILIBRIUM)
    return [
        Evidence(f"{name}: mean |D - D*|", error, 0.02, relation="<="),
        informed(unit, f"{name}: V(D) + log 4, against 2 JSD", measured, twice, 0.01 * twice),
    ]


@torch.no_grad()
def _draw(discriminators: Mapping[str, LoneDiscriminator], theme: Theme, axes: Any) -> None:
    for one, (name, discriminator) in zip(axes, discriminators.items(), strict=True):
        x = torch.linspace(-5, 5, 301, dtype=torch.float64)
        log_p, log_q = PAIRS[name].logs(x)
        for log, color in ((log_p, theme.curves[0]), (log_q, theme.curves[1])):
            one.plot(x, log.exp(), color=color, linewidth=1.4)
            one.fill_between(x, log.exp(), color=color, alpha=0.12, linewidth=0)
        one.plot(x, game.optimal_logits(log_p, log_q).sigmoid(), color=theme.curves[2], linewidth=1.4)
        seen = (log_p.exp() + log_q.exp() > 2e-3)[::10]
        one.plot(x[::10][seen], discriminator.logits(x[::10][seen]).sigmoid(), "o", color=theme.curves[2], markersize=3)
        one.set(title=name, xlim=(-5, 5), ylim=(0, 1.03), xlabel="x")
        one.tick_params(labelleft=one is axes[0])
