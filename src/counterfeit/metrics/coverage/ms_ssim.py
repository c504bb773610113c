"""Multi-scale structural similarity of pairs of samples of one class: how alike they are, so how little they vary.

References:
    Multiscale Structural Similarity for Image Quality Assessment, Wang, Simoncelli & Bovik, 2003.
    Conditional Image Synthesis with Auxiliary Classifier GANs, Odena, Olah & Shlens, 2017 (arXiv 1610.09585).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from counterfeit.common.estimate import Estimate
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.extractors import rounded
from counterfeit.metrics.features.reference import compare, drawn
from counterfeit.metrics.image.ssim import TAPS, ssim_parts, window

__all__ = ["MS_SSIM", "WEIGHTS", "compute", "ms_ssim", "pairs", "scales"]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of five scales, fine to coarse
BATCH = 500  # pairs compared at once


def scales(side: int) -> int:
    """How many of the five scales images of `side` pixels have: as long as the window fits, one at least.

    Example:
        >>> [scales(side) for side in (8, 28, 32, 64, 176)]
        [1, 2, 2, 3, 5]
    """
    return max(1, min(len(WEIGHTS), 1 + int(math.log2(max(1.0, side / TAPS)))))


def ms_ssim(x: Tensor, y: Tensor, levels: int | None = None) -> Tensor:
    """Multi-scale SSIM of each pair of images in [0, 1], (B, C, H, W), averaged over channels: (B,).

    Contrast and structure are compared at every scale, luminance at the coarsest; negative similarities count as 0.
    With fewer than five scales, the weights of the first ones are scaled to sum to 1.

    Arguments:
        x: images.
        y: as many of the same shape.
        levels: number of scales, each half the size of the one before; as many as fit where None.

    Example:
        >>> x = torch.rand(2, 1, 28, 28)
        >>> ms_ssim(x, x)
        tensor([1., 1.])
    """
    levels = levels or scales(min(x.shape[2:]))
    if not 1 <= levels <= len(WEIGHTS):
        raise ValueError(f"levels={levels} came; 1 to {len(WEIGHTS)} are expected. Leave it out for as many as fit.")
    total = sum(WEIGHTS[:levels])
    similarity = torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
    for level, weight in enumerate(WEIGHTS[:levels], 1):
        whole, contrast = ssim_parts(x, y)
        similarity = similarity * (whole if level == levels else contrast).relu() ** (weight / total)
        odd = [side % 2 for side in x.shape[2:]]
        x, y = (avg_pool2d(image, 2, padding=odd) for image in (x, y))
    return similarity.mean(1)


def pairs(y: Tensor, classes: int) -> list[tuple[Tensor, Tensor]]:
    """Positions of disjoint pairs of the same label, first and second, for each of `classes`.

    Example:
        >>> [(a.tolist(), b.tolist()) for a, b in pairs(torch.tensor([0, 1, 0, 1, 1]), 2)]
        [([0], [2]), ([1], [3])]
    """
    members = (torch.where(y == c)[0] for c in range(classes))
    return [(own[: len(own) // 2 * 2 : 2], own[1 : len(own) // 2 * 2 : 2]) for own in members]


def within(x: Tensor, y: Tensor, classes: int) -> tuple[float, float | None, list[float | None]]:
    """Mean over classes of the mean MS-SSIM of pairs within one; its standard error; the mean of each class.

    Classes without a pair are left out. Pairs are disjoint, so they are independent; the spread of a class with one
    pair is taken to be that of the others, and where there are no others there is no error.
    """
    found = [_similarities(x, *pair) for pair in pairs(y, classes)]
    present = [values for values in found if len(values)]
    if not present:
        raise ValueError(f"{len(x)} images without two of one class came; pairs are expected. Take more samples.")
    means = [float(values.mean()) if len(values) else None for values in found]
    free = sum(len(values) - 1 for values in present)
    squares = sum(float((values - values.mean()).square().sum()) for values in present)
    spread = [float(v.var()) if len(v) > 1 else squares / max(1, free) for v in present]
    error = math.sqrt(sum(s / len(v) for s, v in zip(spread, present, strict=True))) / len(present) if free else None
    return sum(float(values.mean()) for values in present) / len(present), error, means


def _similarities(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """MS-SSIM of the images at positions `first` and `second`, in float64."""
    parts = [ms_ssim(x[a], x[b]) for a, b in zip(first.split(BATCH), second.split(BATCH), strict=True) if len(a)]
    return torch.cat([torch.zeros(0, dtype=torch.float64), *(part.double() for part in parts)])


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Similarity within classes of samples and, beside it, of the split; data without labels are one class."""
    samples, pictures = drawn(model, source, evaluation)
    spec = pictures.spec
    if len(spec.shape) != 3 or not spec.bounded:
        raise ValueError(f"{source.name} holds examples of shape {spec.shape}; ms-ssim expects pictures. Leave it out.")
    labels, classes, by = torch.zeros(len(samples), dtype=torch.int64), 1, "one class"
    if spec.classes > 1:
        weights = evaluation.weights if evaluation.features in {"auto", "classifier"} else None
        found = compare(model, source, replace(evaluation, features="classifier", weights=weights))
        labels, classes = found.extractor.log_probs(found.samples).argmax(1), spec.classes
        by = f"{classes} classes by {found.extractor.protocol}"
    value, error, means = within(rounded(samples).cpu(), labels, classes)
    references = {}
    x, y = evenly_spaced(pictures, evaluation.split, evaluation.max_examples)
    y = labels.new_zeros(len(x)) if y is None or classes == 1 else y
    if int(torch.bincount(y).max()) > 1:  # a split with one picture of each class has no pairs
        of_real, deviation, _ = within(rounded(x), y, classes)
        references["real"] = Estimate(of_real, deviation, len(x))
    what = f"{_described(spec.shape)}; {by}; {len(samples)} samples"
    data = describe(pictures, evaluation.split, len(x), evaluation.max_examples)
    return Result(
        value, error, len(samples), f"{what}; {data}",
        {"seed": evaluation.seed} | ({"classes": means} if classes > 1 else {}),
        references=references
    )  # fmt: skip


def _described(shape: tuple[int, ...]) -> str:
    side = min(shape[1:])
    return f"MS-SSIM, {scales(side)} of {len(WEIGHTS)} scales, window {window(side)}; disjoint pairs within a class"


def _pictured(source: Source) -> bool:
    return any(len(spec.shape) == 3 and spec.bounded for spec in (source.spec, source.raw.spec))


MS_SSIM = Metric(
    "ms-ssim", "similarity of samples of one class: low where they vary", "", None, Samples, compute, applies=_pictured
)
