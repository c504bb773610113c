"""Prediction: how videos go on."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from counterfeit.core import Batch, Generator, Predicts, require
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.ability import Ability, asked
from counterfeit.inference.draws import BATCH

__all__ = ["PREDICT", "Predicted", "horizon", "predict", "predicted"]


STEPS = 10  # of a rollout, where videos are long enough


def predict(
    model: Generator, x: Tensor, steps: int, actions: Tensor | None = None, batch_size: int = BATCH, seed: int = 0
) -> Tensor:
    """The `steps` frames after the frames `x`, (N, T, C, H, W): (N, steps, C, H, W).

    Where the data have actions, `actions` are those after the frames, (N, T - 1 + steps).
    """
    able, acted = require(model, Predicts), [] if actions is None else [actions]

    def answer(part: Tensor, *taken: Tensor) -> Tensor:
        return able.predict(part, steps, *taken)

    return asked(model, answer, x, *acted, batch_size=batch_size, seed=seed)


def horizon(frames: int) -> int:
    """Steps that are predicted of videos of so many frames: 10, or what leaves two frames, which show a motion.

    Example:
        >>> horizon(20), horizon(6), horizon(2)
        (10, 4, 1)
    """
    return min(STEPS, max(1, frames - 2))


class Predicted(NamedTuple):
    """Frames that were given, (N, given, C, H, W), and after them the model's and the true ones, (N, steps, …)."""

    given: Tensor
    model: Tensor
    truth: Tensor

    @property
    def copied(self) -> Tensor:
        """The last frame given, in the place of every later one."""
        return self.given[:, -1:].expand_as(self.truth)


def predicted(model: Generator, videos: Batch, batch_size: int = BATCH, seed: int = 0) -> Predicted:
    """The end of videos, (N, T, C, H, W), predicted from their beginning and their actions, on the model's device."""
    x = videos.x.to(model.device)
    given, truth = x.tensor_split([x.shape[1] - horizon(x.shape[1])], 1)
    actions = videos.y if model.spec.actions else None
    return Predicted(given, predict(model, given, truth.shape[1], actions, batch_size, seed), truth)


def _preview(model: Any, source: Source, n: int) -> Tensor:
    """Videos, each above the frames that were given of it and those predicted: (rows, frames, C, H, W)."""
    videos = evenly_spaced(source, "valid", max(1, n // (2 * source.spec.shape[0])), device=model.device)
    found = predicted(model, videos)
    return torch.stack([videos.x, torch.cat([found.given, found.model], 1)], 1).flatten(0, 1)


PREDICT = Ability("predict", Predicts, predict, _preview, 50)
