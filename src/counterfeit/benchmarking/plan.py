"""How many steps a training time is: by a short trial, which is kept, so that a run can be repeated exactly."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from counterfeit import catalogue
from counterfeit.common.memory import keep_freed
from counterfeit.common.threads import using
from counterfeit.config.settings import Config, Train
from counterfeit.data.source import Source
from counterfeit.engine.device import pick_device
from counterfeit.engine.fit import Display, fit
from counterfeit.run.training import validator

__all__ = ["Plan", "planned", "trial"]

SAVES = 16  # at most, so that powers of two among them show how a model learns
SHARE = 0.2  # of the time at most, for saving: pictures, validation, the doctor
FIRST, TIMES = 2, 4  # steps of the first trial, and how many times as many the next takes
LONG = (0.02, 1.0, 20.0)  # what a trial is to take: a share of the budget, between so many seconds
MOST_STEPS = 10_000_000


@dataclass(frozen=True)
class Plan:
    """How a time is spent.

    Arguments:
        steps: of training.
        saves: checkpoints, evenly spaced.
        step_seconds: that a step took in the trial; None where nothing was tried.
        save_seconds: that a checkpoint took with its pictures and validation.
    """

    steps: int
    saves: int
    step_seconds: float | None = None
    save_seconds: float | None = None


def trial(config: Config, source: Source, budget: float) -> Plan:
    """Measure steps and saves of a recipe, and divide the budget between them.

    What a step takes is the difference of a longer and a shorter whole training, divided by the steps between them, so
    that what is done once does not count, and all stages of a model that grows do.

    Arguments:
        config: the settings, with the recipe's own number of steps.
        source: the data before transforms.
        budget: seconds, of the processor on a CPU and by the clock elsewhere.
    """
    if config.train.steps == 1:  # fitted in closed form
        return Plan(1, 1)
    target = min(max(LONG[0] * budget, LONG[1]), LONG[2])
    bare = replace(config.train, monitor=None, patience=None, preview_samples=1, doctor="off")
    few, count = FIRST, FIRST * TIMES
    before = now = _taken(config, source, _of_steps(bare, few))
    while (now := _taken(config, source, _of_steps(bare, count))) - before < target and count < MOST_STEPS:
        few, before, count = count, now, count * TIMES
    step = max((now - before) / (count - few), 1e-7)
    save = max(0.0, _taken(config, source, _of_steps(config.train, FIRST)) - FIRST * step)
    saves = max(1, min(SAVES, int(SHARE * budget / max(save, 1e-9))))
    steps = max(saves, int((budget - saves * save) / step))
    return Plan(min(steps, MOST_STEPS), saves, round(step, 7), round(save, 4))


def planned(config: Config, plan: Plan) -> Config:
    """The settings by which a recipe trains as planned: what its schedules count in steps is stretched alike.

    Training is not ended early, lest the times differ.
    """
    return replace(config, train=_of_steps(replace(config.train, patience=None), plan.steps, plan.saves))


def _of_steps(train: Train, steps: int, saves: int = 1) -> Train:
    """Training of so many steps and saves, with schedules stretched alike."""
    times = steps / train.steps
    parts = {part: {**own, **_stretched(own, times)} for part, own in train.parts.items()}
    fields = ("warmup_steps", "momentum_steps", "lr_decay_factor")
    own = _stretched({name: getattr(train, name) for name in fields}, times)
    return replace(
        train, steps=steps, save_every=math.ceil(steps / saves), log_every=max(1, steps // 200), parts=parts, **own
    )


def _stretched(given: Mapping[str, Any], times: float) -> dict[str, Any]:
    """Those of the settings that count steps, for `times` as many."""
    found: dict[str, Any] = {}
    for name in ("warmup_steps", "momentum_steps"):
        if name in given:
            found[name] = max(int(name == "momentum_steps"), round(given[name] * times))
    if "lr_decay_factor" in given:
        found["lr_decay_factor"] = given["lr_decay_factor"] ** (1 / times)
    return found


def _taken(config: Config, source: Source, train: Train) -> float:
    """Seconds that a whole training takes, of the processor on a CPU."""
    device = pick_device(train.device)
    config = replace(config, train=train)
    config, found = catalogue.training_data(config, source)
    model = catalogue.build(config, found, device)
    keep_freed()  # as training does
    with tempfile.TemporaryDirectory() as folder, using(train.threads or None):
        place = Path(folder)
        (place / "checkpoints").mkdir()
        summary = fit(place, model, found, train, validator(config, found), display=Display(progress=False))
    return summary.cpu_seconds if device.type == "cpu" else summary.seconds
