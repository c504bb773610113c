"""What the generator's objectives give it to descend while it is poor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from counterfeit.common.seeding import seeded
from counterfeit.losses import OBJECTIVES, ObjectiveName
from counterfeit.models.adversarial.shared.sampling_gan import SamplingGAN
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.report.theory.watch import watched
from counterfeit.theory.game import pulls
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

STEPS, EVERY, CODES = 300, 15, 4_096
SHOWN: tuple[ObjectiveName, ...] = ("non-saturating", "minimax", "maximum-likelihood")
D = (0.01, 0.5, 0.99)  # values of D(G(z)) at which the pulls are compared with their formulas


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """Pulls on a logit, and on the weights of a generator that waits while the discriminator wins."""
    d = torch.tensor(D, dtype=torch.float64)
    formulas = {"non-saturating": 1 - d, "minimax": d / 2, "maximum-likelihood": d / (1 - d) / 2}
    found = pulls(d.logit())
    findings = [
        Evidence(f"{name}: pull on a logit where D(G(z)) = {at:g}", float(pull), float(formula), 1e-9)
        for name, formula_of in formulas.items()
        for at, pull, formula in zip(D, found[name], formula_of, strict=True)
    ]
    settings = {"train.parts.generator.lr": 0.0, "train.parts.generator.ema": 0.0}  # it waits
    seen = [(step, *_look(game, seed)) for step, game in watched("gan-bimodal", STEPS, EVERY, seed, settings)]
    won, norms = seen[-1][1:]
    strong, ratio = norms["non-saturating"], won / (1 - won) / 2
    largest = max(look[2]["minimax"] for look in seen)
    findings += [
        Evidence(f"D(G(z)) after {STEPS} steps of the discriminator", won, 0.01, relation="<="),
        Evidence("minimax: gradient's norm by then, over its largest", norms["minimax"] / largest, 0.5, relation="<="),
        Evidence("non-saturating: over its first", strong / seen[0][2]["non-saturating"], 1.0, relation=">="),
        Evidence("minimax over non-saturating, against ½ D/(1 - D)", norms["minimax"] / strong, ratio, 0.2 * ratio),
    ]
    figure = drawn("gradients", CAPTION, lambda theme, axes: _draw(seen, theme, axes), (7.6, 3.0), 2)
    protocol = (
        f"pulls by autograd; norms over all weights of the generator of gan-bimodal, {CODES:,} codes, while its "
        f"learning rate is 0 and the discriminator trains for {STEPS} steps; seed {seed}"
    )
    return Lesson(tuple(findings), (figure,), protocol)


Seen = tuple[int, float, Mapping[str, float]]
CAPTION = (
    "Left: how strongly each objective pulls the logit of a sample upwards. A poor sample is on the left, where "
    "minimax lets go. Right: the gradient's norm in the generator's weights while the discriminator learns to tell its "
    "samples; there minimax and maximum likelihood fall together with D(G(z))."
)


def _look(game: SamplingGAN, seed: int) -> tuple[float, Mapping[str, float]]:
    """Mean of D(G(z)), and the norm of the generator's gradient by each objective."""
    weights = [*game.generator.parameters()]
    with seeded(seed):
        codes = game.prior(CODES)
    norms: dict[str, float] = {}
    for name in SHOWN:
        loss = OBJECTIVES[name].generator(game.discriminator(game.generator(codes)))
        norms[name] = float(_norm(torch.autograd.grad(loss, weights)))
    with torch.no_grad():
        return float(game.discriminator(game.generator(codes)).sigmoid().mean()), norms


def _norm(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients]).norm()


def _draw(seen: list[Seen], theme: Theme, axes: Any) -> None:
    left, right = axes
    d = torch.linspace(0.002, 0.998, 400, dtype=torch.float64)
    theory = pulls(d.logit())
    colors = dict(zip(SHOWN, (theme.curves[1], theme.curves[0], theme.curves[3]), strict=True))
    for name in SHOWN:
        left.plot(d, theory[name], color=colors[name], label=name, linewidth=1.6)
        right.plot([s[0] for s in seen], [s[2][name] for s in seen], color=colors[name], linewidth=1.6)
    right.plot([s[0] for s in seen], [s[1] for s in seen], color=theme.ink, linewidth=1, linestyle=":")
    right.annotate("D(G(z))", seen[-1][:2], (-4, 5), textcoords="offset points", ha="right", color=theme.ink)
    left.set(xlabel="D(G(z))", ylabel="pull on the logit", xlim=(0, 1), ylim=(0, 1.5))
    left.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, loc="upper left")
    right.set(yscale="log", xlabel="step of the discriminator", ylabel="norm of the generator's gradient")
    right.set_xlim(0, STEPS)
