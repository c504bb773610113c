"""The Fréchet distance of infinitely many examples, which fewer and fewer of them point to.

References:
    Effectively Unbiased FID and Inception Score and Where to Find Them, Chong & Forsyth, 2020 (arXiv 1911.07023).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.features.frechet import check, frechet_distance, frechet_error
from counterfeit.metrics.features.reference import beside, compare, moments

__all__ = ["FID_INFINITY", "compute", "distance_of_all"]

PARTS = 4  # at most that samples, and real examples, are cut into
FEWEST = 2  # examples of a part for each feature: with fewer the bias is no line in 1/n


def distance_of_all(x: Tensor, y: Tensor) -> tuple[float, float]:
    """The Fréchet distance that ever more of features `x`, (N, d), and `y`, (M, d), tend to, and its standard error.

    The bias of a distance is a line in 1/n (section 3). So both are cut into k parts, for k from 1 to 4, and the mean
    distance of parts, a line in k, is followed to k = 0. Parts share no example and together hold all, so what
    examples add to the distance to first order is the same for every k and enters the error but once; beside it stands
    that of the fitted line.

    Parts are drawn at random, always the same, for data may be sorted, or alternate as MNIST's writers do.

    Arguments:
        x: features of samples.
        y: features of real examples.

    Raises:
        ValueError: for fewer than eight examples for each feature of either.

    Example:
        >>> x, y = torch.randn(2, 1_000, 8, generator=torch.Generator().manual_seed(0))
        >>> value, error = distance_of_all(x, y)
        >>> abs(value) < 3 * error
        True
    """
    x, y = check(x, y)
    few = min(len(x), len(y))
    if few < PARTS * max(2, FEWEST * x.shape[1]):
        least = PARTS * max(2, FEWEST * x.shape[1])
        raise ValueError(
            f"{few} examples of {x.shape[1]} features came; {least} at least of both are expected to see how the "
            "distance falls with their number. Take more, or other features."
        )
    whole, error = frechet_error(x, y, moments(x), moments(y))
    x, y = (some[torch.randperm(len(some), generator=torch.Generator().manual_seed(0))] for some in (x, y))
    counts = torch.arange(1, PARTS + 1, dtype=torch.float64)
    means = [whole, *(_of_parts(x, y, k) for k in range(2, PARTS + 1))]
    design = torch.stack([torch.ones_like(counts), counts], 1)
    spread = torch.linalg.inv(design.t() @ design)
    line = spread @ design.t() @ torch.tensor(means, dtype=torch.float64)
    left = torch.tensor(means, dtype=torch.float64) - design @ line
    variance = float(left.square().sum()) / (PARTS - 2) * float(spread[0, 0])
    return float(line[0]), math.hypot(error, math.sqrt(variance))


def _of_parts(x: Tensor, y: Tensor, k: int) -> float:
    return sum(frechet_distance(x[i::k], y[i::k]) for i in range(k)) / k


def compute(model: Generator, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None) -> Result:
    """Distance that ever more samples and real examples tend to; beside it that of training examples."""
    found = compare(model, source, evaluation, chosen)
    value, error = distance_of_all(found.samples, found.real.features)
    details = {"dims": found.samples.shape[1], "seed": evaluation.seed}
    references = beside("fid-infinity", found, _reached) if evaluation.split == "test" else {}
    protocol = f"Fréchet distance, followed from 1 to {PARTS} parts to infinitely many examples; {found.protocol}"
    return Result(value, error, len(found.samples), protocol, details, references=references)


def _reached(x: Tensor, y: Tensor) -> Estimate:
    return Estimate(*distance_of_all(x, y), len(x))


FID_INFINITY = Metric("fid-infinity", "Fréchet distance that ever more samples tend to", "", "lower", Samples, compute)
