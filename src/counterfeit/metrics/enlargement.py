"""How well pictures that were made small are enlarged: beside the truth, and beside bicubic and nearest pixels.

Squared errors favour the mean of all that a picture may have been, which is blurred; sharpness and the distance of
features say what that costs.

References:
    Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, Ledig et al., 2016
        (arXiv 1609.04802).
    The Perception-Distortion Tradeoff, Blau & Michaeli, 2018 (arXiv 1711.06077).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from counterfeit.core import Enlarges, Model
from counterfeit.data.source import Source
from counterfeit.metrics.features import FeatureExtractor
from counterfeit.metrics.metric import Answer, Evaluation, Metric, Result, attempt
from counterfeit.metrics.reconstruction import psnr
from counterfeit.metrics.reference import extractor
from counterfeit.metrics.sampling import describe, evaluating, spread
from counterfeit.metrics.sharpness import NOTE, relative_sharpness
from counterfeit.metrics.ssim import ssim, window
from counterfeit.metrics.statistics import mean_and_error
from counterfeit.nets.enlarging import bicubic, shrink

__all__ = ["ENLARGEMENT", "Enlarged", "enlarged", "feature_distance", "measures"]

Measure = Callable[[Tensor, Tensor], tuple[float, float | None]]


class Enlarged(NamedTuple):
    """Pictures of the same size, (N, C, H, W) each: pixels repeated, bicubic, by a model, and the truth."""

    nearest: Tensor
    bicubic: Tensor
    model: Tensor
    truth: Tensor


def enlarged(model: Model, truth: Tensor, batch_size: int = 1_000, seed: int = 0) -> Enlarged:
    """The pictures `truth`, (N, C, H, W) in [0, 1], made small and enlarged again, on the device of the model."""
    able, parts = cast(Enlarges, model), truth.to(model.device).split(batch_size)
    small = [shrink(part, able.factor) for part in parts]
    with evaluating(model, seed):
        ours = torch.cat([able.enlarge(part) for part in small])
    low = torch.cat(small)
    nearest = interpolate(low, scale_factor=float(able.factor), mode="nearest")
    return Enlarged(nearest, bicubic(low, able.factor).clamp(0, 1), ours, torch.cat(parts))


def feature_distance(x: Tensor, truth: Tensor, by: FeatureExtractor) -> Tensor:
    """Euclidean distance between the features of each picture and its truth, (N, C, H, W) -> (N,)."""
    return torch.linalg.vector_norm(by(x) - by(truth), dim=1)


def measures(by: FeatureExtractor) -> Mapping[str, Measure]:
    """Functions of pictures and their truth, (N, C, H, W) each, that give a mean and its standard error."""
    return {
        "enlarged-psnr": lambda x, truth: mean_and_error(psnr(x, truth)),
        "enlarged-ssim": lambda x, truth: mean_and_error(_ssim(x, truth)),
        "enlarged-sharpness": relative_sharpness,
        "enlarged-distance": lambda x, truth: mean_and_error(feature_distance(x, truth, by)),
    }


def compute(model: Model, source: Source, evaluation: Evaluation) -> Answer:
    """Every measure of the model's pictures, with those of bicubic and of nearest pixels beside it."""
    truth, by = spread(source, evaluation.split, evaluation.limit).x, extractor(source, evaluation, model.device)
    found = enlarged(model, truth, evaluation.batch_size, evaluation.seed)
    factor, taps = cast(Enlarges, model).factor, window(min(source.spec.shape[1:]))
    what = {
        "enlarged-psnr": "mean peak signal-to-noise ratio in dB",
        "enlarged-ssim": f"structural similarity, Gaussian window of {taps} x {taps}, sigma 1.5,",
        "enlarged-sharpness": "mean gradient, as a multiple of the truth's,",
        "enlarged-distance": f"mean Euclidean distance from the truth in features ({by.protocol})",
    }
    how = f"of pictures made {factor} times smaller a side (bicubic, antialiased) and enlarged; "
    how += describe(source, evaluation.split, len(truth), evaluation.limit)

    def measured(name: str, measure: Measure) -> Result:
        others = {way: measure(getattr(found, way), found.truth) for way in ("bicubic", "nearest")}
        rows = {way: {"value": value, "error": error} for way, (value, error) in others.items()}
        note = {"note": NOTE} if name == "enlarged-sharpness" else {}
        details = {"seed": evaluation.seed, "references": rows, **note}
        return Result(*measure(found.model, found.truth), len(truth), f"{what[name]} {how}", details)

    return {name: attempt(partial(measured, name, measure)) for name, measure in measures(by).items()}


def _ssim(x: Tensor, truth: Tensor) -> Tensor:
    return torch.cat([ssim(*pair) for pair in zip(x.split(1_000), truth.split(1_000), strict=True)])


ENLARGEMENT = Metric(
    "enlargement", "enlarged pictures beside the truth: psnr, ssim, sharpness, distance of features", "", None,
    Enlarges, compute, applies=lambda source: len(source.spec.shape) == 3 and source.spec.bounded,
    rows={
        "enlarged-psnr": "higher", "enlarged-ssim": "higher", "enlarged-sharpness": None,
        "enlarged-distance": "lower",
    },
)  # fmt: skip
