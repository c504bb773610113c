"""How well videos are predicted: error and sharpness of the next frame and of a rollout, beside the last frame copied.

References:
    Unsupervised Learning of Visual Structure using Predictive Generative Networks, Lotter, Kreiman and Cox, 2015
        (arXiv 1511.06380).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Predicts
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.prediction import predicted
from counterfeit.metrics.base import Answer, Metric, Result, attempt
from counterfeit.metrics.image.sharpness import NOTE, relative_sharpness

__all__ = ["PREDICTION"]

Measure = Callable[[Tensor, Tensor], tuple[float, float | None]]


def errors(found: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error of each frame, (N, steps, C, H, W) -> (N, steps)."""
    return (found - truth).square().flatten(2).mean(2)


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """Squared error and sharpness, of the next frame and over the rollout, with those of copies beside them."""
    videos = evenly_spaced(source, evaluation.split, evaluation.max_examples)
    found = predicted(model, videos, evaluation.batch_size, evaluation.seed)
    ours, copies = errors(found.model, found.truth), errors(found.copied, found.truth)
    steps, given = found.truth.shape[1], found.given.shape[1]
    how = f"after {given} given ones; {describe(source, evaluation.split, len(videos.x), evaluation.max_examples)}"
    rolled = f"{steps} frames, each foreseen from those before,"
    blur = "mean gradient, as a multiple of the truth's,"
    by_step = {"by_step": _rounded(ours.mean(0)), "copies_by_step": _rounded(copies.mean(0))}
    rows: Mapping[str, tuple[str, Measure, int, dict[str, Any]]] = {
        "next-frame-mse": ("mean squared error of the frame", _squares, 1, {}),
        "rollout-mse": (f"mean squared error of {rolled}", _squares, steps, by_step),
        "next-frame-sharpness": (f"{blur} of the frame", relative_sharpness, 1, {}),
        "rollout-sharpness": (f"{blur} of {rolled}", relative_sharpness, steps, {}),
    }

    def measured(what: str, measure: Measure, frames: int, more: dict[str, Any]) -> Result:
        mine, theirs = (measure(x[:, :frames], found.truth[:, :frames]) for x in (found.model, found.copied))
        return Result(
            *mine, len(videos.x), f"{what} {how}", {"seed": evaluation.seed, **more},
            references={"last frame": Estimate(*theirs)}, note=NOTE if measure is relative_sharpness else ""
        )  # fmt: skip

    return {name: attempt(partial(measured, *row)) for name, row in rows.items()}


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]


def _squares(found: Tensor, truth: Tensor) -> tuple[float, float | None]:
    return mean_and_error(errors(found, truth).mean(1))


PREDICTION = Metric(
    "video-prediction", "videos predicted: squared error and sharpness of the next frame and of a rollout", "", None,
    Predicts,
    compute, applies=lambda source: len(source.spec.shape) == 4 and source.spec.bounded,
    rows={
        "next-frame-mse": "lower", "rollout-mse": "lower", "next-frame-sharpness": None, "rollout-sharpness": None,
    },
)  # fmt: skip
