"""How well codes keep what they encode: decoded codes beside the data.

References:
    Image Quality Assessment: From Error Visibility to Structural Similarity, Wang, Bovik, Sheikh & Simoncelli, 2004.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import mean_and_error, mean_squared_error
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.encoding import Reconstructs, encode, reconstruct
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.image.ssim import ssim, window
from counterfeit.metrics.representation.principal_components import pca

__all__ = ["RECONSTRUCTION", "psnr"]

PERFECT = 100.0  # dB, of images that are equal
FITTED, WIDE = 20_000, 2_000  # training examples at most that PCA sees, and those of more values than the latter


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each pair of images in [0, 1] in dB, 100 at most, (B, *shape) -> (B,).

    Example:
        >>> psnr(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.1)).round()
        tensor([20.])
    """
    return -10 * mean_squared_error(x, y).clamp(min=10 ** (-PERFECT / 10)).log10()


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Mapping[str, Result]:
    """Mean squared error; in dB, and structural similarity, where the data are images; beside each that of PCA."""
    x = evenly_spaced(source, evaluation.split, evaluation.max_examples, device=model.device).x
    y = reconstruct(model, x, evaluation.batch_size, evaluation.seed)
    linear = _linear(x, source, encode(model, x[:1]).shape[1])
    protocol = f"data and their decoded codes; {describe(source, evaluation.split, len(x), evaluation.max_examples)}"
    details: dict[str, Any] = {"seed": evaluation.seed}

    def measured(what: str, measure: Callable[[Tensor, Tensor], Tensor]) -> Result:
        beside = {"pca": Estimate(*mean_and_error(measure(x, linear)), len(x))}
        return Result(
            *mean_and_error(measure(x, y)), len(x), f"{what} of {protocol}", details, references=beside
        )  # fmt: skip

    found = {"mse": measured("mean squared error", mean_squared_error)}
    if source.spec.bounded:
        found["psnr"] = measured("mean peak signal-to-noise ratio in dB", psnr)
    if source.spec.bounded and len(source.spec.shape) == 3:
        taps = window(min(source.spec.shape[1:]))
        found["ssim"] = measured(f"structural similarity, Gaussian window of {taps} x {taps}, sigma 1.5,", _ssim)
    return found


def _linear(x: Tensor, source: Source, size: int) -> Tensor:
    """Reconstructions of `x`, (N, *shape), by as many principal components of training examples as a code has numbers.

    Values of bounded data are kept in their range, as those of a decoder are.
    """
    train = evenly_spaced(source, "train", FITTED if source.spec.dims <= WIDE else WIDE, device=x.device).x
    y = pca(train, size).reconstruct(x)
    return source.spec.within(y)


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([ssim(*pair) for pair in zip(x.split(1_000), y.split(1_000), strict=True)])


RECONSTRUCTION = Metric(
    "reconstruction", "how near decoded codes are to the data: mse, psnr, ssim", "", None, Reconstructs, compute,
    rows={"mse": "lower", "psnr": "higher", "ssim": "higher"},
)  # fmt: skip
