"""How well films are foreseen: error and sharpness of the next frame and of a rollout, beside the last frame copied.

References:
    Unsupervised Learning of Visual Structure using Predictive Generative Networks, Lotter, Kreiman and Cox, 2015
        (arXiv 1511.06380).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from counterfeit.core import Model, Predicts
from counterfeit.data.source import Source
from counterfeit.metrics.metric import Answer, Evaluation, Metric, Result, attempt
from counterfeit.metrics.sampling import describe, evaluating, spread
from counterfeit.metrics.sharpness import NOTE, relative_sharpness
from counterfeit.metrics.statistics import mean_and_error

__all__ = ["PREDICTION", "Foreseen", "foreseen", "horizon"]

Measure = Callable[[Tensor, Tensor], tuple[float, float | None]]

STEPS = 10  # of a rollout, where films are long enough


class Foreseen(NamedTuple):
    """Frames that were given, (N, given, C, H, W), and after them the model's and the true ones, (N, steps, …)."""

    given: Tensor
    model: Tensor
    truth: Tensor

    @property
    def copied(self) -> Tensor:
        """The last frame given, in the place of every later one."""
        return self.given[:, -1:].expand_as(self.truth)


def horizon(frames: int) -> int:
    """Steps that are foreseen of films of so many frames: 10, or what leaves two frames, which show a motion.

    Example:
        >>> horizon(20), horizon(6), horizon(2)
        (10, 4, 1)
    """
    return min(STEPS, max(1, frames - 2))


def foreseen(model: Model, films: Tensor, batch_size: int = 1_000, seed: int = 0) -> Foreseen:
    """The end of `films`, (N, T, C, H, W), foreseen from their beginning, on the device of the model."""
    films = films.to(model.device)
    given, truth = films.tensor_split([films.shape[1] - horizon(films.shape[1])], 1)
    with evaluating(model, seed):
        parts = [cast(Predicts, model).predict(part, truth.shape[1]) for part in given.split(batch_size)]
    return Foreseen(given, torch.cat(parts), truth)


def errors(found: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error of each frame, (N, steps, C, H, W) -> (N, steps)."""
    return (found - truth).square().flatten(2).mean(2)


def compute(model: Model, source: Source, evaluation: Evaluation) -> Answer:
    """Squared error and sharpness, of the next frame and over the rollout, with those of copies beside them."""
    films = spread(source, evaluation.split, evaluation.limit).x
    found = foreseen(model, films, evaluation.batch_size, evaluation.seed)
    ours, copies = errors(found.model, found.truth), errors(found.copied, found.truth)
    steps, given = found.truth.shape[1], found.given.shape[1]
    how = f"after {given} given ones; {describe(source, evaluation.split, len(films), evaluation.limit)}"
    rolled = f"{steps} frames, each foreseen from those before,"
    blur = "mean gradient, as a multiple of the truth's,"
    by_step = {"by_step": _rounded(ours.mean(0)), "copies_by_step": _rounded(copies.mean(0))}
    note = {"note": NOTE}
    rows: Mapping[str, tuple[str, Measure, int, dict[str, Any]]] = {
        "next-frame-mse": ("mean squared error of the frame", _squares, 1, {}),
        "rollout-mse": (f"mean squared error of {rolled}", _squares, steps, by_step),
        "next-frame-sharpness": (f"{blur} of the frame", relative_sharpness, 1, note),
        "rollout-sharpness": (f"{blur} of {rolled}", relative_sharpness, steps, note),
    }

    def measured(what: str, measure: Measure, frames: int, more: dict[str, Any]) -> Result:
        mine, theirs = (measure(x[:, :frames], found.truth[:, :frames]) for x in (found.model, found.copied))
        return Result(*mine, len(films), f"{what} {how}", _details(evaluation, theirs) | more)

    return {name: attempt(partial(measured, *row)) for name, row in rows.items()}


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]


def _squares(found: Tensor, truth: Tensor) -> tuple[float, float | None]:
    return mean_and_error(errors(found, truth).mean(1))


def _details(evaluation: Evaluation, copied: tuple[float, float | None]) -> dict[str, Any]:
    return {"seed": evaluation.seed, "references": {"last frame": {"value": copied[0], "error": copied[1]}}}


PREDICTION = Metric(
    "prediction", "films foreseen: squared error and sharpness of the next frame and of a rollout", "", None, Predicts,
    compute, applies=lambda source: len(source.spec.shape) == 4 and source.spec.bounded,
    rows={
        "next-frame-mse": "lower", "rollout-mse": "lower", "next-frame-sharpness": None, "rollout-sharpness": None,
    },
)  # fmt: skip
