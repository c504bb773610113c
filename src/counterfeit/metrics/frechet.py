"""The Fréchet distance between Gaussians fitted to features; with Inception's, the Fréchet Inception distance.

References:
    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, Heusel et al., 2017
        (arXiv 1706.08500).
    The Fréchet Distance between Multivariate Normal Distributions, Dowson & Landau, 1982.
    Effectively Unbiased FID and Inception Score and Where to Find Them, Chong & Forsyth, 2020 (arXiv 1911.07023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from counterfeit.core import Model, Samples
from counterfeit.data.source import Source
from counterfeit.metrics.features import FeatureExtractor
from counterfeit.metrics.metric import Evaluation, Metric, Result
from counterfeit.metrics.reference import (
    Moments,
    Statistics,
    compare,
    floor,
    moments,
    real,
    shared_extractor,
)
from counterfeit.metrics.resampling import half_sampled
from counterfeit.metrics.sampling import describe, load, spaced

__all__ = ["FID", "compute", "frechet_distance", "frechet_error", "gaussian_distance", "unseen_distance"]

EPS = 1e-10  # eigenvalues below this fraction of the largest are rounding
NOTE = "biased upwards by few examples: compare at equal numbers only"


def gaussian_distance(p: Moments, q: Moments) -> float:
    """Squared Fréchet distance ‖μ - ν‖² + tr(S + T - 2 (S T)^½) between N(μ, S) and N(ν, T).

    Example:
        >>> eye = torch.eye(3).double()
        >>> gaussian_distance(Moments(torch.zeros(3).double(), eye), Moments(torch.ones(3).double(), 4 * eye))
        6.0
    """
    root, _ = _root(p.covariance)
    overlap = torch.linalg.eigvalsh(root.t() @ q.covariance @ root)
    return _value(p, q, float(overlap.clamp(min=0).sqrt().sum()))


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Squared Fréchet distance between Gaussians fitted to features `x`, (N, d), and `y`, (M, d), in float64.

    Where there are fewer points than features, tr (S T)^½ is the nuclear norm of the product of the centred features,
    which takes no d x d matrix.

    Example:
        >>> x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
        >>> round(frechet_distance(x, x + 2), 6)
        12.0
    """
    check(x, y)
    if min(len(x), len(y)) > x.shape[1]:
        return gaussian_distance(moments(x), moments(y))
    (x_mean, x), (y_mean, y) = (_centred(points) for points in (x, y))
    overlap = torch.linalg.svdvals(x @ y.t()).sum() / math.sqrt((len(x) - 1) * (len(y) - 1))
    traces = x.square().sum() / (len(x) - 1) + y.square().sum() / (len(y) - 1)
    return max(0.0, float((x_mean - y_mean).square().sum() + traces - 2 * overlap))


def frechet_error(x: Tensor, y: Tensor, p: Moments, q: Moments) -> tuple[float, float]:
    """The distance between features `x`, (N, d), and `y`, (M, d), and its standard error by the delta method.

    With S = A Aᵀ and Aᵀ T A = U Λ Uᵀ, the map of N(μ, S) to N(ν, T) is x ↦ A⁻ᵀ U Λ^½ Uᵀ A⁻¹ x; an example x
    contributes 2 (μ - ν)·x + ‖x‖² - ‖Λ^¼ Uᵀ A⁻¹ x‖² about its mean, and one of `y` likewise with the inverse map.

    Arguments:
        x: features.
        y: features.
        p: moments of `x`.
        q: moments of `y`.
    """
    root, inverse = _root(p.covariance)
    values, vectors = torch.linalg.eigh(root.t() @ q.covariance @ root)
    kept = values > EPS * values[-1]
    fourth, vectors = values[kept] ** 0.25, vectors[:, kept]
    there, back = (inverse.t() @ vectors) * fourth, (root @ vectors) / fourth  # (d, r)
    gap = p.mean - q.mean
    squares = _variance(x, p.mean, gap, there) / len(x) + _variance(y, q.mean, -gap, back) / len(y)
    return _value(p, q, float(fourth.square().sum())), math.sqrt(squares)


def check(x: Tensor, y: Tensor) -> None:
    """Raise a ValueError unless both are features of at least two examples, of one size."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"features of shapes {tuple(x.shape)} and {tuple(y.shape)} came; (N, d) and (M, d) with N, M >= 2 are "
            "expected. Use one extractor for both, and take more samples."
        )


def compute(
    model: Model, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None
) -> Result:
    """Fréchet distance between samples and the split; beside it, with the test split, that of training examples."""
    found = compare(model, source, evaluation, chosen)
    value, error = _measured(found.samples, found.real, evaluation.bootstrap)
    n, d = found.samples.shape
    details: dict[str, Any] = {"dims": d, "seed": evaluation.seed}
    if min(n, len(found.real.features)) < 10 * d:
        few = min(n, len(found.real.features))
        details["warning"] = f"{few} examples for {d} features are few: the distance is biased upwards"
    if evaluation.split == "test":
        (value_of_real,) = floor("fid", found, lambda train, real: [frechet_distance(train, real)])
        details["references"] = {"real": {"value": value_of_real}}
    details["note"] = NOTE
    return Result(value, error, n, f"Fréchet distance; {found.protocol}", details)


def unseen_distance(
    model: Model, source: Source, evaluation: Evaluation, images: Mapping[str, Tensor], what: str
) -> Result | None:  # fmt: skip
    """Distance of images made of held-out ones to other held-out ones; beside it, that of as many training examples.

    An image that is made of one among those it is compared with would seem nearer than it is. So those at odd positions
    of the split are the reference, and what is made of those at even positions is compared with them.

    Arguments:
        model: what made them.
        source: the data.
        evaluation: of which split, by which features.
        images: one made of each of N evenly spaced examples of the split, (N, *shape), as "", and others by name.
        what: they are, in words.

    Returns:
        None where either half has fewer than two images.
    """
    held = len(source.split(evaluation.split))
    even = spaced(len(images[""]), range(held)) % 2 == 0
    if min(int(even.sum()), held // 2, evaluation.limit or held) < 2:
        return None
    by = shared_extractor(source, evaluation, model.device)
    reference = real(source, evaluation.split, evaluation.limit, by, range(1, held, 2))
    features = {name: by(x[even.to(x.device)]) for name, x in images.items()}
    n, m = int(even.sum()), len(reference.features)
    features["real"] = by(load(source, "train", n, evaluation.seed).x)
    value, error = _measured(features.pop(""), reference, evaluation.bootstrap)
    rows = {name: {"value": frechet_distance(some, reference.features)} for name, some in features.items()}
    data = f"made of those at even positions, to {m} at odd ones; {describe(source, evaluation.split, n)}"
    protocol = f"Fréchet distance of {what}, {data}; {by.protocol}"
    return Result(value, error, n, protocol, {"references": rows, "note": NOTE})


def _measured(x: Tensor, reference: Statistics, resamples: int) -> tuple[float, float | None]:
    y = reference.features
    check(x, y)
    if min(len(x), len(y)) <= x.shape[1]:  # singular covariances have no delta method
        return frechet_distance(x, y), half_sampled(frechet_distance, x, y, resamples)
    return frechet_error(x, y, moments(x), reference.moments or moments(y))


def _root(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """A, (d, r), with A Aᵀ the covariance, (d, d), of rank r, and its pseudo-inverse, (r, d)."""
    values, vectors = torch.linalg.eigh(covariance)  # float64: a matrix square root loses digits in float32
    kept = values > EPS * values[-1]
    scale, vectors = values[kept].sqrt(), vectors[:, kept]
    return vectors * scale, (vectors / scale).t()


def _value(p: Moments, q: Moments, overlap: float) -> float:
    means = float((p.mean - q.mean).square().sum())
    return max(0.0, means + float(p.covariance.trace() + q.covariance.trace()) - 2 * overlap)


def _variance(x: Tensor, mean: Tensor, gap: Tensor, half_map: Tensor) -> float:
    """Variance of what each example contributes; in float32, since an error needs few digits."""
    parts = []
    for rows in x.split(4_096):
        centred = (rows - mean).float()
        mapped = (centred @ half_map.float()).square().sum(1)
        parts.append(2 * centred @ gap.float() + centred.square().sum(1) - mapped)
    return float(torch.cat(parts).double().var())


def _centred(x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.double()
    return x.mean(0), x - x.mean(0)


FID = Metric("fid", "Fréchet distance between features of samples and data", "", "lower", Samples, compute)
