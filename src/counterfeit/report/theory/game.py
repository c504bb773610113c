"""C(G) = -log 4 + 2 JSD, traced while adversarial nets are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from counterfeit.common.seeding import mix
from counterfeit.core import Batch
from counterfeit.data.sources.toy import Bimodal1D
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.lone_discriminator import trained
from counterfeit.report.theory.topic import Evidence, Lesson, drawn, informed
from counterfeit.report.theory.traced import CENTERS, CODES, PROTOCOL, SIGMA, Moment, data, traced
from counterfeit.theory import game
from counterfeit.theory.information import Unit, in_unit, jsd

__all__ = ["costs", "lesson", "values"]

LOOKED_AT = (0, 50, 200, 400, 800)  # steps at which a fresh discriminator measures C(G)
STEPS = 3_000  # of its training
NATS = 0.001  # by which it may miss beside one per cent: 2 JSD falls to a hundredth of a nat


def lesson(unit: Unit, seed: int) -> Lesson:
    """The game's own value, and what a discriminator trained to the end against a generator that waits makes of it."""
    trace = traced(seed)
    chosen = [moment for moment in trace if moment.step in LOOKED_AT]
    measured = [_measured(moment, seed) for moment in chosen]
    findings = [_finding(moment, value, unit) for moment, value in zip(chosen, measured, strict=True)]
    identity = float((costs(trace) - game.EQUILIBRIUM - 2 * divergences(trace)).abs().max())
    over = float((values(trace) - costs(trace)).max())
    findings += [
        Evidence("largest |V(G, D*) + log 4 - 2 JSD| over training, nats", identity, 0.0, 1e-9),
        Evidence("largest V(G, D) - C(G) of the game's own D, nats", over, 0.0, 1e-12, "<="),
    ]
    caption = (
        "C(G) falls to −log 4 while gan-bimodal is trained. Line: −log 4 + 2 JSD of the exact densities. Dots: "
        f"measured by a fresh discriminator trained for {STEPS:,} steps while the generator waits. Dashed: the game's "
        "own value, which lies below by as much as its discriminator falls short."
    )
    points = [(moment.step, value) for moment, value in zip(chosen, measured, strict=True)]
    figure = drawn("game", caption, lambda theme, axes: _draw(trace, points, unit, theme, axes), (7.6, 2.9), 2)
    protocol = f"{PROTOCOL}; seed {seed}; fresh discriminators: {STEPS:,} steps of Adam on 1,024 fresh draws of each"
    return Lesson(tuple(findings), (figure,), protocol)


def costs(trace: Sequence[Moment]) -> torch.Tensor:
    """C(G) = V(G, D*) at every moment, nats, (T,)."""
    return torch.stack([game.cost(data().log(), moment.mass.log()) for moment in trace])


def values(trace: Sequence[Moment]) -> torch.Tensor:
    """V(G, D) at every moment, nats, (T,)."""
    return torch.stack([game.value(moment.logits, data().log(), moment.mass.log()) for moment in trace])


def divergences(trace: Sequence[Moment]) -> torch.Tensor:
    """JSD of data and generator at every moment, nats, (T,)."""
    return torch.stack([jsd(data(), moment.mass) for moment in trace])


def _measured(moment: Moment, seed: int) -> float:
    source = Bimodal1D()

    def draw(size: int, step: int) -> Batch:
        generator = torch.Generator().manual_seed(mix(seed, moment.step, step))
        place = torch.rand(size, generator=generator, dtype=torch.float64) * (len(CODES) - 1)
        left = place.long().clamp(max=len(CODES) - 2)
        fakes = torch.lerp(moment.samples[left], moment.samples[left + 1], place - left)[:, None].float()
        noise = SIGMA * torch.randn(2, size, 1, generator=generator)
        return Batch(source.sample(size, mix(seed, step) % 2**32) + noise[0], fakes + noise[1])

    discriminator = trained(draw, STEPS, seed)
    with torch.no_grad():
        return float(game.value(discriminator.logits(CENTERS), data().log(), moment.mass.log()))


def _finding(moment: Moment, value: float, unit: Unit) -> Evidence:
    what, twice = f"step {moment.step}: measured C(G) + log 4, against 2 JSD", 2 * float(jsd(data(), moment.mass))
    return informed(unit, what, value - game.EQUILIBRIUM, twice, 0.01 * twice + NATS)


def _draw(trace: Sequence[Moment], points: list[tuple[int, float]], unit: Unit, theme: Theme, axes: Any) -> None:
    steps = [moment.step for moment in trace]
    blue, orange, teal = theme.curves[:3]
    exact = game.EQUILIBRIUM + 2 * divergences(trace)
    for one, end in zip(axes, (500, steps[-1]), strict=True):
        one.axhline(in_unit(torch.tensor(game.EQUILIBRIUM), unit), color=theme.ink, linewidth=0.8, linestyle=":")
        one.plot(steps, in_unit(exact, unit), color=blue, label="−log 4 + 2 JSD", linewidth=1.6)
        one.plot(steps, in_unit(values(trace), unit), color=teal, label="V(G, D)", linewidth=1.2, linestyle="--")
        one.plot(
            [step for step, _ in points], in_unit(torch.tensor([v for _, v in points]), unit), "o", color=orange,
            markersize=5, label="measured C(G)", zorder=3,
        )  # fmt: skip
        one.set(xlabel="step", xlim=(-0.02 * end, end))
    axes[0].set(ylabel=unit, ylim=in_unit(torch.tensor([-1.55, 0.05]), unit).tolist())
    axes[1].set_ylim(*in_unit(torch.tensor([-1.45, -1.2]), unit).tolist())
    axes[0].legend(frameon=False, labelcolor="linecolor", handlelength=1.4)
    level = float(in_unit(torch.tensor(game.EQUILIBRIUM), unit))
    axes[1].text(steps[-1], level, "−log 4 ", ha="right", va="top", color=theme.ink)
