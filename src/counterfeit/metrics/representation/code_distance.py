"""Whether codes of data are distributed like the prior, as decoded draws of it are to be like data.

References:
    A Kernel Two-Sample Test, Gretton, Borgwardt, Rasch, Schölkopf & Smola, 2012.
    Adversarial Autoencoders, Makhzani et al., 2015 (arXiv 1511.05644): the aggregated posterior.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import squared_distances
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, require
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating
from counterfeit.inference.encoding import Reconstructs, encode
from counterfeit.metrics.base import Metric, Result

__all__ = ["CODE_DISTANCE", "TwoSamples", "two_samples"]

CODES = 1_000  # of either kind at most
PERMUTATIONS = 500
WIDTHS = (1.0, 0.5, 0.25)  # of kernels, in median distances: wide ones see means, narrow ones shapes


class TwoSamples(NamedTuple):
    """What a kernel two-sample test finds.

    Arguments:
        value: unbiased squared maximum mean discrepancy; 0 in expectation where both distributions are the same.
        spread: its standard deviation where points are dealt to the two samples at random.
        p: share of such deals with a discrepancy as large.
    """

    value: float
    spread: float
    p: float


def two_samples(x: Tensor, y: Tensor, seed: int = 0, permutations: int = PERMUTATIONS) -> TwoSamples:
    """Squared maximum mean discrepancy of points (n, D) and (n, D), as many, under Gaussian kernels.

    Their bandwidths are the median distance of all points, its half and its quarter, and the kernel is the mean of the
    three, so that the value lies between 0 and 2, but for noise, and is the same at any scale.

    Example:
        >>> x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
        >>> two_samples(x[:100], x[100:]).p > 0.05, two_samples(x[:100], x[100:] + 1).p < 0.01
        (True, True)
    """
    if x.shape != y.shape or len(x) < 2:
        raise ValueError(f"shapes {tuple(x.shape)} and {tuple(y.shape)} came; equal ones of 2 rows are expected.")
    both, n = torch.cat([x, y]).double(), len(x)
    distances = torch.cat([*squared_distances(both, both)]).clamp(min=0)
    median = distances[~torch.eye(2 * n, dtype=torch.bool, device=both.device)].median().clamp(min=1e-30)
    kernels = [(-distances / (2 * median * width**2)).exp() for width in WIDTHS]
    kernel = torch.stack(kernels).mean(0).fill_diagonal_(0)
    deals = torch.rand(permutations, 2 * n, generator=torch.Generator().manual_seed(seed)).argsort(1) < n
    first = torch.cat([torch.arange(2 * n)[None] < n, deals]).to(kernel)  # (1 + permutations, 2 n), 1 where in x
    within = ((first @ kernel) * first).sum(1)
    row = (first @ kernel.sum(1)) - within  # between
    other = kernel.sum() - within - 2 * row
    found = (within + other) / (n * (n - 1)) - 2 * row / n**2
    p = (1 + int((found[1:] >= found[0]).sum())) / (1 + permutations)
    return TwoSamples(float(found[0]), float(found[1:].std()), p)


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """The discrepancy of codes of data and draws of the prior."""
    x = evenly_spaced(source, evaluation.split, min(CODES, evaluation.max_examples or CODES), device=model.device).x
    z, able = encode(model, x, evaluation.batch_size, evaluation.seed), require(model, Reconstructs)
    with evaluating(model, evaluation.seed):
        one, other = able.prior(len(z)), able.prior(len(z))
    found, floor = two_samples(z, one, evaluation.seed), two_samples(other, one, evaluation.seed)
    what = f"squared maximum mean discrepancy of codes and as many draws of the prior, {z.shape[1]} numbers each"
    how = "mean of Gaussian kernels of 1, 1/2 and 1/4 of the median distance"
    protocol = f"{what}, {how}; {describe(source, evaluation.split, len(x))}"
    return Result(
        found.value, found.spread, len(x), protocol, {"p": found.p, "seed": evaluation.seed},
        references={"prior": Estimate(floor.value, floor.spread, len(z))},
    )  # fmt: skip


CODE_DISTANCE = Metric(
    "code-distance", "how far codes of data are from draws of the prior (kernel two-sample test)", "", "lower",
    Reconstructs, compute,
)  # fmt: skip
