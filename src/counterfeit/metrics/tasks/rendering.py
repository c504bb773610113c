"""How near pictures that are made of given ones are to those that belong to them, and whether they look like data.

References:
    Image-to-Image Translation with Conditional Adversarial Networks, Isola et al., 2017 (arXiv 1611.07004), which shows
        that an absolute error alone blurs.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Renders
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.rendering import rendered
from counterfeit.metrics.base import Answer, Metric, Result, attempt
from counterfeit.metrics.features.frechet import unseen_distance
from counterfeit.metrics.features.reference import extractor
from counterfeit.metrics.image.sharpness import NOTE, relative_sharpness
from counterfeit.metrics.tasks.super_resolution import feature_distance
from counterfeit.metrics.tasks.translation import absolute_error

__all__ = ["RENDERING"]

MEANS = 10_000  # training examples at most whose mean stands for all


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """Error, distance of features and sharpness of rendered pictures beside the truth, and their Fréchet distance."""
    n = evaluation.max_examples or len(source.split(evaluation.split))
    given, made, truth = rendered(model, source, evaluation.split, n, evaluation.seed)
    average = evenly_spaced(source, "train", MEANS, device=model.device).x.mean(0).expand_as(truth)
    others = {"mean picture": average} | ({"given": given} if given.shape == truth.shape else {})
    how = f"of pictures made of given ones; {describe(source, evaluation.split, len(truth), evaluation.max_examples)}"
    by = extractor(source, evaluation, model.device)

    def error(x: Tensor) -> Estimate:
        return mean(absolute_error(x, truth))

    def distance(x: Tensor) -> Estimate:
        return mean(feature_distance(x, truth, by))

    def sharpness(x: Tensor) -> Estimate:
        return Estimate(*relative_sharpness(x, truth), n=len(x))

    kinds = {
        "rendering-error": ("mean absolute error", error),
        "rendering-distance": (f"mean Euclidean distance from the truth in features ({by.protocol})", distance),
        "rendering-sharpness": ("mean gradient, as a multiple of the truth's,", sharpness),
    }

    def measured(name: str) -> Result:
        what, measure = kinds[name]
        references = {} if measure is sharpness else {other: measure(x) for other, x in others.items()}
        note = NOTE if measure is sharpness else ""
        return Result.of(measure(made), f"{what} {how}", {"seed": evaluation.seed}, references=references, note=note)

    fid = partial(unseen_distance, model, source, evaluation, {"": made, **others}, "pictures made of given ones")
    return {name: attempt(partial(measured, name)) for name in kinds} | {"rendering-fid": fid()}


RENDERING = Metric(
    "rendering", "pictures made of given ones beside the truth: error, features, sharpness, Fréchet distance",
    "", None, Renders, compute, applies=lambda source: bool(source.spec.given),
    rows={
        "rendering-error": "lower", "rendering-distance": "lower", "rendering-sharpness": None,
        "rendering-fid": "lower",
    },
)  # fmt: skip
