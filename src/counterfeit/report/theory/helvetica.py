"""Mode collapse on the grid of twenty-five Gaussians: provoked, detected and cured.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 6: the Helvetica scenario.
    VEEGAN: Reducing Mode Collapse in GANs, Srivastava et al., 2017 (arXiv 1705.07761).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from counterfeit.data.sources.toy import Grid
from counterfeit.metrics.base import Result
from counterfeit.report.html.plot import Theme
from counterfeit.report.theory.topic import Evidence, Lesson, drawn
from counterfeit.report.theory.watch import QUIET, scratch, shown
from counterfeit.run.run import Run, resume, train
from counterfeit.theory.information import Unit

__all__ = ["lesson"]

SHORT = 1_000  # steps of the run that collapses
SLOW, USUAL = 1e-4, 1e-3  # learning rates of the discriminator: too low to follow, and the recipe's
DOTS = 2_500


class Patient(NamedTuple):
    """A run's coverage of the grid, and samples to look at."""

    coverage: Result
    samples: Tensor

    @property
    def title(self) -> str:
        """What was found, in words."""
        kl = self.coverage.details["kl"]
        return f"{self.coverage.value:.0f} modes" + ("" if kl is None else f", KL {kl:.2f}")


def lesson(unit: Unit, seed: int) -> Lesson:  # noqa: ARG001
    """A generator trained too much for its discriminator collapses; the recipe's rates spread it out again."""
    patients = _patients(seed)
    sick, after, well = (patient.coverage for patient in patients.values())
    total = len(sick.details["histogram"])
    findings = (
        Evidence("provoked: modes covered", sick.value, 0.2 * total, relation="<="),
        Evidence("provoked: KL of the histogram of modes, nats", _kl(sick), 1.0, relation=">="),
        Evidence("going on by the recipe: modes covered", after.value, 0.8 * total, relation=">="),
        Evidence("going on by the recipe: KL, nats", _kl(after), _kl(sick), relation="<="),
        Evidence("by the recipe from the start: modes covered", well.value, total),
        Evidence("by the recipe from the start: KL, nats", _kl(well), 0.1, relation="<="),
        Evidence("by the recipe from the start: share near a mode", well.details["high_quality"], 0.5, relation=">="),
    )  # fmt: skip
    caption = (
        f"{DOTS:,} samples each (orange) and the 25 modes (blue). Left: the discriminator learns ten times "
        f"slower than the recipe says, and the generator runs to where it is fooled. Middle: the same weights after "
        f"going on at the recipe's rates. Right: the recipe from the start."
    )
    figure = drawn("helvetica", caption, lambda theme, axes: _draw(patients, theme, axes), (9.6, 3.5), len(patients))
    protocol = (
        f"gan-grid, seed {seed}; provoked: {SHORT:,} steps with the discriminator's learning rate at {SLOW:g} and no "
        f"moving average; going on: 6,000 more at {USUAL:g}; from the start: 6,000. {well.protocol}"
    )
    return Lesson(findings, (figure,), protocol)


def _patients(seed: int) -> dict[str, Patient]:
    slow = {"train.parts.discriminator.lr": SLOW, "train.parts.generator.ema": 0.0}
    with scratch() as place:
        sick = train("gan-grid", out=place / "sick", steps=SHORT, seed=seed, settings={**QUIET, **slow}, show=shown())
        seen = {"provoked": _examine(sick)}
        usual = {"train.parts.discriminator.lr": USUAL, "train.parts.generator.ema": 0.998}
        after = resume(place / "sick", {"train.steps": SHORT + 6_000, **usual}, show=shown())
        seen["going on by the recipe"] = _examine(after)
        seen["the recipe"] = _examine(train("gan-grid", out=place / "well", seed=seed, settings=QUIET, show=shown()))
    return seen


def _examine(run: Run) -> Patient:
    return Patient(run.evaluate("mode-coverage")["mode-coverage"], run.sample(DOTS))


def _kl(coverage: Result) -> float:
    kl = coverage.details["kl"]  # none where no sample is near a mode, which is as bad as a single mode
    return math.log(len(coverage.details["histogram"])) if kl is None else float(kl)


def _draw(patients: dict[str, Patient], theme: Theme, axes: Any) -> None:
    modes = torch.from_numpy(Grid().mixture().centers)
    for one, (name, patient) in zip(axes, patients.items(), strict=True):
        one.scatter(*modes.T.numpy(), s=70, facecolors="none", edgecolors=theme.curves[0], linewidths=1.2)
        one.scatter(*patient.samples.T.numpy(), s=3, color=theme.curves[1], alpha=0.5, linewidths=0, rasterized=True)
        one.set(title=f"{name}: {patient.title}", xlim=(-5.2, 5.2), ylim=(-5.2, 5.2), aspect="equal")
        one.set(xticks=[-4, 0, 4], yticks=[-4, 0, 4])
