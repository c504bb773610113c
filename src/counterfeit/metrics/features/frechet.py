"""The Fréchet distance between Gaussians fitted to features; with Inception's, the Fréchet Inception distance.

References:
    GANs Trained by a Two Time-Scale Update OptimizerSettings Converge to a Local Nash Equilibrium, Heusel et al., 2017
        (arXiv 1706.08500).
    The Fréchet Distance between Multivariate Normal Distributions, Dowson & Landau, 1982.
    Effectively Unbiased FID and Inception Score and Where to Find Them, Chong & Forsyth, 2020 (arXiv 1911.07023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import alike, check_finite
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced, halves, spaced
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.features.reference import (
    Moments,
    Statistics,
    beside,
    compare,
    halves_of_real,
    moments,
    real,
    shared_extractor,
)
from counterfeit.metrics.stats.half_sampling import half_sampled

__all__ = ["FID", "compute", "frechet_distance", "frechet_error", "gaussian_distance", "unseen_distance"]

EPS = 1e-12  # singular values below this fraction of the largest tell nothing of a map
NOTE = "biased upwards by few examples: compare at equal numbers only"


def gaussian_distance(p: Moments, q: Moments) -> float:
    """Squared Fréchet distance ‖μ - ν‖² + tr(S + T - 2 (S T)^½) between N(μ, S) and N(ν, T).

    With S = Aᵀ A and T = Bᵀ B, the trace of (S T)^½ is the sum of the singular values of A Bᵀ. What lies below the
    rounding of the traces is 0.

    Example:
        >>> eye = torch.eye(3).double()
        >>> gaussian_distance(Moments(torch.zeros(3).double(), eye), Moments(torch.ones(3).double(), 2 * eye))
        6.0
    """
    return _value(p, q, torch.linalg.svdvals(p.root @ q.root.t()))


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Squared Fréchet distance between Gaussians fitted to features `x`, (N, d), and `y`, (M, d), in float64.

    Example:
        >>> x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
        >>> round(frechet_distance(x, x + 2), 6)
        12.0
    """
    x, y = check(x, y)
    return gaussian_distance(moments(x), moments(y))


def frechet_error(x: Tensor, y: Tensor, p: Moments, q: Moments) -> tuple[float, float]:
    """The distance between features `x`, (N, d), and `y`, (M, d), and its standard error by the delta method.

    With S = Aᵀ A, T = Bᵀ B and A Bᵀ = U Λ Wᵀ, the map of N(μ, S) to N(ν, T) is x ↦ H Hᵀ x for H = Bᵀ W Λ^-½; an example
    x contributes 2 (μ - ν)·x + ‖x‖² - ‖Hᵀ x‖² about its mean, and one of `y` likewise with Aᵀ U Λ^-½.

    Arguments:
        x: features.
        y: features.
        p: moments of `x`.
        q: moments of `y`.
    """
    u, values, w = torch.linalg.svd(p.root @ q.root.t(), full_matrices=False)
    kept = values > EPS * values.amax()  # none where one of them is constant
    scale = values[kept].sqrt()
    there, back = (q.root.t() @ w.t()[:, kept]) / scale, (p.root.t() @ u[:, kept]) / scale  # (d, r)
    gap = p.mean - q.mean
    squares = _variance(x, p.mean, gap, there) / len(x) + _variance(y, q.mean, -gap, back) / len(y)
    return _value(p, q, values), math.sqrt(squares)


def check(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one type, or a ValueError unless they are finite features of at least two examples, of one size."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"features of shapes {tuple(x.shape)} and {tuple(y.shape)} came; (N, d) and (M, d) with N, M >= 2 are "
            "expected. Use one extractor for both, and take more samples."
        )
    for features in (x, y):
        check_finite(features, "features")
    return alike(x, y)


def compute(model: Generator, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None) -> Result:
    """Fréchet distance between samples and the split; beside it, with the test split, that of training examples."""
    found = compare(model, source, evaluation, chosen)
    value, error = _measured(found.samples, found.real, evaluation.resamples)
    n, d = found.samples.shape
    few = min(n, len(found.real.features))
    biased = f"{few} examples for {d} features are few: the distance is biased upwards"
    tested = evaluation.split == "test"
    references = beside("fid", found, _reached) | halves_of_real("fid", found, _reached) if tested else {}
    return Result(
        value, error, n, f"Fréchet distance; {found.protocol}", {"dims": d, "seed": evaluation.seed},
        references=references, warnings=(biased,) if few < 10 * d else (), note=NOTE,
    )  # fmt: skip


def _reached(x: Tensor, y: Tensor) -> Estimate:
    return Estimate(frechet_distance(x, y), n=len(x))


def unseen_distance(
    model: Generator, source: Source, evaluation: Evaluation, images: Mapping[str, Tensor], what: str
) -> Result | str:  # fmt: skip
    """Distance of images made of held-out ones to other held-out ones; beside it, that of as many training examples.

    An image that is made of one among those it is compared with would seem nearer than it is. So those of which nothing
    is made are the reference; where they would be fewer than half of the split, one random half of it is, and what is
    made of the other is compared with it.

    Arguments:
        model: what made them.
        source: the data.
        evaluation: of which split, by which features.
        images: one made of each of N evenly spaced examples of the split, (N, *shape), as "", and others by name.
        what: they are, in words.

    Returns:
        Why there is none, where either half has fewer than two images.
    """
    held = len(source.split(evaluation.split))
    mine, others = _apart(spaced(len(images[""]), held), held)
    if min(int(mine.sum()), len(others), evaluation.max_examples or held) < 2:
        return f"{len(images[''])} images of {held} held-out ones leave fewer than two in a half; take more"
    by = shared_extractor(source, evaluation, model.device)
    reference = real(source, evaluation.split, evaluation.max_examples, by, others)
    features = {name: by(x[mine.to(x.device)]) for name, x in images.items()}
    n, m = int(mine.sum()), len(reference.features)
    features["real"] = by(evenly_spaced(source, "train", n, evaluation.seed).x)
    value, error = _measured(features.pop(""), reference, evaluation.resamples)
    rows = {name: _reached(some, reference.features) for name, some in features.items()}
    data = f"to {m} images of which none is made; {describe(source, evaluation.split, n)}"
    protocol = f"Fréchet distance of {what}, {data}; {by.protocol}"
    return Result(value, error, n, protocol, references=rows, note=NOTE)


def _apart(made: Tensor, held: int) -> tuple[Tensor, Tensor]:
    """Which of `made`, positions (N,) of `held`, to take, bool (N,), and positions to compare them with, int64 (M,)."""
    unused = torch.ones(held, dtype=torch.bool).index_fill(0, made, False).nonzero()[:, 0]
    if 2 * len(unused) >= held:
        return torch.ones_like(made, dtype=torch.bool), unused
    first, second = halves(held)
    return torch.isin(made, first), second


def _measured(x: Tensor, reference: Statistics, resamples: int) -> tuple[float, float | None]:
    x, y = check(x, reference.features)
    if min(len(x), len(y)) <= x.shape[1]:  # singular covariances have no delta method
        return frechet_distance(x, y), half_sampled(frechet_distance, x, y, resamples)
    return frechet_error(x, y, moments(x), reference.moments or moments(y))


def _value(p: Moments, q: Moments, overlaps: Tensor) -> float:
    traces = float(p.root.square().sum() + q.root.square().sum())
    apart = traces - 2 * float(overlaps.sum())
    rounding = 4 * torch.finfo(torch.float64).eps * p.root.shape[1] * traces
    return float((p.mean - q.mean).square().sum()) + (apart if apart > rounding else 0.0)


def _variance(x: Tensor, mean: Tensor, gap: Tensor, half_map: Tensor) -> float:
    """Variance of what each example contributes."""
    parts = []
    for rows in x.split(4_096):
        centred = rows.double() - mean
        mapped = (centred @ half_map).square().sum(1)
        parts.append(2 * centred @ gap + centred.square().sum(1) - mapped)
    return float(torch.cat(parts).var())


FID = Metric("fid", "Fréchet distance between features of samples and data", "", "lower", Samples, compute)
