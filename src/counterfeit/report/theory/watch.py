"""A training run that is watched: its model at every save, from the initial weights on."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from counterfeit.catalogue import build
from counterfeit.engine import checkpoint
from counterfeit.engine.fit import Interrupted
from counterfeit.models.adversarial.shared.sampling_gan import SamplingGAN
from counterfeit.run.run import train

__all__ = ["QUIET", "scratch", "shown", "watched"]

QUIET = {"train.device": "cpu", "train.threads": 1, "train.tensorboard": False}


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for runs that is removed after, so that one stopped by a signal is not offered to be resumed."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield Path(folder)
        except Interrupted:
            raise KeyboardInterrupt from None


def shown() -> bool:
    """Whether the progress of training is shown: on a terminal; elsewhere the doctor would be heard too."""
    return sys.stderr.isatty()


def watched(
    recipe: str, steps: int, every: int, seed: int, settings: Mapping[str, Any]
) -> Iterator[tuple[int, SamplingGAN]]:
    """Train a recipe in a folder that is removed after, and yield its step and model every `every` steps.

    It is the same model each time, with the weights of that step: look at it before asking for the next.
    """
    often = {"train.save_every": every, "train.keep_checkpoints": steps // every + 1, "train.preview_samples": 1}
    with scratch() as folder:
        chosen = {**QUIET, **often, **settings}
        run = train(recipe, out=folder / "run", steps=steps, seed=seed, settings=chosen, show=shown())
        model = build(run.config, run.source, torch.device("cpu"))
        if not isinstance(model, SamplingGAN):
            raise ValueError(f"{recipe} trains a {type(model).__name__}; a generator and a discriminator are expected.")
        yield 0, model
        for path in checkpoint.checkpoints(run.path):
            checkpoint.fill(model, checkpoint.read_weights(path), path)
            yield checkpoint.read_state(path)["step"], model
