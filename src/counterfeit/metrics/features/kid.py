"""The kernel distance: squared maximum mean discrepancy of features under a cubic polynomial kernel, without bias.

References:
    Demystifying MMD GANs, Bińkowski, Sutherland, Arbel & Gretton, 2018 (arXiv 1801.01401).
    A Kernel Two-Sample Test, Gretton et al., 2012.
    Unbiased Estimators for the Variance of MMD Estimators, Sutherland & Deka, 2019 (arXiv 1906.02104).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.features.frechet import check
from counterfeit.metrics.features.reference import beside, compare

__all__ = ["KID", "compute", "kernel_distance"]

STEEP = 1e4  # kernels beyond which float64 is taken; features of mean square 1 have 8 on average
ROWS = 640  # of a tile: small ones waste less of the diagonal, smaller ones more of the matrix product


class Sums(NamedTuple):
    """Of a kernel matrix: sums of its rows and of its columns, and the sum of its squares."""

    rows: Tensor
    columns: Tensor
    squares: float


def kernel_distance(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Unbiased squared maximum mean discrepancy under (x·y/d + 1)³, and its standard error.

    The error is that of a U-statistic: the variance of the first-order terms, and that of the second-order ones, which
    is all there is where both distributions are the same.

    Arguments:
        x: features (N, d), N >= 2.
        y: features (M, d), M >= 2.

    Example:
        >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> value, error = kernel_distance(x[:100], x[100:])
        >>> abs(value) < 3 * error
        True
    """
    x, y = check(x, y)
    n, m = len(x), len(y)
    if _steep(x) or _steep(y):
        x, y = x.double(), y.double()
    xx, yy, xy = _within(x), _within(y), _between(x, y)
    value = float(xx.rows.sum() / (n * (n - 1)) + yy.rows.sum() / (m * (m - 1)) - 2 * xy.rows.sum() / (n * m))
    a = xx.rows / (n - 1) - xy.rows / m  # (N,): how much nearer each point of x is to x than to y
    b = yy.rows / (m - 1) - xy.columns / n
    second = 2 * _interaction(xx, n - 1, n - 1) / n**2 + 2 * _interaction(yy, m - 1, m - 1) / m**2
    second += 4 * _interaction(xy, m, n) / (n * m)
    # the variances of a and b hold the second-order terms once too often
    total = 4 * float(a.var()) / n + 4 * float(b.var()) / m - second
    return value, math.sqrt(max(total, second))


def _steep(x: Tensor) -> bool:
    """Whether kernels of `x`, (N, d), are so large, as outliers' are, that float32 loses what they differ by."""
    return x.device.type != "mps" and _most(x) ** 3 > STEEP  # mps has no float64


def _most(x: Tensor) -> float:
    """Cube root of the largest kernel of any of `x`, (N, d)."""
    return float(torch.linalg.vector_norm(x, dim=1).double().square().max()) / x.shape[1] + 1


def _within(x: Tensor) -> Sums:
    """Of points with each other but themselves: the tiles on and above the diagonal, since the matrix is symmetric."""
    rows, squares = x.new_zeros(len(x), dtype=torch.float64), 0.0
    for i in range(0, len(x), ROWS):
        for j in range(i, len(x), ROWS):
            kernel = _kernel(x[i : i + ROWS], x[j : j + ROWS])
            if i == j:
                kernel.fill_diagonal_(0)
            else:
                rows[j : j + ROWS] += kernel.sum(0, dtype=torch.float64)
            rows[i : i + ROWS] += kernel.sum(1, dtype=torch.float64)
            squares += _squares(kernel) * (1 if i == j else 2)
    return Sums(rows, rows, squares)


def _between(x: Tensor, y: Tensor) -> Sums:
    rows, columns = (points.new_zeros(len(points), dtype=torch.float64) for points in (x, y))
    squares = 0.0
    for i in range(0, len(x), ROWS):
        for j in range(0, len(y), ROWS):
            kernel = _kernel(x[i : i + ROWS], y[j : j + ROWS])
            rows[i : i + ROWS] += kernel.sum(1, dtype=torch.float64)
            columns[j : j + ROWS] += kernel.sum(0, dtype=torch.float64)
            squares += _squares(kernel)
    return Sums(rows, columns, squares)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    base = torch.addmm(x.new_ones(()), x, y.t(), alpha=1 / x.shape[1])
    return base.mul_(base.square())


def _squares(kernel: Tensor) -> float:
    return float(torch.linalg.vector_norm(kernel, dim=1).double().square().sum())  # 40x faster than square().sum()


def _interaction(sums: Sums, per_row: int, per_column: int) -> float:
    """Mean square of a kernel without its mean and the effects of its rows and columns."""
    rows = sums.rows / per_row
    columns = sums.columns / per_column
    mean = float(rows.mean())
    square = sums.squares / (len(rows) * per_row)
    return max(0.0, square - float(rows.square().mean()) - float(columns.square().mean()) + mean**2)


def compute(model: Generator, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None) -> Result:
    """Kernel distance between samples and the split; beside it, with the test split, that of training examples."""
    found = compare(model, source, evaluation, chosen)
    value, error = kernel_distance(found.samples, found.real.features)
    if error > _most(found.real.features) ** 3:
        raise ValueError(
            f"{value:.3g} ± {error:.3g} came, more than real examples differ by: it is that of a few samples far off. "
            "Finite samples near the data are expected. Evaluate an earlier checkpoint."
        )
    n = len(found.samples)
    references = beside("kid", found, _reached) if evaluation.split == "test" else {}
    protocol = f"kernel distance, (x·y/d + 1)³, unbiased; {found.protocol}"
    return Result(value, error, n, protocol, {"seed": evaluation.seed}, references=references)


def _reached(x: Tensor, y: Tensor) -> Estimate:
    return Estimate(*kernel_distance(x, y), len(x))


KID = Metric("kid", "kernel distance between features of samples and data", "", "lower", Samples, compute)
