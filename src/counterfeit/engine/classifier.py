"""Trains the classifier whose features metrics compare pictures by, as any other model is trained."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

import torch

from counterfeit import catalogue
from counterfeit.data.source import Source
from counterfeit.engine.fit import Interrupted, fit
from counterfeit.metrics.statistics import seeded
from counterfeit.metrics.threads import using
from counterfeit.models.classifying.lenet import LeNet

__all__ = ["train_classifier"]


def train_classifier(source: Source, show: bool = True) -> LeNet:
    """The LeNet of the recipe `classifier`, trained on `source`: by the CPU on one thread, so always the same.

    Arguments:
        source: pictures with labels.
        show: say so on standard error, with a progress bar on a terminal.

    Raises:
        KeyboardInterrupt: on SIGINT or SIGTERM.
    """
    config = catalogue.configure(catalogue.recipe("classifier"), {})
    train = dataclasses.replace(config.train, save_every=config.train.steps, tensorboard=False, doctor="off")
    if show:
        print(f"training a classifier on {source.name}, once; it is kept for later evaluations", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, using(1), torch.enable_grad(), seeded(train.seed):
        (Path(folder) / "checkpoints").mkdir()
        model = LeNet(source.spec, **config.arguments)
        try:
            fit(Path(folder), model, source, train, show=show)
        except Interrupted as stop:  # its checkpoint goes with the folder
            raise KeyboardInterrupt(f"stopped while training a classifier on {source.name}") from stop
    return model.eval()
