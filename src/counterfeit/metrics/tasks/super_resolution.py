"""How well pictures that were made small are upscaled: beside the truth, and beside bicubic and nearest pixels.

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

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Upscales, require
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.upscaling import upscaled
from counterfeit.metrics.base import Answer, Metric, Result, attempt
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.features.reference import extractor
from counterfeit.metrics.image.sharpness import NOTE, relative_sharpness
from counterfeit.metrics.image.ssim import ssim, window
from counterfeit.metrics.representation.reconstruction import psnr

__all__ = ["SUPER_RESOLUTION", "feature_distance", "measures"]

Measure = Callable[[Tensor, Tensor], tuple[float, float | None]]


def feature_distance(x: Tensor, truth: Tensor, by: FeatureExtractor) -> Tensor:
    """Euclidean distance between the features of each picture and its truth, (N, C, H, W) -> (N,)."""
    return torch.linalg.vector_norm(by(x) - by(truth), dim=1)


def measures(by: FeatureExtractor) -> Mapping[str, Measure]:
    """Functions of pictures and their truth, (N, C, H, W) each, that give a mean and its standard error."""
    return {
        "upscaled-psnr": lambda x, truth: mean_and_error(psnr(x, truth)),
        "upscaled-ssim": lambda x, truth: mean_and_error(_ssim(x, truth)),
        "upscaled-sharpness": relative_sharpness,
        "upscaled-distance": lambda x, truth: mean_and_error(feature_distance(x, truth, by)),
    }


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """Every measure of the model's pictures, with those of bicubic and of nearest pixels beside it."""
    truth, by = (
        evenly_spaced(source, evaluation.split, evaluation.max_examples).x,
        extractor(source, evaluation, model.device),
    )
    found = upscaled(model, truth, evaluation.batch_size, evaluation.seed)
    factor, taps = require(model, Upscales).factor, window(min(source.spec.shape[1:]))
    what = {
        "upscaled-psnr": "mean peak signal-to-noise ratio in dB",
        "upscaled-ssim": f"structural similarity, Gaussian window of {taps} x {taps}, sigma 1.5,",
        "upscaled-sharpness": "mean gradient, as a multiple of the truth's,",
        "upscaled-distance": f"mean Euclidean distance from the truth in features ({by.protocol})",
    }
    how = f"of pictures made {factor} times smaller a side (bicubic, antialiased) and enlarged; "
    how += describe(source, evaluation.split, len(truth), evaluation.max_examples)

    def measured(name: str, measure: Measure) -> Result:
        others = {"bicubic": found.bicubic, "nearest": found.nearest}
        return Result(
            *measure(found.model, found.truth), len(truth), f"{what[name]} {how}", {"seed": evaluation.seed},
            references={way: Estimate(*measure(x, found.truth)) for way, x in others.items()},
            note=NOTE if name == "upscaled-sharpness" else "",
        )  # fmt: skip

    return {name: attempt(partial(measured, name, measure)) for name, measure in measures(by).items()}


def _ssim(x: Tensor, truth: Tensor) -> Tensor:
    return torch.cat([ssim(*pair) for pair in zip(x.split(1_000), truth.split(1_000), strict=True)])


SUPER_RESOLUTION = Metric(
    "super-resolution", "enlargement of pictures beside the truth: psnr, ssim, sharpness, distance of features", "",
    None,
    Upscales, compute, applies=lambda source: len(source.spec.shape) == 3 and source.spec.bounded,
    rows={
        "upscaled-psnr": "higher", "upscaled-ssim": "higher", "upscaled-sharpness": None,
        "upscaled-distance": "lower",
    },
)  # fmt: skip
