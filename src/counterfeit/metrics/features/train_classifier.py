"""Trains the classifier whose features metrics compare pictures by, as any other model is trained."""

from __future__ import annotations

import copy
import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import torch

from counterfeit import catalogue
from counterfeit.common.seeding import seeded
from counterfeit.common.threads import using
from counterfeit.config.settings import Train
from counterfeit.core import Clock
from counterfeit.data.loader import Stream
from counterfeit.data.source import Source
from counterfeit.engine.distributed import Processes
from counterfeit.engine.fit import Display, Interrupted, fit
from counterfeit.engine.step import Stepper
from counterfeit.models.classifying.lenet import LeNet

__all__ = ["train_classifier"]


def train_classifier(source: Source, show: bool = True, steps: int | None = None) -> LeNet:
    """The LeNet of the recipe `classifier`, trained on `source`: by the CPU on one thread, so always the same.

    Arguments:
        source: pictures with labels.
        steps: of training, in the place of the recipe's.
        show: say so and how long it takes on standard error, with a progress bar, or a line a minute.

    Raises:
        KeyboardInterrupt: on SIGINT or SIGTERM.
    """
    config = catalogue.configure(catalogue.recipe("classifier"), {})
    steps = steps or config.train.steps
    train = dataclasses.replace(config.train, steps=steps, save_every=steps, tensorboard=False, doctor="off")
    with tempfile.TemporaryDirectory() as folder, using(1), torch.enable_grad(), seeded(train.seed):
        (Path(folder) / "checkpoints").mkdir()
        model = LeNet(source.spec, **config.arguments)
        if show:
            _announce(source, _seconds(model, source, train))
        try:
            fit(Path(folder), model, source, train, display=Display(show))
        except Interrupted as stop:  # its checkpoint goes with the folder
            raise KeyboardInterrupt(f"stopped while training a classifier on {source.name}") from stop
    return model.eval()


def _announce(source: Source, seconds: float) -> None:
    takes = f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{max(1.0, seconds):.0f} seconds"
    text = f"a metric compares by a classifier of {source.name}: it is trained now, in about {takes}, and kept for"
    print(f"{text} later evaluations; `counterfeit train --no-evaluate` leaves evaluation out", file=sys.stderr)


def _seconds(model: LeNet, source: Source, train: Train, tried: int = 3) -> float:
    """How long training takes, by a few steps of a copy."""
    with seeded(train.seed):
        stepper = Stepper(copy.deepcopy(model), train, Processes())
        draws = Stream(source.split("train"), train.batch_size, train.seed, model.device).draws()
        stepper.step(draws, Clock(0, train.steps))  # the first is slower than all others
        start = time.perf_counter()
        for step in range(1, 1 + tried):
            stepper.step(draws, Clock(step, train.steps))
        return (time.perf_counter() - start) / tried * train.steps
