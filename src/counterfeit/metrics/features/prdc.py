"""Precision and recall, density and coverage: where samples lie among the neighbourhoods of real examples.

A neighbourhood is the ball around a point that reaches its k-th nearest neighbour of the same kind.

References:
    Improved Precision and Recall Metric for Assessing Generative Models, Kynkäänniemi et al., 2019 (arXiv 1904.06991).
    Reliable Fidelity and Diversity Metrics for Generative Models, Naeem et al., 2020 (arXiv 2002.09797).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.source import Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.features.frechet import check
from counterfeit.metrics.features.knn import close, neighbours, sure
from counterfeit.metrics.features.prdc_counts import Half, Tally
from counterfeit.metrics.features.reference import Compared, Numbers, compare, numbers_beside
from counterfeit.metrics.shared import once
from counterfeit.metrics.stats.half_sampling import half_samples
from counterfeit.metrics.stats.proportions import interval

__all__ = ["COVERAGE", "DENSITY", "PRDC", "PRECISION", "RECALL", "compute", "expected_coverage", "prdc"]

BALLS, WIDE = 3, 5  # neighbours of precision and recall, and of density and coverage
NEIGHBOURS = {"precision": BALLS, "recall": BALLS, "density": WIDE, "coverage": WIDE}
EXPECTED = "expected of equal distributions"
FEW = 1_000
SUMMARIES = {
    "precision": "fraction of samples within a neighbourhood of the data",
    "recall": "fraction of data within a neighbourhood of the samples",
    "density": "neighbourhoods of the data that a sample lies in, 1 for equal distributions",
    "coverage": "fraction of the data's neighbourhoods that hold a sample",
}


def prdc(
    real: Tensor, fake: Tensor, k: int = BALLS, wide: int = WIDE, resamples: int = 0, seed: int = 0
) -> dict[str, Estimate]:
    """Precision, recall, density and coverage of features `fake`, (M, d), among `real`, (N, d).

    Distances are products of centred features in float32, tile by tile, or in float64 where rounding could hide a
    neighbour, as in tight clusters far apart. Pairs too near to a radius are decided by differences in float64, so the
    counts are those of exact distances throughout. Errors are deviations between halves of both, see `resampling`. That
    of density, a mean over samples, adds the variance that samples bring to the one that real examples bring, see
    `tallies`: in many dimensions, where a few real examples lie near many samples, halves show too little of both.

    Arguments:
        real: features of real examples, N > k.
        fake: features of samples, M > k.
        k: neighbours of precision and recall.
        wide: neighbours of density and coverage.
        resamples: random halves behind the errors; 0 for none.
        seed: of the halves.

    Example:
        >>> x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
        >>> {name: round(score.value, 2) for name, score in prdc(x, x).items()}
        {'precision': 1.0, 'recall': 1.0, 'density': 1.0, 'coverage': 1.0}
    """
    real, fake = check(real, fake)
    if min(len(real), len(fake)) <= max(k, wide):
        raise ValueError(
            f"{len(real)} real examples and {len(fake)} samples came; more than {max(k, wide)} of each are expected, "
            "as there are that many neighbours. Take more."
        )
    near_real, near_fake = neighbours(real, max(k, wide)), neighbours(fake, k)
    if not (sure(real, near_real, min(k, wide)) and sure(real, near_real, max(k, wide)) and sure(fake, near_fake, k)):
        real, fake = real.double(), fake.double()
        near_real, near_fake = neighbours(real, max(k, wide)), neighbours(fake, k)
    whole = Tally(real, fake, near_real, near_fake, k, wide)
    parts = [Half(near_real, near_fake, i, j, k, wide) for i, j in half_samples(len(real), len(fake), resamples, seed)]
    tallies: list[Tally | Half] = [whole, *parts]
    limits = (torch.stack(each).amax(0) for each in zip(*(tally.limits for tally in tallies), strict=True))
    for pairs in close(real, fake, *limits):
        for tally in tallies:
            tally.add(pairs)
    errors = _errors(whole, parts) if resamples > 1 else [None] * 4
    return {name: Estimate(v, e) for name, v, e in zip(SUMMARIES, whole.scores(), errors, strict=True)}


def _errors(whole: Tally, parts: Sequence[Half]) -> list[float]:
    """Of precision, recall, density and coverage."""
    precision, recall, coverage = torch.tensor([half.scores() for half in parts], dtype=torch.float64).std(0).tolist()
    by_real = statistics.fmean(half.variance() for half in parts)
    return [precision, recall, math.sqrt(whole.variance() + max(0.0, by_real)), coverage]


def expected_coverage(n: int, m: int, k: int = WIDE) -> float:
    """Coverage that `m` samples reach in expectation among `n` real examples of the same distribution.

    Example:
        >>> round(expected_coverage(10_000, 10_000), 4)
        0.9688
    """
    return 1 - math.prod((n - i) / (m + n - i) for i in range(1, k + 1))


def compute(
    model: Generator, source: Source, evaluation: Evaluation, chosen: FeatureExtractor | None = None
) -> dict[str, Result]:
    """All four by name; beside them, with the test split, those of training examples."""
    found = compare(model, source, evaluation, chosen)
    how = (evaluation.samples, evaluation.seed, evaluation.batch_size, evaluation.resamples)
    key = ("prdc", model, *how, found.protocol)
    return once(key, lambda: _results(found, evaluation))


def _results(found: Compared, evaluation: Evaluation) -> dict[str, Result]:
    real, fake = found.real.features, found.samples
    scores = prdc(real, fake, resamples=evaluation.resamples, seed=evaluation.seed)
    few = f"{len(real)} real examples and {len(fake)} samples are few: neighbourhoods are wide"
    warnings = (few,) if min(len(real), len(fake)) < FEW else ()
    rows: dict[str, Numbers] = {}
    if evaluation.split == "test":
        rows = numbers_beside("prdc", found, lambda x, y: {name: score.value for name, score in prdc(y, x).items()})
    results = {}
    for name, score in scores.items():
        k, n = NEIGHBOURS[name], len(real) if name in {"recall", "coverage"} else len(fake)
        expected = {EXPECTED: expected_coverage(len(real), len(fake))} if name == "coverage" else {}
        references = {who: Estimate(row[name], n=int(row["n"])) for who, row in rows.items()}
        results[name] = Result.of(
            _of(name, score, n), f"{name}, k={k} neighbours; {found.protocol}",
            {"seed": evaluation.seed, **expected}, references=references, warnings=warnings
        )  # fmt: skip
    return results


def _of(name: str, score: Estimate, n: int) -> Estimate:
    """The score of `n` points; with its interval, where it is a share of them."""
    ends = (None, None) if name == "density" else interval(score.value, n, score.error)
    return Estimate(score.value, score.error, n, *ends)


def _one(name: str, model: Generator, source: Source, evaluation: Evaluation) -> Result:
    return compute(model, source, evaluation)[name]


def _metric(name: str) -> Metric:
    return Metric(name, SUMMARIES[name], "", "higher", Samples, partial(_one, name))


PRECISION, RECALL, DENSITY, COVERAGE = (_metric(name) for name in SUMMARIES)
PRDC = Metric(
    "prdc", "precision, recall, density and coverage at once", "", None, Samples, compute,
    rows=dict.fromkeys(SUMMARIES, "higher"),
)  # fmt: skip
