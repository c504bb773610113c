"""A model that is trained alone: the engine's steps on draws that are made for it, without a run folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from counterfeit.common.progress import Bar
from counterfeit.common.seeding import seeded
from counterfeit.common.threads import using
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Model
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper

__all__ = ["Drawn", "stepped"]

M = TypeVar("M", bound=Model)
Drawn = Callable[[int, int], Batch]
"""(size, step) -> the minibatch of that step."""


def stepped(
    make: Callable[[], M], draw: Drawn, train: Train, what: str, every: int = 1,
    look: Callable[[int, M], object] | None = None,
) -> M:  # fmt: skip
    """A model after all steps, with the average of its weights where one is kept.

    Arguments:
        make: the model.
        draw: its data.
        train: how; its seed is that of the initial weights, and of what the model draws.
        what: it is, for the progress bar.
        every: steps between looks, of which the first is before the first step.
        look: what is done with the step and the model then.
    """
    with using(1), seeded(train.seed):
        model = make()
        stepper = Stepper(model, train, Processes())
        with Bar(what, train.steps) as bar:
            for step in range(train.steps):
                if look and step % every == 0:
                    look(step, _averaged(stepper, model))
                stepper.step([lambda step=step: draw(train.batch_size, step)], Clock(step, train.steps))  # type: ignore[misc]
                bar.update(1)
        found = _averaged(stepper, model)
        if look:
            look(train.steps, found)
        return found


def _averaged(stepper: Stepper, model: M) -> M:
    averaged = stepper.average.model()
    if not isinstance(averaged, type(model)):
        raise ValueError(f"a {type(averaged).__name__} came; a {type(model).__name__} is expected. Train one.")
    return averaged.eval()
