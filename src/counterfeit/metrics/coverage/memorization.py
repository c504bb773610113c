"""Whether a model copies its training data: samples that lie nearer to it than new data do.

Distances alone say nothing; held-out data, which cannot have been copied, give the scale.

References:
    A Non-Parametric Test to Detect Data-Copying in Generative Models, Meehan et al., 2020 (arXiv 2004.05675).
    How Faithful is your Synthetic Data?, Alaa, van Breugel, Saveliev & van der Schaar, 2022 (arXiv 2102.08921).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import Neighbours, kmeans, mean_and_error, nearest
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Examples, Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.coverage.nearest_neighbours import nearest_examples
from counterfeit.metrics.stats.proportions import exceeding, interval, share
from counterfeit.metrics.stats.rank_tests import exceedance, mann_whitney

__all__ = ["MEMORIZATION", "Copying", "authentic", "data_copying", "near_copies", "ratio"]

QUERIES = 1_000  # samples, and held-out examples, at most whose neighbours are sought
FITTED = 10_000  # training examples at most that are cut into cells
CELLS = 5
FEWEST = 20  # of either in a cell that is compared
QUANTILE = 0.05  # of held-out data: what singles out a training example as clearly is a near copy
FLAG = 3.0  # z score beyond which a warning is given
RARE = 0.00135  # p value below which one is: as rare as that z score


class Copying(NamedTuple):
    """The test for data-copying: negative where samples lie nearer to the training data than held-out data do.

    Arguments:
        c_t: mean z score of the cells by their share of held-out data, C_T of the paper.
        z: the same, scaled to be standard normal where nothing is copied.
        cells: number of cells that held enough of both.
    """

    c_t: float
    z: float
    cells: int


def data_copying(samples: Tensor, held_out: Tensor, cells: Tensor, held_out_cells: Tensor) -> Copying:
    """Compare distances to the nearest training example within each cell (Meehan et al., section 3.2).

    Where no cell holds 20 of both, all are compared at once.

    Arguments:
        samples: distances of samples, (N,).
        held_out: distances of held-out data, (M,).
        cells: the cell of each sample, int64 (N,).
        held_out_cells: the cell of each held-out example, int64 (M,).
    """
    scores, shares = [], []
    for cell in held_out_cells.unique().tolist():
        ours, theirs = samples[cells == cell], held_out[held_out_cells == cell]
        if min(len(ours), len(theirs)) >= FEWEST:
            scores.append(mann_whitney(ours, theirs))
            shares.append(len(theirs))
    if not scores:
        scores, shares = [mann_whitney(samples, held_out)], [len(held_out)]
    total = sum(share * score for share, score in zip(shares, scores, strict=True))
    return Copying(total / sum(shares), total / math.hypot(*shares), len(scores))


def authentic(near: Neighbours, own: Tensor) -> Tensor:
    """Whether each sample is farther from its nearest training example than that is from the other ones, bool (N,).

    Arguments:
        near: nearest training examples of each sample, (N, k).
        own: distance from that training example to its nearest other one, (N,).
    """
    return near.distances[:, 0] > own


def near_copies(samples: Tensor, held_out: Tensor) -> tuple[float, float]:
    """Share of samples that single out one training example as 5 % of held-out data do, and the p value of as many.

    What counts is the distance to the nearest training example over that to the second nearest: a copy has none, while
    a blurred picture, which is near to everything, is about as far from both. The p value is exact: how probable that
    share, or a larger one, is of samples of the same law as the held-out data.

    Arguments:
        samples: both distances of samples, (N, 2).
        held_out: both distances of held-out data, (M, 2).
    """
    ours, theirs = (d[:, 0] / d[:, 1].clamp(min=1e-12) for d in (samples, held_out))
    rank = math.ceil(QUANTILE * len(theirs))
    bar = theirs.sort().values[rank - 1]
    count, below = int((ours <= bar).sum()), int((theirs <= bar).sum())
    if below > rank:  # values repeat: the next one bounds them
        rank = below + 1
    return count / len(ours), exceeding(count, len(ours), rank, len(theirs)) if rank <= len(theirs) else 1.0


def ratio(samples: Tensor, held_out: Tensor) -> tuple[float | None, float | None]:
    """Mean distance of `samples`, (N,), over that of `held_out`, (M,), and its standard error.

    None where all held-out data lie on training data, and for the error where either is one alone.
    """
    (a, of_a), (b, of_b) = mean_and_error(samples), mean_and_error(held_out)
    error = None if of_a is None or of_b is None or not b else math.hypot(of_a / b, a * of_b / b**2)
    return a / b if b else None, error


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """How often a sample lies nearer to the training data than a held-out example: 1/2 is ideal, 1 are copies."""
    samples = draw_samples(model, min(evaluation.samples, QUERIES), evaluation.seed, evaluation.batch_size)
    held_out, train = evenly_spaced(source, evaluation.split, QUERIES, device=samples.device).x, source.split("train")
    with seeded(evaluation.seed):  # random transforms draw as examples are read
        near, theirs = nearest_examples(samples, train, 2), nearest_examples(held_out, train, 2)
        found, details, warnings = _compare(samples, held_out, near, theirs, train)
    what = f"how often one of {len(samples)} samples is nearer to train than one spread over held-out data, Euclidean"
    protocol = f"{what}; train n={len(train)}; {describe(source, evaluation.split, len(held_out))}"
    return Result.of(
        found, protocol, details | {"seed": evaluation.seed}, warnings=warnings
    )  # fmt: skip


def _compare(
    samples: Tensor, held_out: Tensor, near: Neighbours, theirs: Neighbours, train: Examples
) -> tuple[Estimate, dict[str, Any], tuple[str, ...]]:
    """How often samples are nearer, what else says so, and what to beware of."""
    ours, scale = near.distances[:, 0].cpu(), theirs.distances[:, 0].cpu()
    first = train.first(FITTED).x.to(samples.device).flatten(1).float()
    centres = kmeans(first, min(CELLS, len(first)))
    cells, others = (nearest(x.flatten(1).float(), centres).indices[:, 0].cpu() for x in (samples, held_out))
    copying = data_copying(ours, scale, cells, others)
    copied, p = near_copies(near.distances.cpu(), theirs.distances.cpu())
    authenticity, reference = (share(authentic(n, _own(n, train))) for n in (near, theirs))
    (value, error), (quotient, deviation) = exceedance(scale, ours), ratio(ours, scale)
    nearer = Estimate(value, error, len(samples), *interval(value, min(len(ours), len(scale)), error))
    details: dict[str, Any] = {
        "c_t": copying.c_t, "z": copying.z, "cells": copying.cells,
        "ratio": quotient, "ratio_error": deviation, "near_copies": copied, "near_copies_p": p,
        "authenticity": authenticity.value, "authenticity_low": authenticity.low,
        "authenticity_high": authenticity.high, "authenticity_held_out": reference.value,
    }  # fmt: skip
    return nearer, details, _warnings(copying.z, copied, p)


def _own(near: Neighbours, train: Examples) -> Tensor:
    """Distance from each sample's nearest training example to its own nearest other one, (N,)."""
    found, back = near.indices[:, 0].unique(return_inverse=True)
    return nearest_examples(train[found].x.to(near.distances.device), train, k=2).distances[:, 1][back]


def _warnings(z: float, copied: float, p: float) -> tuple[str, ...]:
    reasons = []
    if p < RARE:
        reasons.append(f"{copied:.0%} of samples look copied, near to one training example only (p = {p:.1g})")
    if z < -FLAG:
        reasons.append(f"samples are nearer to training data than new data are (z = {z:.1f}): copied, or blurred")
    return tuple(reasons)


MEMORIZATION = Metric(
    "memorization", "how often samples are nearer to training data than new data", "", None, Samples, compute
)
